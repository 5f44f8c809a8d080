//! Plugin `nsid`: tells the name of this server to clients that ask for it by EDNS (RFC 5001). See [README](README.md).

mod handler;
mod setup;
#[cfg(test)]
mod tests;

use plugin_api::Plugin;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "nsid", setup: setup::setup };
