//! Side listeners over HTTP: `/health`, `/ready`, `/metrics`, `/debug/pprof/`. Knows no plugin.
//!
//! An endpoint outlives a reload: the new configuration finds the old one's by its address and goes on with it, so that a
//! probe never meets a closed port. It closes when nobody holds it any more.

mod guard;
mod guard_tls;
mod listen;

pub(crate) use guard::Guard;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use corefile::Diagnostic;
use guard::Rules;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use plugin_api::setup::Setup;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};

/// Connections served at a time: probes of one kubelet and a few scrapers need less than ten; more wait to be accepted.
const MAX_CONNECTIONS: usize = 128;

/// How long a client may take to send a request (CoreDNS: the same for all side listeners).
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// Shows the bounds of side listeners.
pub(crate) fn limits(limits: &plugin_api::Limits) {
    limits.bound("endpoint_connections", MAX_CONNECTIONS);
}

/// An answer over HTTP.
pub(crate) type Page = Response<Full<Bytes>>;

/// Gives the page for a request to the endpoint's one path.
pub(crate) type Serve = dyn Fn(&Request<Incoming>) -> Page + Send + Sync;

/// A side listener with one path.
pub(crate) struct Endpoint {
    /// The address as written, `host:port`.
    address: String,
    /// The path that is served; all others are not found.
    path: &'static str,
    /// What it serves; none answers 503.
    content: ArcSwapOption<Box<Serve>>,
    /// What stands before it; none for plain HTTP for everybody.
    guard: ArcSwapOption<Guard>,
    /// The running listener.
    task: Mutex<Option<AbortHandle>>,
}

impl Endpoint {
    /// The endpoint that listens at `address` for this plugin: that of the running configuration, or a new one.
    pub(crate) fn at(setup: &mut Setup<'_>, address: &str, path: &'static str) -> Arc<Self> {
        let key = format!("{path} {address}");
        let endpoint =
            setup.kept.find::<Self>(&key).or_else(|| setup.previous.find::<Self>(&key)).unwrap_or_else(|| {
                Arc::new(Self {
                    address: address.to_owned(),
                    path,
                    content: ArcSwapOption::empty(),
                    guard: ArcSwapOption::empty(),
                    task: Mutex::new(None),
                })
            });
        setup.kept.keep(key, Arc::clone(&endpoint));
        endpoint
    }

    /// Whether it listens.
    pub(crate) fn is_listening(&self) -> bool {
        self.task.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(|task| !task.is_finished())
    }

    /// Serves this from now on.
    pub(crate) fn show(&self, content: Box<Serve>) {
        self.content.store(Some(Arc::new(content)));
    }

    /// Puts this before what is served, or nothing, for connections from now on.
    pub(crate) fn guard(&self, guard: Option<Arc<Guard>>) {
        self.guard.store(guard);
    }

    /// Begins to listen, if it does not yet.
    ///
    /// # Errors
    /// In Go's words, when the address is none or cannot be bound.
    pub(crate) async fn listen(self: &Arc<Self>) -> Result<(), String> {
        if self.is_listening() {
            return Ok(());
        }
        let listener = listen::listen(&self.address).await?;
        let path = self.path;
        // The task must not keep the endpoint alive: dropping the last holder ends it.
        let endpoint = Arc::downgrade(self);
        let task = tokio::spawn(accept(listener, path, endpoint));
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.abort_handle());
        Ok(())
    }

    /// Closes the port and all connections at once.
    pub(crate) fn close(&self) {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.close();
    }
}

/// Accepts connections until it is aborted; its connections end with it.
async fn accept(listener: TcpListener, path: &'static str, endpoint: Weak<Endpoint>) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(target: "plugin/http", "cannot accept a connection on {path}: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let endpoint = Weak::clone(&endpoint);
        connections.spawn(async move {
            admit(stream, endpoint).await;
            drop(permit);
        });
    }
}

/// Serves a connection as the endpoint's guard lets it. A client that goes away is its own business.
async fn admit(stream: TcpStream, endpoint: Weak<Endpoint>) {
    let Some(guard) = endpoint.upgrade().map(|endpoint| endpoint.guard.load_full()) else { return };
    let Some(guard) = guard else { return talk(stream, endpoint, None).await };
    let rules = match guard.rules() {
        Ok(rules) => Arc::new(rules),
        Err(error) => {
            tracing::error!(target: "plugin/http", "Unable to parse configuration: {error}");
            return;
        }
    };
    match &rules.tls {
        None => talk(stream, endpoint, Some((guard, Arc::clone(&rules)))).await,
        Some(acceptor) => {
            if let Ok(Ok(stream)) = tokio::time::timeout(HEADER_TIMEOUT, acceptor.accept(stream)).await {
                talk(stream, endpoint, Some((guard, Arc::clone(&rules)))).await;
            }
        }
    }
}

