//! Reads `local { localhost_prefix on|off }`.

use super::handler::Local;
use super::metrics::localhost_requests;
use corefile::Diagnostic;
use corefile::args::go_quote;
use plugin_api::Setup;
use plugin_api::property::{Args, Property, read_block};
use std::sync::Arc;

/// The properties; the configuration is whether names that begin with `localhost.` are local.
const PROPERTIES: &[Property<bool>] = &[Property::new("localhost_prefix", 1..=1, localhost_prefix)];

/// Appends the handler.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    let mut has_prefix = true;
    while setup.input.next() {
        if !setup.input.remaining_args().is_empty() {
            return Err(setup.input.arg_err());
        }
        read_block(&mut setup.input, &mut has_prefix, PROPERTIES)?;
    }
    setup.push(Arc::new(Local::new(has_prefix, localhost_requests(&setup.process.metrics))));
    Ok(())
}

/// Reads `localhost_prefix`.
fn localhost_prefix(has_prefix: &mut bool, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    *has_prefix = match args.get(0) {
        "on" => true,
        "off" => false,
        other => {
            let text = format!("localhost_prefix expects 'on' or 'off', got {}", go_quote(other));
            return Err(args.err_at(0, text));
        }
    };
    Ok(())
}
