//! Plugin `erratic`: drops, delays and truncates replies, to try clients out. See [README](README.md).
//!
//! It answers every query and never passes one on.

mod handler;
mod setup;
#[cfg(test)]
mod tests;

use plugin_api::Plugin;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "erratic", setup: setup::setup };
