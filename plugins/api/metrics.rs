//! The process's metrics: one registry that outlives configurations, so that counters survive a reload.

use prometheus_client::collector::Collector;
use prometheus_client::registry::{Metric, Registry};
use std::any::Any;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

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
