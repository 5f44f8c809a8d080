//! Every plugin of ferrodns, in the order a query meets them.
//!
//! A new plugin is a folder, a line `mod name;` and a line in [`PLUGINS`].

mod acl;
mod any;
mod auto;
mod autopath;
mod bind;
mod bufsize;
mod cache;
mod cancel;
mod chaos;
mod debug;
mod dns64;
mod erratic;
mod errors;
mod file;
mod forward;
mod header;
mod health;
mod hosts;
mod k8s_external;
#[cfg(feature = "kubernetes")]
mod kubernetes;
mod loadbalance;
mod local;
mod log;
mod r#loop;
mod metadata;
mod minimal;
mod multisocket;
mod nsid;
mod pprof;
mod prometheus;
mod ready;
mod reload;
mod rewrite;
mod root;
mod template;
mod timeouts;
mod transfer;
mod view;
mod whoami;

mod directives;
mod endpoint;
#[cfg(any(test, feature = "exercise"))]
pub mod exercise;
mod hostname;
mod local_address;
mod pattern;
mod reply_kind;
mod search_list;
#[cfg(test)]
mod trial;
mod trust;
mod zonefile;

pub use directives::{COREDNS_DIRECTIVES, hints, names};

use corefile::{Corefile, Diagnostic};
use plugin_api::Plugin;

/// Every plugin in the order a query meets them, which is that of [`COREDNS_DIRECTIVES`]. A plugin feels those below and
/// must not care about those above.
pub const PLUGINS: &[Plugin] = &[
    root::PLUGIN,
    metadata::PLUGIN,
    cancel::PLUGIN,
    timeouts::PLUGIN,
    multisocket::PLUGIN,
    reload::PLUGIN,
    nsid::PLUGIN,
    bufsize::PLUGIN,
    bind::PLUGIN,
    debug::PLUGIN,
    ready::PLUGIN,
    health::PLUGIN,
    pprof::PLUGIN,
    prometheus::PLUGIN,
    errors::PLUGIN,
    log::PLUGIN,
    local::PLUGIN,
    dns64::PLUGIN,
    any::PLUGIN,
    chaos::PLUGIN,
    loadbalance::PLUGIN,
    rewrite::PLUGIN,
    autopath::PLUGIN,
    acl::PLUGIN,
    cache::PLUGIN,
    header::PLUGIN,
    minimal::PLUGIN,
    template::PLUGIN,
    transfer::PLUGIN,
    hosts::PLUGIN,
    k8s_external::PLUGIN,
    #[cfg(feature = "kubernetes")]
    kubernetes::PLUGIN,
    file::PLUGIN,
    auto::PLUGIN,
    r#loop::PLUGIN,
    forward::PLUGIN,
    erratic::PLUGIN,
    whoami::PLUGIN,
    view::PLUGIN,
];

/// Registers metrics that are shown at 0 whether or not their plugin is in the Corefile, as CoreDNS does.
pub const STANDING_METRICS: &[fn(&plugin_api::Metrics)] =
    &[forward::register, health::register, hosts::register, local::register, reload::register, limits];

/// Shows the bounds that plugins have beside those of their Corefile.
fn limits(metrics: &plugin_api::Metrics) {
    let limits = metrics.limits();
    cache::limits(&limits);
    forward::limits(&limits);
    endpoint::limits(&limits);
}

/// Directives that CoreDNS has removed and that are still read, as others: see [`modernise`].
pub const OLD_NAMES: [&str; 1] = [forward::OLD];

/// Turns directives of old Corefiles into today's, with a warning each.
///
/// # Errors
/// At what cannot be honoured any more; the error says what to write.
pub fn modernise(corefile: &mut Corefile) -> Result<(), Diagnostic> {
    forward::modernise(corefile)
}

#[cfg(test)]
mod tests;
