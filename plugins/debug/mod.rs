//! Plugin `debug`: debug lines in the log, and panics that end the process. See [README](README.md).
//!
//! It answers nothing: it leaves a setting for the server.

mod setup;
#[cfg(test)]
mod tests;

use plugin_api::Plugin;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "debug", setup: setup::setup };
