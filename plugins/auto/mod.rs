//! Plugin `auto`: serves the zone files of a folder, and follows what comes and goes there. See [README](README.md).
//!
//! What a zone is and how it answers is [`crate::file`]'s.

mod folder;
mod handler;
mod setup;
#[cfg(test)]
mod tests;

use plugin_api::Plugin;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "auto", setup: setup::setup };
