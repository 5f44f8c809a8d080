//! Plugin `transfer`: hands whole zones out over AXFR and IXFR (RFC 5936, RFC 1995 §4) and tells secondaries of changes
//! (RFC 1996). See [README](README.md). The zones come from other plugins of the block.

mod handler;
mod notify;
mod setup;
#[cfg(test)]
mod tests;

use plugin_api::{Name, Plugin, Zones};
use std::net::{IpAddr, SocketAddr};

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "transfer", setup: setup::setup };

/// To whom some zones may be transferred.
#[derive(Debug)]
struct Rule {
    zones: Zones,
    /// Anyone may have them (`*`).
    is_open: bool,
    /// Who may have them, and where NOTIFY is sent.
    to: Vec<SocketAddr>,
    /// Where NOTIFY is sent from.
    source: Option<IpAddr>,
}

/// The rule for a name: that of the longest zone; of equal ones the first.
fn rule_for<'a>(rules: &'a [Rule], name: &Name) -> Option<&'a Rule> {
    let matches = rules.iter().filter_map(|rule| Some((rule.zones.find(name)?.name().label_count(), rule)));
    matches.rev().max_by_key(|(labels, _)| *labels).map(|(_, rule)| rule)
}
