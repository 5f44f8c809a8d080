//! Plugin `log`: a log line for every query. See [README](README.md).
//!
//! It looks at what comes back from the rest of the chain and changes nothing.

mod format;
mod handler;
mod setup;
#[cfg(test)]
mod tests;

use plugin_api::Plugin;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "log", setup: setup::setup };
