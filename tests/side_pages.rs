//! The recorded pages of side listeners in `golden/operation`: what `/health`, `/ready`, `/metrics` and `/debug/pprof/` answer
//! (`http.jsonl`), and which metrics there are after some queries, with labels and buckets (`metrics/`).

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use test_support::{Regex, http};

use crate::operation::{Run, ask, golden, in_networks, local, scenarios};

/// How long a page may take.
const LIMIT: Duration = Duration::from_secs(5);

/// How many octets of a body were recorded, and of the first line of a long page.
const RECORDED: (usize, usize) = (100, 40);

/// Pages that differ on purpose, each with the reason.
const DIFFERS: &[(&str, &str)] = &[
    ("GET :6053/debug/pprof/", "our own list of pages"),
    ("GET :6053/debug/pprof/heap", "there is no Go runtime: the kernel's view of the memory, as text"),
    ("GET :6053/debug/pprof/threadcreate", "there is no Go runtime: the threads, as text"),
    ("GET :6053/debug/pprof/goroutine?debug=1", NO_PROFILE),
    ("GET :6053/debug/pprof/allocs", NO_PROFILE),
    ("GET :6053/debug/pprof/block", NO_PROFILE),
    ("GET :6053/debug/pprof/mutex", NO_PROFILE),
    ("GET :6053/debug/pprof/symbol", NO_PROFILE),
    ("GET :6053/debug/pprof/profile?seconds=1", NO_PROFILE),
    ("GET :6053/debug/pprof/trace?seconds=1", NO_PROFILE),
];

/// Why a profile is not there.
const NO_PROFILE: &str = "there is no Go runtime to profile";

/// The content type that a scraper may ask for and gets from CoreDNS alone: every scraper also takes text.
const PROTOBUF: &str = "application/vnd.google.protobuf";

/// Metrics that differ on purpose, by how their lines begin, each with the reason.
const OTHER_METRICS: &[(&str, &str)] = &[
    ("coredns_kubernetes_rest_client_", "the objects come from a file here; that of Go's client library"),
    ("coredns_kubernetes_dns_programming_", "shown from the start, not with the first change of endpoints"),
];

