//! DNS over TCP (RFC 7766): one task for each connection, queries of one connection answered in their order, as CoreDNS does.
//!
//! Queries that come in one read are answered in one write. An idle connection holds no buffer, and one that waits for the rest of a
//! message only what has come of it, within a budget for all (`clients.rs`). Every wait has a limit.

use super::clients::{Clients, ConnectionSlot};
use super::{Current, Handoff, socket};
use crate::server::admit::Verdict;
use crate::server::{Answer, Answered, Server};
use plugin_api::{Message, Request, Transport};
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// Octets that one read takes: many queries at once, and one of any usual size.
const READ_BYTES: usize = 4096;
/// Replies are sent when so many octets have come together, the largest message.
const WRITE_BYTES: usize = 65_535;
/// How long accepting rests when the process has run out of file descriptors.
const REST: Duration = Duration::from_millis(50);

/// A socket that is open but not served yet. It listens: connections wait.
pub struct BoundTcp(std::net::TcpListener);

/// A listening socket and the task that accepts its connections and owns them.
pub struct TcpListener {
    task: Option<JoinHandle<()>>,
    stop: watch::Sender<Stop>,
    local: SocketAddr,
}

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// Serve.
    No,
    /// Finish what has begun.
    Gently(Duration),
}

impl BoundTcp {
    /// Opens a listening socket on `address`.
    ///
    /// # Errors
    /// As the system's `socket`, `bind` and `listen`.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        socket::tcp(address).map(Self)
    }

    /// Its address.
    ///
    /// # Errors
    /// As the system's `getsockname`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Begins to serve it on the runtime of `handoff`.
    ///
    /// # Errors
    /// When the runtime cannot watch the socket.
    pub fn serve(self, current: Current, handoff: &Handoff) -> io::Result<TcpListener> {
        let local = self.0.local_addr()?;
        let _entered = handoff.runtime.enter();
        let listener = tokio::net::TcpListener::from_std(self.0)?;
        let (stop, stopped) = watch::channel(Stop::No);
        let task = handoff.runtime.spawn(accept(listener, current, handoff.clients.clone(), stopped));
        Ok(TcpListener { task: Some(task), stop, local })
    }
}

impl TcpListener {
    /// Its address.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Closes the socket and all idle connections; a query that is being worked on is answered if that takes no longer than
    /// `grace`.
    pub async fn stop(&mut self, grace: Duration) {
        self.stop.send_replace(Stop::Gently(grace));
        if let Some(task) = self.task.take()
            && task.await.is_err()
        {
            tracing::error!("the task of a TCP listener has panicked");
        }
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Accepts connections and owns their tasks until it is stopped. One that was accepted while there is no slot for it waits, and all
/// others in the system's queue.
async fn accept(
    listener: tokio::net::TcpListener,
    current: Current,
    clients: Clients,
    mut stopped: watch::Receiver<Stop>,
) {
    let mut connections = JoinSet::new();
    let mut accepted = None;
    let grace = loop {
        tokio::select! {
            changed = stopped.changed() => break grace(changed.is_ok(), &stopped),
            _ended = connections.join_next(), if !connections.is_empty() => (),
            next = listener.accept(), if accepted.is_none() => match next {
                Ok(next) => accepted = Some(next),
                Err(error) => {
                    tracing::debug!("accept: {error}");
                    // Most likely there is no file descriptor left.
                    clients.dismiss_idle();
                    sleep(REST).await;
                }
            },
            slot = clients.slot(), if accepted.is_some() => {
                let connection = accepted
                    .take()
                    .and_then(|(stream, peer)| Connection::new(stream, peer, slot, Arc::clone(&current)));
                if let Some(connection) = connection {
                    connections.spawn(connection.serve(stopped.clone()));
                }
            }
        }
    };
    drop(listener);
    if timeout(grace, async { while connections.join_next().await.is_some() {} }).await.is_err() {
        connections.shutdown().await;
    }
}

/// How long connections may take to finish; nothing if the listener was dropped.
fn grace(is_told: bool, stopped: &watch::Receiver<Stop>) -> Duration {
    match *stopped.borrow() {
        Stop::Gently(grace) if is_told => grace,
        _ => Duration::ZERO,
    }
}

/// A connection.
struct Connection {
    slot: ConnectionSlot,
    stream: TcpStream,
    current: Current,
    peer: SocketAddr,
    local: SocketAddr,
    /// Queries so far.
    queries: u32,
}

/// Whether a connection goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// For more queries; what came has been answered.
    Open,
    /// Nothing has come after all.
    Waiting,
    /// It does not.
    Closed,
}

impl Connection {
    /// Takes a connection over; none if it has gone already.
    fn new(stream: TcpStream, peer: SocketAddr, slot: ConnectionSlot, current: Current) -> Option<Self> {
        let local = canonical(stream.local_addr().ok()?);
        stream.set_nodelay(true).ok()?;
        Some(Self { slot, stream, current, peer: canonical(peer), local, queries: 0 })
    }

