//! Connections to the API server: TCP, through a proxy if one is named, and TLS. Knows no request and no credential.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use corefile::os_error_text;
use futures_util::future::{BoxFuture, join};
use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::proxy::SocksV5;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig, InvalidMessage};
use tower::{Service, ServiceExt};

use crate::trust;

use super::access::{Protocol, Proxy, ProxyRules, Settings, TlsSettings};

/// How long a connection may take, proxy and TLS included: three tries of a lost SYN.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no connection, in Go's words where it has some.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    /// The name of the server, or of its proxy, has no address.
    #[error("dial tcp: lookup {host}: {why}")]
    Lookup {
        /// The name.
        host: String,
        /// What the resolver says.
        why: String,
    },
    /// The server, or its proxy, cannot be reached.
    #[error("dial tcp {address}: {why}")]
    Connect {
        /// Host and port.
        address: String,
        /// What the system says.
        why: String,
    },
    /// The proxy does not lead to the server.
    #[error("proxy {proxy}: {why}")]
    Proxy {
        /// The proxy.
        proxy: String,
        /// What it says.
        why: String,
    },
    /// The TLS handshake failed.
    #[error("{0}")]
    Tls(String),
}

/// Makes connections; a clone makes the same ones.
#[derive(Clone)]
pub(super) struct Dialer {
    /// Makes TCP connections.
    tcp: HttpConnector,
    /// Trust and the client's certificate; none where the server is asked in plain HTTP.
    tls: Option<TlsConnector>,
    /// The name that is asked for in the handshake, if not that in the address.
    server_name: Arc<str>,
    /// Which proxy leads to which address.
    proxies: Arc<ProxyRules>,
}

impl Dialer {
    /// Makes what connects as the settings say; `identity` is a certificate and key that count instead of theirs.
    ///
    /// # Errors
    /// Where there is no TLS configuration.
    pub(super) fn new(settings: &Settings, identity: Option<(&[u8], &[u8])>) -> Result<Self, String> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let config = settings.tls.as_ref().map(|tls| tls.config(identity)).transpose();
        let config = config.map_err(|error| error.to_string())?;
        let server_name = settings.tls.as_ref().map_or("", |tls| tls.server_name.as_str()).into();
        let proxies = Arc::new(settings.proxies.clone());
        Ok(Self { tcp, tls: config.map(connector), server_name, proxies })
    }

    /// Connects to a server in time.
    async fn dial(self, uri: Uri) -> Result<Conn, DialError> {
        let address = Target::of(&uri).address();
        let why = format!("no connection within {} s", CONNECT_TIMEOUT.as_secs());
        timeout(CONNECT_TIMEOUT, self.connect(uri)).await.unwrap_or(Err(DialError::Connect { address, why }))
    }

    /// Connects to a server.
    async fn connect(self, uri: Uri) -> Result<Conn, DialError> {
        let target = Target::of(&uri);
        let is_tls = uri.scheme_str() == Some("https");
        let proxy = self.proxies.choose(&uri);
        let proxy =
            proxy.map(|proxy| proxy.cloned()).map_err(|why| DialError::Connect { address: target.address(), why })?;
        let is_proxied = !is_tls && proxy.as_ref().is_some_and(is_http);
        let stream = match proxy {
            None => self.clone().tcp(target.clone()).await?,
            Some(proxy) => self.clone().through(proxy, target.clone(), is_tls).await?,
        };
        let stream = if is_tls { self.encrypt(stream, target.host).await? } else { stream };
        Ok(Conn { stream, is_proxied })
    }

    /// Makes a TCP connection.
    fn tcp(self, target: Target) -> BoxFuture<'static, Result<Box<dyn Stream>, DialError>> {
        Box::pin(async move {
            match self.tcp.oneshot(target.uri()?).await {
                Ok(stream) => Ok(Box::new(stream) as Box<dyn Stream>),
                Err(error) => {
                    let why = error.source().map_or_else(|| error.to_string(), system_text);
                    Err(if error.to_string().starts_with("dns") {
                        DialError::Lookup { host: target.host, why }
                    } else {
                        DialError::Connect { address: target.address(), why }
                    })
                }
            }
        })
    }

    /// Makes a connection through a proxy.
    fn through(
        self,
        proxy: Proxy,
        target: Target,
        is_tls: bool,
    ) -> BoxFuture<'static, Result<Box<dyn Stream>, DialError>> {
        Box::pin(async move {
            let place = Target { host: proxy.host.clone(), port: proxy.port };
            let address = place.address();
            let failed = |why: String| DialError::Proxy { proxy: address, why };
            let stream = self.clone().tcp(place.clone()).await?;
            let stream = match proxy.protocol {
                Protocol::Socks5 => return socks(stream, proxy, place, target).await.map_err(failed),
                Protocol::Http => stream,
                Protocol::Https => match self.encrypt(stream, place.host).await {
                    Ok(stream) => stream,
                    Err(error) => return Err(failed(error.to_string())),
                },
            };
            if is_tls { tunnel(stream, proxy, target).await.map_err(failed) } else { Ok(stream) }
        })
    }

    /// Speaks TLS on a connection.
    fn encrypt(self, stream: Box<dyn Stream>, host: String) -> BoxFuture<'static, Result<Box<dyn Stream>, DialError>> {
        Box::pin(async move {
            let host = if self.server_name.is_empty() { host.trim_matches(['[', ']']) } else { &self.server_name };
            let name = ServerName::try_from(host.to_owned());
            let name =
                name.map_err(|_| DialError::Tls(format!("tls: {host:?} is no name that a certificate can have")))?;
            // A proxy before plain HTTP, or a redirect from there, is trusted as the system says.
            let tls = match self.tls {
                Some(tls) => tls,
                None => {
                    connector(TlsSettings::default().config(None).map_err(|error| DialError::Tls(error.to_string()))?)
                }
            };
            let stream = tls.connect(name, TokioIo::new(stream)).await;
            let stream = stream.map_err(|error| DialError::Tls(tls_text(&error)))?;
            Ok(Box::new(TokioIo::new(stream)) as Box<dyn Stream>)
        })
    }
}

