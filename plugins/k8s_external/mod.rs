//! Plugin `k8s_external`: names for services by the addresses that they have outside the cluster. See [README](README.md).

mod answer;
mod handler;
mod setup;
#[cfg(test)]
mod tests;
mod transfer;

use plugin_api::Plugin;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "k8s_external", setup: setup::setup };
