//! The program on a real API server that goes away and comes back.

use std::env;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use test_support::Client;
use test_support::subject::Signal;

use super::real::Real;
use crate::harness::say;
use crate::process::{LIMIT, Life};

/// How soon a new service must be answered once the API server is ready again.
const SOON: Duration = Duration::from_secs(1);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(2);

/// A program on a real API server, which has one service.
struct Scene {
    /// The API server.
    real: Real,
    /// The program.
    life: Life,
    /// The address of its service.
    known: String,
    /// How many services were made.
    made: usize,
}

/// The address of a service in namespace `default`.
fn address(client: &mut Client, name: &str) -> Option<String> {
    let answer = client.ask(&format!("{name}.default.svc.cluster.local A")).ok()?;
    Some(answer.answer.first()?.rsplit(' ').next()?.to_owned())
}

impl Scene {
    /// Starts both; none without a real API server.
    fn start(what: &str, properties: &str) -> Option<Self> {
        let real = Real::start(what, &[])?;
        let life = Life::start(&corefile(&real, properties));
        let mut scene = Self { real, life, known: String::new(), made: 0 };
        (scene.known, _) = scene.make();
        Some(scene)
    }

    /// Makes a service and waits until it is answered; gives its address and how long that took.
    fn make(&mut self) -> (String, Duration) {
        self.made += 1;
        let name = format!("made-{}", self.made);
        let service = json!({"kind": "Service", "metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}});
        let made = self.real.api.create("default", "services", service);
        let (wanted, start) = (made["spec"]["clusterIP"].as_str().unwrap().to_owned(), Instant::now());
        let mut client = Client::udp(self.life.address);
        while address(&mut client, &name).as_deref() != Some(&wanted) {
            assert!(start.elapsed() < LIMIT, "{name} is not answered\n{}", self.life.subject.output());
            thread::sleep(LOOK);
        }
        (wanted, start.elapsed())
    }

    /// Lets the API server be away for some time; what is known must be answered all the while, and a new service soon.
    fn outage(&mut self, stop: &str, seconds: u64, start: &str) -> Duration {
        let (is_over, known, server) = (AtomicBool::new(false), self.known.clone(), self.life.address);
        let took = thread::scope(|scope| {
            let asking = scope.spawn(|| hold(server, &known, &is_over));
            self.real.tell(&format!("kube-apiserver/{stop}"));
            thread::sleep(Duration::from_secs(seconds));
            self.real.tell(&format!("kube-apiserver/{start}"));
            let (_, took) = self.make();
            is_over.store(true, Ordering::Relaxed);
            let asked = asking.join().unwrap();
            say(&format!(
                "outage: {stop}, {seconds} s, {start}: new service after {took:?}, {asked} right answers meanwhile"
            ));
            took
        });
        assert!(took < SOON, "{stop}, {seconds} s, {start}: {took:?}");
        took
    }
}

/// Asks for what is known until it is over; how often it was right, which is always.
fn hold(server: SocketAddr, known: &str, is_over: &AtomicBool) -> usize {
    let (mut client, mut asked) = (Client::udp(server), 0);
    while !is_over.load(Ordering::Relaxed) {
        assert_eq!(address(&mut client, "made-1").as_deref(), Some(known));
        asked += 1;
        thread::sleep(LOOK);
    }
    asked
}

/// The Corefile for an API server.
fn corefile(real: &Real, properties: &str) -> String {
    format!(
        ".:{{$PORT}} {{\n bind 127.0.0.1\n kubernetes cluster.local in-addr.arpa ip6.arpa {{\n  kubeconfig {}\n  {properties}\n }}\n}}\n",
        real.kubeconfig()
    )
}

#[test]
fn a_new_service_is_answered_as_soon_as_the_api_server_is_back() {
    let Some(mut scene) = Scene::start("outages", "") else { return };
    scene.outage("stop", 1, "start");
    scene.outage("pause", 3, "continue");
    scene.real.tell("compact");
    scene.outage("kill", 0, "start");
    if env::var_os("FERRODNS_APISERVER_LONG").is_none() {
        say("outages: of 4, 40 and 95 s and eight in a row are left out without FERRODNS_APISERVER_LONG");
        return;
    }
    for seconds in [4, 40, 95] {
        scene.outage("stop", seconds, "start");
    }
    let mut times: Vec<_> = (0..8).map(|_| scene.outage("stop", 0, "start")).collect();
    times.sort();
    say(&format!("outages: eight in a row: a new service after {:?} in the median, {:?} at most", times[4], times[7]));
    scene.outage("pause", 70, "continue");
}

#[test]
fn a_warm_start_answers_without_the_api_server_and_goes_on_with_it() {
    let Some(mut scene) = Scene::start("warm start", "warm_start picture") else { return };
    assert_eq!(scene.life.end(Signal::SIGTERM), Some(0));
    scene.real.tell("kube-apiserver/stop");
    let again = crate::process::Scene::new(&corefile(&scene.real, "warm_start picture"));
    std::fs::copy(scene.life.path("picture"), again.path("picture")).unwrap();
    scene.life = again.start();
    let mut client = Client::udp(scene.life.address);
    assert_eq!(address(&mut client, "made-1"), Some(scene.known.clone()));
    scene.real.tell("kube-apiserver/start");
    let (_, took) = scene.make();
    say(&format!("warm start: without the API server, then with it: new service after {took:?}"));
    assert!(took < SOON, "{took:?}");
    scene.life.await_log("warm start: every kind is watched again", 1);
}
