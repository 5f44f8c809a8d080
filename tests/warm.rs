//! Warm starts of the real program against a simulated API server: what was known is answered at once, and then corrected.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use kubesim::{Connections, KubeSim};
use serde_json::json;
use test_support::subject::Signal;
use test_support::{Client, http};
use tokio::runtime::Runtime;

use crate::harness::say;
use crate::process::{LIMIT, Life, Scene};

/// Between two looks at something that is awaited.
const LOOK: Duration = Duration::from_millis(2);

/// A cluster, and the program that is started on it again and again in the same folder.
struct World {
    /// Runs the API server.
    runtime: Runtime,
    /// The API server.
    sim: KubeSim,
}

impl World {
    /// An API server with a namespace.
    fn new() -> Self {
        Self::with(|builder| builder)
    }

    /// The same, with wishes.
    fn with(wishes: impl FnOnce(kubesim::Builder) -> kubesim::Builder) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let sim = runtime.block_on(wishes(KubeSim::builder()).start()).unwrap();
        sim.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}}));
        Self { runtime, sim }
    }

    /// Creates a service with this address.
    fn service(&self, name: &str, address: &str) {
        self.sim.put(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "a"},
            "spec": {"clusterIP": address, "clusterIPs": [address], "ports": [{"port": 80, "protocol": "TCP"}]}}));
    }

    /// Creates a headless service with this endpoint.
    fn headless(&self, name: &str, endpoint: &str) {
        self.service(name, "None");
        self.sim.put(json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": format!("{name}-1"), "namespace": "a", "labels": {"kubernetes.io/service-name": name}},
            "endpoints": [{"addresses": [endpoint]}], "ports": [{"port": 80, "protocol": "TCP"}]}));
    }

    /// What becomes of connections from now on; those that are open are cut.
    fn connections(&self, mode: Connections) {
        self.runtime.block_on(self.sim.set_connections(mode));
        self.sim.cut_connections();
    }

    /// A scene for this API server.
    fn scene(&self) -> Scene {
        Scene::new(&self.corefile(""))
    }

    /// The Corefile, with a property more.
    fn corefile(&self, property: &str) -> String {
        format!(
            ".:{{$PORT}} {{\n bind 127.0.0.1\n prometheus 127.0.0.1:{{$SIDE}}\n kubernetes cluster.local {{\n  \
             endpoint {}\n  warm_start picture\n  {property}\n }}\n}}\n",
            self.sim.url()
        )
    }
}

/// Starts the program in the folder of an earlier one, whose picture it finds there.
fn again(world: &World, before: &Life) -> Scene {
    let scene = world.scene();
    fs::copy(before.path("picture"), scene.path("picture")).unwrap();
    scene
}

/// The addresses of a service; `None` for an answer that is no success.
fn addresses(client: &mut Client, name: &str) -> Option<Vec<String>> {
    let answer = client.ask(&format!("{name}.a.svc.cluster.local A")).ok()?;
    let address = |record: &String| record.rsplit(' ').next().unwrap_or_default().to_owned();
    (answer.rcode.as_deref() == Some("NOERROR")).then(|| answer.answer.iter().map(address).collect())
}

/// Waits until a service has this address, or none.
fn await_address(life: &Life, name: &str, address: Option<&str>) {
    let wanted = address.map(|address| vec![address.to_owned()]);
    let (mut client, end) = (Client::udp(life.address), Instant::now() + LIMIT);
    while addresses(&mut client, name) != wanted {
        assert!(Instant::now() < end, "{name}: {:?} instead of {wanted:?}", addresses(&mut client, name));
        thread::sleep(LOOK);
    }
}

/// The age of the picture, as the metrics tell it.
fn age(life: &Life) -> u64 {
    let (_, text) = http::get(life.side, "/metrics").unwrap();
    let line = text.lines().find(|line| line.starts_with("coredns_kubernetes_warm_start_age_seconds{"));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).expect("the metric is there")
}

#[test]
fn what_was_known_is_answered_while_the_api_is_gone_and_corrected_when_it_is_back() {
    let world = World::new();
    world.service("stays", "10.0.0.1");
    world.service("goes", "10.0.0.2");
    world.headless("head", "10.1.0.1");
    let mut first = world.scene().start();
    first.await_log("no warm start: picture is not there yet; starting without", 1);
    await_address(&first, "head", Some("10.1.0.1"));
    assert_eq!(first.end(Signal::SIGTERM), Some(0));
    world.connections(Connections::Refuse);

    let scene = again(&world, &first);
    let (start, mut client) = (Instant::now(), Client::udp(scene.address));
    let mut life = scene.start();
    await_address(&life, "stays", Some("10.0.0.1"));
    say(&format!("warm start: a right answer {:?} after the start, without the API", start.elapsed()));
    assert!(start.elapsed() < Duration::from_secs(3), "the wait for the API is 5 s");
    assert_eq!(addresses(&mut client, "goes"), Some(vec!["10.0.0.2".into()]));
    assert_eq!(addresses(&mut client, "head"), Some(vec!["10.1.0.1".into()]));
    assert_eq!(client.ask("none.a.svc.cluster.local A").unwrap().rcode.as_deref(), Some("NXDOMAIN"));
    life.await_log("[INFO] plugin/kubernetes: warm start: serving what picture knows as of", 1);
    let end = Instant::now() + LIMIT;
    while age(&life) == 0 {
        assert!(Instant::now() < end, "the picture grows older");
        thread::sleep(LOOK);
    }

    world.sim.delete("Service", "a", "goes");
    world.service("comes", "10.0.0.3");
    let asked = world.sim.requests().len();
    world.connections(Connections::Serve);
    await_address(&life, "goes", None);
    await_address(&life, "comes", Some("10.0.0.3"));
    assert_eq!(addresses(&mut client, "stays"), Some(vec!["10.0.0.1".into()]));
    life.await_log("[INFO] plugin/kubernetes: warm start: every kind is watched again", 1);
    assert_eq!(age(&life), 0);
    // What happened meanwhile was asked for, not everything.
    let requests = &world.sim.requests()[asked..];
    let is_list = |request: &&kubesim::Recorded| !request.is_watch() && request.param("limit") != "1";
    assert_eq!(requests.iter().filter(is_list).count(), 0, "{requests:?}");
    assert!(requests.iter().all(|request| request.param("sendInitialEvents").is_empty()), "{requests:?}");
    assert_eq!(life.end(Signal::SIGTERM), Some(0));
    world.connections(Connections::Refuse);
    let last = again(&world, &life).start();
    await_address(&last, "comes", Some("10.0.0.3"));
    await_address(&last, "goes", None);
}

