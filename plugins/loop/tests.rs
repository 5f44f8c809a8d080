//! Tests of `loop`: a chain that leads back to itself, a real listener for the query.

use super::detector::Detector;
use super::handler::Loop;
use crate::trial::{self, Logged, setup_error};
use plugin_api::setup::{Control, Reloaded};
use plugin_api::{BoxFuture, Chain, Clock, Error, Handler, Lifecycle, Name, Next, Reply, Request, Response, Zone};
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Remembers why the process was to end.
#[derive(Default)]
struct Ends(Mutex<Vec<String>>);

impl Control for Ends {
    fn fail(&self, message: String) {
        self.0.lock().unwrap().push(message);
    }

    fn reload_if_changed(&self) -> BoxFuture<'_, Reloaded> {
        Box::pin(async { Reloaded::Unchanged })
    }

    fn configuration_hash(&self) -> String {
        String::new()
    }
}

/// An upstream that sends queries back into the chain, at most five times.
struct Back(Mutex<Option<Chain>>, Mutex<u32>);

impl Handler for Back {
    fn name(&self) -> &'static str {
        "forward"
    }

    fn handle<'a>(&'a self, request: &'a Request, _next: Next<'a>) -> Reply<'a> {
        request.set_metadata("forward/upstream", "192.0.2.9:53");
        let chain = self.0.lock().unwrap().clone().unwrap();
        Reply::later(async move {
            *self.1.lock().unwrap() += 1;
            if *self.1.lock().unwrap() > 5 {
                return Err(Error::new("far enough"));
            }
            let inner = request.derive();
            tokio::task::yield_now().await;
            Next::start(&chain).run(&inner).await.map(|_| Response::Drop)
        })
    }
}

/// A detector for a zone, linked to a listener, and what it would end the process with.
fn detector(zone: &str, listener: &str) -> (Arc<Detector>, Arc<Ends>) {
    let ends = Arc::new(Ends::default());
    let zone = Zone::from(Name::from_text(zone).unwrap());
    let detector = Arc::new(Detector::new(&[zone], Arc::clone(&ends) as _));
    detector.link(&["dns://:53".into()], &[listener.parse().unwrap()]);
    (detector, ends)
}

/// The query that a detector sends to a socket.
async fn received(detector: &Detector) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    detector.link(&["dns://:53".into()], &[([127, 0, 0, 1], port).into()]);
    detector.activate();
    tokio::task::spawn_blocking(move || answer(&socket)).await.unwrap()
}

/// Answers one query; gives its name.
fn answer(socket: &UdpSocket) -> String {
    let mut buffer = [0; 512];
    let (length, from) = socket.recv_from(&mut buffer).unwrap();
    buffer[2] |= 0x80;
    socket.send_to(&buffer[..length], from).unwrap();
    Name::read(&buffer, 12).unwrap().0.to_string()
}

/// A port of both families at which loopback refuses datagrams, held by these sockets.
fn refusing() -> (u16, [UdpSocket; 2]) {
    let four = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = four.local_addr().unwrap().port();
    let six = UdpSocket::bind(("::1", port)).unwrap();
    // What comes from elsewhere is refused.
    four.connect("127.0.0.1:9").unwrap();
    six.connect("[::1]:9").unwrap();
    (port, [four, six])
}

#[test]
fn set_up_takes_no_argument_and_only_once() {
    let place =
        "plugin/loop: Corefile:2 - Error during parsing: Wrong argument count or unexpected line ending after 'x'";
    assert_eq!(setup_error("loop x").as_deref(), Some(place));
    let once = "plugin/loop: this plugin can only be used once per Server Block";
    assert_eq!(setup_error("loop\nloop").as_deref(), Some(once));
    assert_eq!(setup_error("loop"), None);
}

#[tokio::test]
async fn a_query_that_comes_back_ends_the_process_and_names_the_upstream() {
    let zone = Zone::from(Name::from_text("example.org").unwrap());
    let ends = Arc::new(Ends::default());
    let detector = Arc::new(Detector::new(&[zone], Arc::clone(&ends) as _));
    let name = received(&detector).await;
    assert!(name.ends_with(".example.org.") && name.split('.').count() == 5, "{name}");
    let (detector, ends) = detector_named(&name);
    let back = Arc::new(Back(Mutex::new(None), Mutex::new(0)));
    let chain: Chain = Arc::from([Arc::new(Loop(detector)) as Arc<dyn Handler>, Arc::clone(&back) as _]);
    *back.0.lock().unwrap() = Some(Arc::clone(&chain));
    let request = trial::request(&format!("{name} HINFO"), &Clock::system());
    drop(Next::start(&chain).run(&request).await);
    let said = ends.0.lock().unwrap().clone();
    let first = format!(
        "plugin/loop: Loop (127.0.0.1:40000 -> :53) detected for zone \".\", see \
         https://coredns.io/plugins/loop#troubleshooting. Query: \"HINFO {name}\""
    );
    let mut lines = said[0].lines();
    assert_eq!(lines.next(), Some(first.as_str()));
    assert!(lines.next().unwrap().contains("the upstream 192.0.2.9:53 sends queries back"), "{said:?}");
    assert_eq!(said.len(), 1, "once");
}

