//! Plugin `rewrite`: asks the rest of the chain something else than the client asked, and undoes it in the reply.
//! See [README](README.md).
//!
//! Reading order: [`rule`] (what a rule is and does to a query), [`revert`] (what it does to the reply), [`handler`].
//! Knows no server and no other plugin.

mod draft;
mod edns;
mod handler;
mod name;
mod pattern;
mod revert;
mod rule;
mod setup;
#[cfg(test)]
mod tests;

use plugin_api::Plugin;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "rewrite", setup: setup::setup };
