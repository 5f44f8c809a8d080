//! Reads `cancel [DURATION]`.

use super::handler::Cancel;
use corefile::args::{go_quote, go_signed_duration};
use corefile::{Diagnostic, Token};
use plugin_api::Setup;
use std::sync::Arc;
use std::time::Duration;

/// The time without argument: just above that of clients, which wait five seconds.
const DEFAULT: Duration = Duration::from_millis(5001);

/// Appends the handler; of several directives the last counts.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    let mut timeout = DEFAULT;
    while setup.input.next() {
        timeout = match setup.input.remaining_args().as_slice() {
            [] => DEFAULT,
            [word] => read(setup, word)?,
            _ => return Err(setup.input.arg_err()),
        };
    }
    setup.push(Arc::new(Cancel { timeout, clock: setup.process.clock.clone() }));
    Ok(())
}

/// A duration above zero.
fn read(setup: &Setup<'_>, word: &Token) -> Result<Duration, Diagnostic> {
    match go_signed_duration(word) {
        Err(_) => Err(setup.plain(format!("invalid duration: {}", go_quote(word)))),
        Ok(duration) if duration.nanos <= 0 => {
            Err(setup.plain(format!("invalid negative duration: {}", go_quote(word))))
        }
        Ok(duration) => Ok(duration.or_zero()),
    }
}
