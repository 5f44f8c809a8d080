//! Plugin `bind`: the addresses that a server block listens on. See [README](README.md).
//!
//! It answers nothing: it leaves a list of addresses for the server. Interfaces are looked at once, at set-up.

mod setup;
#[cfg(test)]
mod tests;

use plugin_api::Plugin;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "bind", setup: setup::setup };
