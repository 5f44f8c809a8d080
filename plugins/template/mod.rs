//! Plugin `template`: answers made of the query by a template. See [README](README.md).
//!
//! Records are written in the form of zone files (RFC 1035 §5.1), unknown types as in RFC 3597 §5.

pub(crate) mod gotemplate;
mod handler;
mod metrics;
mod record;
mod setup;
#[cfg(test)]
mod tests;

use plugin_api::Plugin;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "template", setup: setup::setup };
