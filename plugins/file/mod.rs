//! Plugin `file`: serves zones from zone files. See [README](README.md).
//!
//! Reading order: [`zone`] (a zone's data and how names are found in it), [`build`] (from records to a zone), [`lookup`] and
//! [`alias`] (from a question to a reply: RFC 1034 §4.3.2, RFC 4592 wildcards, RFC 6672 DNAME, RFC 4035 §3.1.3 proofs),
//! [`served`] (a zone that follows its file), [`handler`]. Records are read by [`crate::zonefile`].

mod alias;
mod build;
mod handler;
mod lookup;
mod served;
mod served_map;
mod setup;
#[cfg(test)]
mod tests;
mod zone;

pub(crate) use handler::{pass_on, serve};
pub(crate) use served::{Served, Settings};
pub(crate) use served_map::ServedMap;

use plugin_api::Plugin;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "file", setup: setup::setup };
