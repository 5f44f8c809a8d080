//! Reads `debug`.

use corefile::Diagnostic;
use plugin_api::Setup;

/// Sets the block's switch.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    while setup.input.next() {
        if setup.input.next_arg() {
            return Err(setup.input.arg_err());
        }
        setup.block.settings.debug = true;
    }
    Ok(())
}
