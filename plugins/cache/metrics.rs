//! The metrics of `cache`, resolved once for each listener. A series appears when it is first counted, as in CoreDNS.

use plugin_api::Metrics;
use plugin_api::metrics::Tally;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use std::sync::{Arc, OnceLock};

/// Labels of most series, in the order of the alphabet as CoreDNS writes them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Labels {
    server: String,
    view: String,
    zones: String,
}

/// Labels of series by kind of entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct KindLabels {
    server: String,
    r#type: &'static str,
    view: String,
    zones: String,
}

/// A counter whose series begins with its first count.
pub(super) struct Count(Box<dyn Fn() -> Tally + Send + Sync>, OnceLock<Tally>);

impl Count {
    /// Counts one.
    pub(super) fn inc(&self) {
        self.add(1);
    }

    /// Counts several.
    pub(super) fn add(&self, count: u64) {
        if count > 0 {
            self.1.get_or_init(&self.0).inc_by(count);
        }
    }
}

/// The series of one kind of entry.
pub(super) struct KindMetrics {
    /// Answered from the cache.
    pub(super) hits: Count,
    /// Thrown out to make room.
    pub(super) evictions: Count,
    entries: Box<dyn Fn() -> Gauge + Send + Sync>,
    entries_cell: OnceLock<Gauge>,
}

impl KindMetrics {
    /// Sets the number of entries.
    pub(super) fn set_entries(&self, count: usize) {
        self.entries_cell.get_or_init(&self.entries).set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}

/// The series of one listener.
pub(super) struct ServerMetrics {
    server: Arc<str>,
    /// Looked up.
    pub(super) requests: Count,
    /// Not found.
    pub(super) misses: Count,
    /// Refreshed without a client that waits.
    pub(super) prefetches: Count,
    /// Not kept because they answer another question.
    pub(super) drops: Count,
    /// Answered with what was over.
    pub(super) stale: Count,
    /// Positive answers.
    pub(super) success: KindMetrics,
    /// Denials and failures.
    pub(super) denial: KindMetrics,
}

impl ServerMetrics {
    /// Whether these are the series of `server`.
    pub(super) fn is_of(&self, server: &Arc<str>) -> bool {
        Arc::ptr_eq(&self.server, server) || self.server == *server
    }

    /// The handles for a listener.
    pub(super) fn new(metrics: &Metrics, server: &Arc<str>, zones: &str, view: &str) -> Self {
        let labels = Labels { server: server.to_string(), zones: zones.to_owned(), view: view.to_owned() };
        let count = |name: &str, help: &str| {
            let family = metrics.get(name, help, Family::<Labels, Tally>::default);
            let labels = labels.clone();
            Count(Box::new(move || family.get_or_create_owned(&labels)), OnceLock::new())
        };
        Self {
            server: Arc::clone(server),
            requests: count("cache_requests", "The count of cache requests."),
            misses: count(
                "cache_misses",
                "The count of cache misses. Deprecated, derive misses from cache hits/requests counters.",
            ),
            prefetches: count("cache_prefetch", "The number of times the cache has prefetched a cached item."),
            drops: count("cache_drops", "The number responses that are not cached, because the reply is malformed."),
            stale: count("cache_served_stale", "The number of requests served from stale cache entries."),
            success: KindMetrics::new(metrics, &labels, "success"),
            denial: KindMetrics::new(metrics, &labels, "denial"),
        }
    }
}

impl KindMetrics {
    /// The handles for one kind of entry.
    fn new(metrics: &Metrics, labels: &Labels, kind: &'static str) -> Self {
        let Labels { server, zones, view } = labels.clone();
        let labels = KindLabels { server, r#type: kind, zones, view };
        let count = |name: &str, help: &str| {
            let family = metrics.get(name, help, Family::<KindLabels, Tally>::default);
            let labels = labels.clone();
            Count(Box::new(move || family.get_or_create_owned(&labels)), OnceLock::new())
        };
        let hits = count("cache_hits", "The count of cache hits.");
        let evictions = count("cache_evictions", "The count of cache evictions.");
        let family =
            metrics.get("cache_entries", "The number of elements in the cache.", Family::<KindLabels, Gauge>::default);
        let entries = Box::new(move || family.get_or_create_owned(&labels));
        Self { hits, evictions, entries, entries_cell: OnceLock::new() }
    }
}
