//! Plugin `acl`: allows, blocks, filters or drops queries by client and type. See [README](README.md).
//!
//! Why a query was not answered is told by an extended DNS error (RFC 8914 §4.16, §4.18).

mod handler;
mod metrics;
mod setup;
#[cfg(test)]
mod tests;

use plugin_api::Plugin;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "acl", setup: setup::setup };
