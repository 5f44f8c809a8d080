//! The bounds of what could grow with load, and what is in use of them, as metrics of our own (CoreDNS has none): the gauges
//! `ferrodns_limit` and `ferrodns_in_use`, each by `what`.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Most queries that wait for something at the same time, over UDP. Plugins that let queries wait have bounds below it, so that what
/// waits for one upstream leaves room for others.
pub const WAITING_QUERIES: usize = 16_384;

/// Tells how much is in use.
type InUse = Box<dyn Fn() -> u64 + Send + Sync>;

/// Bounds by what they bound.
type Bounds = BTreeMap<&'static str, (u64, Option<InUse>)>;

/// All bounds of the process.
#[derive(Clone, Default)]
pub struct Limits(Arc<Mutex<Bounds>>);

impl Limits {
    /// Notes a bound.
    pub fn bound(&self, what: &'static str, bound: usize) {
        self.enter(what, bound, None);
    }

    /// Notes a bound of which it is known how much is in use.
    pub fn counted(&self, what: &'static str, bound: usize, in_use: impl Fn() -> u64 + Send + Sync + 'static) {
        self.enter(what, bound, Some(Box::new(in_use)));
    }

    /// Enters a bound; one of the same name goes.
    fn enter(&self, what: &'static str, bound: usize, in_use: Option<InUse>) {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(what, (bound, in_use));
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits").finish_non_exhaustive()
    }
}

impl Collector for Limits {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let gauge = |value: u64| ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        let help = "Bound of what could grow with load.";
        let mut family = encoder.encode_descriptor("ferrodns_limit", help, None, MetricType::Gauge)?;
        for (what, (bound, _)) in all.iter() {
            gauge(*bound).encode(family.encode_family(&[("what", *what)])?)?;
        }
        let help = "What is in use of a bound, where that is counted.";
        let mut family = encoder.encode_descriptor("ferrodns_in_use", help, None, MetricType::Gauge)?;
        for (what, (_, in_use)) in all.iter() {
            if let Some(in_use) = in_use {
                gauge(in_use()).encode(family.encode_family(&[("what", *what)])?)?;
            }
        }
        Ok(())
    }
}
