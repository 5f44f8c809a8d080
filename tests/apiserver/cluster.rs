//! The names of a cluster that a real API server holds, and of one that its controllers make.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use kubesim::KubeSim;
use serde_json::{Value, json};
use test_support::golden::Suite;
use test_support::{Answer, Client};

use super::real::Real;
use crate::harness::say;
use crate::process::{LIMIT, Life};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(2);
/// Where objects of each kind are, in the order in which they can be created.
const PLACES: &[(&str, &str, &str)] = &[
    ("Namespace", "/api/v1", "namespaces"),
    ("Service", "/api/v1", "services"),
    ("Pod", "/api/v1", "pods"),
    ("EndpointSlice", "/apis/discovery.k8s.io/v1", "endpointslices"),
];

/// The folder of the recorded suites.
fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Starts the program for an API server.
fn program(property: &str) -> Life {
    Life::start(&format!(
        ".:{{$PORT}} {{\n bind 127.0.0.1\n kubernetes cluster.local in-addr.arpa ip6.arpa {{\n  {property}\n  \
         pods verified\n  startup_timeout 60s\n }}\n}}\n"
    ))
}

/// Puts a manifest's objects into the API server, as many as it takes; how many.
fn load(real: &Real, manifest: &Path) -> usize {
    let list: Value = serde_saphyr::from_str(&fs::read_to_string(manifest).unwrap()).unwrap();
    let mut taken = 0;
    for (kind, group, plural) in PLACES {
        for object in list["items"].as_array().unwrap().iter().filter(|object| object["kind"] == *kind) {
            let namespace = object["metadata"]["namespace"].as_str().map(|name| format!("/namespaces/{name}"));
            let place = format!("{group}{}/{plural}", namespace.unwrap_or_default());
            let mut object = object.clone();
            for field in ["resourceVersion", "uid", "creationTimestamp"] {
                object["metadata"].as_object_mut().unwrap().remove(field);
            }
            taken += usize::from(real.api.send("POST", &place, Some(object.clone())).unwrap().code == 201);
            if let Some(status) = object.get("status").filter(|_| *kind != "Namespace") {
                let path = format!("{place}/{}/status", object["metadata"]["name"].as_str().unwrap());
                // What could not be created has no status either.
                drop(real.api.send("PATCH", &path, Some(json!({"status": status}))).unwrap());
            }
        }
    }
    taken
}

/// Copies all objects that the API server holds to a simulated one.
fn copy(real: &Real, sim: &KubeSim) -> usize {
    let mut copied = 0;
    for (kind, group, plural) in PLACES {
        let list = real.api.write("GET", &format!("{group}/{plural}"), None);
        for object in list["items"].as_array().unwrap() {
            let mut object = object.clone();
            object["kind"] = (*kind).into();
            object["apiVersion"] = group.trim_start_matches("/apis/").trim_start_matches("/api/").into();
            assert!(sim.put(object) > 0);
            copied += 1;
        }
    }
    copied
}

/// Everything that the recorded suites ask in plain words, each once.
fn questions() -> BTreeSet<String> {
    let folders = fs::read_dir(golden().join("kubernetes")).unwrap().map(|entry| entry.unwrap().path());
    let suites = folders.map(|folder| Suite::load(&folder).unwrap());
    let lines = suites.flat_map(|suite| suite.cases.into_iter().map(|case| case.line).collect::<Vec<_>>());
    let plain = |line: &String| {
        matches!(*line.split(' ').collect::<Vec<_>>(), [_, "A" | "AAAA" | "SRV" | "PTR" | "CNAME" | "TXT" | "ANY"])
    };
    lines.filter(plain).collect()
}

/// An answer without what depends on the moment: the order of records, and the serial.
fn at_rest(mut answer: Answer) -> Answer {
    for section in [&mut answer.answer, &mut answer.authority, &mut answer.additional] {
        for record in section.iter_mut() {
            let words: Vec<&str> = record.split(' ').collect();
            if words.get(3) == Some(&"SOA") {
                *record = words
                    .iter()
                    .enumerate()
                    .filter(|(at, _)| *at != 6)
                    .map(|(_, word)| *word)
                    .collect::<Vec<_>>()
                    .join(" ");
            }
        }
        section.sort();
    }
    answer
}

