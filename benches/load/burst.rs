//! One burst of load: queries by the window or at a rate, replies checked, the server's CPU time taken.

use crate::kit::work::Query;
use crate::system::{self, BATCH, Batch};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

/// Sockets of the client.
const SOCKETS: usize = 8;
/// Latencies are counted by the microsecond, up to this many.
const LATENCIES: usize = 100_000;
/// After this long without any reply the open queries count as lost.
const PATIENCE: Duration = Duration::from_millis(300);
/// Most queries that are sent before replies are looked at.
const TURN: u64 = 64;

/// How much is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// So many queries are always open. `spins` when the client has a core of its own.
    Window { open: usize, spins: bool },
    /// So many queries a second, or as many as can be sent. `spins` as above.
    Rate { rate: u32, spins: bool },
}

/// What a burst has shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Burst {
    /// Replies that are right.
    pub(crate) good: u64,
    /// Replies that are wrong.
    pub(crate) bad: u64,
    /// Queries without reply.
    pub(crate) lost: u64,
    /// Queries that were sent.
    pub(crate) sent: u64,
    /// How long it took.
    pub(crate) seconds: f64,
    /// CPU time of the server, in nanoseconds.
    pub(crate) cpu: u64,
    /// Share of the machine that strangers used.
    pub(crate) foreign: f64,
    /// Latency in microseconds that half of the replies do not exceed.
    pub(crate) p50: usize,
    /// Latency in microseconds that all but one in a hundred do not exceed.
    pub(crate) p99: usize,
}

impl Burst {
    /// CPU time for one reply, in nanoseconds.
    pub(crate) fn cost(&self) -> f64 {
        self.cpu as f64 / (self.good + self.bad).max(1) as f64
    }

    /// Good replies a second.
    pub(crate) fn rate(&self) -> f64 {
        self.good as f64 / self.seconds.max(1e-9)
    }
}

/// One socket of the client and the queries that are open on it.
struct Line {
    socket: UdpSocket,
    inbound: Batch,
    outbound: Batch,
    /// Place of the query and time of sending, by id.
    open: Vec<Option<(u32, Instant)>>,
    count: usize,
    next_id: u16,
}

impl Line {
    /// A socket that is connected to the server.
    fn new(server: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(server)?;
        let sized = socket2::SockRef::from(&socket);
        sized.set_recv_buffer_size(1 << 20)?;
        sized.set_send_buffer_size(1 << 20)?;
        let open = vec![None; 1 << 16];
        Ok(Self { socket, inbound: Batch::new(), outbound: Batch::new(), open, count: 0, next_id: 0 })
    }
}

/// A client and what it asks.
pub(crate) struct Client<'a> {
    queries: &'a [Query],
    next: usize,
    lines: Vec<Line>,
    latencies: Vec<u32>,
    burst: Burst,
    /// Whether replies are looked at; an echo's are not.
    checks: bool,
}

impl<'a> Client<'a> {
    /// A client of a server.
    pub(crate) fn new(server: SocketAddr, queries: &'a [Query], checks: bool) -> io::Result<Self> {
        let lines = (0..SOCKETS).map(|_| Line::new(server)).collect::<Result<_, _>>()?;
        let latencies = vec![0; LATENCIES];
        Ok(Self { queries, next: 0, lines, latencies, burst: Burst::default(), checks })
    }

    /// Asks each query once, a few at a time, so that caches are warm; those that got no answer are asked again by the burst.
    pub(crate) fn warm(&mut self) -> io::Result<()> {
        for _ in 0..self.queries.len().div_ceil(64) {
            self.send(0, 64, Instant::now())?;
            let begun = Instant::now();
            while self.lines.iter().any(|line| line.count > 0) && begun.elapsed() < PATIENCE {
                self.receive()?;
            }
            self.forget();
        }
        Ok(())
    }

    /// Asks for some time.
    pub(crate) fn run(&mut self, pace: Pace, length: Duration, server: u32) -> io::Result<Burst> {
        self.burst = Burst::default();
        self.latencies.fill(0);
        let machine = Machine::read(server);
        let begun = Instant::now();
        let (mut last, mut sent) = (begun, 0_u64);
        let fds: Vec<_> = self.lines.iter().map(|line| line.socket.as_raw_fd()).collect();
        while begun.elapsed() < length {
            let now = Instant::now();
            let received = self.receive()?;
            if received > 0 {
                last = now;
            } else if now.duration_since(last) > PATIENCE {
                self.forget();
                last = now;
            }
            match pace {
                Pace::Window { open, spins } => {
                    for line in 0..self.lines.len() {
                        let more = (open / SOCKETS).saturating_sub(self.lines.get(line).map_or(0, |line| line.count));
                        self.send(line, more, now)?;
                    }
                    if received == 0 && !spins {
                        system::wait_readable(&fds, Duration::from_millis(20));
                    }
                }
                Pace::Rate { rate, spins } => {
                    let due = (begun.elapsed().as_secs_f64() * f64::from(rate)) as u64;
                    let turn = sent + TURN;
                    while sent < due.min(turn) {
                        let more = (due - sent).min(8);
                        self.send((sent / 8) as usize % SOCKETS, more as usize, now)?;
                        sent += more;
                    }
                    if received == 0 && !spins {
                        system::wait_readable(&fds, Duration::from_secs(1) / rate);
                    }
                }
            }
        }
        self.burst.seconds = begun.elapsed().as_secs_f64();
        let (cpu, foreign) = machine.until_now(server, self.burst.seconds);
        // What is still under way belongs to this burst, its CPU time nearly so.
        let end = Instant::now();
        while self.lines.iter().any(|line| line.count > 0) && end.elapsed() < PATIENCE {
            self.receive()?;
        }
        self.forget();
        (self.burst.cpu, self.burst.foreign) = (cpu, foreign);
        (self.burst.p50, self.burst.p99) = (self.percentile(0.5), self.percentile(0.99));
        Ok(self.burst.clone())
    }

