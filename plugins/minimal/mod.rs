//! Plugin `minimal`: leaves out of a reply what the client did not ask for. See [README](README.md).

mod handler;
mod setup;
#[cfg(test)]
mod tests;

use plugin_api::Plugin;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "minimal", setup: setup::setup };
