//! From the directive `loop` to a handler.

use super::detector::Detector;
use super::handler::Loop;
use corefile::Diagnostic;
use plugin_api::{Setup, Zone};
use std::sync::Arc;

/// Sets up the detector of one server block.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    setup.input.next();
    if setup.input.next_arg() {
        return Err(setup.input.arg_err());
    }
    if setup.input.next() {
        return Err(setup.once());
    }
    let root = [Zone::root()];
    let zones = setup.block.zones.as_slice();
    let zones = if zones.is_empty() { &root } else { zones };
    let detector = Arc::new(Detector::new(zones, Arc::clone(&setup.process.control)));
    let linked = Arc::clone(&detector);
    setup.on_link(move |block| {
        linked.link(block.servers, block.addresses);
        Ok(())
    });
    setup.push(Arc::new(Loop(Arc::clone(&detector))));
    setup.manage(detector);
    Ok(())
}