/// A detector that looks for this name.
fn detector_named(name: &str) -> (Arc<Detector>, Arc<Ends>) {
    let (detector, ends) = detector(".", "127.0.0.1:53");
    let mut detector = Arc::into_inner(detector).unwrap();
    detector.rename(name);
    (Arc::new(detector), ends)
}

#[tokio::test]
async fn other_queries_pass_and_the_search_ends() {
    let (detector, ends) = detector(".", "127.0.0.1:53");
    assert!(detector.probe(&Name::from_text("123.456").unwrap()).is_none());
    drop((detector, ends));
    let control = Arc::new(Ends::default());
    let detector = Arc::new(Detector::new(&[Zone::root()], Arc::clone(&control) as _));
    let name = Name::from_text(&received(&detector).await).unwrap();
    while detector.probe(&name).is_some() {
        tokio::task::yield_now().await;
    }
    detector.stop().await;
}

#[tokio::test]
async fn every_zone_of_the_block_is_searched() {
    let (ends, zones) = (Arc::new(Ends::default()), ["a.test", "b.test"]);
    let zones = zones.map(|zone| Zone::from(Name::from_text(zone).unwrap()));
    let detector = Detector::new(&zones, Arc::clone(&ends) as _);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    detector.link(&["dns://:53".into()], &[socket.local_addr().unwrap()]);
    detector.activate();
    let names = tokio::task::spawn_blocking(move || [(); 2].map(|()| answer(&socket))).await.unwrap();
    let mut parents = names.each_ref().map(|name| name.splitn(3, '.').last().unwrap());
    parents.sort_unstable();
    assert_eq!(parents, ["a.test.", "b.test."]);
    let second = Name::from_text(&names[1]).unwrap();
    assert!(detector.probe(&Name::root()).is_none());
    while detector.probe(&second).is_some() {
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_loop_names_the_zone_in_which_it_was_found() {
    let ends = Arc::new(Ends::default());
    let zones = ["a.test", "b.test"].map(|zone| Zone::from(Name::from_text(zone).unwrap()));
    let mut detector = Detector::new(&zones, Arc::clone(&ends) as _);
    detector.rename("1.2.a.test");
    let name = Name::from_text("1.2.a.test").unwrap();
    for _ in 0..3 {
        detector.see(detector.probe(&name).unwrap(), ([127, 0, 0, 1], 4).into());
    }
    assert!(detector.probe(&name).is_none());
    assert!(ends.0.lock().unwrap()[0].contains("detected for zone \"a.test.\""));
}

#[tokio::test]
async fn a_listener_on_all_addresses_is_asked_in_either_family() {
    for (own, shown) in [("127.0.0.1", ":53"), ("127.0.0.1", "[::]:53"), ("::1", ":53"), ("::1", "0.0.0.0:53")] {
        let (port, [four, six]) = refusing();
        drop(if own == "::1" { six } else { four });
        let socket = UdpSocket::bind((own, port)).unwrap();
        let detector = Detector::new(&[Zone::root()], Arc::<Ends>::default());
        detector.link(&[format!("dns://{shown}").into()], &[SocketAddr::from(([0_u16; 8], port))]);
        detector.activate();
        tokio::task::spawn_blocking(move || answer(&socket)).await.unwrap();
        detector.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_cannot_be_asked_is_warned_of() {
    let (port, _sockets) = refusing();
    let logged = Logged::default();
    let _guard = tracing::subscriber::set_default(logged.clone());
    let (detector, ends) = detector(".", &format!("[::]:{port}"));
    detector.activate();
    let end = tokio::time::Instant::now() + Duration::from_secs(31);
    tokio::time::sleep_until(end).await;
    let expected = format!(
        "[WARN] plugin/loop: cannot tell whether forwarded queries come back: the listener :53 could not be asked at \
         127.0.0.1:{port} or [::1]:{port} for 30s: connection refused"
    );
    assert_eq!(logged.take(), [expected]);
    assert_eq!(*ends.0.lock().unwrap(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_is_down_at_the_start_is_no_loop() {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (detector, ends) = detector(".", &socket.local_addr().unwrap().to_string());
    detector.activate();
    let mut octets = [0; 512];
    socket.peek_from(&mut octets).await.unwrap();
    let name = Name::read(&octets, 12).unwrap().0;
    // The listener sees each try and has no reply to it.
    for _ in 0..6 {
        let (_, peer) = socket.recv_from(&mut [0; 512]).await.unwrap();
        detector.see(detector.probe(&name).unwrap(), peer);
    }
    assert_eq!(*ends.0.lock().unwrap(), [""; 0]);
    detector.stop().await;
}