#[test]
fn versions_that_are_gone_lead_to_a_list_without_a_gap() {
    let world = World::with(|builder| builder.history(2));
    world.service("stays", "10.0.0.1");
    world.service("goes", "10.0.0.2");
    let mut first = world.scene().start();
    await_address(&first, "goes", Some("10.0.0.2"));
    first.end(Signal::SIGTERM);
    world.connections(Connections::Refuse);
    world.sim.delete("Service", "a", "goes");
    (0..9).for_each(|number| world.service(&format!("more-{number}"), "10.0.0.9"));
    let mut life = again(&world, &first).start();
    let mut client = Client::udp(life.address);
    await_address(&life, "stays", Some("10.0.0.1"));
    assert!(addresses(&mut client, "goes").is_some());
    world.connections(Connections::Serve);
    let end = Instant::now() + LIMIT;
    while addresses(&mut client, "goes").is_some() || addresses(&mut client, "more-8").is_none() {
        assert_eq!(addresses(&mut client, "stays"), Some(vec!["10.0.0.1".into()]));
        assert!(Instant::now() < end, "the list takes away what is gone");
    }
    life.await_log("warm start: every kind is watched again", 1);
}

#[test]
fn a_file_that_is_no_use_costs_a_line_and_no_more() {
    let world = World::new();
    world.service("stays", "10.0.0.1");
    let mut first = world.scene().start();
    await_address(&first, "stays", Some("10.0.0.1"));
    first.end(Signal::SIGTERM);
    let mut damaged = fs::read(first.path("picture")).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(first.path("picture"), &damaged).unwrap();
    let mut life = again(&world, &first).start();
    let line =
        "[WARNING] plugin/kubernetes: no warm start: picture is damaged: its checksum is wrong; starting without";
    life.await_log(line, 1);
    await_address(&life, "stays", Some("10.0.0.1"));
    assert_eq!(age(&life), 0);
    life.end(Signal::SIGTERM);
    let other = World::new();
    other.service("stays", "10.0.0.7");
    let mut foreign = again(&other, &life).start();
    foreign.await_log("[WARNING] plugin/kubernetes: no warm start: picture belongs to \"API server http", 1);
    await_address(&foreign, "stays", Some("10.0.0.7"));
}

#[test]
fn a_reload_never_goes_back_to_what_the_file_knows() {
    let world = World::new();
    world.service("stays", "10.0.0.1");
    let mut first = world.scene().start();
    await_address(&first, "stays", Some("10.0.0.1"));
    first.end(Signal::SIGTERM);
    let mut life = again(&world, &first).start();
    life.await_log("warm start: every kind is watched again", 1);
    world.service("comes", "10.0.0.3");
    await_address(&life, "comes", Some("10.0.0.3"));
    let mut client = Client::udp(life.address);
    life.load(&world.corefile("ttl 7"));
    let (end, mut is_over) = (Instant::now() + LIMIT, false);
    while !is_over {
        is_over = life.subject.output().contains("[INFO] Reloading complete");
        assert_eq!(addresses(&mut client, "comes"), Some(vec!["10.0.0.3".into()]));
        assert!(Instant::now() < end, "the reload comes to its end");
    }
    assert!(client.ask("comes.a.svc.cluster.local A").unwrap().answer[0].contains(" 7 IN A"));
}

#[test]
fn a_reload_keeps_what_is_known_while_the_api_is_gone() {
    let world = World::new();
    world.service("stays", "10.0.0.1");
    let plain = world.corefile("").replace("  warm_start picture\n", "  startup_timeout 100ms\n");
    let mut life = Life::start(&plain);
    await_address(&life, "stays", Some("10.0.0.1"));
    world.connections(Connections::Refuse);

    // A line that has nothing to do with the cluster: the names stay.
    life.load(&plain.replace("{\n bind", "{\n debug\n bind"));
    life.await_log("[INFO] Reloading complete", 1);
    let mut client = Client::udp(life.address);
    assert_eq!(addresses(&mut client, "stays"), Some(vec!["10.0.0.1".into()]));

    // What was kept is corrected when the server is back.
    world.sim.delete("Service", "a", "stays");
    world.service("comes", "10.0.0.3");
    world.connections(Connections::Serve);
    await_address(&life, "comes", Some("10.0.0.3"));
    await_address(&life, "stays", None);

    // Other objects are another source: nothing of the old ones is taken over.
    world.connections(Connections::Refuse);
    life.load(&plain.replace("startup_timeout", "labels a=b\n  startup_timeout"));
    life.await_log("[INFO] Reloading complete", 2);
    assert_eq!(addresses(&mut client, "comes"), None);
}
