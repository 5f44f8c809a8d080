//! Plugin `local`: answers for `localhost` and the zones of local addresses (RFC 6761 §6.3, RFC 6303). See
//! [README](README.md).

mod handler;
mod metrics;
mod setup;
#[cfg(test)]
mod tests;

use plugin_api::Plugin;

pub(crate) use metrics::register;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "local", setup: setup::setup };
