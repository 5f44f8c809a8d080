//! Random histories of objects and faults, played on a simulated API server; at rest every answer is that of a fresh index of
//! the objects that are there.
//!
//! Every history has a number from which all that happens follows; only the order in which the tasks of one moment run is the
//! runtime's. `FERRODNS_HISTORIES=1000000` plays more of them, `FERRODNS_HISTORY=N` only that one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use kubesim::{Connections, End, EventFault, Fault, Flow, KubeSim, Rule, Step, Verb, Verdict};
use plugin_api::Lifecycle;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::timing::Chance;
use super::world_tests::{World, put};
use crate::kubernetes::index::{Index, tests as index};
use crate::kubernetes::objects::{Change, Kind, Object};

/// How many histories a test run plays.
const HISTORIES: usize = 2000;
/// The names and namespaces that objects have.
const NAMES: [&str; 3] = ["x", "y", "z"];
const SPACES: [&str; 2] = ["a", "b"];
/// The addresses that they have.
const ADDRESSES: [&str; 4] = ["10.0.0.1", "10.0.0.2", "fd00::1", "10.0.0.77"];
/// Their types, by plural and by kind.
const PLURALS: [&str; 5] = ["services", "endpointslices", "namespaces", "pods", "serviceimports"];
/// When everything must be right after the last fault that loses nothing: a watch that hangs, a refusal's longest wait and the
/// list that follows.
const REST: Duration = Duration::from_secs(80);
/// The same after faults that only an audit can notice: the first may have come at a bad moment, and each of six kinds may take
/// 5 s longer.
const REST_AFTER_LOSS: Duration = Duration::from_secs(260);

/// Makes an object.
fn object(rng: &mut StdRng) -> Value {
    let (name, space) = (pick(rng, &NAMES), pick(rng, &SPACES));
    let metadata = json!({"name": name, "namespace": space});
    let address = pick(rng, &ADDRESSES);
    let port = json!([{"name": pick(rng, &NAMES), "protocol": "TCP", "port": 80}]);
    match rng.random_range(0..8) {
        0 => json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}}),
        1..3 => {
            let ip = if rng.random() { "None" } else { address };
            json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata,
                "spec": {"clusterIP": ip, "ports": port, "externalIPs": [address]}})
        }
        3 => json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata,
            "status": {"phase": pick(rng, &["Running", "Pending", "Succeeded"]), "podIP": address}}),
        4 => json!({"apiVersion": "multicluster.x-k8s.io/v1alpha1", "kind": "ServiceImport", "metadata": metadata,
            "spec": {"type": pick(rng, &["ClusterSetIP", "Headless"]), "ips": [address], "ports": port}}),
        _ => {
            let service = pick(rng, &NAMES);
            let label = pick(rng, &["kubernetes.io/service-name", "multicluster.kubernetes.io/service-name"]);
            let endpoints: Vec<Value> = (0..rng.random_range(0..4))
                .map(|_| {
                    json!({"addresses": [pick(rng, &ADDRESSES)], "hostname": pick(rng, &["", "x", "y"]),
                    "conditions": {"ready": rng.random_bool(0.8)}, "zone": pick(rng, &SPACES)})
                })
                .collect();
            json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "endpoints": endpoints,
                "metadata": {"name": name, "namespace": space, "labels":
                    {label: service, "multicluster.kubernetes.io/source-cluster": pick(rng, &["c0", "c1"])}},
                "ports": port})
        }
    }
}

/// Chooses one.
fn pick<'a>(rng: &mut StdRng, from: &[&'a str]) -> &'a str {
    from.choose(rng).unwrap()
}

/// Makes a fault of a request.
fn verdict(rng: &mut StdRng) -> Verdict {
    let flow = Flow { end: Some((rng.random_range(0..900), end(rng))), ..Flow::default() };
    match rng.random_range(0..8) {
        0 => Verdict::Hang,
        1 => Verdict::Cut,
        2..5 => Verdict::Shape(flow),
        _ => {
            let code = *[401, 403, 404, 410, 422, 429, 500, 503, 504].choose(rng).unwrap();
            Verdict::Refuse { code, retry_after: (code == 429).then(|| rng.random_range(0..3)) }
        }
    }
}

