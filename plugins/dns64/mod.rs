//! Plugin `dns64`: makes IPv6 addresses from IPv4 ones for clients behind NAT64 (RFC 6147, RFC 6052 §2).
//! See [README](README.md).

mod handler;
mod metrics;
mod prefix;
mod setup;
#[cfg(test)]
mod tests;

use plugin_api::Plugin;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "dns64", setup: setup::setup };