    /// Answers queries until the client has enough, is silent for too long, has to give way to others, or the listener stops.
    #[expect(clippy::manual_async_fn, reason = "an async fn keeps room for each of its arguments twice")]
    fn serve(mut self, mut stopped: watch::Receiver<Stop>) -> impl Future<Output = ()> + Send {
        async move {
            let mut deadline = Instant::now() + self.current.load().limits().read;
            loop {
                let ready = tokio::select! {
                    _ = stopped.changed() => return,
                    () = self.slot.dismissed() => return,
                    ready = timeout_at(deadline, self.stream.readable()) => ready,
                };
                if !matches!(ready, Ok(Ok(()))) {
                    return;
                }
                // Boxed, so that the much larger state of a connection that works does not weigh on one that waits.
                match Box::pin(self.work()).await {
                    Fate::Open => deadline = Instant::now() + self.current.load().limits().idle,
                    Fate::Waiting => (),
                    Fate::Closed => return,
                }
            }
        }
    }

    /// Reads what has come, answers the queries that are whole and writes the replies; the rest is kept for the next time.
    async fn work(&mut self) -> Fate {
        let Some(mut input) = self.slot.take() else { return Fate::Closed };
        if self.read(&mut input) == Fate::Closed {
            return Fate::Closed;
        }
        let mut output = Vec::new();
        let mut spare = None;
        let mut at = 0;
        let mut fate = Fate::Waiting;
        while let Some(message) = frame(&input, at) {
            fate = Fate::Open;
            at += 2 + message.len();
            if self.is_spent() {
                return Fate::Closed;
            }
            let Some((server, request)) = self.admit(message, &mut output, &mut spare) else { continue };
            if input.capacity() > 2 * READ_BYTES {
                // The answer may take its time; what a large message has left behind need not wait with it.
                input.drain(..at);
                input.shrink_to_fit();
                at = 0;
            }
            if self.answer(&server, request, &mut output, &mut spare).await == Fate::Closed {
                return Fate::Closed;
            }
        }
        if fate == Fate::Open {
            self.slot.waits();
        }
        if self.flush(&mut output).await == Fate::Closed || self.is_spent() {
            return Fate::Closed;
        }
        input.drain(..at);
        if !input.is_empty() {
            self.slot.keep(input);
        }
        fate
    }

