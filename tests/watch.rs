//! The program and an API server that goes, comes and refuses: what it answers meanwhile, and what it tells.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use kubesim::{Connections, KubeSim};
use serde_json::json;
use tempfile::TempDir;
use test_support::subject::Signal;
use test_support::{Upstream, http, netns, ports};
use tokio::runtime::{self, Runtime};

use crate::conformance::run_as_root;
use crate::harness::say;
use crate::process::{LIMIT, Life, Scene};

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(20);

/// Everything that a cluster's Corefile has to do with here.
const COREFILE: &str = ".:{$PORT} {
    bind 127.0.0.1
    health 127.0.0.1:{$SIDE}
    ready 127.0.0.1:{$READY}
    prometheus 127.0.0.1:{$METRICS}
    kubernetes cluster.local {
        endpoint {$API}
        startup_timeout 1s
    }
    forward . {$UPSTREAM}
}
";

/// A cluster, a program that serves it, and where the program tells of itself. The program goes first.
struct Cluster {
    life: Life,
    ready: SocketAddr,
    metrics: SocketAddr,
    _upstream: Upstream,
    sim: KubeSim,
    runtime: Runtime,
}

/// A service.
fn put(sim: &KubeSim, name: &str) {
    sim.put(json!({"kind": "Service", "apiVersion": "v1", "metadata": {"name": name, "namespace": "default"},
        "spec": {"clusterIP": "10.0.0.7", "ports": [{"port": 80, "protocol": "TCP"}]}}));
}

impl Cluster {
    /// Starts an API server as `mode` says, with service `first`, and the program.
    fn start(mode: Connections) -> Self {
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let sim = runtime.block_on(KubeSim::start()).unwrap();
        runtime.block_on(sim.set_connections(mode));
        let url = sim.url();
        Self::with(runtime, sim, &url)
    }

    /// Gives an API server service `first` and starts the program, which finds it at `url`.
    fn with(runtime: Runtime, sim: KubeSim, url: &str) -> Self {
        sim.put(json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "default"}}));
        put(&sim, "first");
        let upstream = Upstream::start(1).unwrap();
        let [ready, metrics] = [(); 2].map(|()| SocketAddr::from(([127, 0, 0, 1], ports::free().unwrap())));
        let mut scene = Scene::new(COREFILE);
        scene.command.env("API", url).env("UPSTREAM", upstream.address().to_string());
        scene.command.env("READY", ready.port().to_string()).env("METRICS", metrics.port().to_string());
        Self { life: scene.start(), ready, metrics, _upstream: upstream, sim, runtime }
    }

    /// Lets the API server be there or not.
    fn set(&self, mode: Connections) {
        self.runtime.block_on(self.sim.set_connections(mode));
        if mode != Connections::Serve {
            self.sim.cut_connections();
        }
    }

    /// The response code for a service.
    fn rcode(&self, service: &str) -> String {
        let answer = self.life.ask(&format!("{service}.default.svc.cluster.local A"));
        answer.rcode.unwrap_or_else(|| "none".to_owned())
    }

    /// Whether a name that is not the cluster's is answered.
    fn forwards(&self) -> bool {
        self.life.ask("www.example.org A").rcode.is_some_and(|rcode| rcode == "NOERROR")
    }

    /// Waits until a service is there; returns how long that took.
    fn await_service(&self, service: &str) -> Duration {
        let start = Instant::now();
        while self.rcode(service) != "NOERROR" {
            assert!(start.elapsed() < LIMIT, "{service}: {}", self.life.subject.output());
            thread::sleep(PAUSE);
        }
        start.elapsed()
    }

    /// The metrics that begin so.
    fn metric(&self, series: &str) -> Option<f64> {
        let (_, text) = http::get(self.metrics, "/metrics").unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("coredns_kubernetes_{series} ")));
        line.map(|value| value.parse().unwrap())
    }

    /// Ends the program.
    fn end(mut self) {
        assert_eq!(self.life.end(Signal::SIGTERM), Some(0));
        let output = self.life.subject.output();
        assert!(!output.contains("panicked"), "{output}");
    }
}

#[test]
fn a1_an_api_server_that_is_not_there_at_the_start() {
    let cluster = Cluster::start(Connections::Refuse);
    assert_eq!(cluster.rcode("first"), "SERVFAIL");
    assert!(cluster.forwards());
    assert_eq!(http::get(cluster.ready, "/ready").unwrap().0, 503);
    assert_eq!(http::get(cluster.life.side, "/health").unwrap().0, 200);
    assert_eq!(cluster.metric("watch_age_seconds{resource=\"services\"}"), None, "nothing has been heard yet");
    assert!(cluster.metric("request_failures_total{reason=\"away\",resource=\"services\"}") >= Some(1.0));
    cluster.set(Connections::Serve);
    let took = cluster.await_service("first");
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(cluster.rcode("none"), "NXDOMAIN");
    assert_eq!(http::get(cluster.ready, "/ready").unwrap().0, 200);
    cluster.end();
}

