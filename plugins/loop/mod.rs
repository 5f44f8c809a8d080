//! Plugin `loop`: finds out at start whether queries that are forwarded come back, and ends the process if so. See README.md.
//!
//! A query with a name that nobody can guess is sent to the block's own listener. Seen three times, it has come back.

mod detector;
mod handler;
mod setup;
#[cfg(test)]
mod tests;

use plugin_api::Plugin;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "loop", setup: setup::setup };
