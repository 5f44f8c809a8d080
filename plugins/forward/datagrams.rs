//! UDP to one upstream: a pool of connected sockets. Knows no policy and no health.
//!
//! A socket has a random port. A query takes the socket that has been idle for longest, or a new one while there are fewer than
//! [`MAX_SOCKETS`]; only beyond that, queries with different questions share one. A socket takes no new queries after some seconds
//! or some hundred queries, or when a query got no reply on it; it closes with the last query in flight. So a forger who has found
//! out a port knows it for seconds, and has one id in 65,536 to hit: two equal questions are never in flight on one socket.
//!
//! One task reads a socket and delivers replies by id and question. A datagram that is no reply to a waiting query is dropped and the
//! query waits on, so that a forged datagram cannot end it (CVE-2023-28452).
//!
//! Many queries wait when an upstream is deaf. So each has an entry in its socket's table (`places`) and nothing else: no timer and no
//! channel of its own; the task that reads the socket wakes the query at its deadline, too.

use super::fault::Fault;
use super::reply::Query;
use super::socket::{Entered, Line};
use plugin_api::{BoxFuture, Message};
use std::collections::VecDeque;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// Queries that share a socket once there are [`MAX_SOCKETS`]: 16,384 in flight, more than `forward` lets wait.
pub(super) const QUERIES_PER_SOCKET: usize = 32;
/// Sockets of one upstream, and so the most equal questions in flight: less than the usual 1,024 file descriptors.
pub(super) const MAX_SOCKETS: usize = 512;
/// Sockets that are looked at for an idle one. They are kept in the order of their last use, so the first is nearly always idle if
/// any is.
const IDLE_LOOKS: usize = 4;
/// Longest wait for room in a socket's send buffer (CoreDNS: maxTimeout).
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(2);
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
    pool: Mutex<Pool>,
    /// What all sockets read into, one at a time.
    scratch: Arc<Mutex<Vec<u8>>>,
}

/// The sockets that take queries, in the order of their last use.
#[derive(Default)]
struct Pool {
    lines: VecDeque<Arc<Line>>,
    /// Sockets that are being opened, without the lock.
    opening: usize,
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

/// A socket that is being opened and counts as one of the pool.
struct Opening<'a>(&'a Datagrams);

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        self.0.pool().opening -= 1;
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

impl Datagrams {
    /// No sockets yet.
    pub(super) fn new(to: SocketAddr, source: Option<IpAddr>, keep: Keep) -> Self {
        Self { to, source, keep, pool: Mutex::default(), scratch: Arc::default() }
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

    /// Enters a query at a socket; says whether the socket was there already.
    fn enter(&self, query: &Query, now: Instant) -> Result<(Waiting, bool), Fault> {
        if let Some(waiting) = self.enter_kept(query, now, IDLE_LOOKS, 1) {
            return Ok((waiting, true));
        }
        let fault = match self.begin_opening().map(|_opening| Line::open(self.to, self.source, now, &self.scratch)) {
            Some(Ok(line)) => return self.enter_new(Arc::new(line), query, now).map(|waiting| (waiting, false)),
            // Without descriptors the sockets that are there have to do.
            Some(Err(fault)) => fault,
            None => Fault::Busy(self.to),
        };
        let shared = self.enter_kept(query, now, MAX_SOCKETS, QUERIES_PER_SOCKET);
        shared.map(|waiting| (waiting, true)).ok_or(fault)
    }

    /// Enters a query at a socket of the pool: of the first `looks`, which were used longest ago, one that has fewer than `most` queries in
    /// flight.
    fn enter_kept(&self, query: &Query, now: Instant, looks: usize, most: usize) -> Option<Waiting> {
        let mut pool = self.pool();
        for _ in 0..looks.min(pool.lines.len()) {
            let line = pool.lines.pop_front()?;
            match line.socket.enter(query, now, self.keep, most) {
                Entered::Retired => {}
                Entered::Full => pool.lines.push_back(line),
                Entered::At(id) => {
                    pool.lines.push_back(Arc::clone(&line));
                    return Some(Waiting { line, id });
                }
            }
        }
        None
    }

    /// Enters a query at a new socket, which joins the pool.
    fn enter_new(&self, line: Arc<Line>, query: &Query, now: Instant) -> Result<Waiting, Fault> {
        let entered = line.socket.enter(query, now, self.keep, QUERIES_PER_SOCKET);
        self.pool().lines.push_back(Arc::clone(&line));
        match entered {
            Entered::At(id) => Ok(Waiting { line, id }),
            Entered::Full | Entered::Retired => Err(Fault::Busy(self.to)),
        }
    }

    /// Lets one more socket be opened, if there may be one more.
    fn begin_opening(&self) -> Option<Opening<'_>> {
        let mut pool = self.pool();
        if pool.lines.len() + pool.opening >= MAX_SOCKETS {
            return None;
        }
        pool.opening += 1;
        Some(Opening(self))
    }

    /// The pool; a poisoned lock is used on, for the pool is whole between calls.
    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes what has been idle for too long, or is too much.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        let mut idle = 0;
        self.pool().lines.retain(|line| {
            let places = line.socket.places();
            let is_idle = places.is_empty();
            idle += usize::from(is_idle);
            let is_too_much = is_idle && self.keep.max_idle > 0 && idle > self.keep.max_idle;
            !line.socket.is_over(&places, self.keep, now) && !is_too_much
        });
    }

    /// Takes no more from any socket; those in use end with their queries.
    pub(super) fn clear(&self) {
        self.pool().lines.clear();
    }
}
