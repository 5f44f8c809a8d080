//! Plugin `hosts`: answers from a file in the form of `/etc/hosts`. See [README](README.md).
//!
//! Addresses and names (RFC 1035 §3.4.1, RFC 3596), reverse names (RFC 1035 §3.5, RFC 3596 §2.5). The file is read again when
//! it changes; readers see one immutable table or the next.

mod file;
mod handler;
mod metrics;
mod setup;
mod table;
#[cfg(test)]
mod tests;

use plugin_api::Plugin;

pub(crate) use metrics::register;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "hosts", setup: setup::setup };
