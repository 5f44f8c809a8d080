//! Reads `reload [INTERVAL [JITTER]]`.

use super::Watcher;
use corefile::Diagnostic;
use plugin_api::{Setup, go};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use rand::Rng as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Between two looks at the files, unless told.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);
/// How far looks of several replicas are spread, unless told.
const DEFAULT_JITTER: Duration = Duration::from_secs(15);
/// The shortest interval.
const MIN_INTERVAL: Duration = Duration::from_secs(2);
/// The least jitter other than none.
const MIN_JITTER: Duration = Duration::from_secs(1);

/// Marks that this configuration has its one watcher already.
struct Taken;

/// Sets the plugin up. Only the first occurrence is read, and of several blocks the first one's watcher works.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    setup.input.next();
    let args = setup.input.remaining_args();
    if args.len() > 2 {
        return Err(setup.input.arg_err());
    }
    let read = |index: usize, default: Duration| args.get(index).map_or(Ok(default), |arg| go::duration(arg));
    let interval = read(0, DEFAULT_INTERVAL).map_err(|error| setup.plain(error))?;
    if interval < MIN_INTERVAL {
        return Err(setup.plain("interval value must be greater or equal to 2s"));
    }
    let jitter = read(1, DEFAULT_JITTER).map_err(|error| setup.plain(error))?;
    let is_negative = args.get(1).is_some_and(|arg| arg.starts_with('-'));
    if is_negative || (!jitter.is_zero() && jitter < MIN_JITTER) {
        return Err(setup.plain("jitter value must be 0 or greater or equal to 1s"));
    }
    let (failed, version) = metrics(&setup.process.metrics);
    if setup.kept.find::<Taken>("reload").is_some() {
        return Ok(());
    }
    setup.kept.keep("reload", Arc::new(Taken));
    let interval = spread(interval, jitter.min(interval / 2), rand::rng().random_range(0.0..1.0));
    let control = Arc::clone(&setup.process.control);
    setup.manage(Arc::new(Watcher { interval, control, failed, version, task: Mutex::new(None) }));
    Ok(())
}

/// The interval moved by up to half the jitter in either direction; `place` is from 0 to 1.
pub(super) fn spread(interval: Duration, jitter: Duration, place: f64) -> Duration {
    (interval + jitter.mul_f64(place)).saturating_sub(jitter / 2)
}

/// Registers the metrics, which stand at 0 even where the plugin is not used.
pub(crate) fn register(registry: &plugin_api::Metrics) {
    metrics(registry);
}

/// The metrics: failed reloads, and the hash of what runs since the last reload.
fn metrics(
    metrics: &plugin_api::Metrics,
) -> (Counter, Family<super::Version, prometheus_client::metrics::gauge::Gauge>) {
    let failed = metrics.get("reload_failed", "Counter of the number of failed reload attempts.", Counter::default);
    let help = "A metric with a constant '1' value labeled by hash, and value which type of hash generated.";
    (failed, metrics.get("reload_version_info", help, Family::default))
}