#[test]
fn names_are_the_same_from_a_real_and_from_a_simulated_api_server() {
    let arguments = [
        "-controllers",
        "none",
        "-service-cidr",
        "10.96.0.0/12,fd00:96::/112",
        "--",
        "--disable-admission-plugins=ServiceAccount",
    ];
    let Some(real) = Real::start("names of a real API server", &arguments) else { return };
    let taken = load(&real, &golden().join("clusters/base.yaml"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let sim = runtime.block_on(KubeSim::start()).unwrap();
    let copied = copy(&real, &sim);
    let lives = [program(&format!("kubeconfig {}", real.kubeconfig())), program(&format!("endpoint {}", sim.url()))];
    let mut clients = lives.each_ref().map(|life| Client::udp(life.address));
    let (mut asked, mut answered, mut differing) = (0, 0, Vec::new());
    for line in questions() {
        let [Ok(from_real), Ok(from_sim)] = clients.each_mut().map(|client| client.ask(&line)) else { continue };
        asked += 1;
        answered += usize::from(!from_real.answer.is_empty());
        let (from_real, from_sim) = (at_rest(from_real), at_rest(from_sim));
        if from_real != from_sim {
            differing.push(format!("{line}\n  real {from_real:?}\n  simulated {from_sim:?}"));
        }
    }
    say(&format!("real API server: {taken} objects taken, {copied} held, {asked} questions, {answered} with records"));
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    assert!(taken > 100 && asked > 500 && answered > 200, "{taken} {asked} {answered}");
}

/// Waits until an answer is as wanted.
fn await_answer(life: &Life, line: &str, wanted: &[&str]) {
    let (mut client, end) = (Client::udp(life.address), Instant::now() + LIMIT);
    loop {
        let answer = client.ask(line).unwrap();
        let mut records: Vec<&str> =
            answer.answer.iter().map(|record| record.splitn(5, ' ').last().unwrap_or_default()).collect();
        records.sort_unstable();
        if records == wanted {
            return;
        }
        assert!(Instant::now() < end, "{line}: {answer:?} instead of {wanted:?}");
        thread::sleep(LOOK);
    }
}

#[test]
fn services_of_pods_are_answered_by_what_the_controllers_make() {
    let Some(real) = Real::start("controllers", &[]) else { return };
    let life = program(&format!("kubeconfig {}", real.kubeconfig()));
    let api = &real.api;
    await_answer(&life, "kubernetes.default.svc.cluster.local A", &["10.96.0.1"]);
    api.create("", "namespaces", json!({"kind": "Namespace", "metadata": {"name": "a"}}));
    api.create("", "nodes", json!({"kind": "Node", "metadata": {"name": "node-0"}}));
    let spec = json!({"clusterIP": "None", "selector": {"app": "db"}, "ports": [{"name": "sql", "port": 5432}]});
    api.create("a", "services", json!({"kind": "Service", "metadata": {"name": "db"}, "spec": spec}));
    let both = json!({"ipFamilyPolicy": "RequireDualStack", "ports": [{"name": "http", "port": 80}]});
    let both = api.create("a", "services", json!({"kind": "Service", "metadata": {"name": "both"}, "spec": both}));
    let out = json!({"type": "ExternalName", "externalName": "www.example.org"});
    api.create("a", "services", json!({"kind": "Service", "metadata": {"name": "out"}, "spec": out}));
    let ips = ["10.1.2.8", "10.1.2.9"];
    for (number, ip) in ips.into_iter().enumerate() {
        let spec = json!({"nodeName": "node-0", "hostname": format!("db-{number}"), "subdomain": "db",
            "containers": [{"name": "c", "image": "c", "ports": [{"name": "sql", "containerPort": 5432}]}]});
        let metadata = json!({"name": format!("db-{number}"), "labels": {"app": "db"}});
        let end = Instant::now() + LIMIT;
        let pod = json!({"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": spec});
        // The account that a pod needs comes from a controller, too.
        while api.send("POST", "/api/v1/namespaces/a/pods", Some(pod.clone())).unwrap().code != 201 {
            assert!(Instant::now() < end, "the pod is created");
            thread::sleep(LOOK);
        }
        set_ready(&real, number, ip, true);
    }
    await_answer(&life, "db.a.svc.cluster.local A", &ips);
    await_answer(&life, "db-0.db.a.svc.cluster.local A", &ips[..1]);
    await_answer(
        &life,
        "_sql._tcp.db.a.svc.cluster.local SRV",
        &["0 50 5432 db-0.db.a.svc.cluster.local.", "0 50 5432 db-1.db.a.svc.cluster.local."],
    );
    await_answer(&life, "9.2.1.10.in-addr.arpa PTR", &["db-1.db.a.svc.cluster.local."]);
    await_answer(&life, "10-1-2-9.a.pod.cluster.local A", &ips[1..]);
    await_answer(&life, "out.a.svc.cluster.local CNAME", &["www.example.org."]);
    let addresses: Vec<&str> =
        both["spec"]["clusterIPs"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    await_answer(&life, "both.a.svc.cluster.local A", &addresses[..1]);
    await_answer(&life, "both.a.svc.cluster.local AAAA", &addresses[1..]);
    set_ready(&real, 0, ips[0], false);
    await_answer(&life, "db.a.svc.cluster.local A", &ips[1..]);
    api.write("DELETE", "/api/v1/namespaces/a/services/db", None);
    await_answer(&life, "db.a.svc.cluster.local A", &[]);
    await_answer(&life, "9.2.1.10.in-addr.arpa PTR", &[]);
    // Without a kubelet nobody else ends the pods, and the namespace waits for that.
    for number in 0..ips.len() {
        api.write("DELETE", &format!("/api/v1/namespaces/a/pods/db-{number}?gracePeriodSeconds=0"), None);
    }
    api.write("DELETE", "/api/v1/namespaces/a", None);
    await_answer(&life, "both.a.svc.cluster.local A", &[]);
}

/// Says of a pod that it runs, and whether it is ready.
fn set_ready(real: &Real, number: usize, ip: &str, is_ready: bool) {
    let ready = if is_ready { "True" } else { "False" };
    let status = json!({"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}],
        "conditions": [{"type": "Ready", "status": ready}]});
    let path = format!("/api/v1/namespaces/a/pods/db-{number}/status");
    real.api.write("PATCH", &path, Some(json!({"status": status})));
}
