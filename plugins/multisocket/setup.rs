//! Reads `multisocket [SOCKETS]`.

use corefile::Diagnostic;
use corefile::args::go_int;
use plugin_api::Setup;

/// Most sockets for an address, as in CoreDNS.
const MAX: usize = 1024;

/// Sets the number of the block.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    setup.input.next();
    let args = setup.input.remaining_args();
    if args.len() > 1 || setup.input.next() {
        return Err(setup.input.arg_err());
    }
    setup.block.settings.sockets = match args.first() {
        None => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        Some(word) => {
            let number = go_int(word).map_err(|error| setup.plain(format!("invalid num sockets: {error}")))?;
            match usize::try_from(number) {
                Ok(number @ 1..=MAX) => number,
                Ok(number) if number > MAX => {
                    return Err(setup.plain(format!("num sockets exceeds maximum ({MAX}): {number}")));
                }
                _ => return Err(setup.plain(format!("num sockets can not be zero or negative: {number}"))),
            }
        }
    };
    Ok(())
}