    /// Sends some queries on one socket.
    fn send(&mut self, line: usize, count: usize, now: Instant) -> io::Result<()> {
        let Some(line) = self.lines.get_mut(line) else { return Ok(()) };
        let count = count.min(BATCH);
        for index in 0..count {
            let Some(query) = self.queries.get((self.next + index) % self.queries.len()) else { continue };
            line.outbound.put(index, &query.octets, line.next_id.wrapping_add(index as u16));
        }
        let sent = if count > 0 { line.outbound.send(&line.socket, count) } else { 0 };
        self.burst.sent += sent as u64;
        for _ in 0..sent {
            if let Some(place) = line.open.get_mut(usize::from(line.next_id)) {
                *place = Some((self.next as u32, now));
            }
            line.count += 1;
            line.next_id = line.next_id.wrapping_add(1);
            self.next = (self.next + 1) % self.queries.len();
        }
        Ok(())
    }

    /// Takes the replies that have come.
    fn receive(&mut self) -> io::Result<usize> {
        let mut all = 0;
        for line in &mut self.lines {
            let received = match line.inbound.receive(&line.socket, false, true) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
                Err(error) => return Err(error),
            };
            let now = Instant::now();
            for index in 0..received {
                let Some(octets) = line.inbound.received(index) else { continue };
                let id = u16::from_be_bytes([octets[0], octets[1]]);
                let Some((query, sent)) = line.open.get_mut(usize::from(id)).and_then(Option::take) else { continue };
                line.count -= 1;
                let latency = usize::try_from(now.duration_since(sent).as_micros()).unwrap_or(LATENCIES);
                if let Some(count) = self.latencies.get_mut(latency.min(LATENCIES - 1)) {
                    *count += 1;
                }
                let is_good =
                    !self.checks || self.queries.get(query as usize).is_some_and(|query| is_right(query, octets));
                *(if is_good { &mut self.burst.good } else { &mut self.burst.bad }) += 1;
            }
            all += received;
        }
        Ok(all)
    }

    /// Counts what is open as lost.
    fn forget(&mut self) {
        for line in &mut self.lines {
            self.burst.lost += line.count as u64;
            line.count = 0;
            line.open.fill(None);
        }
    }

    /// The latency that this share of replies does not exceed.
    fn percentile(&self, share: f64) -> usize {
        let all: u64 = self.latencies.iter().map(|count| u64::from(*count)).sum();
        let mut left = (all as f64 * share) as u64;
        let is_beyond = |count: &u32| {
            let is_beyond = u64::from(*count) > left;
            left = left.saturating_sub(u64::from(*count));
            is_beyond
        };
        self.latencies.iter().position(is_beyond).unwrap_or(0)
    }
}

/// Whether a reply is right for its query; one that was cut counts as right if the query allows that.
fn is_right(query: &Query, reply: &[u8]) -> bool {
    let answers = u16::from_be_bytes([reply[6], reply[7]]);
    let is_cut = reply[2] & 2 != 0;
    reply[2] & 0x80 != 0 && reply[3] & 0xf == query.rcode && (answers >= query.answers || is_cut && query.answers > 100)
}

/// What the machine has done up to a moment.
pub(crate) struct Machine {
    busy: f64,
    own: u64,
    server: u64,
}

impl Machine {
    /// Reads the clocks.
    pub(crate) fn read(server: u32) -> Self {
        Self {
            busy: busy_seconds(),
            own: system::cpu_nanoseconds(std::process::id()),
            server: system::cpu_nanoseconds(server),
        }
    }

    /// CPU time of the server since, and the share of the machine that strangers used.
    pub(crate) fn until_now(&self, server: u32, seconds: f64) -> (u64, f64) {
        let now = Self::read(server);
        let cpu = now.server.saturating_sub(self.server);
        let own = now.own.saturating_sub(self.own);
        let cores = std::thread::available_parallelism().map_or(1, usize::from).max(2);
        let foreign = now.busy - self.busy - (cpu + own) as f64 / 1e9;
        (cpu, foreign.max(0.0) / (cores as f64 * seconds))
    }
}

/// Seconds that all processors have worked.
fn busy_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields: Vec<f64> = text
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(1)
        .filter_map(|field| field.parse().ok())
        .collect();
    [0, 1, 2, 5, 6].iter().filter_map(|index| fields.get(*index)).sum::<f64>() / 100.0
}
