//! Reads `prometheus [ADDRESS] { runtime_metrics; tls FILE }`.

use super::{Build, Enabled, EnabledLabels, Exporter, Recorder};
use crate::endpoint::{Endpoint, Guard, read_address};
use corefile::Diagnostic;
use plugin_api::property::unknown;
use plugin_api::{Metrics, Setup};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, PoisonError};

/// Where it listens unless told.
const DEFAULT_ADDRESS: &str = "localhost:9153";

/// The options.
const OPTIONS: [&str; 2] = ["runtime_metrics", "tls"];

/// Sets the plugin up.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    let mut address = DEFAULT_ADDRESS.to_owned();
    let (mut seen, mut web) = (false, None);
    while setup.input.next() {
        if std::mem::replace(&mut seen, true) {
            return Err(setup.once());
        }
        read_address(setup, &mut address, |setup, error| setup.plain(error))?;
        while setup.input.next_block() {
            option(setup, &mut web)?;
        }
    }
    let guard = web.map(|path| Arc::new(Guard::new(path, setup.process.clock.clone())));
    let exporter = build(setup, &address, guard);
    setup.manage(exporter);
    Ok(())
}

/// One line of the block; `web` is the file that `tls` names.
fn option(setup: &mut Setup<'_>, web: &mut Option<PathBuf>) -> Result<(), Diagnostic> {
    let place = setup.input.clone();
    match place.val() {
        "runtime_metrics" => {
            if !setup.input.remaining_args().is_empty() {
                return Err(setup.input.arg_err());
            }
            let said = "runtime_metrics has no effect: there is no Go runtime to measure; remove the line";
            setup.warn(place.err(said));
            Ok(())
        }
        "tls" => {
            if web.is_some() {
                return Err(setup.input.err("tls block already specified"));
            }
            let args = setup.input.remaining_args();
            let [file] = args.as_slice() else { return Err(setup.input.arg_err()) };
            *web = Some(PathBuf::from(file.as_str()));
            Ok(())
        }
        word => {
            let mut error = unknown(&setup.input, OPTIONS.into_iter());
            error.message = format!("unknown option: {word}");
            Err(error)
        }
    }
}

/// Makes the handler and the endpoint.
fn build(setup: &mut Setup<'_>, address: &str, guard: Option<Arc<Guard>>) -> Arc<Exporter> {
    let metrics = Arc::clone(&setup.process.metrics);
    register(&metrics);
    let enabled = setup.kept.find::<Enabled>("prometheus").unwrap_or_default();
    setup.kept.keep("prometheus", Arc::clone(&enabled));
    let help = "A metric that indicates whether a plugin is enabled on per server and zone basis.";
    let gauge: Family<EnabledLabels, Gauge> = metrics.get("plugin_enabled", help, Family::default);
    let endpoint = Endpoint::at(setup, address, "/metrics");
    let recorder = Arc::new(Recorder {
        zones: setup.block.zones.clone(),
        clock: setup.process.clock.clone(),
        scopes: OnceLock::new(),
    });
    setup.push(Arc::clone(&recorder) as Arc<dyn plugin_api::Handler>);
    let (registry, rows) = (Arc::clone(&metrics), Arc::clone(&enabled));
    setup.on_link(move |linked| {
        recorder.link(&registry, linked);
        // As CoreDNS: only for the block's first key.
        let zone = linked.zones.as_slice().first().map_or_else(|| ".".to_owned(), ToString::to_string);
        let mut rows = rows.0.lock().unwrap_or_else(PoisonError::into_inner);
        for server in linked.servers {
            rows.extend(linked.chain.iter().map(|handler| EnabledLabels {
                server: server.to_string(),
                zone: zone.clone(),
                view: linked.view.to_owned(),
                name: handler.name(),
            }));
        }
        Ok(())
    });
    Arc::new(Exporter { endpoint, guard, metrics, enabled, gauge })
}

/// The metrics that stand there before any query.
fn register(metrics: &Metrics) {
    let build: Family<Build, Gauge> = metrics.get(
        "build_info",
        "A metric with a constant '1' value labeled by version, revision, and goversion from which CoreDNS was built.",
        Family::default,
    );
    let version = concat!("ferrodns-", env!("CARGO_PKG_VERSION"));
    build.get_or_create(&Build { version, revision: "", goversion: "" }).set(1);
    let _: Counter = metrics.get("panics", "A metrics that counts the number of panics.", Counter::default);
}
