//! What a query costs: without sockets, and over UDP beside an echo that does nothing else, in one run.
//!
//! `cargo bench --bench query`. The ratio to the echo is what can be compared between machines; nanoseconds cannot.

use ferrodns::instance::{Instance, Settings};
use ferrodns::load::Origin;
use ferrodns::server::admit::Verdict;
use ferrodns::server::{Answer, Server};
use ferrodns::transport::Handoff;
use plugin_api::{Name, Transport};
use std::future::Future;
use std::net::{SocketAddr, UdpSocket};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Queries of a measurement; enough for a second or so.
const QUERIES: u32 = 200_000;
/// Queries that are under way at a time over UDP.
const WINDOW: u32 = 16;

/// The server blocks that are measured, each with the name that is asked.
const CASES: &[(&str, &str, &str)] = &[
    ("whoami", "who.test {\n whoami\n}\n", "x.who.test"),
    ("hosts", "hosts.test {\n hosts {\n  192.0.2.1 a.hosts.test\n }\n}\n", "a.hosts.test"),
    (
        "hosts behind errors, prometheus and cache",
        "hosts.test {\n errors\n prometheus 127.0.0.1:0\n cache\n hosts {\n  192.0.2.1 a.hosts.test\n }\n}\n",
        "a.hosts.test",
    ),
    ("refused", "other.test {\n whoami\n}\n", "x.who.test"),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Runtime::new()?;
    let echo = echo()?;
    for (title, corefile, name) in CASES {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("Corefile");
        std::fs::write(&file, corefile)?;
        let settings = Settings {
            origin: Origin { conf: file.display().to_string(), port: "0".to_owned() },
            manifests: Vec::new(),
            plugins: plugins::PLUGINS,
            threads: 1,
        };
        let instance = Instance::new(settings, Handoff::new(runtime.handle().clone()));
        runtime.block_on(instance.start())?;
        let query = query(name)?;
        let server = runtime.block_on(instance.servers()).pop().ok_or("no server")?;
        let port = runtime.block_on(instance.addresses()).first().ok_or("no socket")?.2.port();
        let inside = inside(&server, &query);
        let bare = over_udp(echo, &query)?;
        let ours = over_udp(SocketAddr::from(([127, 0, 0, 1], port)), &query)?;
        let ratio = ours.as_secs_f64() / bare.as_secs_f64();
        write(&format!("{title}: {inside:?} inside, {ours:?} over UDP, echo {bare:?}, ratio {ratio:.2}"));
        runtime.block_on(instance.stop());
    }
    Ok(())
}

/// Prints a line.
fn write(line: &str) {
    use std::io::Write as _;
    // A bench that nobody reads need not say so.
    drop(writeln!(std::io::stdout(), "{line}"));
}

/// A query for the addresses of a name.
fn query(name: &str) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let mut message = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    message.extend_from_slice(Name::from_text(name)?.as_wire());
    message.extend_from_slice(&[0, 1, 0, 1]);
    Ok(message)
}

/// The time of one query without sockets: admitted, answered, written.
fn inside(server: &Arc<Server>, query: &[u8]) -> Duration {
    let peer = SocketAddr::from(([127, 0, 0, 1], 5353));
    let mut request = server.request(Transport::Udp);
    let mut out = Vec::new();
    let start = Instant::now();
    for _ in 0..QUERIES {
        out.clear();
        request.set_arrival(peer, peer, start);
        if server.admit(query, &mut request, &mut out) != Verdict::Query {
            continue;
        }
        let mut work = pin!(server.answer(request));
        let answered = loop {
            if let Poll::Ready(answered) = work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                break answered;
            }
        };
        request = answered.request;
        if let Answer::Message(message) = answered.answer {
            server.write(&message, &request, &mut out);
            request.give_buffer(message.into_octets(), 4096);
        }
    }
    start.elapsed() / QUERIES
}

/// The time between replies with a window of queries under way.
fn over_udp(address: SocketAddr, query: &[u8]) -> std::io::Result<Duration> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut reply = [0; 4096];
    let start = Instant::now();
    for _ in 0..QUERIES / WINDOW {
        for _ in 0..WINDOW {
            socket.send(query)?;
        }
        for _ in 0..WINDOW {
            socket.recv(&mut reply)?;
        }
    }
    Ok(start.elapsed() / QUERIES)
}

/// A thread that sends back what it gets; it ends with the process.
fn echo() -> std::io::Result<SocketAddr> {
    static STOP: AtomicBool = AtomicBool::new(false);
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let address = socket.local_addr()?;
    std::thread::spawn(move || {
        let mut octets = [0; 512];
        while !STOP.load(Ordering::Relaxed) {
            if let Ok((length, peer)) = socket.recv_from(&mut octets) {
                // A datagram that is not sent back shows as a timeout of the client.
                drop(socket.send_to(octets.get(..length).unwrap_or(&[]), peer));
            }
        }
    });
    Ok(address)
}
