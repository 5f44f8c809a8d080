//! `prometheus`: counts the queries of a block, and shows all metrics of the process. See [README](README.md).

mod setup;
#[cfg(test)]
mod tests;
mod text;
#[cfg(test)]
mod web_tests;

use crate::endpoint::{Endpoint, Guard, Page};
use http::{HeaderValue, StatusCode, header};
use percent_encoding::percent_decode_str;
use plugin_api::dns_metrics::{DnsMetrics, Report, Scope};
use plugin_api::{
    BoxFuture, Clock, Handler, Lifecycle, Metrics, Next, Outcome, Plugin, Reply, Request, Response, Zones,
};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use std::io::Write as _;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "prometheus", setup: setup::setup };

/// Counts the queries of one block.
struct Recorder {
    zones: Zones,
    clock: Clock,
    /// What is counted where, known when all plugins are set up.
    scopes: OnceLock<Vec<Counted>>,
}

/// The counters of one listener.
struct Counted {
    server: Arc<str>,
    /// One for each zone of the block, and one for `.` behind them.
    zones: Vec<DnsMetrics>,
}

impl Recorder {
    /// Makes the counters of every listener and zone.
    fn link(&self, metrics: &Metrics, linked: &plugin_api::Linked<'_>) {
        // The label names the handler behind this one, whoever wrote the reply: as CoreDNS (golden: metrics/plugin-label).
        let names: Vec<&str> = linked.chain.iter().map(|handler| handler.name()).collect();
        let at = names.iter().position(|name| *name == PLUGIN.name);
        let plugin = at.and_then(|at| linked.chain.get(at + 1)).map_or("", |handler| handler.name());
        let counted = |server: &Arc<str>| {
            let zones = self.zones.as_slice().iter().map(ToString::to_string).chain([".".to_owned()]);
            let scope =
                |zone: String| Scope { server: Arc::clone(server), zone: zone.into(), view: linked.view.into() };
            Counted {
                server: Arc::clone(server),
                zones: zones.map(|zone| DnsMetrics::new(metrics, scope(zone), plugin)).collect(),
            }
        };
        // Set once: the plugin is linked once.
        drop(self.scopes.set(linked.servers.iter().map(counted).collect()));
    }

    /// The counters for a query.
    fn scope(&self, request: &Request) -> Option<&DnsMetrics> {
        let server = &request.origin().site.server;
        let is_it = |counted: &&Counted| Arc::ptr_eq(&counted.server, server) || *counted.server == **server;
        let counted = self.scopes.get()?.iter().find(is_it)?;
        let place = self.zones.position(request.question().lower()).unwrap_or(self.zones.as_slice().len());
        counted.zones.get(place)
    }

    /// Counts a query whose outcome is here.
    fn count(&self, request: &Request, outcome: &Outcome) {
        let Some(scope) = self.scope(request) else { return };
        let message = match outcome {
            Ok(Response::Message(message)) => Some(message),
            Ok(_) => None,
            Err(error) => error.message.as_deref(),
        };
        let edns = message.and_then(|message| message.edns.as_ref()).map_or(0, |edns| edns.wire_len());
        let (rcode, size, by_plugin) = match (message, outcome) {
            (Some(message), _) => (message.rcode(), message.octets().len() + edns, true),
            // Nothing has been written yet: the server's own reply comes later and counts as empty, as in CoreDNS.
            (None, Err(error)) => (error.rcode, 0, false),
            (None, Ok(Response::Unwritten(rcode))) => (*rcode, 0, false),
            (None, Ok(response)) => (response.rcode(), 0, matches!(response, Response::Stream(_))),
        };
        let duration = self.clock.now().saturating_duration_since(request.origin().arrival);
        scope.report(request, Report { rcode, size, duration, by_plugin });
    }
}

impl Handler for Recorder {
    fn name(&self) -> &'static str {
        PLUGIN.name
    }

    fn handle<'a>(&'a self, request: &'a Request, next: Next<'a>) -> Reply<'a> {
        next.run(request).then(move |outcome| {
            self.count(request, &outcome);
            outcome
        })
    }
}

/// Labels of `plugin_enabled`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EnabledLabels {
    server: String,
    zone: String,
    view: String,
    name: &'static str,
}