/// Chooses how a body ends.
fn end(rng: &mut StdRng) -> End {
    *[End::Cut, End::Close, End::Hang].choose(rng).unwrap()
}

/// Makes a fault of an event, and says whether something is lost by it without a trace.
fn event_fault(rng: &mut StdRng) -> (EventFault, bool) {
    let ends = [Step::Cut, Step::Close, Step::Hang];
    match rng.random_range(0..8) {
        0 => (EventFault::Garbage, false),
        1 => (EventFault::UnknownType, true),
        2 => (EventFault::Undecodable, true),
        3 => (EventFault::Duplicate, false),
        4 => (EventFault::Reorder, true),
        5 => (EventFault::Skip, true),
        6 => (EventFault::Expired, false),
        _ => (EventFault::End(ends.choose(rng).unwrap().clone()), false),
    }
}

/// What cannot be seen from the watch alone.
#[derive(Debug, Default)]
struct Lost {
    /// Whether something may have been lost without a trace.
    any: bool,
    /// Whether an object has been garbled: twice would be believed.
    is_garbled: bool,
}

/// Does one thing to the server.
async fn act(rng: &mut StdRng, sim: &KubeSim, lost: &mut Lost) {
    match rng.random_range(0..40) {
        0..18 => put(sim, [object(rng)]),
        18..23 => {
            let object = object(rng);
            let metadata = &object["metadata"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            sim.delete(&text(&object["kind"]), &text(&metadata["namespace"]), &text(&metadata["name"]));
        }
        23..28 => {
            let (fault, loses) = event_fault(rng);
            let garbles = fault == EventFault::Undecodable;
            if garbles && std::mem::replace(&mut lost.is_garbled, true) {
                return;
            }
            lost.any |= loses;
            let count = if garbles { 1 } else { rng.random_range(1..3) };
            let rule = Rule::new(Fault::Event(fault)).numbers(0..count);
            sim.inject(if rng.random() { rule.of(pick(rng, &PLURALS)) } else { rule });
        }
        28..31 => {
            let count = rng.random_range(1..6);
            let rule = Rule::new(Fault::Request(verdict(rng))).numbers(0..count);
            let rule = if rng.random() { rule.of(pick(rng, &PLURALS)) } else { rule };
            let verb = [None, Some(Verb::List), Some(Verb::Watch)].choose(rng).unwrap();
            sim.inject(if let Some(verb) = verb { rule.on(*verb) } else { rule });
        }
        31 => sim.inject(Rule::new(Fault::NoInitialEnd).numbers(0..2)),
        32 => sim.cut_connections(),
        33 => {
            let modes = [Connections::Hang, Connections::Refuse, Connections::Reset, Connections::Serve];
            sim.set_connections(*modes.choose(rng).unwrap()).await;
        }
        34 => sim.compact(),
        35 => {
            // Versions are given out again after it: who does not notice before they have caught up never can. A server that
            // is restored is started anew, and nothing happens for a while.
            recover(sim).await;
            sim.restore(sim.version().saturating_sub(rng.random_range(0..6)));
            sim.cut_connections();
            sleep(Duration::from_secs(30)).await;
        }
        36 => {
            let back = rng.random_range(0..6);
            sim.set_stale((back > 0).then(|| sim.version().saturating_sub(back)));
            lost.any = true;
        }
        37 => sleep(Duration::from_secs(rng.random_range(20..90))).await,
        _ => sleep(Duration::from_millis(rng.random_range(1..4000))).await,
    }
}

/// Takes all faults back.
async fn recover(sim: &KubeSim) {
    sim.heal();
    sim.set_stale(None);
    sim.set_connections(Connections::Serve).await;
}

/// The objects of a type as the server has them.
async fn objects(sim: &KubeSim, kind: Kind) -> Vec<Object> {
    let path = match kind {
        Kind::Namespace => "/api/v1/namespaces",
        Kind::Service => "/api/v1/services",
        Kind::Pod => "/api/v1/pods?fieldSelector=status.phase!%3DSucceeded",
        Kind::EndpointSlice => "/apis/discovery.k8s.io/v1/endpointslices",
        Kind::ImportedSlice => {
            "/apis/discovery.k8s.io/v1/endpointslices?labelSelector=multicluster.kubernetes.io%2Fservice-name"
        }
        Kind::ServiceImport => "/apis/multicluster.x-k8s.io/v1alpha1/serviceimports",
    };
    let request = http::Request::get(path).body(Empty::<bytes::Bytes>::new()).unwrap();
    let body = sim.direct().send(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    let list: Value = serde_json::from_slice(&body).unwrap();
    list["items"].as_array().unwrap().iter().map(|item| Object::decode(kind, item.clone()).unwrap()).collect()
}

/// Every answer of a fresh index of what the server has, and what it holds.
async fn truth(sim: &KubeSim, kinds: &[Kind]) -> (Vec<String>, Vec<usize>) {
    let mut fresh = Index::new(index::ALL);
    for kind in kinds.iter().copied() {
        fresh.apply(&Change::ListBegin(kind), 1);
        objects(sim, kind).await.into_iter().for_each(|object| fresh.apply(&Change::Apply(object), 1));
        fresh.apply(&Change::ListEnd(kind), 1);
    }
    let fresh = fresh.publish().unwrap();
    (index::answers(&fresh), index::held(&fresh))
}

/// Plays one history; returns how many requests it took.
async fn play(number: u64) -> usize {
    let rng = &mut StdRng::seed_from_u64(number);
    let builder = KubeSim::builder().bookmark_period(Duration::from_secs(rng.random_range(5..70)));
    let builder = builder.history(*[3, 10, 1000].choose(rng).unwrap()).protobuf(rng.random());
    let before = rng.random_range(0..12);
    let first: Vec<Value> = (0..before).map(|_| object(rng)).collect();
    let mut kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|_| rng.random_bool(0.5)).collect();
    if kinds.is_empty() {
        kinds.push(Kind::Service);
    }
    let world = World::seeded(Chance::of(number), builder, &kinds, async |sim| put(sim, first)).await;
    let mut lost = Lost::default();
    for _ in 0..rng.random_range(0..40) {
        act(rng, &world.sim, &mut lost).await;
    }
    recover(&world.sim).await;
    sleep(if lost.any { REST_AFTER_LOSS } else { REST }).await;
    let (answers, held) = truth(&world.sim, &kinds).await;
    let picture = world.picture();
    let lived = index::answers(&picture);
    for (lived, fresh) in lived.iter().zip(&answers) {
        assert_eq!(lived, fresh, "history {number} ({lost:?}); log: {:#?}", world.everything());
    }
    assert_eq!(index::held(&picture), held, "history {number} ({lost:?}): something stayed behind");
    let requests = world.sim.requests().len();
    world.live.stop().await;
    world.sim.shutdown().await;
    requests
}

/// Plays histories of a row in this thread.
fn play_all(next: &AtomicUsize, count: usize, requests: &AtomicUsize) {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= count {
            return;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        requests.fetch_add(runtime.block_on(play(number as u64)), Ordering::Relaxed);
    }
}

#[test]
fn a_history_of_faults_ends_with_the_truth() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<usize>().ok());
    let (first, count) = match number("FERRODNS_HISTORY") {
        Some(one) => (one, one + 1),
        None => (0, number("FERRODNS_HISTORIES").unwrap_or(HISTORIES)),
    };
    let (next, requests, start) = (AtomicUsize::new(first), AtomicUsize::new(0), std::time::Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| play_all(&next, count, &requests));
        }
    });
    println!("{} histories, {} requests, {:?}", count - first, requests.into_inner(), start.elapsed());
}
