//! Plugin `errors`: a log line for every query whose chain ended in an error. See [README](README.md).
//!
//! It changes nothing and knows nothing of why a plugin failed; the text is the error's own.

mod consolidate;
mod handler;
mod setup;
#[cfg(test)]
mod tests;

use plugin_api::Plugin;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "errors", setup: setup::setup };
