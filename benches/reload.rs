//! 150 reloads under 5,000 queries a second: no query is lost, none fails, nothing grows.
//!
//! `cargo bench --bench reload`. Queries go over UDP at that rate, and over TCP one after the other, on a connection that stays and
//! on one for each. Half of them are for a name of the cluster, half for names that are forwarded. Fails if anything is lost.

#![expect(clippy::print_stdout, reason = "what a bench prints is its result")]

mod program;

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use program::{CLUSTER_NAME, Failure, Program, corefile, mib, query, reply};
use socket2::SockRef;
use test_support::subject::Signal;

/// Reloads.
const RELOADS: usize = 150;
/// Queries in a second over UDP.
const RATE: u32 = 5000;
/// Shortest time between two reloads, so that many queries meet each.
const PAUSE: Duration = Duration::from_millis(150);
/// How long the last answers may take.
const LIMIT: Duration = Duration::from_secs(10);
/// Octets that may be resident more at the end than after the first ten reloads.
const GROWTH: u64 = 8 << 20;
/// Reloads after which memory and descriptors are looked at first.
const WARM: usize = 10;

/// What clients have seen.
#[derive(Default)]
struct Tally {
    sent: AtomicUsize,
    answered: AtomicUsize,
    /// Answers with another code than NOERROR, or without a record.
    failed: AtomicUsize,
    /// Connections that ended before their answer.
    broken: AtomicUsize,
    is_over: AtomicBool,
}

impl Tally {
    /// Counts an answer.
    fn note(&self, message: &[u8]) {
        let is_good =
            message.get(3).is_some_and(|code| code & 15 == 0) && message.get(7).is_some_and(|count| *count > 0);
        self.failed.fetch_add(usize::from(!is_good), Ordering::AcqRel);
        self.answered.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether the reloads are done.
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }
}

fn main() -> Result<ExitCode, Failure> {
    let upstream = upstream()?;
    let text = |number: usize| {
        let ttl = u32::try_from(number % 30 + 1).unwrap_or(1);
        corefile(&format!("{upstream} {{\n  max_concurrent 1000\n }}"), ttl)
    };
    let mut program = Program::start(&text(0))?;
    let tallies: [Arc<Tally>; 3] = Default::default();
    let clients = [
        over_udp(program.address, &tallies[0])?,
        over_tcp(program.address, &tallies[1], true),
        over_tcp(program.address, &tallies[2], false),
    ];
    let start = Instant::now();
    let (mut memory, mut descriptors) = (0, 0);
    for number in 1..=RELOADS {
        thread::sleep(PAUSE);
        program.write(&text(number))?;
        program.subject.signal(Signal::SIGUSR1)?;
        let is_done = |output: &str| output.matches("[INFO] Reloading complete").count() >= number;
        if let Some(status) = program.subject.wait_until(LIMIT, is_done)? {
            return Err(format!("ended with {status}").into());
        }
        if number == WARM {
            (memory, descriptors) = (program.memory("VmRSS")?, program.descriptors()?);
        }
    }
    let took = start.elapsed();
    tallies.iter().for_each(|tally| tally.is_over.store(true, Ordering::Release));
    for client in clients {
        client.join().map_err(|_| "a client has panicked")??;
    }
    println!("{RELOADS} reloads in {took:.1?}");
    let mut is_good = true;
    for (name, tally) in ["UDP", "TCP, one connection", "TCP, one for each"].into_iter().zip(&tallies) {
        let [sent, answered, failed, broken] =
            [&tally.sent, &tally.answered, &tally.failed, &tally.broken].map(|count| count.load(Ordering::Acquire));
        println!("  {name}: {sent} queries, {} lost, {failed} failed, {broken} connections broken", sent - answered);
        is_good &= sent == answered && failed == 0 && broken == 0;
    }
    println!("  datagrams that the system dropped for want of room: {}", dropped(program.address.port())?);
    let (end_memory, end_descriptors) = (program.memory("VmRSS")?, program.descriptors()?);
    println!(
        "  resident {:.1} MiB after {WARM} reloads, {:.1} at the end; descriptors {descriptors} and {end_descriptors}",
        mib(memory),
        mib(end_memory)
    );
    is_good &= end_memory <= memory + GROWTH && end_descriptors <= descriptors + 8;
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// An upstream that answers everything; its thread ends with the process.
fn upstream() -> io::Result<SocketAddr> {
    let (udp, tcp) = test_support::ports::bind_pair()?;
    let address = udp.local_addr()?;
    thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = udp.recv_from(&mut buffer) {
            // A client that has gone does not matter.
            drop(udp.send_to(&reply(buffer.get(..length).unwrap_or_default()), from));
        }
    });
    thread::spawn(move || {
        for stream in tcp.incoming().flatten() {
            thread::spawn(move || -> io::Result<()> {
                let mut stream = stream;
                loop {
                    let asked = read(&mut stream)?;
                    write(&mut stream, &reply(&asked))?;
                }
            });
        }
    });
    Ok(address)
}

