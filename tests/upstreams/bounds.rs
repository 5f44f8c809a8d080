//! Many queries at once: what an upstream sees of them, and that names of the cluster are answered while they wait.

use std::collections::HashSet;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::liar::{Act, Liar};
use super::stage::{QUICK, Stage, is_coredns};
use super::wire::{RIGHT, answer, name};
use super::{sends, silent};
use crate::harness::say;
use crate::process::{LIMIT, Scene};

/// A query for the address of a name.
fn query(id: u16, host: &str) -> Vec<u8> {
    let mut wire = [id, 0x0100, 1, 0, 0, 0].map(u16::to_be_bytes).concat();
    wire.extend(name(host));
    wire.extend([0, 1, 0, 1]);
    wire
}

#[test]
fn b5_identical_queries_are_asked_once() {
    let is_open = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&is_open);
    let liar = Liar::start(move |asked| {
        let end = Instant::now() + LIMIT;
        let gate = Arc::clone(&gate);
        while !gate.load(Ordering::SeqCst) && Instant::now() < end && !is_coredns() {
            thread::sleep(Duration::from_millis(1));
        }
        vec![Act::Send(answer(asked.query, RIGHT))]
    });
    let stage = Stage::new(liar, "read_timeout 10s\nmax_fails 0");
    let clients: Vec<_> = (0..64).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    for (id, client) in clients.iter().enumerate() {
        client.set_read_timeout(Some(LIMIT)).unwrap();
        client.send_to(&query(u16::try_from(id).unwrap(), "a.test"), stage.life.address).unwrap();
    }
    let is_all =
        |page: &str| page.lines().any(|line| line.starts_with("coredns_cache_requests_total") && line.ends_with(" 64"));
    let end = Instant::now() + LIMIT;
    while !is_all(&test_support::http::get(stage.life.side, "/metrics").unwrap().1) {
        assert!(Instant::now() < end);
    }
    is_open.store(true, Ordering::SeqCst);
    for (id, client) in clients.iter().enumerate() {
        let mut buffer = [0; 512];
        let length = client.recv(&mut buffer).unwrap();
        assert_eq!(buffer[..2], u16::try_from(id).unwrap().to_be_bytes());
        assert_eq!(buffer[length - 4..length], [192, 0, 2, RIGHT]);
    }
    if !is_coredns() {
        // Or two, should the last one have been on its way into the cache when the first one was done.
        assert!(stage.liar.count() <= 2, "64 queries at a time are one for the upstream, not {}", stage.liar.count());
    }
}

#[test]
fn b6_ids_and_ports_cannot_be_foreseen() {
    /// Enough for 16 of each value of half an octet and more.
    const QUERIES: usize = 2048;
    let stage = Stage::new(sends(|query| vec![answer(query, RIGHT)]), &format!("{QUICK}\nexpire 0s"));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(stage.life.address).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    for number in 0..QUERIES {
        socket.send(&query(7, &format!("n{number}.test"))).unwrap();
        socket.recv(&mut [0; 512]).unwrap();
    }
    let sources = stage.liar.sources();
    let ids: HashSet<_> = sources.iter().map(|(_, id)| id).collect();
    let ports: HashSet<_> = sources.iter().map(|(port, _)| port).collect();
    // 2,048 of 65,536 without order: 2,016 different ones on average, and seldom less than 1,990.
    assert!(ids.len() > 1950, "{} different ids", ids.len());
    assert!(ports.len() > QUERIES * 9 / 10, "{} different ports", ports.len());
    for shift in [0, 4, 8, 12] {
        let mut counts = [0_u32; 16];
        sources.iter().for_each(|(_, id)| counts[usize::from(id >> shift & 15)] += 1);
        let expected = f64::from(u32::try_from(sources.len()).unwrap()) / 16.0;
        let chi: f64 = counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum();
        // 15 degrees of freedom: beyond 56 once in a million.
        assert!(chi < 56.0, "bits {shift} and above: {counts:?}");
    }
}

