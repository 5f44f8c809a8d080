//! The metrics of `acl`.

use plugin_api::Metrics;
use plugin_api::dns_metrics::Scope;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use std::sync::Arc;

/// Labels of `coredns_acl_allowed_requests_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Allowed {
    server: Arc<str>,
    view: Arc<str>,
}

/// The families.
#[derive(Clone)]
pub(super) struct AclMetrics {
    /// Queries that were refused.
    pub(super) blocked: Family<Scope, Counter>,
    /// Queries that were answered with nothing.
    pub(super) filtered: Family<Scope, Counter>,
    /// Queries that were not answered.
    pub(super) dropped: Family<Scope, Counter>,
    allowed: Family<Allowed, Counter>,
}

impl AclMetrics {
    /// The families of the process.
    pub(super) fn new(metrics: &Metrics) -> Self {
        Self {
            blocked: metrics.get("acl_blocked_requests", "Counter of DNS requests being blocked.", Family::default),
            filtered: metrics.get("acl_filtered_requests", "Counter of DNS requests being filtered.", Family::default),
            dropped: metrics.get("acl_dropped_requests", "Counter of DNS requests being dropped.", Family::default),
            allowed: metrics.get("acl_allowed_requests", "Counter of DNS requests being allowed.", Family::default),
        }
    }

    /// Counts a query that goes on.
    pub(super) fn allow(&self, server: &Arc<str>, view: &Arc<str>) {
        let labels = Allowed { server: Arc::clone(server), view: Arc::clone(view) };
        self.allowed.get_or_create(&labels).inc();
    }
}
