//! UDP to one upstream: connected sockets that queries share. Knows no policy and no health.
//!
//! A socket has a random port and up to 32 queries in flight, each with a random id; one task reads it and hands replies
//! out by id and question. What is no reply to a waiting query is dropped and waited on, so that a forged datagram cannot end a
//! query (CVE-2023-28452). A socket on which a query got no reply takes no new
//! ones, so the next query has another port.
//!
//! Many queries wait when an upstream is deaf. So each has a place in its socket's table (`places`) and nothing else: no timer and no
//! channel of its own; the task that reads the socket wakes it when its time is over, too.

use super::fault::{Ends, Fault};
use super::places::{Place, Places};
use super::reply::{Query, id_of, read_datagram};
use plugin_api::{BoxFuture, Message};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::task::AbortHandle;
use tokio::time::{Sleep, sleep_until};

/// Queries that share a socket. Few enough that a forger who knows the port still has to guess one id in 2,048.
pub(super) const QUERIES_PER_SOCKET: usize = 32;
/// Sockets of one upstream: with the above 16,384 queries in flight, beyond what a server hands on, for less than the usual
/// 1,024 file descriptors.
pub(super) const MAX_SOCKETS: usize = 512;
/// Longest wait for room in a socket's send buffer (CoreDNS: maxTimeout).
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);
/// How often a socket is looked for.
const LOOKS: usize = 3;
/// Octets of the largest datagram.
const MAX_DATAGRAM: usize = 65_535;
/// Datagrams that a task reads before it lets others run.
const BATCH: usize = 64;

/// How long sockets and connections are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keep {
    /// Idle time after which one is closed.
    pub(super) expire: Duration,
    /// Age at which one takes no more queries; zero for any.
    pub(super) max_age: Duration,
    /// Idle ones that are kept; 0 for any number.
    pub(super) max_idle: usize,
}

impl Keep {
    /// Whether one that was opened and last used then may be used again.
    pub(super) fn allows(&self, created: Instant, used: Instant, now: Instant) -> bool {
        let is_young = self.max_age.is_zero() || now.saturating_duration_since(created) <= self.max_age;
        is_young && now.saturating_duration_since(used) <= self.expire
    }
}

/// The sockets to one upstream.
pub(super) struct Datagrams {
    to: SocketAddr,
    source: Option<IpAddr>,
    keep: Keep,
    lines: Mutex<VecDeque<Arc<Line>>>,
    /// What all sockets read into, one at a time.
    scratch: Arc<Mutex<Vec<u8>>>,
}

/// A query that is asked.
pub(super) enum Asked<'a> {
    /// It has been sent as a datagram and waits for its reply.
    Sent(Waiting),
    /// It waits until the socket takes it: a new one does so as soon as the runtime has looked at it, so the thread that reads clients' queries does
    /// not send a whole flood. In a box, which it leaves when it is sent.
    Unsent(BoxFuture<'static, Result<Waiting, Fault>>),
    /// It is asked by a stream; in a box, for nearly none is.
    Streamed(BoxFuture<'a, Result<Message, Fault>>),
    /// It could not be asked.
    Failed(Box<Fault>),
}

impl Asked<'_> {
    /// One that could not be asked.
    pub(super) fn failed(fault: Fault) -> Self {
        Self::Failed(Box::new(fault))
    }
}

impl Future for Asked<'_> {
    type Output = Result<Message, Fault>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            match this {
                Self::Sent(waiting) => return Pin::new(waiting).poll(context),
                Self::Unsent(work) => {
                    *this = match ready!(work.as_mut().poll(context)) {
                        Ok(waiting) => Self::Sent(waiting),
                        Err(fault) => Self::failed(fault),
                    };
                }
                Self::Streamed(work) => return work.as_mut().poll(context),
                Self::Failed(fault) => return Poll::Ready(Err((**fault).clone())),
            }
        }
    }
}

/// A socket in use: held by the pool and by the queries in flight on it. Its task ends with the last of them.
struct Line {
    socket: Arc<Socket>,
    task: AbortHandle,
}

/// A socket and the queries in flight on it.
struct Socket {
    udp: UdpSocket,
    ends: Ends,
    created: Instant,
    places: Mutex<Places>,
    is_retired: AtomicBool,
}

/// The task that reads a socket and watches the times of its queries. Without it nobody would wake them, so none is left when it ends.
struct Reader(Arc<Socket>);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.fail(&Fault::Closed);
    }
}

/// A query that has been sent and waits for its reply; gives its place back when dropped.
pub(super) struct Waiting {
    line: Arc<Line>,
    id: u16,
}

