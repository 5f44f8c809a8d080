//! Plugin `metadata`: lets plugins keep values about a query for others. See [README](README.md).
//!
//! It knows no value itself: providers are found by link.

mod handler;
mod setup;
#[cfg(test)]
mod tests;

use plugin_api::Plugin;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "metadata", setup: setup::setup };
