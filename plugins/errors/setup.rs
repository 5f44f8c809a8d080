//! Reads `errors [stdout] { stacktrace; consolidate DURATION REGEXP [LEVEL] [show_first] }`.

use super::consolidate::{Level, Pattern, Patterns};
use super::handler::Errors;
use crate::pattern::compile;
use corefile::args::go_duration;
use corefile::{Diagnostic, Token};
use plugin_api::{Lifecycle, Setup};
use std::sync::Arc;

/// Longest regular expression in octets, as CoreDNS.
const MAX_PATTERN: usize = 10_000;

/// Appends the handler; its timers live as long as the configuration.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    let mut patterns = Vec::new();
    let mut is_first = true;
    while setup.input.next() {
        if !std::mem::take(&mut is_first) {
            return Err(setup.once());
        }
        match setup.input.remaining_args().as_slice() {
            [] => {}
            [file] if *file == "stdout" => {}
            [file] => return Err(setup.input.err(format!("invalid log file: {file}"))),
            _ => return Err(setup.input.arg_err()),
        }
        while setup.input.next_block() {
            match setup.input.val() {
                "stacktrace" => setup.block.settings.stacktrace = true,
                "consolidate" => patterns.push(consolidate(setup)?),
                other => return Err(setup.input.syntax_err(&format!("Unknown field {other}"))),
            }
        }
    }
    let patterns = Arc::new(Patterns::new(patterns));
    if !patterns.is_empty() {
        setup.manage(Arc::clone(&patterns) as Arc<dyn Lifecycle>);
    }
    setup.push(Arc::new(Errors { patterns }));
    Ok(())
}

/// Reads the arguments of `consolidate`.
fn consolidate(setup: &mut Setup<'_>) -> Result<Pattern, Diagnostic> {
    let args = setup.input.remaining_args();
    let (period, text, options) = match args.as_slice() {
        [period, text, options @ ..] if options.len() <= 2 => (period, text, options),
        _ => return Err(setup.input.arg_err()),
    };
    let input = &setup.input;
    let at = |token: &Token, message: String| input.err(message).pointing_at(token.span, input.sources());
    let period = go_duration(period).map_err(|error| at(period, error))?;
    if text.len() > MAX_PATTERN {
        return Err(at(text, format!("regex pattern too long: {} > {MAX_PATTERN}", text.len())));
    }
    let regex = compile(text).map_err(|error| at(text, error))?;
    let (level, shows_first) = self::options(options, at)?;
    Ok(Pattern::new(period, regex, level, shows_first))
}

/// The level and whether the first error is shown; the level comes first.
fn options(options: &[Token], at: impl Fn(&Token, String) -> Diagnostic) -> Result<(Level, bool), Diagnostic> {
    let (mut level, mut shows_first) = (None, false);
    for option in options {
        match (Level::from_name(option), level) {
            (Some(_), Some(_)) => return Err(at(option, "multiple log levels specified in consolidate".to_owned())),
            (Some(_), None) if shows_first => {
                return Err(at(option, "log level must come before show_first in consolidate".to_owned()));
            }
            (Some(named), None) => level = Some(named),
            (None, _) if *option == "show_first" => shows_first = true,
            (None, _) => return Err(at(option, format!("unknown option in consolidate: {option}"))),
        }
    }
    Ok((level.unwrap_or(Level::Error), shows_first))
}
