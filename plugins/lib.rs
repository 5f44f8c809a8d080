//! Every plugin of ferrodns, in the order a query meets them.
//!
//! A new plugin is a folder, a line `mod name;` and a line in [`PLUGINS`].

mod bind;
mod debug;
mod errors;
#[cfg(feature = "kubernetes")]
mod kubernetes;
mod root;
mod whoami;

mod directives;
mod pattern;
#[cfg(test)]
mod trial;

pub use directives::{COREDNS_DIRECTIVES, hints, names};

use plugin_api::Plugin;

/// Every plugin in the order a query meets them, which is that of [`COREDNS_DIRECTIVES`]. A plugin feels those below and
/// must not care about those above.
pub const PLUGINS: &[Plugin] = &[root::PLUGIN, bind::PLUGIN, debug::PLUGIN, errors::PLUGIN, whoami::PLUGIN];

#[cfg(test)]
mod tests;
