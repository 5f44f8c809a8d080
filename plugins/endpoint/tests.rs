//! Limits of connections over streams in memory with a clock that the tests turn, eviction over loopback, and answers to odd
//! requests as recorded from CoreDNS.

use super::connections::{ConnectionLimits, Connections};
use super::{Endpoint, Guard, accept, admit, greet, text};
use crate::trial::process;
use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// A request that leaves the connection open.
const REQUEST: &[u8] = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n";

/// A time that no connection lasts.
const LONG: Duration = Duration::from_secs(3600);

/// An endpoint that serves a body at `path`.
fn endpoint(path: &'static str, body: impl Into<Bytes>) -> Arc<Endpoint> {
    let (endpoint, body) = (Arc::new(Endpoint::new("", path)), body.into());
    endpoint.show(Box::new(move |_| text(StatusCode::OK, body.clone())));
    endpoint
}

/// A connection to an endpoint, over a pipe that holds so many octets each way.
async fn connect(endpoint: &Arc<Endpoint>, capacity: usize) -> (DuplexStream, Connections) {
    let (client, server) = tokio::io::duplex(capacity);
    let mut connections = Connections::new(ConnectionLimits::SIDE);
    connections.add(|state| greet(server, Arc::downgrade(endpoint), state)).await;
    (client, connections)
}

/// The seconds that pass until the connection has ended.
async fn lasts(mut connections: Connections) -> u64 {
    let began = Instant::now();
    timeout(LONG, connections.closed()).await.unwrap();
    began.elapsed().as_secs()
}

/// Reads the answer to one request, with a body of two octets.
async fn answer(client: &mut (impl AsyncRead + Unpin)) -> String {
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nOK") {
        answer.push(client.read_u8().await.unwrap());
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_nothing_has_five_seconds() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let endpoint = endpoint("/health", "OK");
    let mut connections = Connections::new(ConnectionLimits::SIDE);
    connections.add(|state| admit(stream, Arc::downgrade(&endpoint), state)).await;
    assert_eq!(lasts(connections).await, 5);
}

