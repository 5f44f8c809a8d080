//! What this plugin counts: how long it takes until a change of endpoints can be asked for, and how true its picture is.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use plugin_api::{Histogram, Metrics};
use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::{MetricType, TypedMetric};

use super::objects::Kind;
use super::source::api::{Counters, KindStatus, Status};

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

    /// Counts a change that was triggered at `trigger` and can be asked for since `now`.
    pub(super) fn observe(&self, label: ServiceLabel, trigger: SystemTime, now: SystemTime) {
        let took = now.duration_since(trigger).unwrap_or(Duration::ZERO).as_secs_f64();
        match label {
            ServiceLabel::ClusterIp => self.cluster_ip.observe(took),
            ServiceLabel::Headless => self.headless.observe(took),
        }
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

/// The label of what is told of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    /// The plural name; `imported_endpointslices` for those of a cluster set.
    resource: &'static str,
}

/// The labels of failed requests.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    /// What went wrong, in a word.
    reason: &'static str,
    /// As above.
    resource: &'static str,
}

/// The label of restarts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TaskLabels {
    /// `watch`, `audit` or `index`.
    task: &'static str,
}

/// Returns a kind's value of label `resource`.
const fn resource(kind: Kind) -> &'static str {
    match kind {
        Kind::Namespace => "namespaces",
        Kind::Service => "services",
        Kind::EndpointSlice => "endpointslices",
        Kind::Pod => "pods",
        Kind::ServiceImport => "serviceimports",
        Kind::ImportedSlice => "imported_endpointslices",
    }
}

/// Failed requests of one kind.
#[derive(Debug, Clone, Default)]
pub(super) struct Failures {
    /// Those of all kinds.
    family: Family<FailureLabels, Counter>,
    /// The kind.
    resource: &'static str,
}

impl Failures {
    /// Counts one. Failures are seldom, and most reasons never seen: their series are made when they are.
    pub(super) fn count(&self, reason: &'static str) {
        self.family.get_or_create(&FailureLabels { reason, resource: self.resource }).inc();
    }

    /// Returns how many there were for a reason.
    #[cfg(test)]
    pub(super) fn of(&self, reason: &'static str) -> u64 {
        self.family.get_or_create(&FailureLabels { reason, resource: self.resource }).get()
    }
}

/// Returns the counter of restarts of a task.
pub(super) fn restarts(metrics: &Metrics, task: &'static str) -> Counter {
    let help = "Tasks that panicked and were begun anew.";
    let family: Family<TaskLabels, Counter> = metrics.get("kubernetes_restarts", help, Family::default);
    family.get_or_create(&TaskLabels { task }).clone()
}

/// Makes the state of these kinds as metrics tell it. Counters are those of all `kubernetes` blocks together and outlive
/// them; of several blocks the oldest picture is shown, the lowest version, and all objects.
pub(super) fn status(metrics: &Metrics, wanted: &[Kind]) -> Arc<Status> {
    let family = |name: &str, help: &str| -> Family<KindLabels, Counter> { metrics.get(name, help, Family::default) };
    let lists = family("kubernetes_lists", "Lists that were read to their end, the first included.");
    let started = family("kubernetes_watches_started", "Watches that were begun.");
    let ended = family("kubernetes_watches_ended", "Watches that have ended, well or badly.");
    let events = family("kubernetes_events", "Events of watches, bookmarks included.");
    let decode_errors = family("kubernetes_decode_errors", "Objects and events that could not be decoded.");
    let audits = family("kubernetes_audits", "Comparisons with the API server.");
    let drift = family("kubernetes_drift_repaired", "Objects that a comparison with the API server found wrong.");
    let failures: Family<FailureLabels, Counter> =
        metrics.get("kubernetes_request_failures", "Requests that ended badly.", Family::default);
    let watch_restarts = restarts(metrics, "watch");
    let counters = |kind| {
        if !wanted.contains(&kind) {
            return Counters::default();
        }
        let labels = KindLabels { resource: resource(kind) };
        let of = |family: &Family<KindLabels, Counter>| family.get_or_create(&labels).clone();
        Counters {
            lists: of(&lists),
            watches_started: of(&started),
            watches_ended: of(&ended),
            events: of(&events),
            decode_errors: of(&decode_errors),
            audits: of(&audits),
            drift_repaired: of(&drift),
            failures: Failures { family: failures.clone(), resource: labels.resource },
            restarts: watch_restarts.clone(),
        }
    };
    let status = Arc::new(Status::new(counters, restarts(metrics, "audit")));
    Gauges::all().into_iter().for_each(|(name, help, gauges)| metrics.get(name, help, || gauges).add(&status));
    status
}

