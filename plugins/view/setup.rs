//! Reads `view NAME { expr EXPRESSION... }`.

use super::expression::{Program, QueryEnvironment};
use super::handler::Filter;
use corefile::{Diagnostic, Token};
use plugin_api::link::{MetadataProvider, View};
use plugin_api::property::{Args, Property, read_block};
use plugin_api::{Handler, Setup};
use std::sync::Arc;

/// The properties.
const PROPERTIES: &[Property<Vec<Program>>] = &[Property::new("expr", 0..=usize::MAX, expr)];

/// Appends the handler and offers the view to the server.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    let (mut name, mut programs) = (String::new(), Vec::new());
    let mut is_first = true;
    while setup.input.next() {
        if !std::mem::take(&mut is_first) {
            return Err(setup.once());
        }
        match setup.input.remaining_args().as_slice() {
            [word] => word.as_str().clone_into(&mut name),
            _ => return Err(setup.input.arg_err()),
        }
        read_block(&mut setup.input, &mut programs, PROPERTIES)?;
    }
    let filter = Arc::new(Filter { name, programs });
    setup.push(Arc::clone(&filter) as Arc<dyn Handler>);
    setup.offer(Arc::clone(&filter) as Arc<dyn View>);
    setup.offer(filter as Arc<dyn MetadataProvider>);
    Ok(())
}

/// Reads `expr`; its words are one expression.
fn expr(programs: &mut Vec<Program>, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    let text = args.values.iter().map(Token::as_str).collect::<Vec<_>>().join(" ");
    let program = Program::compile(&text, &QueryEnvironment::scope(false));
    programs.push(program.map_err(|error| args.plain_at(0, error.to_string()))?);
    Ok(())
}