/// Labels of `build_info`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
    revision: &'static str,
    goversion: &'static str,
}

/// The handlers of all blocks of one configuration that have this plugin.
#[derive(Default)]
struct Enabled(Mutex<Vec<EnabledLabels>>);

/// The endpoint, and what it says of the configuration.
struct Exporter {
    endpoint: Arc<Endpoint>,
    /// What `tls` asks for.
    guard: Option<Arc<Guard>>,
    metrics: Arc<Metrics>,
    enabled: Arc<Enabled>,
    gauge: Family<EnabledLabels, Gauge>,
}

impl Exporter {
    /// Puts guard and page in their places.
    fn install(&self) {
        let metrics = Arc::clone(&self.metrics);
        self.endpoint.guard(self.guard.clone());
        self.endpoint.show(Box::new(move |request| page(&metrics, request)));
    }
}

impl Lifecycle for Exporter {
    fn start(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async {
            if let Some(Err(error)) = self.guard.as_ref().map(|guard| guard.check()) {
                // CoreDNS starts all the same, and its port then never answers. Ours is not opened.
                tracing::error!("{error}");
                return Ok(());
            }
            // An open port is guarded as before until this configuration has taken over.
            if !self.endpoint.is_listening() {
                self.install();
            }
            match self.endpoint.listen().await {
                Ok(()) if self.guard.is_some() => tracing::info!("Server is ready and accepting connections"),
                Ok(()) => {}
                Err(error) => tracing::error!("Failed to start metrics handler: {error}"),
            }
            Ok(())
        })
    }

    fn activate(&self) {
        if self.endpoint.is_listening() {
            self.install();
        }
        self.gauge.clear();
        for labels in self.enabled.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            self.gauge.get_or_create(labels).set(1);
        }
    }
}

/// The page of all metrics, of some with `?name[]=FAMILY`, compressed where the client takes it.
fn page<B>(metrics: &Metrics, request: &http::Request<B>) -> Page {
    let mut encoded = String::new();
    if metrics.with(|registry| prometheus_client::encoding::text::encode(&mut encoded, registry)).is_err() {
        return crate::endpoint::text(StatusCode::INTERNAL_SERVER_ERROR, "metrics cannot be written\n");
    }
    let wanted: Vec<String> = wanted(request.uri().query().unwrap_or_default());
    let body = text::convert(&(encoded + &text::process()), &wanted);
    let mut codings = request.headers().get_all(header::ACCEPT_ENCODING).iter();
    let is_gzip_taken = codings.any(|value| value.to_str().is_ok_and(takes_gzip));
    let compressed = if is_gzip_taken { compress(body.as_bytes()) } else { None };
    let is_compressed = compressed.is_some();
    let mut page = crate::endpoint::text(StatusCode::OK, compressed.unwrap_or_else(|| body.into_bytes()));
    page.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind(request)));
    if is_compressed {
        page.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    page
}

/// Whether a list of codings has gzip, and does not refuse it with the weight 0 (RFC 9110 §12.4.2).
fn takes_gzip(codings: &str) -> bool {
    let takes = |coding: &str| {
        let mut words = coding.split(';').map(str::trim);
        let weight = |word: &str| word.strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
        words.next() == Some("gzip") && !words.filter_map(weight).any(|weight| weight <= 0.0)
    };
    codings.split(',').any(takes)
}

/// The content type, with the way of escaping names that the client wants; no name of ours needs any.
fn kind<B>(request: &http::Request<B>) -> &'static str {
    let accepted = request.headers().get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut words = accepted.flat_map(|value| value.split([',', ';'])).map(str::trim);
    match words.find_map(|word| word.strip_prefix("escaping=")) {
        Some("allow-utf-8") => "text/plain; version=0.0.4; charset=utf-8; escaping=allow-utf-8",
        Some("dots") => "text/plain; version=0.0.4; charset=utf-8; escaping=dots",
        Some("values") => "text/plain; version=0.0.4; charset=utf-8; escaping=values",
        _ => "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
    }
}

/// The families that a query string asks for.
fn wanted(query: &str) -> Vec<String> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, _)| decode(name) == "name[]").map(|(_, family)| decode(family)).collect()
}

/// The octets compressed, if that works.
fn compress(body: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}
