//! Plugin `header`: sets and clears flags of queries and replies. See [README](README.md).

mod handler;
mod setup;
#[cfg(test)]
mod tests;

use plugin_api::Plugin;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "header", setup: setup::setup };
