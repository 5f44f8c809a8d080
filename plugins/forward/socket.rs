//! One UDP socket to an upstream: its queries in flight, the task that reads it, and the end of its life. Knows no other socket.

use super::datagrams::{Keep, WRITE_TIMEOUT};
use super::fault::{Ends, Fault};
use super::places::{Place, Places};
use super::reply::{Query, id_of, read_datagram};
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::task::AbortHandle;
use tokio::time::{Sleep, sleep_until};

/// Queries that a socket takes in its life: a random number of these, so that its end cannot be foreseen. Opening one costs
/// system calls, which this many queries share; each also leaves an entry in the connection tables of the systems on the way, for half a
/// minute and more. What ports of their own cost all together stands in `benches/README.md`.
const USES: RangeInclusive<u32> = 192..=320;
/// For how long a socket takes queries: shorter than a search for open ports takes.
const LIFE: Duration = Duration::from_secs(5);
/// Octets of the largest datagram.
const MAX_DATAGRAM: usize = 65_535;
/// Datagrams that a task reads before it lets others run.
const BATCH: usize = 64;

/// A socket in use: held by the pool and by the queries in flight on it. Its task ends with the last of them.
pub(super) struct Line {
    pub(super) socket: Arc<Socket>,
    task: AbortHandle,
}

/// A socket and the queries in flight on it.
pub(super) struct Socket {
    udp: UdpSocket,
    ends: Ends,
    created: Instant,
    places: Mutex<Places>,
    /// Whether it takes no new queries.
    is_retired: AtomicBool,
}

/// What comes of entering a query at a socket.
pub(super) enum Entered {
    /// Under this id.
    At(u16),
    /// There is no room for it now.
    Full,
    /// The socket takes no more queries.
    Retired,
}

/// The task that reads a socket and watches the deadlines of its queries. Without it no query would be woken, so all end with it.
struct Reader(Arc<Socket>);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.fail(&Fault::Closed);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Line {
    /// Opens a socket and begins to read it. The system chooses a random port.
    pub(super) fn open(
        to: SocketAddr,
        source: Option<IpAddr>,
        now: Instant,
        scratch: &Arc<Mutex<Vec<u8>>>,
    ) -> Result<Self, Fault> {
        let socket = Arc::new(Socket::open(to, source, now)?);
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
    fn open(to: SocketAddr, source: Option<IpAddr>, created: Instant) -> Result<Self, Fault> {
        let unspecified = if to.is_ipv4() { IpAddr::from([0_u8; 4]) } else { IpAddr::from([0_u8; 16]) };
        let bound = std::net::UdpSocket::bind((source.unwrap_or(unspecified), 0));
        let socket = bound.map_err(|error| Fault::dial("udp", to, "bind", &error))?;
        let connected = socket.connect(to).and_then(|()| socket.set_nonblocking(true));
        connected.map_err(|error| Fault::dial("udp", to, "connect", &error))?;
        let local = socket.local_addr().and_then(|local| Ok((UdpSocket::from_std(socket)?, local)));
        let (udp, from) = local.map_err(|error| Fault::dial("udp", to, "socket", &error))?;
        let ends = Ends { network: "udp", from, to };
        Ok(Self {
            udp,
            ends,
            created,
            places: Mutex::new(Places::new(created, rand::random_range(USES))),
            is_retired: AtomicBool::new(false),
        })
    }

    /// The queries in flight; a poisoned lock is used on, for the table is whole between calls.
    pub(super) fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it takes no more queries.
    pub(super) fn is_over(&self, places: &Places, keep: Keep, now: Instant) -> bool {
        let used = if places.is_empty() { places.used } else { now };
        places.is_used_up()
            || self.is_retired.load(Ordering::Relaxed)
            || now.saturating_duration_since(self.created) > LIFE
            || !keep.allows(self.created, used, now)
    }

    /// Enters a query, if the socket has fewer than `most` in flight and none that asks the same.
    pub(super) fn enter(&self, query: &Query, now: Instant, keep: Keep, most: usize) -> Entered {
        let mut places = self.places();
        if self.is_over(&places, keep, now) {
            return Entered::Retired;
        }
        if places.len() >= most || places.is_asked(query.question()) {
            return Entered::Full;
        }
        places.used = now;
        let place = Place::new(query.question(), query.limit, now + query.wait);
        places.enter(place).map_or(Entered::Full, Entered::At)
    }

    /// Sends a query; false if there is no room for it now. A failure ends the socket.
    pub(super) fn try_send(&self, octets: &[u8]) -> Result<bool, Fault> {
        match self.udp.try_send(octets) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(self.not_sent(&error)),
        }
    }

    /// Waits for room and sends a query. A failure ends the socket.
    pub(super) async fn send(&self, octets: &[u8]) -> Result<(), Fault> {
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

    /// Reads the datagrams that have arrived, at most a batch; false once the socket has failed.
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
            drop(buffer);
            if self.is_read_out() {
                return true;
            }
        }
        tokio::task::yield_now().await;
        true
    }

    /// Whether no query waits any more, so that asking the system for one more datagram can be left out; if there is one, it is read
    /// before the next reply. A query that is entered after the look inside has its reply told as a new event.
    fn is_read_out(&self) -> bool {
        let looked = self.udp.try_io(Interest::READABLE, || {
            if self.places().is_waiting() { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
        });
        looked.is_err()
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
        if places.deliver(id, |question, limit| read_datagram(octets, question, limit)) {
            places.used = Instant::now();
        }
    }

    /// Ends all queries in flight: the upstream's host says that nobody listens, or the network is gone.
    fn fail(&self, fault: &Fault) {
        self.is_retired.store(true, Ordering::Relaxed);
        self.places().fail(fault);
    }
}
