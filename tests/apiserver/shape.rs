//! What an API server answers to what a watcher asks, reduced to its shape, and what the real one was seen to answer.
//!
//! The simulated server is what all other tests rest on, so it must have the same shape wherever we look. Versions, names and
//! texts for people are left out; fields count where both servers could have them.

use std::fs;
use std::path::{Path, PathBuf};

use kubesim::KubeSim;
use serde_json::{Value, json};

use super::real::{Api, Real};
use crate::harness::say;

/// The services of the namespace that is looked at.
const SERVICES: &str = "/api/v1/namespaces/shape/services";

/// A version that no server reaches.
const FUTURE: &str = "99999999999";

/// Asks all that is asked; what makes old versions expire is another matter on each server.
fn shapes(api: &Api, expire: impl FnOnce()) -> Vec<String> {
    let mut lines = Vec::new();
    api.create("", "namespaces", json!({"kind": "Namespace", "metadata": {"name": "shape"}}));
    for name in ["a", "b", "c"] {
        api.create("shape", "services", service(name));
    }
    let mut ask = |title: &str, query: &str| {
        let response = api.send("GET", &format!("{SERVICES}{query}"), None).unwrap();
        lines.push(format!("{title}: {}", shape(&response.text, response.code, &response.content)));
        response.json()
    };
    let page = ask("a page", "?limit=2");
    let version = text(&page, "/metadata/resourceVersion");
    let next = text(&page, "/metadata/continue");
    ask("the next page", &format!("?limit=2&continue={next}"));
    ask("a list of version 0", "?resourceVersion=0&limit=2");
    ask("a list not older", &format!("?resourceVersion={version}&resourceVersionMatch=NotOlderThan"));
    ask("a list as it was", &format!("?resourceVersion={version}&resourceVersionMatch=Exact&limit=2"));
    ask("a list of the future", &format!("?resourceVersion={FUTURE}"));
    ask("a list of no version", "?resourceVersion=abc");
    ask("a list with a match alone", "?resourceVersionMatch=NotOlderThan");
    ask("a list from garbage", "?continue=garbage");
    ask("a list by a bad selector", "?labelSelector=a%20in%20%28b");
    ask("a list by name", "?fieldSelector=metadata.name%3Db");
    api.write("PATCH", &format!("{SERVICES}/a"), Some(json!({"metadata": {"labels": {"x": "y"}}})));
    api.write("DELETE", &format!("{SERVICES}/b"), None);
    api.create("shape", "services", service("d"));
    ask("a watch", &format!("?watch=true&timeoutSeconds=1&resourceVersion={version}"));
    ask("a watch by label", &format!("?watch=true&timeoutSeconds=1&resourceVersion={version}&labelSelector=x%3Dy"));
    ask("a watch of version 0", "?watch=true&timeoutSeconds=1&resourceVersion=0");
    ask("a watch of no version", "?watch=true&timeoutSeconds=1");
    ask("a watch of the future", &format!("?watch=true&timeoutSeconds=1&resourceVersion={FUTURE}"));
    let initial = "?watch=true&timeoutSeconds=1&sendInitialEvents=true&allowWatchBookmarks=true";
    ask("initial events", &format!("{initial}&resourceVersionMatch=NotOlderThan"));
    ask("initial events without a match", initial);
    let first = text(&ask("a first page", "?limit=1"), "/metadata/continue");
    api.create("shape", "services", service("e"));
    expire();
    ask("a watch from a version that is gone", &format!("?watch=true&timeoutSeconds=1&resourceVersion={version}"));
    ask("a page of a version that is gone", &format!("?limit=1&continue={first}"));
    let gone = api.send("GET", "/apis/none.example.org/v1/things", None).unwrap();
    lines.push(format!("an unknown kind: {}", gone.code));
    lines
}

/// Makes a service.
fn service(name: &str) -> Value {
    json!({"kind": "Service", "metadata": {"name": name}, "spec": {"ports": [{"port": 80}], "clusterIP": "None"}})
}

/// Returns a text of an answer, escaped for a query.
fn text(answer: &Value, at: &str) -> String {
    answer.pointer(at).and_then(Value::as_str).unwrap_or_default().replace('+', "%2B").replace('=', "%3D")
}

