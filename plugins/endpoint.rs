//! Side listeners over HTTP: `/health`, `/ready`, `/metrics`, `/debug/pprof/`. Knows no plugin.
//!
//! An endpoint outlives a reload: the new configuration finds the old one's by its address and goes on with it, so that a
//! probe never meets a closed port. It closes when nobody holds it any more.

mod connections;
mod guard;
mod guard_tls;
mod listen;
mod route;

pub(crate) use guard::Guard;
pub(crate) use route::decoded;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use connections::{ConnectionLimits, ConnectionState, Connections, TimedStream};
use corefile::Diagnostic;
use guard::Rules;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use plugin_api::setup::Setup;
use route::Route;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// Wait after a failure to accept a connection: short enough for a probe, and few system calls.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(10);

/// Time between two lines of the log about failures to accept connections.
const WARNING_PERIOD: Duration = Duration::from_secs(60);

/// Shows the bounds of side listeners.
pub(crate) fn limits(limits: &plugin_api::Limits) {
    limits.bound("endpoint_connections", ConnectionLimits::SIDE.connections);
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
        let endpoint = setup
            .kept
            .find::<Self>(&key)
            .or_else(|| setup.previous.find::<Self>(&key))
            .unwrap_or_else(|| Arc::new(Self::new(address, path)));
        setup.kept.keep(key, Arc::clone(&endpoint));
        endpoint
    }

    /// An endpoint that does not listen yet.
    fn new(address: &str, path: &'static str) -> Self {
        Self {
            address: address.to_owned(),
            path,
            content: ArcSwapOption::empty(),
            guard: ArcSwapOption::empty(),
            task: Mutex::new(None),
        }
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
        // The task must not keep the endpoint alive: dropping the last holder ends it.
        let endpoint = Arc::downgrade(self);
        let task = tokio::spawn(accept(listener, self.path, ConnectionLimits::SIDE, endpoint));
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
async fn accept(listener: TcpListener, path: &'static str, limits: ConnectionLimits, endpoint: Weak<Endpoint>) {
    let mut connections = Connections::new(limits);
    let mut warned: Option<Instant> = None;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let endpoint = Weak::clone(&endpoint);
                connections.add(move |state| admit(stream, endpoint, state)).await;
            }
            Err(error) if is_lost(&error) => (),
            Err(error) => {
                if warned.is_none_or(|at| at.elapsed() >= WARNING_PERIOD) {
                    warned = Some(Instant::now());
                    tracing::warn!(target: "plugin/http", "cannot accept connections on {path}: {error}; idle ones end");
                }
                // Most likely descriptors are used up, and a new client needs one more than an idle one does.
                connections.evict();
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
}

/// Whether an error is that of one connection, which was gone before it was accepted.
fn is_lost(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// Serves a connection as the endpoint's guard lets it, once the client has sent something: until then it takes no buffer.
async fn admit(stream: TcpStream, endpoint: Weak<Endpoint>, state: Arc<ConnectionState>) {
    if let Ok(Ok(())) = tokio::time::timeout(state.limits.read, stream.readable()).await {
        Box::pin(greet(stream, endpoint, state)).await;
    }
}

/// Serves a connection as the endpoint's guard lets it. A client that goes away is its own business.
async fn greet<S>(stream: S, endpoint: Weak<Endpoint>, state: Arc<ConnectionState>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Some(guard) = endpoint.upgrade().map(|endpoint| endpoint.guard.load_full()) else { return };
    let Some(guard) = guard else { return talk(stream, endpoint, None, state).await };
    // Its files may take their time, which is not that of a worker.
    let reader = Arc::clone(&guard);
    let read = tokio::task::spawn_blocking(move || reader.rules()).await;
    let rules = match read.unwrap_or_else(|error| Err(error.to_string())) {
        Ok(rules) => Arc::new(rules),
        Err(error) => {
            tracing::error!(target: "plugin/http", "Unable to parse configuration: {error}");
            return;
        }
    };
    match &rules.tls {
        None => talk(stream, endpoint, Some((guard, Arc::clone(&rules))), state).await,
        Some(acceptor) => {
            if let Ok(Ok(stream)) = tokio::time::timeout(state.limits.read, acceptor.accept(stream)).await {
                talk(stream, endpoint, Some((guard, Arc::clone(&rules))), state).await;
            }
        }
    }
}

/// Speaks HTTP on a connection until it ends.
async fn talk<S>(
    stream: S,
    endpoint: Weak<Endpoint>,
    guarded: Option<(Arc<Guard>, Arc<Rules>)>,
    state: Arc<ConnectionState>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = state.limits;
    let stream = TimedStream::new(stream, Arc::clone(&state));
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let (endpoint, guarded, state) = (Weak::clone(&endpoint), guarded.clone(), Arc::clone(&state));
        async move {
            if state.ask() > 1 {
                // Requests that came together make way for those of other connections.
                tokio::task::yield_now().await;
            }
            let page = respond(&request, &endpoint, guarded.as_ref()).await;
            Ok::<_, std::convert::Infallible>(if state.answer() { route::closing(page) } else { page })
        }
    });
    let mut builder = http1::Builder::new();
    // Names of headers as Go writes them: whoever greps for them finds them.
    builder.timer(TokioTimer::new()).header_read_timeout(limits.read).title_case_headers(true);
    // A client that has shut its side down after the request still reads.
    builder.max_buf_size(limits.buffer).half_close(true);
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

/// The page for one request.
fn answer(request: &Request<Incoming>, endpoint: &Endpoint) -> Page {
    match route::route(request, endpoint.path) {
        Route::Answered(page) => page,
        Route::Found => {
            let content = endpoint.content.load_full();
            content.map_or_else(|| text(StatusCode::SERVICE_UNAVAILABLE, ""), |serve| serve(request))
        }
    }
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
mod tests;
