//! Sockets: accept, TLS, HTTP; and the tasks that all of it runs in.
//! Knows no objects.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::gate::{Connections, Gate};
use crate::handle::handle;
use crate::shared::Shared;

/// How long it rests after a failure to accept or to listen, such as too many open files.
const REST: Duration = Duration::from_millis(50);

/// Owns every task of a server, and stops them.
#[derive(Clone, Debug)]
pub(crate) struct Tasks {
    /// Counts them.
    tracker: TaskTracker,
    /// Stops them.
    stop: CancellationToken,
}

impl Tasks {
    /// No tasks yet.
    pub(crate) fn new() -> Self {
        Self { tracker: TaskTracker::new(), stop: CancellationToken::new() }
    }

    /// Runs a task until it ends or all are stopped.
    fn spawn(&self, task: impl Future<Output: Send> + Send + 'static) {
        let stop = self.stop.clone();
        self.tracker.spawn(async move { stop.run_until_cancelled(task).await.is_some() });
    }

    /// Tells all tasks to stop.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Stops all tasks and waits until they are gone.
    pub(crate) async fn join(&self) {
        self.stop();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, task: F) {
        self.spawn(task);
    }
}

/// Accepts connections as the gate says until the tasks are stopped.
pub(crate) fn listen(tasks: &Tasks, listener: TcpListener, address: SocketAddr, gate: Arc<Gate>, shared: Arc<Shared>) {
    let inner = tasks.clone();
    tasks.spawn(async move {
        let mut wanted = gate.wanted.subscribe();
        let mut listener = Some(listener);
        loop {
            let mode = *wanted.borrow_and_update();
            match (mode, &listener) {
                (Connections::Refuse, _) => listener = None,
                (_, None) => listener = Some(bind_again(address).await),
                (_, Some(_)) => {}
            }
            gate.applied.send_replace(mode);
            tokio::select! {
                // The sender is in the gate, which is here: it cannot be gone.
                _ = wanted.changed() => {}
                stream = accept(listener.as_ref()) => {
                    let end = gate.end();
                    let task = connection(inner.clone(), stream, mode, gate.acceptor(), Arc::clone(&shared));
                    inner.spawn(async move { end.run_until_cancelled(task).await.is_some() });
                }
            }
        }
    });
}

/// The next connection; none ever without a listener.
async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    let Some(listener) = listener else { return std::future::pending().await };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(_) => tokio::time::sleep(REST).await,
        }
    }
}

/// Listens where it did before. Somebody may have taken the port meanwhile: then waits until it is free.
async fn bind_again(address: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(_) => tokio::time::sleep(REST).await,
        }
    }
}

/// Serves one connection. Failures are the client's to notice.
async fn connection(tasks: Tasks, stream: TcpStream, mode: Connections, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    match mode {
        Connections::Serve => {}
        Connections::Hang => std::future::pending().await,
        Connections::Reset | Connections::Refuse => {
            // Dropped with nothing to linger for, the connection is reset.
            stream.set_zero_linger().ok();
            return;
        }
    }
    // Without it, small events would wait for the client's acknowledgement; a socket that cannot is merely slower.
    stream.set_nodelay(true).ok();
    let Some(tls) = tls else { return serve(tasks, stream, false, shared).await };
    let Ok(stream) = tls.accept(stream).await else { return };
    let has_certificate = stream.get_ref().1.peer_certificates().is_some_and(|chain| !chain.is_empty());
    serve(tasks, stream, has_certificate, shared).await;
}

/// Speaks HTTP/1.1 or HTTP/2, whichever the client begins with.
async fn serve(
    tasks: Tasks,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    has_certificate: bool,
    shared: Arc<Shared>,
) {
    let mut builder = auto::Builder::new(tasks);
    builder.http1().timer(TokioTimer::new());
    builder.http2().timer(TokioTimer::new());
    let service = service_fn(move |request| handle(Arc::clone(&shared), has_certificate, request));
    builder.serve_connection(TokioIo::new(stream), service).await.ok();
}
