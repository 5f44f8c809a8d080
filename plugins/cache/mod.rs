//! Plugin `cache`: keeps responses and answers from them until their TTL is over (RFC 2308, RFC 8767). See README.md.
//!
//! Reading order: `setup` (directive to `Config`), `handler` (what happens to a query), `item` and `store` (what is kept
//! and where), `classify` (what a response is worth keeping as), `flight` and `follow` (queries with one key are asked once), `refresh`
//! (prefetch and stale answers). Knows no upstream and no other plugin.

mod classify;
mod flight;
mod follow;
mod handler;
mod item;
mod metrics;
mod refresh;
mod setup;
mod store;
#[cfg(test)]
mod store_tests;
#[cfg(test)]
mod tests;

use plugin_api::{Limits, Plugin};

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "cache", setup: setup::setup };

/// Shows the bounds that are in no Corefile.
pub(crate) fn limits(limits: &Limits) {
    limits.bound("cache_refreshes", refresh::MAX_REFRESHES);
    limits.bound("cache_shared_queries", flight::MAX_OPEN);
    limits.bound("cache_followers", flight::MAX_FOLLOWERS);
}
