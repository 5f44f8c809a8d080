//! Plugin `any`: a short answer to queries of type ANY (RFC 8482 §4.2). See [README](README.md).

mod handler;
mod setup;
#[cfg(test)]
mod tests;

use plugin_api::Plugin;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "any", setup: setup::setup };
