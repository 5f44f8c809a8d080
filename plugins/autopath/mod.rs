//! Plugin `autopath`: walks the client's search list for it, so that one query is enough. See [README](README.md).

mod handler;
mod setup;
#[cfg(test)]
mod tests;

use plugin_api::Plugin;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "autopath", setup: setup::setup };