impl Service<Uri> for Dialer {
    type Response = Conn;
    type Error = DialError;
    type Future = BoxFuture<'static, Result<Conn, DialError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().dial(uri))
    }
}

/// Returns the header by which a proxy of plain HTTP knows the client, if it wants to.
pub(super) fn proxy_authorization(proxy: &Proxy) -> Option<HeaderValue> {
    let (name, password) = proxy.user.as_ref().filter(|_| is_http(proxy))?;
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Says whether requests for `http://` go to the proxy as they are.
fn is_http(proxy: &Proxy) -> bool {
    proxy.protocol != Protocol::Socks5
}

/// Speaks HTTP/1.1 alone: a watch has a connection of its own.
fn connector(mut config: ClientConfig) -> TlsConnector {
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsConnector::from(Arc::new(config))
}

/// Where a connection leads.
#[derive(Clone)]
struct Target {
    /// The host, IPv6 addresses in brackets.
    host: String,
    /// The port.
    port: u16,
}

impl Target {
    /// Returns where a URI leads.
    fn of(uri: &Uri) -> Self {
        let port = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        Self { host: uri.host().unwrap_or_default().to_owned(), port: uri.port_u16().unwrap_or(port) }
    }

    /// Returns host and port.
    fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Returns the URI that connectors understand.
    fn uri(&self) -> Result<Uri, DialError> {
        let address = self.address();
        let uri = Uri::builder().scheme("http").authority(address.as_str()).path_and_query("/").build();
        uri.map_err(|error| DialError::Connect { address, why: error.to_string() })
    }
}

/// Asks a proxy to connect to a server.
fn tunnel(
    stream: Box<dyn Stream>,
    proxy: Proxy,
    target: Target,
) -> BoxFuture<'static, Result<Box<dyn Stream>, String>> {
    Box::pin(async move {
        let stream = Conn { stream, is_proxied: false };
        let (mut sender, connection) = http1::handshake(stream).await.map_err(|error| chain(&error))?;
        let address = target.address();
        let mut request = Request::connect(&address).header(header::HOST, &address);
        if let Some(authorization) = proxy_authorization(&proxy) {
            request = request.header(header::PROXY_AUTHORIZATION, authorization);
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(|error| error.to_string())?;
        let exchange = async move {
            let response = sender.send_request(request).await.map_err(|error| chain(&error))?;
            match response.status() {
                StatusCode::OK => hyper::upgrade::on(response).await.map_err(|error| chain(&error)),
                status => Err(format!("it answers {status} to CONNECT {address}")),
            }
        };
        // The connection ends when the tunnel stands, or when nobody wants anything of it.
        let (_, stream) = join(connection.with_upgrades(), exchange).await;
        Ok(Box::new(stream?) as Box<dyn Stream>)
    })
}

/// Asks a SOCKS proxy to connect to a server.
fn socks(
    stream: Box<dyn Stream>,
    proxy: Proxy,
    place: Target,
    target: Target,
) -> BoxFuture<'static, Result<Box<dyn Stream>, String>> {
    Box::pin(async move {
        let text = |error: DialError| error.to_string();
        let mut socks = SocksV5::new(place.uri().map_err(text)?, Once(Some(stream)));
        if let Some((name, password)) = proxy.user {
            socks = socks.with_auth(name, password);
        }
        socks.call(target.uri().map_err(text)?).await.map_err(|error| format!("SOCKS 5: {error}"))
    })
}

/// A connector that hands out the connection that it has.
struct Once(Option<Box<dyn Stream>>);

impl Service<Uri> for Once {
    type Response = Box<dyn Stream>;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<Box<dyn Stream>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        std::future::ready(self.0.take().ok_or_else(|| io::ErrorKind::NotConnected.into()))
    }
}

/// What octets go through, whatever it is.
trait Stream: Read + Write + Send + Unpin {}

impl<T: Read + Write + Send + Unpin> Stream for T {}

/// A connection to the API server.
pub(super) struct Conn {
    /// What octets go through.
    stream: Box<dyn Stream>,
    /// Whether a proxy reads the requests.
    is_proxied: bool,
}

impl Connection for Conn {
    fn connected(&self) -> Connected {
        Connected::new().proxy(self.is_proxied)
    }
}

impl Read for Conn {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl Write for Conn {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Writes an error of the system as Go does, whatever is around it.
fn system_text(error: &(dyn Error + 'static)) -> String {
    error.downcast_ref::<io::Error>().map_or_else(|| chain(error), os_error_text)
}

/// Writes why a handshake failed.
fn tls_text(error: &io::Error) -> String {
    if let Some(text) = trust::rejection(error) {
        return text;
    }
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            "http: server gave HTTP response to HTTPS client".to_owned()
        }
        Some(error) => format!("tls: {error}"),
        None => format!("tls handshake: {}", os_error_text(error)),
    }
}

/// Writes an error with its causes, each once.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}
