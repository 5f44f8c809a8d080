//! Reads `any`.

use super::handler::Any;
use corefile::Diagnostic;
use plugin_api::Setup;
use plugin_api::property::unknown;
use std::sync::Arc;

/// Appends the handler.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    setup.input.next();
    if setup.input.next_arg() {
        return Err(setup.input.arg_err());
    }
    if setup.input.next_block() {
        return Err(unknown(&setup.input, std::iter::empty()));
    }
    setup.push(Arc::new(Any));
    Ok(())
}
