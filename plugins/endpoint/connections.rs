//! The connections of an endpoint: bounds of their number and of their time. Knows no HTTP and no page.
//!
//! A client that sends nothing, sends slowly or does not read keeps a connection for some seconds, and gives way to a new one
//! when there are too many. A new connection is never shut out.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, Sleep};

/// Bounds of the connections of an endpoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectionLimits {
    /// Connections at a time. A further one ends the oldest that is idle, or the oldest where none is.
    pub(super) connections: usize,
    /// Time for a TLS handshake, for the header of a request, and between two requests.
    pub(super) read: Duration,
    /// Time within which a client that is sent a page must take some of it.
    pub(super) write: Duration,
    /// Life of a connection. Pages in its second half are its last, so that each has half of it to be read.
    pub(super) life: Duration,
    /// Requests of a connection.
    pub(super) requests: u32,
    /// Octets of the header of a request, and of pages that wait to be written.
    pub(super) buffer: usize,
}

impl ConnectionLimits {
    /// The bounds of all side listeners. CoreDNS has 5 s for reading, for a whole page and between two requests, and no
    /// other. 512 connections are more than any cluster's probes and scrapers, and take 16 MiB at most for headers; a header
    /// of 32 KiB has room for the tokens that scrapers send.
    pub(super) const SIDE: Self = Self {
        connections: 512,
        read: Duration::from_secs(5),
        write: Duration::from_secs(5),
        life: Duration::from_secs(60),
        requests: 16,
        buffer: 32 * 1024,
    };
}

/// What a connection does at present.
const IDLE: u8 = 0;
const ASKED: u8 = 1;
const ANSWERED: u8 = 2;

/// The state of a connection, shared with the list of all.
pub(super) struct ConnectionState {
    pub(super) limits: ConnectionLimits,
    began: Instant,
    phase: AtomicU8,
    requests: AtomicU32,
}

impl ConnectionState {
    /// The state of a connection that is accepted now.
    pub(super) fn new(limits: ConnectionLimits) -> Self {
        Self { limits, began: Instant::now(), phase: AtomicU8::new(IDLE), requests: AtomicU32::new(0) }
    }

    /// Notes that a request is here; gives how many there were.
    pub(super) fn ask(&self) -> u32 {
        self.phase.store(ASKED, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Notes that its page is made; true if it is the connection's last.
    pub(super) fn answer(&self) -> bool {
        self.phase.store(ANSWERED, Ordering::Relaxed);
        let is_old = self.began.elapsed() >= self.limits.life / 2;
        is_old || self.requests.load(Ordering::Relaxed) >= self.limits.requests
    }

    /// Notes that all that there was to write is written.
    fn flushed(&self) {
        // A page that is still being made is none that was written.
        if self.phase.load(Ordering::Relaxed) == ANSWERED {
            self.phase.store(IDLE, Ordering::Relaxed);
        }
    }

    /// Whether no request is under way.
    fn is_idle(&self) -> bool {
        self.phase.load(Ordering::Relaxed) == IDLE
    }
}

/// A connection in the list.
struct OpenConnection {
    task: AbortHandle,
    state: Arc<ConnectionState>,
}

/// The open connections of an endpoint, oldest first. They end with it.
pub(super) struct Connections {
    limits: ConnectionLimits,
    tasks: JoinSet<()>,
    open: VecDeque<OpenConnection>,
}

impl Connections {
    /// No connection yet.
    pub(super) fn new(limits: ConnectionLimits) -> Self {
        Self { limits, tasks: JoinSet::new(), open: VecDeque::new() }
    }

    /// Serves one more connection, for which another one may have to end.
    pub(super) async fn add<F>(&mut self, serve: impl FnOnce(Arc<ConnectionState>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        while self.tasks.try_join_next().is_some() {}
        self.open.retain(|connection| !connection.task.is_finished());
        while self.tasks.len() >= self.limits.connections {
            self.evict();
            // An aborted task ends when it would run next; until then its socket is open.
            self.closed().await;
        }
        let state = Arc::new(ConnectionState::new(self.limits));
        let served = serve(Arc::clone(&state));
        let life = self.limits.life;
        let task = self.tasks.spawn(async move { drop(tokio::time::timeout(life, served).await) });
        self.open.push_back(OpenConnection { task, state });
    }

    /// Waits until a connection has ended; does not wait where there is none.
    pub(super) async fn closed(&mut self) {
        drop(self.tasks.join_next().await);
    }

    /// Ends the oldest idle connection, or the oldest where none is idle.
    pub(super) fn evict(&mut self) {
        self.open.retain(|connection| !connection.task.is_finished());
        let idle = self.open.iter().position(|connection| connection.state.is_idle());
        if let Some(connection) = self.open.remove(idle.unwrap_or(0)) {
            connection.task.abort();
        }
    }
}

/// A stream whose writes fail once the client takes nothing for too long. It tells the connection's state when all is written.
pub(super) struct TimedStream<S> {
    stream: S,
    state: Arc<ConnectionState>,
    /// Ends the wait for the client; none while it takes what it is sent.
    stall: Option<Pin<Box<Sleep>>>,
}

impl<S> TimedStream<S> {
    /// The stream with the limits of its connection.
    pub(super) fn new(stream: S, state: Arc<ConnectionState>) -> Self {
        Self { stream, state, stall: None }
    }

    /// What came of a write, or the end of the wait for it.
    fn within_time<T>(&mut self, context: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stall = None;
            return polled;
        }
        let limit = self.state.limits.write;
        let stall = self.stall.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(stall.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, octets);
        self.within_time(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.within_time(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        let flushed = self.within_time(cx, polled);
        if flushed.is_ready() {
            self.state.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.within_time(cx, polled)
    }
}
