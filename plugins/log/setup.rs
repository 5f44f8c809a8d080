//! Reads `log [NAMES...] [FORMAT] { class CLASS... }`.

use super::format::Format;
use super::handler::{Log, Rule};
use crate::reply_kind::Class;
use corefile::{Diagnostic, Kind, Token};
use plugin_api::property::{Args, Property, read_block};
use plugin_api::{Setup, Zone};
use std::sync::Arc;

/// The properties.
const PROPERTIES: &[Property<Vec<Choice>>] = &[Property::new("class", 1..=usize::MAX, class)];

/// One word of `class`; none stands for `all`.
type Choice = Option<Class>;

/// Appends the handler.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    let mut rules = Vec::new();
    while setup.input.next() {
        let args = setup.input.remaining_args();
        let (names, format) = split(&args);
        let mut choices = Vec::new();
        read_block(&mut setup.input, &mut choices, PROPERTIES)?;
        let classes: Option<Arc<[Class]>> = choices.into_iter().collect::<Option<Vec<_>>>().map(Into::into);
        let classes = classes.filter(|classes| !classes.is_empty());
        let format = Arc::new(format);
        let rule = |zone| Rule { zone, format: Arc::clone(&format), classes: classes.clone() };
        match names {
            [] => rules.push(rule(Some(Zone::root()))),
            names => rules.extend(names.iter().map(|name| rule(Zone::from_text(name).ok()))),
        }
    }
    setup.push(Arc::new(Log { rules, clock: setup.process.clock.clone() }));
    Ok(())
}

/// Names and format. A single argument is always a name, of several the last is the format if it has a brace.
fn split(args: &[Token]) -> (&[Token], Format) {
    match args.split_last() {
        Some((last, names)) if !names.is_empty() && last.contains('{') => (names, Format::parse(last)),
        _ => (args, Format::default()),
    }
}

/// Reads `class`.
fn class(choices: &mut Vec<Choice>, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    for (index, word) in args.values.iter().enumerate() {
        choices.push(match word.as_str() {
            "all" => None,
            "success" => Some(Class::Success),
            "denial" => Some(Class::Denial),
            "error" => Some(Class::Error),
            other => {
                let error = args.err_at(index, format!("invalid Class: {other}"));
                let near = corefile::suggest(other, ["all", "success", "denial", "error"]);
                return Err(Diagnostic { kind: Kind::Plain, ..error }.with_suggestion(near));
            }
        });
    }
    Ok(())
}