/// Speaks HTTP on a connection until it ends.
async fn talk<S>(stream: S, endpoint: Weak<Endpoint>, guarded: Option<(Arc<Guard>, Arc<Rules>)>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let (endpoint, guarded) = (Weak::clone(&endpoint), guarded.clone());
        async move { Ok::<_, std::convert::Infallible>(respond(&request, &endpoint, guarded.as_ref()).await) }
    });
    let mut builder = http1::Builder::new();
    // Names of headers as Go writes them: who greps for them finds them.
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).title_case_headers(true);
    drop(builder.serve_connection(TokioIo::new(stream), service).await);
}

/// The page for one request, if the guard lets it pass, with the headers that it adds.
async fn respond(
    request: &Request<Incoming>,
    endpoint: &Weak<Endpoint>,
    guarded: Option<&(Arc<Guard>, Arc<Rules>)>,
) -> Page {
    let refused = match guarded {
        Some((guard, rules)) => guard.refuse(rules, request.headers()).await,
        None => None,
    };
    let mut page = match (refused, endpoint.upgrade()) {
        (Some(page), _) => page,
        (None, Some(endpoint)) => answer(request, &endpoint),
        (None, None) => text(StatusCode::SERVICE_UNAVAILABLE, ""),
    };
    let headers = guarded.iter().flat_map(|(_, rules)| &rules.headers);
    headers.for_each(|(name, value)| drop(page.headers_mut().insert(name, value.clone())));
    page
}

/// The page for one request, as Go's ServeMux routes it: unclean paths are redirected, others not found. A path that ends in a
/// slash stands for all below it.
fn answer(request: &Request<Incoming>, endpoint: &Endpoint) -> Page {
    let path = endpoint.path;
    let asked = request.uri().path();
    let clean = clean(asked);
    if clean != asked {
        return redirect(StatusCode::TEMPORARY_REDIRECT, &clean);
    }
    if asked == path || (path.ends_with('/') && asked.starts_with(path)) {
        let content = endpoint.content.load_full();
        return content.map_or_else(|| text(StatusCode::SERVICE_UNAVAILABLE, ""), |serve| serve(request));
    }
    if path.strip_suffix('/') == Some(asked) {
        return redirect(StatusCode::FOUND, path);
    }
    not_found("404 page not found\n")
}

/// Sends the client to another path.
fn redirect(status: StatusCode, to: &str) -> Page {
    let reason = status.canonical_reason().unwrap_or_default();
    let mut page = text(status, format!("<a href=\"{to}\">{reason}</a>.\n\n"));
    page.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    if let Ok(location) = HeaderValue::from_str(to) {
        page.headers_mut().insert(header::LOCATION, location);
    }
    page
}

/// There is no such page.
pub(crate) fn not_found(body: &'static str) -> Page {
    let mut page = text(StatusCode::NOT_FOUND, body);
    page.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    page
}

/// A page of plain text.
pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Page {
    let mut page = Response::new(Full::new(body.into()));
    *page.status_mut() = status;
    page.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    page
}

/// A path without empty, `.` and `..` parts.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => (),
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let slash = if path.ends_with('/') && !parts.is_empty() { "/" } else { "" };
    format!("/{}{slash}", parts.join("/"))
}

/// Reads the one argument of a side listener, `[HOST:PORT]`, if it is there.
///
/// # Errors
/// For what is no address, as `fail` puts it, and for a second argument.
pub(crate) fn read_address(
    setup: &mut Setup<'_>,
    address: &mut String,
    fail: fn(&Setup<'_>, String) -> Diagnostic,
) -> Result<(), Diagnostic> {
    let args = setup.input.remaining_args();
    match args.as_slice() {
        [] => (),
        [written] => {
            listen::split_host_port(written).map_err(|error| match written.parse::<u16>() {
                Ok(port) => fail(setup, error).with_suggestion(Some(&format!(":{port}"))),
                Err(_) => fail(setup, error),
            })?;
            *address = written.to_string();
        }
        _ => return Err(setup.input.arg_err()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn paths_are_cleaned_as_go_does() {
        for (path, expected) in
            [("//health", "/health"), ("/a/../b", "/b"), ("/health/", "/health/"), ("/", "/"), ("/./x", "/x")]
        {
            assert_eq!(clean(path), expected);
        }
    }
}