    /// Appends what has come, at least up to the end of the first message or as far as there is anything. Readiness may be a false
    /// alarm.
    fn read(&self, input: &mut Vec<u8>) -> Fate {
        let mut octets = [0; READ_BYTES];
        loop {
            match self.stream.try_read(&mut octets) {
                Ok(count @ 1..) => input.extend_from_slice(octets.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Fate::Waiting,
                Ok(_) | Err(_) => return Fate::Closed,
            }
            if frame(input, 0).is_some() || input.len() > WRITE_BYTES {
                return Fate::Open;
            }
        }
    }

    /// Whether the client has asked as often as it may on one connection.
    fn is_spent(&self) -> bool {
        self.current.load().limits().queries.is_some_and(|most| self.queries >= most)
    }

    /// Reads one query, or puts its refusal behind the replies that wait to be sent.
    fn admit(
        &mut self,
        message: &[u8],
        output: &mut Vec<u8>,
        spare: &mut Option<Box<Request>>,
    ) -> Option<(Arc<Server>, Box<Request>)> {
        self.queries = self.queries.saturating_add(1);
        let server = self.current.load_full();
        let mut request = match spare.take() {
            // A reload in between: the request points to the old server.
            Some(request) if Arc::ptr_eq(&request.origin().site, server.site()) => request,
            _ => server.request(Transport::Tcp),
        };
        request.set_arrival(self.peer, self.local, server.clock().now());
        let start = output.len();
        output.extend_from_slice(&[0, 0]);
        let verdict = server.admit(message, &mut request, output);
        if verdict != Verdict::Query {
            close_frame(output, start);
            *spare = Some(request);
            return None;
        }
        output.truncate(start);
        Some((server, request))
    }

    /// Works on one query and puts its reply behind those that wait to be sent. What waits is sent first if this takes time.
    async fn answer(
        &mut self,
        server: &Server,
        request: Box<Request>,
        output: &mut Vec<u8>,
        spare: &mut Option<Box<Request>>,
    ) -> Fate {
        let mut work = pin!(server.answer(request));
        let first = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await;
        let answered = match first {
            Poll::Ready(answered) => answered,
            Poll::Pending => {
                let _under_way = server.begin();
                self.slot.works();
                if self.flush(output).await == Fate::Closed {
                    return Fate::Closed;
                }
                work.await
            }
        };
        self.reply(server, answered, output, spare).await
    }

    /// Puts a reply behind those that wait to be sent.
    async fn reply(
        &mut self,
        server: &Server,
        answered: Answered,
        output: &mut Vec<u8>,
        spare: &mut Option<Box<Request>>,
    ) -> Fate {
        let Answered { request, answer } = answered;
        match answer {
            Answer::Message(message) | Answer::Busy(message) => {
                append(server, &message, &request, output);
                request.give_buffer(message.into_octets(), socket::KEEP_BYTES);
            }
            Answer::Stream(messages) => {
                for message in messages {
                    append(server, &message, &request, output);
                    if output.len() >= WRITE_BYTES && self.flush(output).await == Fate::Closed {
                        return Fate::Closed;
                    }
                }
            }
            Answer::Nothing => (),
        }
        *spare = Some(request);
        if output.len() >= WRITE_BYTES { self.flush(output).await } else { Fate::Open }
    }

    /// Sends what waits.
    async fn flush(&mut self, output: &mut Vec<u8>) -> Fate {
        if output.is_empty() {
            return Fate::Open;
        }
        let limit = self.current.load().limits().write;
        let written = timeout(limit, self.stream.write_all(output)).await;
        output.clear();
        if matches!(written, Ok(Ok(()))) { Fate::Open } else { Fate::Closed }
    }
}

/// The address with IPv4 in the form of IPv4; a link-local one keeps its interface.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip if ip.is_ipv4() => SocketAddr::new(ip, address.port()),
        _ => address,
    }
}

/// The message that begins at `at`, behind its length; none until it is whole.
fn frame(input: &[u8], at: usize) -> Option<&[u8]> {
    let rest = input.get(at..)?;
    let length = usize::from(u16::from_be_bytes(*rest.first_chunk::<2>()?));
    rest.get(2..2 + length)
}

/// Appends a reply with its length.
fn append(server: &Server, message: &Message, request: &Request, output: &mut Vec<u8>) {
    let start = output.len();
    output.extend_from_slice(&[0, 0]);
    server.write(message, request, output);
    close_frame(output, start);
}

/// Writes the length of the message that begins at `start`; takes an empty one back.
fn close_frame(output: &mut Vec<u8>, start: usize) {
    let length = output.len() - start - 2;
    match (u16::try_from(length), output.get_mut(start..start + 2)) {
        (Ok(length), Some(room)) if length > 0 => room.copy_from_slice(&length.to_be_bytes()),
        _ => output.truncate(start),
    }
}

#[cfg(test)]
#[path = "tcp_tests.rs"]
mod tests;
