//! Plugin `chaos`: version, authors and host name as TXT records of class CH (RFC 4892). See [README](README.md).
//!
//! Loading it lets other classes than IN in.

mod handler;
mod setup;
#[cfg(test)]
mod tests;

use plugin_api::Plugin;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "chaos", setup: setup::setup };