/// The name of the query with this number: of the cluster, or one of a hundred others.
fn name(number: usize) -> String {
    if number.is_multiple_of(2) { CLUSTER_NAME.to_owned() } else { format!("host-{}.example.com", number / 2 % 100) }
}

/// Sends at the rate until it is over, then waits for the last answers.
fn over_udp(address: SocketAddr, tally: &Arc<Tally>) -> Result<JoinHandle<io::Result<()>>, Failure> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    // What the client itself fails to read must not look lost.
    SockRef::from(&socket).set_recv_buffer_size(4 << 20)?;
    let (reader, seen) = (socket.try_clone()?, Arc::clone(tally));
    let reading = thread::spawn(move || {
        let mut buffer = [0; 512];
        let mut end = None;
        loop {
            if let Ok(length) = reader.recv(&mut buffer) {
                seen.note(buffer.get(..length).unwrap_or_default());
            }
            let is_all = seen.answered.load(Ordering::Acquire) == seen.sent.load(Ordering::Acquire);
            if seen.is_over() && (is_all || Instant::now() > *end.get_or_insert_with(|| Instant::now() + LIMIT)) {
                return;
            }
        }
    });
    let tally = Arc::clone(tally);
    Ok(thread::spawn(move || {
        let start = Instant::now();
        let mut sent = 0_u32;
        while !tally.is_over() {
            while start.elapsed() >= Duration::from_secs(1) * sent / RATE {
                tally.sent.fetch_add(1, Ordering::AcqRel);
                let number = usize::try_from(sent).map_err(io::Error::other)?;
                socket.send(&query(u16::try_from(sent % 65_536).map_err(io::Error::other)?, &name(number)))?;
                sent += 1;
            }
            thread::sleep(Duration::from_micros(100));
        }
        reading.join().map_err(|_| io::Error::other("panicked"))
    }))
}

/// Asks one after the other until it is over.
fn over_tcp(address: SocketAddr, tally: &Arc<Tally>, is_kept: bool) -> JoinHandle<io::Result<()>> {
    let tally = Arc::clone(tally);
    thread::spawn(move || {
        let mut kept: Option<TcpStream> = None;
        for number in 0.. {
            if tally.is_over() {
                break;
            }
            tally.sent.fetch_add(1, Ordering::AcqRel);
            let stream = kept.take().map_or_else(|| connect(address), Ok);
            let asked = stream.and_then(|mut stream| {
                write(&mut stream, &query(1, &name(number)))?;
                Ok((read(&mut stream)?, stream))
            });
            match asked {
                Ok((message, stream)) => {
                    tally.note(&message);
                    kept = is_kept.then_some(stream);
                }
                Err(_) => drop(tally.broken.fetch_add(1, Ordering::AcqRel)),
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    })
}

/// Opens a connection.
fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Writes a message with its length before it.
fn write(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), message].concat())
}

/// Reads a message with its length before it.
fn read(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message)?;
    Ok(message)
}

/// How many datagrams for a port the system has thrown away, as Linux counts them.
fn dropped(port: u16) -> Result<u64, Failure> {
    let end = format!(":{port:04X}");
    let table = fs::read_to_string("/proc/net/udp")?;
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let ours = rows.filter(|row| row.get(1).is_some_and(|local| local.ends_with(&end)));
    Ok(ours.filter_map(|row| row.last()?.parse::<u64>().ok()).sum())
}
