//! Plugin `timeouts`: how long connections may wait, and how many queries they may carry (RFC 7766 §6.2.3). See
//! [README](README.md).
//!
//! It answers nothing: it leaves settings for the server.

mod setup;
#[cfg(test)]
mod tests;

use plugin_api::Plugin;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "timeouts", setup: setup::setup };