impl Future for Waiting {
    type Output = Result<Message, Fault>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.line.socket.places().poll(self.id, context.waker())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.line.socket.places().leave(self.id);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Datagrams {
    /// No sockets yet.
    pub(super) fn new(to: SocketAddr, source: Option<IpAddr>, keep: Keep) -> Self {
        Self { to, source, keep, lines: Mutex::default(), scratch: Arc::default() }
    }

    /// Sends a query now, whose reply is to be awaited; `opened` learns whether a socket was there already.
    pub(super) fn ask(
        &self,
        mut query: Query,
        now: Instant,
        opened: impl FnOnce(bool),
    ) -> Result<Asked<'static>, Fault> {
        let (waiting, is_kept) = self.enter(&query, now)?;
        opened(is_kept);
        query.set_id(waiting.id);
        if waiting.line.socket.try_send(query.octets())? {
            return Ok(Asked::Sent(waiting));
        }
        waiting.line.socket.places().wait_until(waiting.id, now + WRITE_TIMEOUT + query.wait);
        Ok(Asked::Unsent(Box::pin(async move {
            let socket = &waiting.line.socket;
            socket.send(query.octets()).await?;
            socket.places().wait_until(waiting.id, Instant::now() + query.wait);
            Ok(waiting)
        })))
    }

    /// Finds a place for a query; says whether its socket was there already.
    fn enter(&self, query: &Query, now: Instant) -> Result<(Waiting, bool), Fault> {
        // A socket may fail, or be filled by others, since it was looked for; then there is another one.
        for _ in 0..LOOKS {
            let (line, is_kept) = self.line(now)?;
            let place = Place::new(query.question(), query.limit, now + query.wait);
            if let Some(id) = line.socket.enter(place, now) {
                return Ok((Waiting { line, id }, is_kept));
            }
        }
        Err(Fault::Busy(self.to))
    }

    /// A socket with room, the one that rested longest, or a new one; and whether it was there already.
    fn line(&self, now: Instant) -> Result<(Arc<Line>, bool), Fault> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..lines.len() {
            let Some(line) = lines.pop_front() else { break };
            match line.socket.room(&self.keep, now) {
                None => {}
                Some(has_room) => {
                    lines.push_back(Arc::clone(&line));
                    if has_room {
                        return Ok((line, true));
                    }
                }
            }
        }
        if lines.len() >= MAX_SOCKETS {
            return Err(Fault::Busy(self.to));
        }
        let line = Arc::new(Line::open(self.to, self.source, &self.scratch)?);
        lines.push_back(Arc::clone(&line));
        Ok((line, false))
    }

    /// Closes what has been idle for too long, or is too much.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        let mut idle = 0;
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).retain(|line| {
            let is_idle = line.socket.places().is_empty();
            idle += usize::from(is_idle);
            let is_too_much = is_idle && self.keep.max_idle > 0 && idle > self.keep.max_idle;
            line.socket.room(&self.keep, now).is_some() && !is_too_much
        });
    }

    /// Takes no more from any socket; those in use end with their queries.
    pub(super) fn clear(&self) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Line {
    /// Opens a socket and begins to read it. The system chooses a random port.
    fn open(to: SocketAddr, source: Option<IpAddr>, scratch: &Arc<Mutex<Vec<u8>>>) -> Result<Self, Fault> {
        let socket = Arc::new(Socket::open(to, source)?);
        let (reader, scratch) = (Reader(Arc::clone(&socket)), Arc::clone(scratch));
        let task = tokio::spawn(async move {
            let mut alarm = pin!(sleep_until(reader.0.created.into()));
            while reader.0.turn(alarm.as_mut(), &scratch).await {}
        });
        Ok(Self { socket, task: task.abort_handle() })
    }
}

impl Socket {
    /// Opens and connects a socket.
    fn open(to: SocketAddr, source: Option<IpAddr>) -> Result<Self, Fault> {
        let unspecified = if to.is_ipv4() { IpAddr::from([0_u8; 4]) } else { IpAddr::from([0_u8; 16]) };
        let bound = std::net::UdpSocket::bind((source.unwrap_or(unspecified), 0));
        let socket = bound.map_err(|error| Fault::dial("udp", to, "bind", &error))?;
        let connected = socket.connect(to).and_then(|()| socket.set_nonblocking(true));
        connected.map_err(|error| Fault::dial("udp", to, "connect", &error))?;
        let local = socket.local_addr().and_then(|local| Ok((UdpSocket::from_std(socket)?, local)));
        let (udp, from) = local.map_err(|error| Fault::dial("udp", to, "socket", &error))?;
        let created = Instant::now();
        let ends = Ends { network: "udp", from, to };
        Ok(Self { udp, ends, created, places: Mutex::new(Places::new(created)), is_retired: AtomicBool::new(false) })
    }

    /// The queries in flight; a poisoned lock is used on, for the table is whole between calls.
    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it takes one more query; none if it is to be let go.
    fn room(&self, keep: &Keep, now: Instant) -> Option<bool> {
        let places = self.places();
        let used = if places.is_empty() { places.used } else { now };
        let is_retired = self.is_retired.load(Ordering::Relaxed);
        if is_retired || !keep.allows(self.created, used, now) {
            return None;
        }
        Some(places.len() < QUERIES_PER_SOCKET)
    }