#[test]
fn one_dead_upstream_leaves_room_for_others() {
    /// More than may wait in all.
    const DEAD: usize = 17_000;
    if is_coredns() {
        // It has no bound.
        return;
    }
    let (dead, alive) = (silent(), sends(|query| vec![answer(query, RIGHT)]));
    let (to_dead, to_alive) = (dead.address, alive.address);
    let scene = Scene::new(&format!(
        ".:{{$PORT}} {{\n bind 127.0.0.1\n prometheus 127.0.0.1:{{$SIDE}}\n forward dead.test {to_dead} {{\n read_timeout 60s\n \
         max_fails 0\n }}\n forward . {to_alive}\n}}\n"
    ));
    let stage = Stage { life: scene.start(), liar: alive };
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(stage.life.address).unwrap();
    let waiting = || {
        let page = test_support::http::get(stage.life.side, "/metrics").unwrap().1;
        let line = page
            .lines()
            .find(|line| line.starts_with("coredns_ferrodns_in_use{what=\"waiting_queries\"}"))
            .map(str::to_owned);
        line.and_then(|line| line.rsplit(' ').next().and_then(|count| count.parse::<usize>().ok())).unwrap_or(0)
    };
    let end = Instant::now() + LIMIT;
    let mut number = 0;
    // Until the upstream has what it may have; datagrams that the program's receive buffer had no room for are made up for.
    while waiting() < 10_240 && Instant::now() < end {
        for _ in 0..500 {
            socket.send(&query(1, &format!("w{number}.dead.test"))).unwrap();
            number += 1;
        }
    }
    while number < DEAD {
        socket.send(&query(1, &format!("w{number}.dead.test"))).unwrap();
        number += 1;
    }
    assert!((10_240..=12_288).contains(&waiting()), "{} wait", waiting());
    for name in ["a.test A", "b.test A", "c.test A"] {
        let (reply, _) = stage.ask(name);
        assert_eq!(reply.answer.len(), 1, "{name}: {reply:?}");
    }
    drop(dead);
}

#[test]
fn waiting_queries_keep_nobody_from_names_of_the_cluster() {
    /// How many queries wait. The long form is `cargo bench --bench waiting`.
    const WAITING: usize = 3000;
    if is_coredns() {
        // It reads no manifests.
        return;
    }
    let upstream = silent();
    let to = upstream.address;
    let mut scene = Scene::new(&format!(
        ".:{{$PORT}} {{\n bind 127.0.0.1\n prometheus 127.0.0.1:{{$SIDE}}\n kubernetes cluster.local\n cache 30\n\
         forward . {to} {{\n read_timeout 60s\n max_fails 0\n }}\n}}\n"
    ));
    std::fs::write(scene.path("cluster.yaml"), CLUSTER).unwrap();
    scene.command.args(["-kubernetes.manifests", "cluster.yaml"]);
    let stage = Stage { life: scene.start(), liar: upstream };
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(stage.life.address).unwrap();
    let end = Instant::now() + LIMIT;
    for number in 0..WAITING {
        socket.send(&query(1, &format!("w{number}.test"))).unwrap();
        // No more than the program has taken up: its receive buffer is finite.
        while number % 100 == 99 && stage.liar.count() + 100 < number && Instant::now() < end {
            thread::yield_now();
        }
    }
    while stage.liar.count() < WAITING && Instant::now() < end {
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(stage.liar.count(), WAITING, "all are on their way");
    let mut slowest = Duration::ZERO;
    for _ in 0..100 {
        let (answer, took) = stage.ask("web.shop.svc.cluster.local A");
        assert_eq!(answer.answer, ["web.shop.svc.cluster.local. 5 IN A 10.96.0.7"]);
        slowest = slowest.max(took);
    }
    say(&format!("upstreams: the slowest of 100 cluster names beside {WAITING} waiting queries: {slowest:?}"));
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
}

/// A namespace with a service.
const CLUSTER: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\napiVersion: v1\nkind: Service\n\
    metadata: {name: web, namespace: shop}\nspec: {clusterIP: 10.96.0.7, clusterIPs: [10.96.0.7], ports: [{port: 80}]}\n";
