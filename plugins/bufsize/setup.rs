//! Reads `bufsize [SIZE]`.

use super::handler::Bufsize;
use corefile::Diagnostic;
use corefile::args::go_int;
use plugin_api::Setup;
use std::sync::Arc;

/// The size without argument (DNS flag day 2020).
const DEFAULT: u16 = 1232;

/// Appends the handler. Only the first directive of a block counts, as in CoreDNS.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    setup.input.next();
    let args = setup.input.remaining_args();
    let size = match args.as_slice() {
        [] => Some(DEFAULT),
        [word] => go_int(word).ok().filter(|size| (512..=4096).contains(size)).and_then(|size| size.try_into().ok()),
        _ => None,
    };
    // CoreDNS's error has the prefix twice.
    let size = size.ok_or_else(|| setup.input.arg_err().with_prefix("plugin/bufsize"))?;
    setup.push(Arc::new(Bufsize { size }));
    Ok(())
}
