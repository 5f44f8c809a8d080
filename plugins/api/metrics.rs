//! The process's metrics: one registry that outlives configurations, so that counters survive a reload.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::{Metric, Registry};
use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// All metrics of the process, with the prefix `coredns_`.
///
/// A configuration that asks for a metric a second time gets the same one. Handles are asked for at set-up and kept;
/// a query never looks anything up by name.
pub struct Metrics {
    inner: Mutex<Inner>,
}

/// The registry, and what it holds by name.
struct Inner {
    registry: Registry,
    known: HashMap<String, Box<dyn Any + Send>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { inner: Mutex::new(Inner { registry: Registry::with_prefix("coredns"), known: HashMap::new() }) }
    }
}

impl Metrics {
    /// The metric `name` (without prefix and without the suffix `_total`), made by `make` the first time. If the name is taken
    /// by a metric of another type a new one is given that nobody scrapes; a test of each plugin shows it.
    pub fn get<M: Metric + Clone>(&self, name: &str, help: &str, make: impl FnOnce() -> M) -> M {
        let mut inner = self.lock();
        if let Some(known) = inner.known.get(name) {
            return known.downcast_ref::<M>().cloned().unwrap_or_else(make);
        }
        let metric = make();
        inner.registry.register(name, help, metric.clone());
        inner.known.insert(name.to_owned(), Box::new(metric.clone()));
        metric
    }

    /// Registers a collector once under a name of its own.
    pub fn collect(&self, name: &str, collector: impl FnOnce() -> Box<dyn Collector>) {
        let mut inner = self.lock();
        if !inner.known.contains_key(name) {
            inner.known.insert(name.to_owned(), Box::new(()));
            inner.registry.register_collector(collector());
        }
    }

    /// Lets `read` see the registry, to write it out.
    pub fn with<T>(&self, read: impl FnOnce(&Registry) -> T) -> T {
        read(&self.lock().registry)
    }

    /// The lock; a poisoned one is used on, for the maps are whole between calls.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A histogram of atomics: an observation is two additions and no lock (the one of prometheus-client takes a lock).
///
/// The sum is kept in nano-units, so values up to about 18 thousand million are summed without loss of what is shown.
#[derive(Clone, Debug)]
pub struct Histogram(Arc<Cells>);

/// The bounds and counters of a histogram.
#[derive(Debug)]
struct Cells {
    bounds: Box<[f64]>,
    /// One for each bound, and one for what is above the last.
    counts: Box<[AtomicU64]>,
    sum_nano: AtomicU64,
}

impl Histogram {
    /// A histogram with these upper bounds, rising; the one to infinity is added.
    #[must_use]
    pub fn new(bounds: &[f64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(Cells { bounds: bounds.into(), counts, sum_nano: AtomicU64::new(0) }))
    }

    /// Counts a value that is not negative.
    pub fn observe(&self, value: f64) {
        let cell = self.0.bounds.iter().position(|bound| value <= *bound).unwrap_or(self.0.bounds.len());
        if let Some(count) = self.0.counts.get(cell) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturates, and values are not negative"
        )]
        self.0.sum_nano.fetch_add((value * 1e9) as u64, Ordering::Relaxed);
    }

    /// How many values were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        let bounds = self.0.bounds.iter().copied().chain([f64::INFINITY]);
        let counts = self.0.counts.iter().map(|count| count.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = self.0.sum_nano.load(Ordering::Relaxed) as f64 / 1e9;
        encoder.encode_histogram::<prometheus_client::encoding::NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}
