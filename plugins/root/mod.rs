//! Plugin `root`: the folder that relative paths of other plugins start from. See [README](README.md).
//!
//! It answers nothing: it leaves a setting behind, before the plugins that read files are set up.

mod setup;
#[cfg(test)]
mod tests;

use plugin_api::Plugin;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "root", setup: setup::setup };