/// Writes the shape of a response: a list, an error, or events.
fn shape(text: &str, code: u16, content: &str) -> String {
    let content = content.split(';').next().unwrap_or_default();
    if let Ok(whole) = serde_json::from_str::<Value>(text)
        && whole.get("type").is_none()
    {
        return format!("{code} {content} {}", object(&whole));
    }
    let mut last = 0;
    let events = text.lines().map(|line| {
        let event: Value = serde_json::from_str(line).unwrap();
        let version = event["object"]["metadata"]["resourceVersion"].as_str().and_then(|version| version.parse().ok());
        let order = match version {
            Some(version) if version > last => {
                last = version;
                " newer"
            }
            Some(_) => " older",
            None => "",
        };
        // What was there comes in no order.
        let order = if event["type"] == "ADDED" || event["type"] == "BOOKMARK" { "" } else { order };
        format!("{}{order} {}", event["type"].as_str().unwrap(), object(&event["object"]))
    });
    let mut events: Vec<String> = events.collect();
    events.dedup();
    format!("{code} {content} [{}]", events.join(", "))
}

/// Writes the shape of an object, a list or an error.
fn object(object: &Value) -> String {
    let kind = object["kind"].as_str().unwrap_or("?");
    if kind == "Status" {
        let details = object.get("details").map(|details| details["retryAfterSeconds"].is_number());
        let causes = object.pointer("/details/causes/0/reason").and_then(Value::as_str).unwrap_or_default();
        let has_next = object["metadata"]["continue"].is_string();
        let is_large = object["message"].as_str().is_some_and(|text| text.contains("Too large resource version"));
        return format!(
            "Status {} {} {} {causes}{}{}{}",
            object["status"].as_str().unwrap_or_default(),
            object["code"],
            object["reason"].as_str().unwrap_or_default(),
            if has_next { " with a token" } else { "" },
            if is_large { " too large" } else { "" },
            if details == Some(true) { " to be tried again" } else { "" },
        );
    }
    let version = object["apiVersion"].as_str().unwrap_or("?");
    let metadata = &object["metadata"];
    let fields = ["continue", "remainingItemCount", "resourceVersion", "name", "namespace"];
    let mut has: Vec<String> =
        fields.iter().filter(|field| metadata.get(field).is_some()).map(|field| (*field).into()).collect();
    if let Some(end) = metadata.pointer("/annotations/k8s.io~1initial-events-end") {
        has.push(format!("initial-events-end={}", end.as_str().unwrap_or_default()));
    }
    let items = object["items"].as_array().map(|items| {
        let names: Vec<&str> = items.iter().map(|item| item["metadata"]["name"].as_str().unwrap_or("?")).collect();
        let typed = items.iter().any(|item| item.get("kind").is_some());
        format!(" of {}{}", names.join(" "), if typed { " with kinds" } else { "" })
    });
    format!("{version} {kind} ({}){}", has.join(" "), items.unwrap_or_default())
}

/// Where it is written what the real one answered: a line for each request.
fn transcript() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apiserver/transcript.txt")
}

/// Compares line by line.
fn compare(who: &str, lines: &[String]) {
    let transcript = fs::read_to_string(transcript()).unwrap();
    let wanted: Vec<&str> = transcript.lines().filter(|line| !line.starts_with('#')).collect();
    let pairs = lines.iter().map(String::as_str).zip(wanted.iter().copied());
    let differing: Vec<String> = pairs
        .filter(|(has, wanted)| has != wanted)
        .map(|(has, wanted)| format!("  {who} {has}\n  recorded {wanted}"))
        .collect();
    assert!(differing.is_empty(), "\n{}", differing.join("\n"));
    assert_eq!(lines.len(), wanted.len());
}

#[test]
fn the_simulated_server_answers_as_the_real_one_did() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let sim = runtime.block_on(KubeSim::start()).unwrap();
    compare("simulated", &shapes(&Api::new(&sim.kubeconfig()), || sim.compact()));
}

#[test]
fn the_real_server_answers_as_it_did() {
    let Some(real) = Real::start("transcript", &["-controllers", "none"]) else { return };
    let lines = shapes(&real.api, || {
        real.tell("compact");
        real.tell("kube-apiserver/restart");
    });
    if std::env::var_os("FERRODNS_APISERVER_RECORD").is_some() {
        let head = "# What a kube-apiserver answers to what a watcher asks, reduced to its shape by shape.rs.\n";
        fs::write(transcript(), format!("{head}{}\n", lines.join("\n"))).unwrap();
        say(&format!("{}: {} lines", transcript().display(), lines.len()));
        return;
    }
    compare("real", &lines);
}
