//! Plugin `bufsize`: bounds the payload size that clients offer by EDNS (RFC 6891 §6.2.3). See [README](README.md).

mod handler;
mod setup;
#[cfg(test)]
mod tests;

use plugin_api::Plugin;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "bufsize", setup: setup::setup };
