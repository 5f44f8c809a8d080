//! What this plugin counts: how long it takes until a change of endpoints can be asked for.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use plugin_api::{Histogram, Metrics};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;

/// Buckets: 1 ms and nineteen doublings.
const BUCKETS: i32 = 20;

/// Labels of `coredns_kubernetes_dns_programming_duration_seconds`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProgrammingLabels {
    /// `cluster_ip` or `headless_with_selector`.
    service_kind: &'static str,
}

/// How services of a change are named in the label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServiceLabel {
    /// A service with addresses of its own.
    ClusterIp,
    /// A headless service.
    Headless,
}

/// `coredns_kubernetes_dns_programming_duration_seconds`: from the change of a pod or service to the answer.
#[derive(Debug, Clone)]
pub(super) struct Programming {
    /// For services with addresses.
    cluster_ip: Histogram,
    /// For headless ones.
    headless: Histogram,
}

impl Programming {
    /// Registers the metric.
    pub(super) fn new(metrics: &Metrics) -> Self {
        let bounds: Vec<f64> = (0..BUCKETS).map(|power| 0.001 * 2_f64.powi(power)).collect();
        let make =
            move || -> Family<ProgrammingLabels, Histogram, Bounds> { Family::new_with_constructor(Bounds(bounds)) };
        let help = "Histogram of the time (in seconds) it took to program a dns instance.";
        let family = metrics.get("kubernetes_dns_programming_duration_seconds", help, make);
        let of = |service_kind| family.get_or_create(&ProgrammingLabels { service_kind }).clone();
        Self { cluster_ip: of("cluster_ip"), headless: of("headless_with_selector") }
    }

    /// Counts a change that was triggered at `trigger` (RFC 3339) and can be asked for since `now`.
    ///
    /// # Errors
    /// When `trigger` is no time.
    pub(super) fn observe(&self, label: ServiceLabel, trigger: &str, now: SystemTime) -> Result<(), jiff::Error> {
        let trigger: SystemTime = trigger.parse::<Timestamp>()?.into();
        let took = now.duration_since(trigger).unwrap_or(Duration::ZERO).as_secs_f64();
        match label {
            ServiceLabel::ClusterIp => self.cluster_ip.observe(took),
            ServiceLabel::Headless => self.headless.observe(took),
        }
        Ok(())
    }
}

/// Makes histograms of the same buckets.
#[derive(Debug, Clone)]
struct Bounds(Vec<f64>);

impl prometheus_client::metrics::family::MetricConstructor<Histogram> for Bounds {
    fn new_metric(&self) -> Histogram {
        Histogram::new(&self.0)
    }
}
