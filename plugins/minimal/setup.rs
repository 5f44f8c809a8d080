//! Reads `minimal`.

use super::handler::Minimal;
use corefile::Diagnostic;
use plugin_api::Setup;
use std::sync::Arc;

/// Appends the handler.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    setup.input.next();
    if setup.input.next_arg() {
        return Err(setup.input.arg_err());
    }
    setup.push(Arc::new(Minimal { clock: setup.process.clock.clone() }));
    Ok(())
}
