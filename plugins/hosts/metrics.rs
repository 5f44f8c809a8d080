//! The metrics of `hosts`.

use plugin_api::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

/// Labels of `coredns_hosts_entries`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    hostsfile: String,
}

/// Entries of every hosts file.
type Entries = Family<Labels, Gauge>;
/// Seconds since 1970, with a fraction.
type Seconds = Gauge<f64, AtomicU64>;

/// The handles of one file.
pub(super) struct HostsMetrics {
    entries: Entries,
    reloaded: Seconds,
    labels: Labels,
}

/// Shows the time of the last reload at 0 before there is any.
pub(crate) fn register(metrics: &Metrics) {
    reload_timestamp(metrics);
}

/// `coredns_hosts_reload_timestamp_seconds`.
fn reload_timestamp(metrics: &Metrics) -> Seconds {
    metrics.get("hosts_reload_timestamp_seconds", "The timestamp of the last reload of hosts file.", Seconds::default)
}

impl HostsMetrics {
    /// Handles for the file at `path`.
    pub(super) fn new(metrics: &Metrics, path: &str) -> Self {
        Self {
            entries: metrics.get(
                "hosts_entries",
                "The combined number of entries in hosts and Corefile.",
                Entries::default,
            ),
            reloaded: reload_timestamp(metrics),
            labels: Labels { hostsfile: path.to_owned() },
        }
    }

    /// The file has been read: how many entries there are now, and when it was changed.
    pub(super) fn report(&self, entries: usize, modified: SystemTime) {
        let entries = i64::try_from(entries).unwrap_or(i64::MAX);
        self.entries.get_or_create(&self.labels).set(entries);
        let since = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.reloaded.set(since.as_secs_f64());
    }
}
