//! Plugin `whoami`: tells a client its own address, port and transport. See [README](README.md).
//!
//! It answers every query and never passes one on. SRV as in RFC 2782.

mod handler;
mod setup;
#[cfg(test)]
mod tests;

use plugin_api::Plugin;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "whoami", setup: setup::setup };
