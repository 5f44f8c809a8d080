//! Reads `health [ADDRESS] { lameduck DURATION }`.

use super::{Check, Health};
use crate::endpoint::{Endpoint, read_address};
use corefile::Diagnostic;
use plugin_api::{Args, Histogram, Property, Setup, go, read_block};
use prometheus_client::metrics::counter::Counter;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Where it listens unless told.
const DEFAULT_ADDRESS: &str = ":8080";

/// The buckets of the self-check (CoreDNS: plugin.SlimTimeBuckets).
const BUCKETS: [f64; 5] = [0.00025, 0.0025, 0.025, 0.25, 2.5];

/// What the directive says.
struct Config {
    address: String,
    lameduck: Duration,
}

/// The properties.
const PROPERTIES: &[Property<Config>] = &[Property::new("lameduck", 1..=1, lameduck)];

/// `lameduck DURATION`: how long the process goes on after it was told to end; a negative one is none.
fn lameduck(config: &mut Config, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    let text = args.get(0);
    config.lameduck = go::duration(text)
        .map_err(|error| args.plain_at(0, format!("unable to parse lameduck duration value: '{text}' : {error}")))?;
    Ok(())
}

/// Sets the plugin up. Several occurrences in a block count as one, the last address and lameduck win.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    let mut config = Config { address: DEFAULT_ADDRESS.to_owned(), lameduck: Duration::ZERO };
    while setup.input.next() {
        read_address(setup, &mut config.address, |setup, error| setup.plain(error))?;
        read_block(&mut setup.input, &mut config, PROPERTIES)?;
    }
    let endpoint = Endpoint::at(setup, &config.address, "/health");
    let (duration, failures) = metrics(&setup.process.metrics);
    let check = Check { address: config.address, duration, failures };
    setup.manage(Arc::new(Health { endpoint, lameduck: config.lameduck, check, task: Mutex::new(None) }));
    Ok(())
}

/// Registers the metrics, which stand at 0 even where the plugin is not used.
pub(crate) fn register(registry: &plugin_api::Metrics) {
    metrics(registry);
}

/// The metrics of the self-check.
fn metrics(metrics: &plugin_api::Metrics) -> (Histogram, Counter) {
    let duration =
        metrics.get("health_request_duration_seconds", "Histogram of the time (in seconds) each request took.", || {
            Histogram::new(&BUCKETS)
        });
    let failures =
        metrics.get("health_request_failures", "The number of times the health check failed.", Counter::default);
    (duration, failures)
}
