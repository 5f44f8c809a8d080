//! Plugin `cancel`: a time after which work for a query is given up. See [README](README.md).
//!
//! It only sets the deadline; who waits for something looks at it.

mod handler;
mod setup;
#[cfg(test)]
mod tests;

use plugin_api::Plugin;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "cancel", setup: setup::setup };
