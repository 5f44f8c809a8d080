//! The metrics of `forward` and of its upstreams. A series appears when it is first counted, as in CoreDNS.

use plugin_api::{Histogram, Metrics, Rcode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use std::sync::OnceLock;
use std::time::Duration;

/// Bounds in seconds (CoreDNS: plugin.TimeBuckets).
const BUCKETS: [f64; 16] =
    [0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096, 8.192];
/// Who asks, in the labels of upstreams.
const NAME: &str = "forward";

/// Labels of series by upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ToLabels {
    proxy_name: &'static str,
    to: String,
}

/// Labels of series by upstream and rcode.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RcodeLabels {
    proxy_name: &'static str,
    rcode: String,
    to: String,
}

/// Labels of series by upstream and kind of connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProtoLabels {
    proto: &'static str,
    proxy_name: &'static str,
    to: String,
}

/// A histogram for each upstream and rcode.
type Durations = Family<RcodeLabels, Histogram, fn() -> Histogram>;

/// The series without labels.
#[derive(Clone)]
pub(super) struct ForwardMetrics {
    /// All upstreams were down.
    pub(super) broken: Counter,
    /// More queries at a time than `max_concurrent`.
    pub(super) rejects: Counter,
}

/// Shows what has no labels at 0 before there is anything to count.
pub(crate) fn register(metrics: &Metrics) {
    drop(ForwardMetrics::new(metrics));
}

impl ForwardMetrics {
    /// The handles.
    pub(super) fn new(metrics: &Metrics) -> Self {
        let count = |name: &str, help: &str| metrics.get(name, help, Counter::default);
        Self {
            broken: count(
                "forward_healthcheck_broken",
                "Counter of the number of complete failures of the healthchecks.",
            ),
            rejects: count(
                "forward_max_concurrent_rejects",
                "Counter of the number of queries rejected because the concurrent queries were at maximum.",
            ),
        }
    }
}

/// The series of one upstream.
pub(super) struct UpstreamMetrics {
    to: String,
    durations: Durations,
    /// Handles of the rcodes below 16.
    by_rcode: [OnceLock<Histogram>; 16],
    failures: Family<ToLabels, Counter>,
    hits: Family<ProtoLabels, Counter>,
    misses: Family<ProtoLabels, Counter>,
    /// Handles of `udp`, `tcp` and `tcp-tls`, each for hits and misses.
    connections: [[OnceLock<Counter>; 2]; 3],
}

impl UpstreamMetrics {
    /// The handles for the upstream `to`.
    pub(super) fn new(metrics: &Metrics, to: String) -> Self {
        let durations = || Durations::new_with_constructor(|| Histogram::new(&BUCKETS));
        let per_proto = Family::<ProtoLabels, Counter>::default;
        Self {
            to,
            durations: metrics.get(
                "proxy_request_duration_seconds",
                "Histogram of the time each request took.",
                durations,
            ),
            by_rcode: Default::default(),
            failures: metrics.get(
                "proxy_healthcheck_failures",
                "Counter of the number of failed healthchecks.",
                Family::<ToLabels, Counter>::default,
            ),
            hits: metrics.get(
                "proxy_conn_cache_hits",
                "Counter of connection cache hits per upstream and protocol.",
                per_proto,
            ),
            misses: metrics.get(
                "proxy_conn_cache_misses",
                "Counter of connection cache misses per upstream and protocol.",
                per_proto,
            ),
            connections: Default::default(),
        }
    }

    /// Notes that a reply took so long.
    pub(super) fn observe(&self, rcode: Rcode, took: Duration) {
        let new = || {
            let labels = RcodeLabels { proxy_name: NAME, rcode: rcode.label(), to: self.to.clone() };
            self.durations.get_or_create_owned(&labels)
        };
        match self.by_rcode.get(usize::from(rcode.0)) {
            Some(cell) => cell.get_or_init(new).observe(took.as_secs_f64()),
            None => new().observe(took.as_secs_f64()),
        }
    }

    /// Counts a probe that failed.
    pub(super) fn probe_failed(&self) {
        self.failures.get_or_create_owned(&ToLabels { proxy_name: NAME, to: self.to.clone() }).inc();
    }

    /// Counts a socket or connection that was there already, or had to be opened.
    pub(super) fn opened(&self, proto: &'static str, is_kept: bool) {
        let kind = match proto {
            "udp" => 0,
            "tcp" => 1,
            _ => 2,
        };
        let family = if is_kept { &self.hits } else { &self.misses };
        let new = || family.get_or_create_owned(&ProtoLabels { proto, proxy_name: NAME, to: self.to.clone() });
        if let Some(cell) = self.connections.get(kind).and_then(|kinds| kinds.get(usize::from(is_kept))) {
            cell.get_or_init(new).inc();
        }
    }
}