#[test]
fn a2_an_api_server_that_goes_away_takes_no_name_with_it() {
    let cluster = Cluster::start(Connections::Serve);
    cluster.await_service("first");
    for mode in [Connections::Refuse, Connections::Hang, Connections::Reset] {
        cluster.set(mode);
        let end = Instant::now() + Duration::from_millis(1500);
        while Instant::now() < end {
            assert_eq!((cluster.rcode("first").as_str(), cluster.forwards()), ("NOERROR", true), "{mode:?}");
            thread::sleep(PAUSE);
        }
        assert_eq!(http::get(cluster.ready, "/ready").unwrap().0, 200, "readiness stays");
        assert!(cluster.metric("watch_age_seconds{resource=\"services\"}") >= Some(1.0));
        let new = format!("after-{mode:?}").to_lowercase();
        put(&cluster.sim, &new);
        cluster.set(Connections::Serve);
        cluster.sim.cut_connections();
        let took = cluster.await_service(&new);
        assert!(took < Duration::from_secs(2), "{mode:?}: {took:?}");
    }
    assert_eq!(cluster.metric("lists_total{resource=\"services\"}"), Some(1.0));
    assert_eq!(cluster.metric("objects{resource=\"services\"}"), Some(4.0));
    assert_eq!(cluster.metric("resource_version{resource=\"services\"}"), Some(cluster.sim.version() as f64));
    cluster.end();
}

/// Answers every query with one address for A and none for other types, as a name server of a machine does. It ends with the test's
/// process.
fn name_server(listen: SocketAddr, address: Arc<Mutex<Ipv4Addr>>) {
    let socket = UdpSocket::bind(listen).unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            let query = &buffer[..length];
            let end = 12 + query[12..].iter().position(|octet| *octet == 0).unwrap() + 5;
            let is_a = query[end - 4..end - 2] == [0, 1];
            let mut reply = [&query[..2], &[0x85, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0], &query[12..end]].concat();
            if is_a {
                reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
                reply.extend(address.lock().unwrap().octets());
            }
            drop(socket.send_to(&reply, peer));
        }
    });
}

#[test]
fn a20_an_api_server_whose_name_moves_to_another_address() {
    let test = "watch::a20_an_api_server_whose_name_moves_to_another_address";
    if !netns::is_available() {
        if !run_as_root(test) {
            say(&format!("{test}: no network namespaces here: left out"));
        }
        return;
    }
    // The thread does not come back from its network.
    thread::spawn(follows_a_name).join().unwrap();
}

/// A program in a network of its own, and an API server whose name leads elsewhere while the program runs.
fn follows_a_name() {
    let [resolver, old, new] = [0, 1, 2].map(|at| netns::ADDRESSES[at].parse::<Ipv4Addr>().unwrap());
    let folder = TempDir::new().unwrap();
    let conf = folder.path().join("resolv.conf");
    std::fs::write(&conf, format!("nameserver {resolver}\noptions timeout:1\n")).unwrap();
    netns::enter(Some(&conf)).unwrap();
    let address = Arc::new(Mutex::new(old));
    name_server((resolver, 53).into(), Arc::clone(&address));
    let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let start = |address| runtime.block_on(KubeSim::builder().listen((address, 8001).into()).start()).unwrap();
    let (sim, moved) = (start(old), start(new));
    let cluster = Cluster::with(runtime, sim, "http://api.example:8001");
    cluster.await_service("first");
    // Another server of the same cluster.
    moved.put(json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "default"}}));
    put(&moved, "first");
    put(&moved, "second");
    *address.lock().unwrap() = new;
    cluster.set(Connections::Refuse);
    let took = cluster.await_service("second");
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(cluster.rcode("first"), "NOERROR");
    cluster.end();
}

#[test]
fn a17_an_operator_reads_which_rule_is_missing() {
    let mut cluster = Cluster::start(Connections::Serve);
    cluster.await_service("first");
    cluster.sim.forbid("endpointslices");
    cluster.sim.cut_connections();
    let rule = "add the rule {apiGroups: [\"discovery.k8s.io\"], resources: [\"endpointslices\"], verbs: [\"list\", \"watch\"]} to our \
        ClusterRole";
    cluster.life.await_log(rule, 1);
    put(&cluster.sim, "second");
    cluster.await_service("second");
    cluster.sim.allow("endpointslices");
    cluster.life.await_log("the Kubernetes API answers again for *v1.EndpointSlice", 1);
    cluster.end();
}