/// A gauge for each kind, read when it is asked for.
#[derive(Debug, Clone)]
struct Gauges {
    /// The running sources.
    sources: Arc<Mutex<Vec<Weak<Status>>>>,
    /// Reads one.
    read: fn(&KindStatus) -> Option<f64>,
    /// Makes one value of those of two sources.
    join: fn(f64, f64) -> f64,
}

impl Gauges {
    /// Returns all with their names and help texts.
    fn all() -> [(&'static str, &'static str, Self); 3] {
        let gauges = |read, join| Self { sources: Arc::default(), read, join };
        let age: fn(&KindStatus) -> Option<f64> = |kind| kind.age().map(|age| age.as_secs_f64());
        let version: fn(&KindStatus) -> Option<f64> = |kind| kind.version().parse().ok();
        let objects: fn(&KindStatus) -> Option<f64> = |kind| kind.objects().map(|count| count as f64);
        [
            (
                "kubernetes_watch_age_seconds",
                "Time since the API server last told that the picture is right.",
                gauges(age, f64::max),
            ),
            ("kubernetes_resource_version", "The version of the cluster that is known.", gauges(version, f64::min)),
            ("kubernetes_objects", "Objects that are known.", gauges(objects, |a, b| a + b)),
        ]
    }

    /// Reads one more source, as long as it lives.
    fn add(&self, status: &Arc<Status>) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.retain(|source| source.strong_count() > 0);
        sources.push(Arc::downgrade(status));
    }
}

impl TypedMetric for Gauges {
    const TYPE: MetricType = MetricType::Gauge;
}

impl EncodeMetric for Gauges {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        for kind in Kind::ALL {
            let values = sources.iter().filter_map(|source| (self.read)(source.upgrade()?.of(kind)));
            if let Some(value) = values.reduce(self.join) {
                let labels = KindLabels { resource: resource(kind) };
                encoder.encode_family(&labels)?.encode_gauge(&value)?;
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The metrics in text.
    fn text(metrics: &Metrics) -> String {
        let mut text = String::new();
        metrics.with(|registry| prometheus_client::encoding::text::encode(&mut text, registry)).unwrap();
        text
    }

    #[tokio::test]
    async fn sources_of_now_are_shown_and_counters_stay() {
        let metrics = Metrics::default();
        let first = status(&metrics, &[Kind::Service]);
        assert!(!text(&metrics).contains("watch_age_seconds{"), "nothing was heard yet");
        first.of(Kind::Service).tell_for_test("17");
        first.of(Kind::Service).counters.lists.inc();
        let second = status(&metrics, &[Kind::Service]);
        second.of(Kind::Service).tell_for_test("12");
        let shown = text(&metrics);
        for line in [
            "coredns_kubernetes_resource_version{resource=\"services\"} 12.0\n",
            "coredns_kubernetes_objects{resource=\"services\"} 0.0\n",
            "coredns_kubernetes_lists_total{resource=\"services\"} 1\n",
            "coredns_kubernetes_watch_age_seconds{resource=\"services\"} ",
        ] {
            assert!(shown.contains(line), "{line} not in {shown}");
        }
        drop((first, second));
        let shown = text(&metrics);
        assert!(!shown.contains("watch_age_seconds{") && shown.contains("lists_total{resource=\"services\"} 1\n"));
    }
}
