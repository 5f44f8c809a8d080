//! Plugin `multisocket`: several sockets for each address. See [README](README.md).
//!
//! It answers nothing: it leaves a number for the server.

mod setup;
#[cfg(test)]
mod tests;

use plugin_api::Plugin;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "multisocket", setup: setup::setup };
