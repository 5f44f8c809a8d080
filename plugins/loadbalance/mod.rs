//! Plugin `loadbalance`: changes the order of records, so that clients spread (RFC 1794). See [README](README.md).

mod handler;
mod order;
mod setup;
#[cfg(test)]
mod tests;
mod weights;

use plugin_api::Plugin;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "loadbalance", setup: setup::setup };
