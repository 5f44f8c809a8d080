//! The metrics of `local`.

use plugin_api::Metrics;
use prometheus_client::metrics::counter::Counter;

/// Shows the counter at 0 before there is a query.
pub(crate) fn register(metrics: &Metrics) {
    localhost_requests(metrics);
}

/// `coredns_local_localhost_requests_total`.
pub(super) fn localhost_requests(metrics: &Metrics) -> Counter {
    metrics.get("local_localhost_requests", "Counter of special localhost subdomain requests.", Counter::default)
}
