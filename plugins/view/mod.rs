//! Plugin `view`: chooses a server block by an expression about the query. See [README](README.md).
//!
//! The server asks it before the chain runs; in the chain it passes every query on. Its [`expression`] language also serves
//! plugin `template`.

pub(crate) mod expression;
mod handler;
mod setup;
#[cfg(test)]
mod tests;

use plugin_api::Plugin;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "view", setup: setup::setup };
