//! Reads `chaos [VERSION [AUTHORS...]]`.

use super::handler::Chaos;
use crate::hostname::hostname;
use corefile::{Diagnostic, Token};
use plugin_api::Setup;
use plugin_api::property::unknown;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What is said of the program: its true name and version.
const VERSION: &str = concat!("ferrodns-", env!("CARGO_PKG_VERSION"));
/// Who is said to have written it.
const AUTHORS: &[&str] = &["The ferrodns authors"];

/// Appends the handler. Only the first directive of a block counts, as in CoreDNS.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    setup.input.next();
    let args = setup.input.remaining_args();
    if setup.input.next_block() {
        return Err(unknown(&setup.input, std::iter::empty()));
    }
    let version = args.first().map_or(VERSION, Token::as_str);
    let authors: BTreeSet<&str> = match args.get(1..) {
        Some(named) if !named.is_empty() => named.iter().map(Token::as_str).collect(),
        _ => AUTHORS.iter().copied().collect(),
    };
    setup.block.settings.any_class = true;
    setup.push(Arc::new(Chaos {
        version: version.as_bytes().into(),
        authors: authors.iter().map(|author| author.as_bytes().into()).collect(),
        hostname: hostname().into_bytes().into(),
    }));
    Ok(())
}
