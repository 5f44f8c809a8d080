//! TCP and TLS to one upstream: connections that are kept, one query at a time on each. Knows no policy and no health.

use super::datagrams::Keep;
use super::fault::{Ends, Fault};
use super::reply::{Query, id_of, read_whole};
use crate::trust::rejection;
use plugin_api::Message;
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

/// Queries in flight to one upstream, and so connections to it; further ones wait for their turn. Leaves file descriptors for
/// others when the usual limit of 1,024 holds. The queries that wait are bounded by what the server hands on.
pub(super) const MAX_CONNECTIONS: usize = 512;
/// Longest wait for a connection, TLS handshake included. CoreDNS waits up to 30 seconds for the first.
const DIAL_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest wait until a query is taken (CoreDNS: maxTimeout).
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);

/// Either kind of stream.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// How TLS is spoken to an upstream.
#[derive(Clone)]
pub(super) struct TlsTarget {
    /// Certificates and trust.
    pub(super) connector: TlsConnector,
    /// The name that the upstream's certificate must have.
    pub(super) name: ServerName<'static>,
}

/// The connections to one upstream.
pub(super) struct Streams {
    to: SocketAddr,
    source: Option<IpAddr>,
    keep: Keep,
    tls: Option<TlsTarget>,
    idle: Mutex<VecDeque<Connection>>,
    permits: Semaphore,
}

/// A connection.
struct Connection {
    stream: Box<dyn Stream>,
    ends: Ends,
    created: Instant,
    used: Instant,
    /// Whether it has served a query before.
    is_kept: bool,
}

impl Streams {
    /// No connections yet.
    pub(super) fn new(to: SocketAddr, source: Option<IpAddr>, keep: Keep, tls: Option<TlsTarget>) -> Self {
        let permits = Semaphore::new(MAX_CONNECTIONS);
        Self { to, source, keep, tls, idle: Mutex::default(), permits }
    }

    /// `tcp` or `tcp-tls`, as CoreDNS's metrics name it.
    pub(super) const fn network(&self) -> &'static str {
        if self.tls.is_some() { "tcp-tls" } else { "tcp" }
    }

    /// Asks and waits for the reply; `opened` learns whether a connection was there already. A connection that the
    /// upstream closed meanwhile is [`Fault::Outdated`]: asked again, another one is taken.
    pub(super) async fn ask(&self, query: &Query, opened: impl FnOnce(bool)) -> Result<Message, Fault> {
        let asked = Instant::now();
        let _permit = take_turn(&self.permits, query.at_most(query.wait)).await.ok_or(Fault::Busy(self.to))?;
        let wait = query.wait.saturating_sub(asked.elapsed());
        let mut connection = match self.take_idle() {
            Some(connection) => {
                opened(true);
                connection
            }
            None => {
                opened(false);
                // In a box: a query that waits for its reply keeps no room for this.
                Box::pin(self.dial(query.at_most(DIAL_TIMEOUT))).await?
            }
        };
        let asked = connection.ask(query, wait).await;
        match asked {
            Ok(message) => {
                self.put_back(connection);
                Ok(message)
            }
            // A message that is none or that answers something else leaves the stream in order, but who knows what comes next.
            Err(fault) => Err(fault),
        }
    }

    /// A connection that may be used again, the one that rested longest.
    fn take_idle(&self) -> Option<Connection> {
        let now = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::from_fn(|| idle.pop_front()).find(|kept| self.keep.allows(kept.created, kept.used, now))
    }

    /// Keeps a connection for the next query.
    fn put_back(&self, mut connection: Connection) {
        connection.used = Instant::now();
        connection.is_kept = true;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if self.keep.max_idle == 0 || idle.len() < self.keep.max_idle {
            idle.push_back(connection);
        }
    }

    /// Opens a connection, handshake included, within this time.
    async fn dial(&self, wait: Duration) -> Result<Connection, Fault> {
        let dialed = tokio::time::timeout(wait, self.connect()).await;
        let (stream, from) = dialed.map_err(|_| Fault::dial_timeout(self.to))??;
        let now = Instant::now();
        let ends = Ends { network: "tcp", from, to: self.to };
        Ok(Connection { stream, ends, created: now, used: now, is_kept: false })
    }

    /// Connects, and shakes hands where TLS is spoken.
    async fn connect(&self) -> Result<(Box<dyn Stream>, SocketAddr), Fault> {
        let failed = |call: &'static str| move |error: io::Error| Fault::dial("tcp", self.to, call, &error);
        let socket = if self.to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let socket = socket.map_err(failed("socket"))?;
        if let Some(source) = self.source {
            socket.bind((source, 0).into()).map_err(failed("bind"))?;
        }
        let tcp: TcpStream = socket.connect(self.to).await.map_err(failed("connect"))?;
        let from = tcp.set_nodelay(true).and_then(|()| tcp.local_addr()).map_err(failed("socket"))?;
        let Some(tls) = &self.tls else { return Ok((Box::new(tcp), from)) };
        let secured = tls.connector.connect(tls.name.clone(), tcp).await;
        let failed = |error| Fault::Other(rejection(&error).unwrap_or_else(|| format!("tls: {error}")));
        let secured = secured.map_err(failed)?;
        Ok((Box::new(secured), from))
    }

    /// Closes what has been idle for too long.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|kept| self.keep.allows(kept.created, kept.used, now));
    }

    /// Closes what is idle.
    pub(super) fn clear(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Waits so long for a turn; none if none comes.
pub(super) async fn take_turn(permits: &Semaphore, wait: Duration) -> Option<SemaphorePermit<'_>> {
    if let Ok(permit) = permits.try_acquire() {
        return Some(permit);
    }
    tokio::time::timeout(wait, permits.acquire()).await.ok()?.ok()
}

