//! What a warm start shows: how old the picture is that is served, and how its file fares.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use plugin_api::{Clock, Metrics};
use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// Stands for no picture of an earlier run; a saved one is never from before 1970.
const NONE: u64 = u64::MAX;

/// The label of all of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FileLabel {
    /// The file, as the Corefile names it.
    file: String,
}

/// What one warm start shows.
#[derive(Debug)]
pub(super) struct WarmMetrics {
    /// `coredns_kubernetes_warm_start_age_seconds`.
    pub(super) age: Age,
    /// `coredns_kubernetes_warm_start_saves_total`.
    pub(super) saves: Counter,
    /// `coredns_kubernetes_warm_start_save_failures_total`.
    pub(super) failures: Counter,
}

impl WarmMetrics {
    /// Registers them.
    pub(super) fn new(metrics: &Metrics, file: &Path, clock: &Clock) -> Self {
        let label = FileLabel { file: file.display().to_string() };
        let help = "Age of the picture of an earlier run that is served until the API server is heard, 0 after that";
        let make = Ages(clock.clone());
        let ages: Family<FileLabel, Age, Ages> =
            metrics.get("kubernetes_warm_start_age_seconds", help, || Family::new_with_constructor(make));
        let count = |name: &str, help: &str| {
            let family: Family<FileLabel, Counter> = metrics.get(name, help, Family::default);
            family.get_or_create(&label).clone()
        };
        Self {
            age: ages.get_or_create(&label).clone(),
            saves: count("kubernetes_warm_start_saves", "Counter of files of the warm start that were written"),
            failures: count("kubernetes_warm_start_save_failures", "Counter of such files that could not be written"),
        }
    }
}

/// Seconds since the picture was right that is served; 0 if it is that of now.
#[derive(Debug, Clone)]
pub(super) struct Age {
    /// When the picture was right, in Unix seconds, or [`NONE`].
    since: Arc<AtomicU64>,
    /// The time.
    clock: Clock,
}

impl Age {
    /// Notes that a picture is served that was right at `since`.
    pub(super) fn begin(&self, since: u64) {
        self.since.store(since, Ordering::Relaxed);
    }

    /// Notes that the picture is that of now; returns how old it was, if it was not already that of now.
    pub(super) fn end(&self) -> Option<u64> {
        let since = self.since.swap(NONE, Ordering::Relaxed);
        (since != NONE).then(|| self.clock.unix_seconds().saturating_sub(since))
    }

    /// Returns the age in seconds.
    fn seconds(&self) -> u64 {
        match self.since.load(Ordering::Relaxed) {
            NONE => 0,
            since => self.clock.unix_seconds().saturating_sub(since),
        }
    }
}

impl TypedMetric for Age {
    const TYPE: MetricType = MetricType::Gauge;
}

impl EncodeMetric for Age {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        encoder.encode_gauge(&i64::try_from(self.seconds()).unwrap_or(i64::MAX))
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

/// Makes ages by the same clock.
#[derive(Debug, Clone)]
struct Ages(Clock);

impl MetricConstructor<Age> for Ages {
    fn new_metric(&self) -> Age {
        Age { since: Arc::new(AtomicU64::new(NONE)), clock: self.0.clone() }
    }
}
