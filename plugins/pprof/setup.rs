//! Reads `pprof [ADDRESS] { block [RATE] }`.

use super::{PATH, Profiler};
use crate::endpoint::{Endpoint, read_address};
use corefile::Diagnostic;
use plugin_api::{Args, Property, Setup, go, read_block};
use std::sync::Arc;

/// Where it listens unless told.
const DEFAULT_ADDRESS: &str = "localhost:6053";

/// The properties. The configuration is where `block` stood, to warn of it.
const PROPERTIES: &[Property<Option<Diagnostic>>] = &[Property::new("block", 0..=1, block)];

/// `block [RATE]`: a profile of Go's runtime; read, and said to be without effect.
fn block(place: &mut Option<Diagnostic>, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    if !args.values.is_empty() && go::int(args.get(0)).is_err() {
        return Err(args.err_at(0, format!("property 'block' invalid integer value '{}'", args.get(0))));
    }
    *place = Some(args.input.err("'block' has no effect: there is no Go runtime to profile; remove the line"));
    Ok(())
}

/// Sets the plugin up.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    let mut address = DEFAULT_ADDRESS.to_owned();
    let (mut seen, mut said) = (false, None);
    while setup.input.next() {
        if std::mem::replace(&mut seen, true) {
            return Err(setup.once());
        }
        read_address(setup, &mut address, |setup, error| setup.input.err(error))?;
        read_block(&mut setup.input, &mut said, PROPERTIES)?;
    }
    if let Some(warning) = said {
        setup.warn(warning);
    }
    let endpoint = Endpoint::at(setup, &address, PATH);
    setup.manage(Arc::new(Profiler(endpoint)));
    Ok(())
}