    /// Takes a query in under a random id; none if there is no room.
    fn enter(&self, place: Place, now: Instant) -> Option<u16> {
        let mut places = self.places();
        // Others may have come in since room was looked for; ids are plenty either way.
        if places.len() >= 4 * QUERIES_PER_SOCKET {
            return None;
        }
        places.used = now;
        places.enter(place)
    }

    /// Sends a query; false if there is no room for it now. A failure ends the socket.
    fn try_send(&self, octets: &[u8]) -> Result<bool, Fault> {
        match self.udp.try_send(octets) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(self.not_sent(&error)),
        }
    }

    /// Waits for room and sends a query. A failure ends the socket.
    async fn send(&self, octets: &[u8]) -> Result<(), Fault> {
        let sent = tokio::time::timeout(WRITE_TIMEOUT, self.udp.send(octets)).await;
        let sent = sent.map_err(|_| self.ends.timeout("write"))?;
        sent.map(|_| ()).map_err(|error| self.not_sent(&error))
    }

    /// Ends the socket because of an error of sending.
    fn not_sent(&self, error: &io::Error) -> Fault {
        // That nobody listens is what reading the reply to an earlier datagram would have said; the system says it here.
        let operation = if error.kind() == io::ErrorKind::ConnectionRefused { "read" } else { "write" };
        let fault = self.ends.io(operation, error);
        self.fail(&fault);
        fault
    }

    /// Waits until there is something to read or the time of a query is over, and does what is to be done then; false if the socket is of no use
    /// any more.
    async fn turn(&self, mut alarm: Pin<&mut Sleep>, scratch: &Mutex<Vec<u8>>) -> bool {
        let mut ready = pin!(self.ready());
        let ready = poll_fn(|context| {
            // A reply that is there already comes before the end of its query's time, however late we are.
            let ready = ready.as_mut().poll(context);
            if ready.is_pending() {
                self.watch_times(alarm.as_mut(), context);
            }
            ready
        });
        match ready.await {
            Ok(()) => {
                let is_of_use = self.read(scratch).await;
                // Where there is always something to read, times go by all the same.
                let now = Instant::now();
                if self.places().is_due(now) {
                    self.expire(now);
                }
                is_of_use
            }
            Err(error) => {
                self.fail(&self.ends.io("read", &error));
                false
            }
        }
    }

    /// Ends the queries whose time is over, and has itself woken when the next one's is.
    fn watch_times(&self, mut alarm: Pin<&mut Sleep>, context: &mut Context<'_>) {
        loop {
            let next = self.places().next_end(context.waker());
            let Some(next) = next else { return };
            if alarm.deadline() != next.into() {
                alarm.as_mut().reset(next.into());
            }
            if alarm.as_mut().poll(context).is_pending() {
                return;
            }
            self.expire(Instant::now());
        }
    }

    /// Ends the queries whose time is over; a socket on which a query got no reply takes no new ones.
    fn expire(&self, now: Instant) {
        if self.places().expire(now, || self.ends.timeout("read")) {
            self.is_retired.store(true, Ordering::Relaxed);
        }
    }

    /// Reads what is there, at most a batch; false if the socket is of no use any more.
    async fn read(&self, scratch: &Mutex<Vec<u8>>) -> bool {
        for _ in 0..BATCH {
            let mut buffer = scratch.lock().unwrap_or_else(PoisonError::into_inner);
            buffer.resize(MAX_DATAGRAM, 0);
            match self.udp.try_recv(&mut buffer) {
                Ok(length) => self.take(buffer.get(..length).unwrap_or(&[])),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) => {
                    self.fail(&self.ends.io("read", &error));
                    return false;
                }
            }
        }
        tokio::task::yield_now().await;
        true
    }

    /// Waits for a datagram, or for an error such as that nobody listens, which is no datagram.
    async fn ready(&self) -> io::Result<()> {
        let ready = self.udp.ready(Interest::READABLE | Interest::ERROR).await?;
        if !ready.is_error() {
            return Ok(());
        }
        let error = self.udp.take_error()?;
        if let Some(error) = error {
            return Err(error);
        }
        // Nothing is wrong any more: wait for the next error.
        let cleared: io::Result<()> = self.udp.try_io(Interest::ERROR, || Err(io::ErrorKind::WouldBlock.into()));
        drop(cleared);
        Ok(())
    }

    /// Hands a datagram to the query that it answers.
    fn take(&self, octets: &[u8]) {
        let Some(id) = id_of(octets) else { return };
        let mut places = self.places();
        if places.land(id, |question, limit| read_datagram(octets, question, limit)) {
            places.used = Instant::now();
        }
    }

    /// Ends all queries in flight: the upstream's host says that nobody listens, or the network is gone.
    fn fail(&self, fault: &Fault) {
        self.is_retired.store(true, Ordering::Relaxed);
        self.places().fail(fault);
    }
}