impl Connection {
    /// Sends a query and reads its reply.
    async fn ask(&mut self, query: &Query, wait: Duration) -> Result<Message, Fault> {
        let octets = query.octets();
        let length = u16::try_from(octets.len()).unwrap_or(u16::MAX);
        let framed = [&length.to_be_bytes(), octets].concat();
        let written = tokio::time::timeout(query.at_most(WRITE_TIMEOUT), self.write(&framed)).await;
        let sent = written.map_err(|_| self.ends.timeout("write"))?;
        sent.map_err(|error| self.broken("write", &error))?;
        let read = tokio::time::timeout(query.at_most(wait), self.read_reply(query)).await;
        read.unwrap_or_else(|_| Err(self.ends.timeout("read")))
    }

    /// Writes all octets out.
    async fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.write_all(octets).await?;
        self.stream.flush().await
    }

    /// Reads messages until one has the query's id.
    async fn read_reply(&mut self, query: &Query) -> Result<Message, Fault> {
        loop {
            let mut length = [0; 2];
            self.stream.read_exact(&mut length).await.map_err(|error| self.broken("read", &error))?;
            let length = usize::from(u16::from_be_bytes(length));
            let mut octets = vec![0; length];
            self.stream.read_exact(&mut octets).await.map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => Fault::CutShort,
                _ => self.ends.io("read", &error),
            })?;
            let id = id_of(&octets).ok_or(Fault::ShortRead)?;
            if Some(id) == id_of(query.octets()) {
                return read_whole(&octets, query.question());
            }
        }
    }

    /// What a failure means: a kept connection that ends before its reply began was closed by the upstream while it was idle.
    fn broken(&self, operation: &'static str, error: &io::Error) -> Fault {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        let is_end = matches!(error.kind(), UnexpectedEof | BrokenPipe | ConnectionReset | ConnectionAborted);
        if self.is_kept && is_end { Fault::Outdated } else { self.ends.io(operation, error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::net::TcpListener;

    /// The pool before an upstream that answers after so long, with room for two queries; and how many connections it took.
    async fn pool(delay: Duration) -> (Streams, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (to, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&count);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    while let Ok(length) = stream.read_u16().await {
                        let mut message = vec![0; usize::from(length)];
                        stream.read_exact(&mut message).await.unwrap();
                        tokio::time::sleep(delay).await;
                        message[2] |= 0x80;
                        stream.write_u16(length).await.unwrap();
                        stream.write_all(&message).await.unwrap();
                    }
                });
            }
        });
        let keep = Keep { expire: Duration::from_secs(10), max_age: Duration::ZERO, max_idle: 0 };
        let mut streams = Streams::new(to, None, keep, None);
        streams.permits = Semaphore::new(2);
        (streams, count)
    }

    /// A query for `a.` A, with so much time.
    fn query(milliseconds: u64) -> Query {
        let octets = b"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01";
        Query::new(octets.to_vec(), 512, Duration::from_millis(milliseconds))
    }

    #[tokio::test]
    async fn queries_beyond_the_bound_wait_for_their_turn() {
        let (streams, connections) = pool(Duration::from_millis(5)).await;
        let streams = Arc::new(streams);
        let mut asking = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let streams = Arc::clone(&streams);
            asking.spawn(async move { streams.ask(&query(10_000), |_| ()).await.is_ok() });
        }
        assert!(asking.join_all().await.into_iter().all(|is_answered| is_answered));
        assert!(connections.load(Ordering::SeqCst) <= 2);
    }

    #[tokio::test]
    async fn queries_that_get_no_turn_fail_in_time() {
        let (streams, _) = pool(Duration::from_secs(100)).await;
        let (long, short) = (query(400), query(50));
        let (first, second, third) =
            tokio::join!(streams.ask(&long, |_| ()), streams.ask(&long, |_| ()), streams.ask(&short, |_| ()));
        assert!(matches!((first, second), (Err(Fault::Io(_)), Err(Fault::Io(_)))));
        assert!(matches!(third, Err(Fault::Busy(_))));
    }
}
