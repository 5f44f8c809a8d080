//! The metric of `dns64`, resolved once for each listener. A series appears when it is first counted, as in CoreDNS.

use plugin_api::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use std::sync::{Arc, OnceLock};

/// Labels of the series.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    server: String,
}

/// Translated queries, for each listener of the block.
pub(super) struct Translated {
    family: Family<Labels, Counter>,
    servers: OnceLock<Vec<(Arc<str>, OnceLock<Counter>)>>,
}

impl Translated {
    /// The metric, of no listener yet.
    pub(super) fn new(metrics: &Metrics) -> Self {
        let help = "Counter of DNS requests translated by dns64.";
        let family = metrics.get("dns64_requests_translated", help, Family::default);
        Self { family, servers: OnceLock::new() }
    }

    /// Takes the listeners of the block; the first call counts.
    pub(super) fn resolve(&self, servers: &[Arc<str>]) {
        let servers = servers.iter().map(|server| (Arc::clone(server), OnceLock::new())).collect();
        drop(self.servers.set(servers));
    }

    /// Counts a query that came in at `server`.
    pub(super) fn count(&self, server: &str) {
        let make = || self.family.get_or_create(&Labels { server: server.to_owned() }).clone();
        match self.servers.get().into_iter().flatten().find(|(known, _)| **known == *server) {
            Some((_, counter)) => counter.get_or_init(make).inc(),
            None => make().inc(),
        };
    }
}
