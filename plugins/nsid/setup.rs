//! Reads `nsid [DATA...]`.

use super::handler::Nsid;
use crate::hostname::hostname;
use corefile::{Diagnostic, Token};
use plugin_api::Setup;
use std::sync::Arc;

/// Appends the handler.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    let mut words = Vec::new();
    let mut is_first = true;
    while setup.input.next() {
        if !std::mem::take(&mut is_first) {
            return Err(setup.once());
        }
        words = setup.input.remaining_args();
    }
    let data = match words.as_slice() {
        [] => hostname(),
        words => words.iter().map(Token::as_str).collect::<Vec<_>>().join(" "),
    };
    setup.push(Arc::new(Nsid { data: data.into_bytes().into() }));
    Ok(())
}
