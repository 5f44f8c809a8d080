//! The process's metrics: one registry that outlives configurations, so that counters survive a reload.

use crate::limits::Limits;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::{Metric, Registry};
use std::any::Any;
use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
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
    limits: Option<Limits>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            inner: Mutex::new(Inner {
                registry: Registry::with_prefix("coredns"),
                known: HashMap::new(),
                limits: None,
            }),
        }
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

    /// The bounds of the process, shown among its metrics.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let mut inner = self.lock();
        let Inner { registry, limits, .. } = &mut *inner;
        let register = || {
            let limits = Limits::default();
            registry.register_collector(Box::new(limits.clone()));
            limits
        };
        limits.get_or_insert_with(register).clone()
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

/// Cells of each counter: one that threads share, and one for each of so many receiving threads; more of these share, too. The
/// cells of a counter take 1 KiB, those of a histogram 3 KiB.
const CELLS: usize = 16;

thread_local! {
    /// Which cell this thread counts in.
    static CELL: Cell<usize> = const { Cell::new(0) };
}

/// The cells that have an owner, one bit each.
static OWNED: AtomicU64 = AtomicU64::new(1);

/// A cell in every counter that only this thread writes, so that threads do not contend for one; given back when dropped.
pub struct OwnCell(PhantomData<*const ()>);

impl OwnCell {
    /// Takes one for this thread. If there is none left, or it has one, it goes on as before.
    #[must_use]
    pub fn claim() -> Self {
        let own = |owned: u64| (1..CELLS).find(|cell| CELL.get() == 0 && owned & 1 << cell == 0);
        let taken = OWNED.fetch_update(Ordering::AcqRel, Ordering::Acquire, |owned| Some(owned | 1 << own(owned)?));
        if let Some(cell) = taken.ok().and_then(own) {
            CELL.set(cell);
        }
        Self(PhantomData)
    }
}

impl Drop for OwnCell {
    fn drop(&mut self) {
        let cell = CELL.replace(0);
        if cell != 0 {
            OWNED.fetch_and(!(1 << cell), Ordering::AcqRel);
        }
    }
}

/// Adds to a number of a cell. The owner of a cell is the only one that writes it and needs no atomic addition.
fn add(number: &AtomicU64, cell: usize, more: u64) {
    if cell == 0 {
        number.fetch_add(more, Ordering::Relaxed);
    } else {
        number.store(number.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
    }
}

/// A counter for what happens with each query: every receiving thread adds to a cell of its own, and whoever reads it sums.
#[derive(Clone, Debug, Default)]
pub struct Tally(Arc<[Line; CELLS]>);

/// A number with a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Line(AtomicU64);

impl Tally {
    /// Counts one.
    pub fn inc(&self) {
        self.inc_by(1);
    }

    /// Counts several.
    pub fn inc_by(&self, more: u64) {
        let cell = CELL.get();
        if let Some(line) = self.0.get(cell) {
            add(&line.0, cell, more);
        }
    }

    /// The sum.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.iter().map(|line| line.0.load(Ordering::Relaxed)).fold(0, u64::wrapping_add)
    }
}

impl TypedMetric for Tally {
    const TYPE: MetricType = MetricType::Counter;
}

impl EncodeMetric for Tally {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        encoder.encode_counter::<NoLabelSet, u64, u64>(&self.get(), None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

/// Most bounds of a histogram; further ones are left out.
const BOUNDS: usize = 20;

/// A histogram of cells as those of [`Tally`]: an observation is two additions and no lock (the one of prometheus-client takes a
/// lock).
///
/// The sum is kept in nano-units, so values up to about 18 thousand million are summed without loss of what is shown.
#[derive(Clone, Debug)]
pub struct Histogram(Arc<Cells>);

/// The bounds and counters of a histogram.
#[derive(Debug)]
struct Cells {
    bounds: Box<[f64]>,
    counts: [Counts; CELLS],
}

/// What one cell has counted.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Counts {
    sum_nano: AtomicU64,
    /// One for each bound, and one for what is above the last.
    counts: [AtomicU64; BOUNDS + 1],
}

impl Histogram {
    /// A histogram with these upper bounds, rising, at most 20; the one to infinity is added.
    #[must_use]
    pub fn new(bounds: &[f64]) -> Self {
        let bounds = bounds.get(..BOUNDS).unwrap_or(bounds).into();
        Self(Arc::new(Cells { bounds, counts: Default::default() }))
    }

    /// Counts a value that is not negative.
    pub fn observe(&self, value: f64) {
        let bucket = self.0.bounds.iter().position(|bound| value <= *bound).unwrap_or(self.0.bounds.len());
        let cell = CELL.get();
        let Some(counts) = self.0.counts.get(cell) else { return };
        if let Some(count) = counts.counts.get(bucket) {
            add(count, cell, 1);
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturates, and values are not negative"
        )]
        add(&counts.sum_nano, cell, (value * 1e9) as u64);
    }

    /// How many values were counted in each bucket.
    fn buckets(&self) -> impl Iterator<Item = u64> + '_ {
        let sum = |bucket: usize| {
            let counts = self.0.counts.iter().filter_map(|cell| cell.counts.get(bucket));
            counts.map(|count| count.load(Ordering::Relaxed)).fold(0, u64::wrapping_add)
        };
        (0..=self.0.bounds.len()).map(sum)
    }

    /// How many values were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets().sum()
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        let bounds = self.0.bounds.iter().copied().chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(self.buckets()).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sums = self.0.counts.iter().map(|cell| cell.sum_nano.load(Ordering::Relaxed));
        let sum = sums.fold(0, u64::wrapping_add) as f64 / 1e9;
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}