#[tokio::test(start_paused = true)]
async fn a_header_has_five_seconds_however_it_drips() {
    let endpoint = endpoint("/health", "OK");
    let (mut client, connections) = connect(&endpoint, 4096).await;
    let drip = async {
        while client.write_u8(b'G').await.is_ok() {
            sleep(Duration::from_secs(1)).await;
        }
        std::future::pending::<u64>().await
    };
    let lasted = tokio::select! {
        lasted = lasts(connections) => lasted,
        never = drip => never,
    };
    assert_eq!(lasted, 5);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_has_five_seconds() {
    let endpoint = endpoint("/health", "OK");
    let (mut client, connections) = connect(&endpoint, 4096).await;
    client.write_all(REQUEST).await.unwrap();
    answer(&mut client).await;
    assert_eq!(lasts(connections).await, 5);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_has_five_seconds() {
    let endpoint = endpoint("/health", vec![b'x'; 10_000]);
    let (mut client, connections) = connect(&endpoint, 64).await;
    client.write_all(REQUEST).await.unwrap();
    assert_eq!(lasts(connections).await, 5);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_octet_by_octet_has_a_minute() {
    let endpoint = endpoint("/health", vec![b'x'; 10_000]);
    let (mut client, connections) = connect(&endpoint, 64).await;
    client.write_all(REQUEST).await.unwrap();
    let trickle = async {
        while client.read_u8().await.is_ok() {
            sleep(Duration::from_secs(4)).await;
        }
        std::future::pending::<u64>().await
    };
    let lasted = tokio::select! {
        lasted = lasts(connections) => lasted,
        never = trickle => never,
    };
    assert_eq!(lasted, 60);
}

#[tokio::test(start_paused = true)]
async fn a_slow_and_honest_reader_gets_a_whole_page() {
    let endpoint = endpoint("/health", vec![b'x'; 1 << 20]);
    let (mut client, _connections) = connect(&endpoint, 1 << 16).await;
    client.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let (mut octets, mut page) = (vec![0; 1 << 16], 0);
    loop {
        match client.read(&mut octets).await.unwrap() {
            0 => break,
            count => page += count,
        }
        sleep(Duration::from_secs(1)).await;
    }
    assert!(page > 1 << 20, "{page} octets came");
}

#[tokio::test(start_paused = true)]
async fn a_connection_has_sixteen_requests() {
    let endpoint = endpoint("/health", "OK");
    let (mut client, mut connections) = connect(&endpoint, 4096).await;
    for count in 1..=16 {
        client.write_all(REQUEST).await.unwrap();
        assert_eq!(answer(&mut client).await.contains("Connection: close\r\n"), count == 16, "request {count}");
    }
    timeout(Duration::from_secs(1), connections.closed()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_first_page_after_half_a_minute_is_the_last() {
    let endpoint = endpoint("/health", "OK");
    let (mut client, mut connections) = connect(&endpoint, 4096).await;
    for second in (0..=32).step_by(4) {
        client.write_all(REQUEST).await.unwrap();
        assert_eq!(answer(&mut client).await.contains("Connection: close\r\n"), second == 32, "after {second} s");
        if second < 32 {
            sleep(Duration::from_secs(4)).await;
        }
    }
    timeout(Duration::from_secs(1), connections.closed()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_tls_handshake_has_five_seconds() {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["x".to_owned()]).unwrap().self_signed(&key).unwrap();
    let section = serde_json::json!({"cert": certificate.pem(), "key": key.serialize_pem()});
    let path = std::env::temp_dir().join(format!("ferrodns-handshake-{}.yml", std::process::id()));
    // JSON is YAML.
    std::fs::write(&path, serde_json::json!({"tls_server_config": section}).to_string()).unwrap();
    let endpoint = endpoint("/health", "OK");
    endpoint.guard(Some(Arc::new(Guard::new(path.clone(), process().clock))));
    let (mut client, connections) = connect(&endpoint, 4096).await;
    client.write_u8(22).await.unwrap();
    assert_eq!(lasts(connections).await, 5);
    std::fs::remove_file(&path).unwrap();
}

/// An endpoint at a port of loopback that has room for three connections.
struct Small {
    address: SocketAddr,
    task: JoinHandle<()>,
    _endpoint: Arc<Endpoint>,
}

impl Small {
    /// Serves a body.
    async fn start(body: impl Into<Bytes>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, endpoint) = (listener.local_addr().unwrap(), endpoint("/health", body));
        let limits = ConnectionLimits { connections: 3, ..ConnectionLimits::SIDE };
        let task = tokio::spawn(accept(listener, "/health", limits, Arc::downgrade(&endpoint)));
        Self { address, task, _endpoint: endpoint }
    }

    /// A connection that has sent these octets.
    async fn client(&self, octets: &[u8]) -> TcpStream {
        let mut client = TcpStream::connect(self.address).await.unwrap();
        client.write_all(octets).await.unwrap();
        client
    }

    /// Whether a new client gets a page, as a probe would ask for it.
    async fn answers(&self) -> bool {
        let mut client = self.client(REQUEST).await;
        let mut status = [0; 15];
        client.read_exact(&mut status).await.is_ok() && &status == b"HTTP/1.1 200 OK"
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test]
async fn the_oldest_idle_connection_gives_way_to_a_new_one() {
    let small = Small::start("OK").await;
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(small.client(b"").await);
    }
    assert!(small.answers().await);
    assert_eq!(silent[0].read(&mut [0]).await.unwrap_or(0), 0, "the oldest is closed");
    silent[2].write_all(REQUEST).await.unwrap();
    answer(&mut silent[2]).await;
}

#[tokio::test]
async fn a_page_that_is_being_read_gives_way_only_if_all_are() {
    const SIZE: usize = 16 << 20;
    let small = Small::start(vec![b'x'; SIZE]).await;
    let mut reader = small.client(REQUEST).await;
    reader.read_u8().await.unwrap();
    let mut silent = [small.client(b"").await, small.client(b"").await];
    assert!(small.answers().await);
    assert_eq!(silent[0].read(&mut [0]).await.unwrap_or(0), 0, "the oldest idle one is closed");
    let mut page = vec![0; SIZE];
    reader.read_exact(&mut page).await.unwrap();

    let mut readers = Vec::new();
    for _ in 0..3 {
        let mut reader = small.client(REQUEST).await;
        reader.read_u8().await.unwrap();
        readers.push(reader);
    }
    assert!(small.answers().await);
    assert!(readers[0].read_exact(&mut page).await.is_err(), "the oldest is closed");
    readers[2].read_exact(&mut page).await.unwrap();
}

/// Targets whose answers differ on purpose, by a part of the request, each with the reason.
const DIFFERS: &[(&str, &str)] = &[
    ("//x\"<>^`\\ HTTP", "our reader refuses what RFC 3986 does not allow in a target"),
    ("?q=\"<> HTTP", "our reader refuses what RFC 3986 does not allow in a target"),
    ("#fragment", "our reader leaves a fragment out, which no client sends"),
    ("GET http://other.test HTTP", "our reader takes a missing path for /"),
    ("CONNECT /", "our reader takes an accepted CONNECT for the end of HTTP"),
    (" HTTP/0.9", "our reader knows two versions, and refuses others with another status"),
    ("\r\n folded", "our reader refuses a folded header, as RFC 9112 §5.2 lets it"),
];

/// Sends a recorded request to an endpoint and gives status, location and body of the answer, those of errors of our reader
/// without a body.
async fn ask(endpoint: &Arc<Endpoint>, request: &str) -> (u64, String, String) {
    let (mut client, _connections) = connect(endpoint, 1 << 16).await;
    client.write_all(request.as_bytes()).await.unwrap();
    client.shutdown().await.unwrap();
    let mut octets = Vec::new();
    client.read_to_end(&mut octets).await.unwrap();
    let text = String::from_utf8(octets).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).unwrap_or_default().parse().unwrap_or_default();
    let location = head.lines().find_map(|line| line.strip_prefix("Location: ")).unwrap_or_default();
    (status, location.to_owned(), body.to_owned())
}

#[tokio::test(start_paused = true)]
async fn odd_requests_are_answered_as_by_coredns() {
    let rows = include_str!("../../tests/verdicts/side_requests/rows.jsonl").lines();
    let (mut wrong, mut count, mut excused) = (Vec::new(), 0, HashSet::new());
    for row in rows.map(|row| serde_json::from_str::<Value>(row).unwrap()) {
        let request = row["request"].as_str().unwrap();
        // The profiler's own page says so.
        if row["body"] == "Unknown profile\n" {
            continue;
        }
        let path = ["/health", "/ready", "/metrics", "/debug/pprof/"].into_iter().find(|path| row["path"] == *path);
        let got = ask(&endpoint(path.unwrap(), "OK"), request).await;
        let want = ["location", "body"].map(|key| row[key].as_str().unwrap_or_default().to_owned());
        let want = (row["status"].as_u64().unwrap(), want[0].clone(), want[1].clone());
        // What a page says is another test's business, and our reader refuses without a body.
        let is_bare = got.0 == 200 || (got.0 == 400 && got.2.is_empty());
        let is_same = (got.0, &got.1) == (want.0, &want.1) && (is_bare || got.2 == want.2);
        match DIFFERS.iter().find(|(part, _)| request.contains(part)) {
            Some((part, _)) if !is_same => drop(excused.insert(*part)),
            Some(_) => (),
            None if is_same => count += 1,
            None => wrong.push(format!("{request:?}\n  want {want:?}\n  got  {got:?}")),
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 500, "{count} rows are compared");
    let needless: Vec<_> = DIFFERS.iter().filter(|(part, _)| !excused.contains(part)).collect();
    assert!(needless.is_empty(), "these are the same: {needless:?}");
}
