//! UDP to one upstream: connected sockets that queries share. Knows no policy and no health.
//!
//! A socket has a random port and up to 32 queries in flight, each with a random id; one task reads it and hands replies
//! out by id and question. What is no reply to a waiting query is dropped and waited on, so that a forged datagram cannot end a
//! query (CVE-2023-28452). A socket on which a query got no reply takes no new
//! ones, so the next query has another port.

use super::fault::{Ends, Fault};
use super::reply::{Query, id_of, read_datagram};
use plugin_api::Message;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// Queries that share a socket. Few enough that a forger who knows the port still has to guess one id in 2,048.
pub(super) const QUERIES_PER_SOCKET: usize = 32;
/// Sockets of one upstream: with the above 16,384 queries in flight, beyond what a server hands on, for less than the usual
/// 1,024 file descriptors.
pub(super) const MAX_SOCKETS: usize = 512;
/// Longest wait for room in a socket's send buffer (CoreDNS: maxTimeout).
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);
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
    waiting: Mutex<Waiting>,
    is_retired: AtomicBool,
}

/// The queries in flight on one socket.
struct Waiting {
    by_id: HashMap<u16, Slot>,
    used: Instant,
}

/// A query that waits.
struct Slot {
    question: Box<[u8]>,
    limit: usize,
    sender: oneshot::Sender<Result<Message, Fault>>,
    /// What was wrong with a reply that had its id.
    wrong: Option<Fault>,
}

/// A query's place on a socket; gives it back when dropped.
struct Place {
    line: Arc<Line>,
    id: u16,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.line.socket.waiting().by_id.remove(&self.id);
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

    /// Asks and waits for a reply; `opened` learns whether a socket was there already.
    pub(super) async fn ask(&self, query: &mut Query, opened: impl FnOnce(bool)) -> Result<Message, Fault> {
        let now = Instant::now();
        let (line, is_kept) = self.line(now)?;
        opened(is_kept);
        let (sender, receiver) = oneshot::channel();
        let slot = Slot { question: query.question().into(), limit: query.limit, sender, wrong: None };
        let id = line.socket.enter(slot, now).ok_or(Fault::Busy(self.to))?;
        let place = Place { line, id };
        query.set_id(id);
        let socket = &*place.line.socket;
        if !socket.try_send(query.octets())? {
            // In a box: a query that waits for its reply keeps no room for this.
            Box::pin(socket.send(query.octets())).await?;
        }
        match tokio::time::timeout(query.wait, receiver).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(socket.ends.timeout("read")),
            Err(_) => {
                socket.is_retired.store(true, Ordering::Relaxed);
                let wrong = socket.waiting().by_id.get_mut(&id).and_then(|slot| slot.wrong.take());
                Err(wrong.unwrap_or_else(|| socket.ends.timeout("read")))
            }
        }
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
            let is_idle = line.socket.waiting().by_id.is_empty();
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
        let (reader, scratch) = (Arc::clone(&socket), Arc::clone(scratch));
        let task = tokio::spawn(async move { while reader.read(&scratch).await {} });
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
        let waiting = Mutex::new(Waiting { by_id: HashMap::new(), used: created });
        let ends = Ends { network: "udp", from, to };
        Ok(Self { udp, ends, created, waiting, is_retired: AtomicBool::new(false) })
    }

    /// The queries in flight; a poisoned lock is used on, for the map is whole between calls.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it takes one more query; none if it is to be let go.
    fn room(&self, keep: &Keep, now: Instant) -> Option<bool> {
        let waiting = self.waiting();
        let is_idle = waiting.by_id.is_empty();
        let used = if is_idle { waiting.used } else { now };
        let is_retired = self.is_retired.load(Ordering::Relaxed);
        if is_retired || !keep.allows(self.created, used, now) {
            return None;
        }
        Some(waiting.by_id.len() < QUERIES_PER_SOCKET)
    }

    /// Takes a query in under a random id; none if there is no room.
    fn enter(&self, slot: Slot, now: Instant) -> Option<u16> {
        let mut waiting = self.waiting();
        // Others may have come in since room was looked for; ids are plenty either way.
        if waiting.by_id.len() >= 4 * QUERIES_PER_SOCKET {
            return None;
        }
        let id = loop {
            let id = rand::random();
            if !waiting.by_id.contains_key(&id) {
                break id;
            }
        };
        waiting.by_id.insert(id, slot);
        waiting.used = now;
        Some(id)
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

    /// Reads what is there, at most a batch; false if the socket is of no use any more.
    async fn read(&self, scratch: &Mutex<Vec<u8>>) -> bool {
        if let Err(error) = self.ready().await {
            self.fail(&self.ends.io("read", &error));
            return false;
        }
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
        let mut waiting = self.waiting();
        let Some(slot) = waiting.by_id.get_mut(&id) else { return };
        match read_datagram(octets, &slot.question, slot.limit) {
            Ok(message) => {
                if let Some(slot) = waiting.by_id.remove(&id) {
                    // A query that has been given up does not listen any more.
                    drop(slot.sender.send(Ok(message)));
                }
            }
            Err(fault) => slot.wrong = Some(fault),
        }
        waiting.used = Instant::now();
    }

    /// Ends all queries in flight: the upstream's host says that nobody listens, or the network is gone.
    fn fail(&self, fault: &Fault) {
        self.is_retired.store(true, Ordering::Relaxed);
        let waiting = std::mem::take(&mut self.waiting().by_id);
        for slot in waiting.into_values() {
            drop(slot.sender.send(Err(fault.clone())));
        }
    }
}
