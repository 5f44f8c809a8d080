//! DNS over HTTPS to one upstream (RFC 8484). Knows no policy and no health.

use super::fault::Fault;
use super::reply::{Query, read_whole};
use super::streams::{MAX_CONNECTIONS, take_turn};
use crate::trust::rejection;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use plugin_api::Message;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

/// Longest exchange, connection and handshake included (CoreDNS's).
const TIMEOUT: Duration = Duration::from_secs(2);
/// Octets of the largest message.
const MAX_BODY: usize = 65_535;
/// The media type of messages.
const MEDIA_TYPE: &str = "application/dns-message";

/// A client of one upstream; keeps its connections.
pub(super) struct Https {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: String,
    method: Method,
    to: SocketAddr,
    /// Over HTTP/1 each exchange has a connection.
    permits: Semaphore,
}

/// What connections are like.
pub(super) struct HttpsOptions {
    /// Certificates and trust.
    pub(super) tls: ClientConfig,
    /// The name for SNI and verification.
    pub(super) name: ServerName<'static>,
    /// Address that is asked from.
    pub(super) source: Option<IpAddr>,
    /// POST or GET.
    pub(super) method: Method,
    /// How long an idle connection is kept.
    pub(super) expire: Duration,
    /// Idle connections that are kept; 0 for any number.
    pub(super) max_idle: usize,
}

impl Https {
    /// A client, not connected yet.
    pub(super) fn new(to: SocketAddr, options: HttpsOptions) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(TIMEOUT));
        tcp.set_local_address(options.source);
        let name = options.name;
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(options.tls)
            .https_only()
            .with_server_name_resolver(hyper_rustls::FixedServerNameResolver::new(name))
            .enable_all_versions()
            .wrap_connector(tcp);
        let mut client = Client::builder(TokioExecutor::new());
        client.pool_timer(TokioTimer::new()).pool_idle_timeout(options.expire);
        if options.max_idle > 0 {
            client.pool_max_idle_per_host(options.max_idle);
        }
        let (client, url) = (client.build(connector), format!("https://{to}/dns-query"));
        Self { client, url, method: options.method, to, permits: Semaphore::new(MAX_CONNECTIONS) }
    }

    /// Asks and waits for the reply. The id is 0, so that caches on the way may answer (RFC 8484 §4.1).
    pub(super) async fn ask(&self, query: &Query) -> Result<Message, Fault> {
        let _permit = take_turn(&self.permits, query.at_most(TIMEOUT)).await.ok_or(Fault::Busy(self.to))?;
        let asked = tokio::time::timeout(query.at_most(TIMEOUT), self.exchange(query.octets())).await;
        let timed_out =
            |_| Fault::Other(self.failed("context deadline exceeded (Client.Timeout exceeded while awaiting headers)"));
        let body = asked.map_err(timed_out)??;
        read_whole(&body, query.question())
    }

    /// One HTTP request; gives the body of its response.
    async fn exchange(&self, octets: &[u8]) -> Result<Bytes, Fault> {
        let builder = Request::builder().method(self.method.clone()).header(header::ACCEPT, MEDIA_TYPE);
        let builder = builder.header(header::CONTENT_TYPE, MEDIA_TYPE);
        let request = if self.method == Method::GET {
            builder.uri(format!("{}?dns={}", self.url, URL_SAFE_NO_PAD.encode(octets))).body(Full::default())
        } else {
            builder.uri(&self.url).body(Full::new(Bytes::copy_from_slice(octets)))
        };
        let request = request.map_err(|error| Fault::Other(self.failed(&error.to_string())))?;
        let sent = self.client.request(request).await;
        let response = sent.map_err(|error| {
            let cause = rejection(&error).unwrap_or_else(|| chain(&error));
            Fault::Other(self.failed(&cause))
        })?;
        let body = Limited::new(response.into_body(), MAX_BODY).collect().await;
        body.map(http_body_util::Collected::to_bytes).map_err(|error| Fault::Other(self.failed(&error.to_string())))
    }

    /// An error in the shape of Go's HTTP client.
    fn failed(&self, cause: &str) -> String {
        let method = if self.method == Method::GET { "Get" } else { "Post" };
        format!("{method} \"{}\": {cause}", self.url)
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