#[test]
fn side_pages_are_as_recorded() {
    let test = "side_pages::side_pages_are_as_recorded";
    let Some(differences) = in_networks(test, scenarios("http.jsonl"), check_pages) else { return };
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn metrics_have_the_recorded_names_labels_and_buckets() {
    let test = "side_pages::metrics_have_the_recorded_names_labels_and_buckets";
    let folders = fs::read_dir(golden().join("metrics")).unwrap().map(|entry| entry.unwrap().path());
    let suite = |folder: std::path::PathBuf| {
        let corefile = fs::read_to_string(folder.join("Corefile")).unwrap();
        json!({"id": folder.file_name().unwrap().to_str(), "corefile": corefile})
    };
    let Some(differences) = in_networks(test, folders.map(suite).collect(), check_metrics) else { return };
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

/// Gets all pages of a scenario; gives what differs.
fn check_pages(scenario: &Value) -> Vec<String> {
    let _run = Run::new(scenario, "objects.yaml");
    let mut differences = Vec::new();
    for row in scenario["requests"].as_array().unwrap() {
        let request = row["request"].as_str().unwrap();
        let is_other = DIFFERS.iter().any(|(other, _)| *other == request);
        if is_other || row["headers"]["Content-Type"].as_str().is_some_and(|kind| kind.starts_with(PROTOBUF)) {
            continue;
        }
        let mut got = get(request, &row["with"]);
        if let (Some(want), Some(headers)) = (row["headers"].as_object(), got["headers"].as_object_mut()) {
            // The length of long pages was not recorded.
            headers.retain(|name, _| name != "Content-Length" || want.contains_key(name));
        }
        let is_long = row["body"].as_str().is_some_and(|body| body.starts_with('<') && !body.starts_with("<a "));
        if is_long {
            let body = got["body"].as_str().unwrap();
            let first: String = body.lines().next().unwrap_or_default().chars().take(RECORDED.1).collect();
            let is_binary = row["body"] == "<binary page>";
            got["body"] = if is_binary { row["body"].clone() } else { json!(format!("<page> {first}")) };
        }
        let same = ["status", "headers", "body", "error"].iter().all(|key| got[key] == row[key]);
        if !same {
            differences.push(format!("{}: {request}\n  want {row}\n  got  {got}", scenario["id"]));
        }
    }
    differences
}

/// Makes a request `METHOD :PORT/PATH`; gives status, headers and the beginning of the body as they were recorded.
fn get(request: &str, with: &Value) -> Value {
    let (method, rest) = request.split_once(" :").unwrap();
    let (port, path) = rest.split_at(rest.find('/').unwrap());
    let Ok(mut stream) = TcpStream::connect(local(port.parse().unwrap())) else {
        return json!({"error": "ConnectionRefusedError"});
    };
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let version = if with["http10"] == true { "1.0" } else { "1.1" };
    let mut head = format!("{method} {path} HTTP/{version}\r\nConnection: close\r\n");
    let mut headers: BTreeMap<&str, &str> = [("Host", "localhost"), ("Accept-Encoding", "identity")].into();
    headers.extend(
        with["headers"].as_object().into_iter().flatten().map(|(name, value)| (&**name, value.as_str().unwrap())),
    );
    headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
    let mut octets = Vec::new();
    stream.read_to_end(&mut octets).unwrap();
    let text = String::from_utf8_lossy(&octets);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let status: u16 =
        lines.next().unwrap_or_default().split(' ').nth(1).unwrap_or_default().parse().unwrap_or_default();
    let headers: BTreeMap<&str, &str> = lines.filter_map(|line| line.split_once(": ")).collect();
    let headers: BTreeMap<_, _> =
        headers.into_iter().filter(|(name, _)| !["Date", "Connection"].contains(name)).collect();
    let body: String = body.chars().take(RECORDED.0).collect();
    json!({"status": status, "headers": headers, "body": body})
}

/// Asks all queries of a suite and looks which metrics there are; gives what differs.
fn check_metrics(suite: &Value) -> Vec<String> {
    let run = Run::new(suite, "objects.yaml");
    let id = suite["id"].as_str().unwrap();
    let folder = golden().join("metrics").join(id);
    for line in fs::read_to_string(folder.join("queries")).unwrap().lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        // What matters is which metrics there are, not what the cache holds after a while.
        let words: Vec<_> = line.split(' ').filter(|word| !word.starts_with("sleep=")).collect();
        if !line.is_empty() {
            ask(&words.join(" "), None);
        }
    }
    let (_, page) = http::get(local(9153), "/metrics").unwrap();
    drop(run);
    let without_values = |line: &str| match line.starts_with('#') {
        true => line.to_owned(),
        false => line.rsplit_once(' ').map_or_else(String::new, |(series, _)| series.to_owned()),
    };
    let got = shape(page.lines().map(without_values));
    let recorded = fs::read_to_string(folder.join("shape")).unwrap();
    let want = shape(recorded.lines().map(str::to_owned));
    let lacks = want.iter().filter(|line| !got.contains(line)).map(|line| format!("{id} lacks {line}"));
    // Metrics that CoreDNS does not have are our own business.
    let is_known = |line: &&String| want.iter().any(|other| family(other) == family(line));
    let besides = got.iter().filter(|line| !want.contains(line)).filter(is_known);
    lacks.chain(besides.map(|line| format!("{id} has besides {line}"))).collect()
}

/// The name of the metric that a line is about.
fn family(line: &str) -> &str {
    let name = line.trim_start_matches("# HELP ").trim_start_matches("# TYPE ");
    let name = name.split(['{', ' ']).next().unwrap_or_default();
    ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name)
}

/// The lines of a page of metrics, sorted; those of the process and of the program's language left out.
fn shape(lines: impl Iterator<Item = String>) -> Vec<String> {
    let foreign = Regex::new(r"^(# \w+ )?(go_|process_|promhttp_)").unwrap();
    let changing = Regex::new(r"^(coredns_build_info|coredns_reload_version_info)\{.*\}").unwrap();
    let is_other = |line: &str| OTHER_METRICS.iter().any(|(start, _)| family(line).starts_with(start));
    let lines = lines.filter(|line| !foreign.is_match(line) && !is_other(line));
    let mut lines: Vec<String> = lines.map(|line| changing.replace(&line, "$1").into_owned()).collect();
    lines.sort();
    lines.dedup();
    lines
}
