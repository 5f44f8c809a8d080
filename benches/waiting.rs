//! 10,000 clients that wait for an upstream: what memory that costs, and how fast names of the cluster are answered meanwhile.
//!
//! `cargo bench --bench waiting`. The program is started as an operator starts it, with kubeadm's Corefile over manifests; the
//! upstream says nothing, or answers 1.8 seconds late. Fails above [`BOUND`] or [`PATIENCE`].

#![expect(clippy::print_stdout, reason = "what a bench prints is its result")]

mod program;

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use program::{CLUSTER_NAME, Failure, Program, corefile, mib, query, reply};

/// Clients that wait.
const CLIENTS: usize = 10_000;
/// Octets of memory that may be resident at most while they wait: the usual limit of a pod is 170 MiB.
const BOUND: u64 = 80 << 20;
/// Half of the names of the cluster are answered faster, waiting clients or not.
const PATIENCE: Duration = Duration::from_millis(5);
/// Names of the cluster that are asked, one after the other.
const ASKED: usize = 1000;
/// Queries that are sent before it is looked whether they have come through, and clients that share a socket: less than a
/// receive buffer holds.
const BURST: usize = 100;
/// When the slow upstream answers; `forward` waits two seconds.
const LATE: Duration = Duration::from_millis(1800);
/// After this long something is wrong.
const LIMIT: Duration = Duration::from_secs(20);

/// An upstream that counts, and answers late or not at all.
struct Upstream {
    address: SocketAddr,
    count: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Upstream {
    /// Starts it; without a delay it says nothing.
    fn start(delay: Option<Duration>) -> io::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let address = socket.local_addr()?;
        socket.set_read_timeout(Some(Duration::from_millis(1)))?;
        let (count, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, stopped) = (Arc::clone(&count), Arc::clone(&stop));
        thread::spawn(move || {
            let mut waiting: VecDeque<(Instant, SocketAddr, Vec<u8>)> = VecDeque::new();
            let mut buffer = [0; 512];
            while !stopped.load(Ordering::Acquire) {
                if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                    counted.fetch_add(1, Ordering::AcqRel);
                    let asked = buffer.get(..length).unwrap_or_default();
                    waiting.extend(delay.map(|delay| (Instant::now() + delay, from, reply(asked))));
                }
                while waiting.front().is_some_and(|(due, ..)| *due <= Instant::now()) {
                    // A client that has gone does not matter.
                    waiting.pop_front().into_iter().for_each(|(_, to, reply)| drop(socket.send_to(&reply, to)));
                }
            }
        });
        Ok(Self { address, count, stop })
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

/// The clients: sockets, each with as many queries as the answers that its buffer holds.
struct Clients {
    sockets: Vec<UdpSocket>,
    /// Answers by code.
    codes: [usize; 16],
}

impl Clients {
    /// Opens the sockets.
    fn new(server: SocketAddr) -> io::Result<Self> {
        let open = |_| {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            socket.connect(server)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        Ok(Self { sockets: (0..CLIENTS / BURST).map(open).collect::<io::Result<_>>()?, codes: [0; 16] })
    }

    /// How many have an answer.
    fn answered(&mut self) -> usize {
        let mut buffer = [0; 512];
        for socket in &self.sockets {
            while socket.recv(&mut buffer).is_ok() {
                self.codes.get_mut(usize::from(buffer[3] & 15)).into_iter().for_each(|count| *count += 1);
            }
        }
        self.codes.iter().sum()
    }

    /// The answers in words.
    fn text(&self) -> String {
        let names = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];
        let counts = names.iter().zip(self.codes).filter(|(_, count)| *count > 0);
        counts.map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
    }
}

fn main() -> Result<ExitCode, Failure> {
    let mut is_good = true;
    for (title, delay, properties) in [
        ("silent upstream, max_concurrent 1000 (kubeadm)", None, "max_concurrent 1000"),
        ("silent upstream, any number", None, ""),
        ("slow upstream, any number", Some(LATE), ""),
    ] {
        let upstream = Upstream::start(delay)?;
        let program = Program::start(&corefile(&format!("{} {{\n  {properties}\n }}", upstream.address), 30))?;
        is_good &= measure(title, &upstream, &program)?;
    }
    println!("bound: {:.0} MiB resident, half of the names of the cluster within {PATIENCE:?}", mib(BOUND));
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Lets all clients wait and looks at the program meanwhile; whether it stayed within bounds.
fn measure(title: &str, upstream: &Upstream, program: &Program) -> Result<bool, Failure> {
    let alone = ask_names(program.address, ASKED)?;
    let calm = program.memory("VmRSS")?;
    let mut clients = Clients::new(program.address)?;
    let before = upstream.count.load(Ordering::Acquire);
    let start = Instant::now();
    for number in 0..CLIENTS {
        let asked = query(u16::try_from(number)?, &format!("client-{number}.example.com"));
        clients.sockets.get(number / BURST).ok_or("no socket")?.send(&asked)?;
        while number % BURST == BURST - 1 && start.elapsed() < LIMIT {
            if upstream.count.load(Ordering::Acquire) - before + clients.answered() > number {
                break;
            }
            thread::yield_now();
        }
    }
    let (sent, refused) = (start.elapsed(), clients.answered());
    let beside = ask_names(program.address, ASKED)?;
    let (still, now) = (CLIENTS - clients.answered(), program.memory("VmRSS")?);
    while clients.answered() < CLIENTS && start.elapsed() < LIMIT {
        thread::sleep(Duration::from_millis(10));
    }
    let took = start.elapsed();
    let (peak, after) = (program.memory("VmHWM")?, program.memory("VmRSS")?);
    let waiting = CLIENTS - refused;
    println!("{title}:");
    println!("  {CLIENTS} queries in {sent:.1?}, {waiting} wait, {still} still do when the names have been asked");
    println!("  answers: {}; the last after {took:.1?}", clients.text());
    println!(
        "  resident: {:.1} MiB calm, {:.1} while they wait, {:.1} at most, {:.1} after; {} octets for each that waits",
        mib(calm),
        mib(now),
        mib(peak),
        mib(after),
        now.saturating_sub(calm) / u64::try_from(waiting)?.max(1)
    );
    println!(
        "  a name of the cluster: p50 {:?}, p99 {:?} alone; p50 {:?}, p99 {:?} beside them",
        alone.0, alone.1, beside.0, beside.1
    );
    Ok(peak <= BOUND && beside.0 <= PATIENCE && clients.answered() == CLIENTS)
}

/// Asks for a name of the cluster again and again: how long half of the answers take at most, and 99 in a hundred.
fn ask_names(address: SocketAddr, count: usize) -> Result<(Duration, Duration), Failure> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(LIMIT))?;
    let mut times = Vec::with_capacity(count);
    let mut buffer = [0; 512];
    for number in 0..count {
        let start = Instant::now();
        socket.send(&query(u16::try_from(number)?, CLUSTER_NAME))?;
        socket.recv(&mut buffer)?;
        if buffer[3] & 15 != 0 || buffer[7] == 0 {
            return Err("no address".into());
        }
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let at = |part: usize| times.get(count * part / 100).copied().unwrap_or_default();
    Ok((at(50), at(99)))
}
