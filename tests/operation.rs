//! The recorded log lines in `golden/operation/logs.jsonl`: query log, errors and plugins' own lines, step by step.
//!
//! A step is a query (`NAME TYPE [option...]` or `raw=OCTETS`, with `port=N`, `times=N`), `sleep N`, `put NAME` (of the scenario's
//! `puts`), `http URL` or `TERM`. `FERRODNS_CASES=TEXT` runs only scenarios whose name contains TEXT.
//!
//! Not run: scenarios of plugins that come later, and those in which an API server goes and comes (tests of `kubernetes`).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs};

use serde_json::Value;
use tempfile::TempDir;
use test_support::subject::{Signal, Subject};
use test_support::{Client, Regex, Upstream, http, netns};

use crate::conformance::run_as_root;
use crate::harness::{say, subject};

/// How many programs run at the same time, each in a network of its own.
const WORKERS: usize = 4;

/// How long a start, and a line that is awaited, may take.
const LIMIT: Duration = Duration::from_secs(15);

/// Where the fixed upstream listens; nobody does at the third.
const UPSTREAMS: [&str; 3] = ["192.0.2.53", "192.0.2.54", "192.0.2.55"];

/// The addresses of both ends of the way to it.
const LINK: [&str; 2] = ["10.244.8.2", "10.244.8.1"];

/// The id of every query, and the source port of the first.
const QUERY: (u16, usize) = (4660, 40_000);

/// Lines of ours that differ on purpose: scenario, what they contain, and why.
const DIFFERS: &[(&str, &str, &str)] = &[
    ("transfer-notify", "Failed sending notifies", "CoreDNS does not say that nobody was told at the start"),
    ("errors-kinds", "template: answer", "the words of Go's template library also tell the place in the template"),
    (
        "log-cache-rewrite",
        "api.example.com.",
        "an answer with a target outside the cluster is made anew each time, so its second query is logged each time",
    ),
];

/// What changes from run to run or from machine to machine, and what stands for it.
const MASKS: &[(&str, &str)] = &[
    (r"SHA512 = [0-9a-f]{128}", "SHA512 = <hash>"),
    (r"(read|write|dial) (udp|tcp) \S+->", "$1 $2 <local>->"),
    (r"\b\d{12,20}\.\d{12,20}\.", "<number>.<number>."),
    (r"\bin \d+(\.\d+)?(µs|ms|ns|s)\b", "in <t>"),
    (r"\b\d+\.\d{3,}(µ|m|n)?s\b", "<duration>"),
    (r"port=\[[1-35-9]\d+\]", "port=[<port>]"),
];

/// What the recorder left out.
const NOISE: &[&str] = &["maxprocs: ", "CoreDNS-", "ferrodns-", "linux/"];

/// What depends on whether a file or its folder is looked at first.
const CHANCE: &str = "Failed to open zone";

#[test]
fn logs_are_as_recorded() {
    let test = "operation::logs_are_as_recorded";
    let found = in_networks(test, scenarios("logs.jsonl"), |scenario| Run::new(scenario, "objects.yaml").check_logs());
    let Some(differences) = found else { return };
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

/// The folder of the recordings.
pub(crate) fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/operation")
}

/// The scenarios of a file that are asked for.
pub(crate) fn scenarios(file: &str) -> Vec<Value> {
    let text = fs::read_to_string(golden().join(file)).unwrap();
    let filter = env::var("FERRODNS_CASES").unwrap_or_default();
    let all = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    all.filter(|scenario| scenario["id"].as_str().unwrap().contains(&filter)).collect()
}

/// Runs all scenarios, each in a network with the fixed upstream; gives what differs. None if this machine gives no networks,
/// or another process has run them.
pub(crate) fn in_networks(test: &str, all: Vec<Value>, run: fn(&Value) -> Vec<String>) -> Option<Vec<String>> {
    if !netns::is_available() {
        if !run_as_root(test) {
            say(&format!("{test}: no network namespaces here, so nobody may listen on port 53: left out"));
        }
        return None;
    }
    let count = all.len();
    let (queue, found) = (Mutex::new(all), Mutex::new(Vec::new()));
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                netns::enter(Some(&golden().join("stubs/resolv"))).unwrap();
                let Some(_upstreams) = upstreams() else { return };
                while let Some(scenario) = next() {
                    let differences = run(&scenario);
                    found.lock().unwrap_or_else(PoisonError::into_inner).extend(differences);
                }
            });
        }
    });
    let left = queue.into_inner().unwrap_or_else(PoisonError::into_inner).len();
    match left {
        0 => say(&format!("{test}: {count} scenarios")),
        _ => say(&format!("{test}: {left} of {count} scenarios left out: `ip` cannot join two networks here")),
    }
    Some(found.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Starts the fixed upstream in a network behind the calling thread's; there, nothing of the program's own can answer for it.
/// None where the program `ip` is not there or may not do it.
fn upstreams() -> Option<Vec<Upstream>> {
    let (say_thread, thread_id) = mpsc::channel();
    let (say_joined, joined) = mpsc::channel();
    let behind = thread::spawn(move || {
        netns::enter(None).unwrap();
        let own = fs::read_link("/proc/thread-self").unwrap();
        say_thread.send(own.file_name().unwrap().to_str().unwrap().to_owned()).unwrap();
        joined.recv().ok()?;
        ip("link set peer up")?;
        ip(&format!("addr add {}/24 dev peer", LINK[1]))?;
        for address in UPSTREAMS {
            ip(&format!("addr add {address}/32 dev lo"))?;
        }
        let address = |text: &str| SocketAddr::from((text.parse::<IpAddr>().unwrap(), 53));
        Some((1..=2).zip(UPSTREAMS).map(|(id, text)| Upstream::start_at(id, address(text)).unwrap()).collect())
    });
    let thread_id = thread_id.recv().unwrap();
    let join = || {
        ip("link add eth0 type veth peer name peer")?;
        ip(&format!("link set peer netns {thread_id}"))?;
        ip(&format!("addr add {}/24 dev eth0", LINK[0]))?;
        ip("link set eth0 up")
    };
    if join().is_some() {
        say_joined.send(()).unwrap();
    }
    drop(say_joined);
    let upstreams = behind.join().unwrap()?;
    ip(&format!("route add 192.0.2.0/24 via {}", LINK[1]))?;
    Some(upstreams)
}

/// Calls `ip` in the calling thread's network; none if it fails.
fn ip(arguments: &str) -> Option<()> {
    let mut command = Command::new("ip");
    let status = command.args(arguments.split(' ')).stderr(Stdio::null()).status().ok()?;
    status.success().then_some(())
}

/// A scenario with its program.
pub(crate) struct Run<'a> {
    /// What was recorded.
    scenario: &'a Value,
    /// The program.
    pub(crate) subject: Subject,
    /// Its working directory is `work` in it.
    folder: TempDir,
    /// How many lines of its output have been compared.
    seen: usize,
}

impl<'a> Run<'a> {
    /// Starts the program on a scenario's Corefile and waits for its banner. Objects stand in a file of the recordings.
    pub(crate) fn new(scenario: &'a Value, objects: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let work = folder.path().join("work");
        fs::create_dir(&work).unwrap();
        let put = |path: &str, octets: Vec<u8>| {
            let path = work.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, octets).unwrap();
        };
        put("Corefile", text(&scenario["corefile"]).into_bytes());
        pairs(&scenario["files"]).for_each(|(path, content)| put(path, text(content).into_bytes()));
        for (path, kind) in pairs(&scenario["stubs"]) {
            put(path, fs::read(golden().join("stubs").join(text(kind))).unwrap());
        }
        let mut command = Command::new(subject());
        command.current_dir(&work).args(["-conf", "Corefile", "-kubernetes.manifests"]).arg(golden().join(objects));
        let mut subject = Subject::start(&mut command, &folder.path().join("log")).unwrap();
        let ended = subject.wait_until(LIMIT, |output| output.lines().any(|line| line.starts_with("linux/")));
        assert_eq!(ended.unwrap(), None, "{}: {}", scenario["id"], subject.output());
        Self { scenario, subject, folder, seen: 0 }
    }

    /// Runs all steps; gives what differs.
    fn check_logs(mut self) -> Vec<String> {
        let mut differences = Vec::new();
        for (number, step) in self.scenario["steps"].as_array().unwrap().iter().enumerate() {
            let (line, want) = (text(&step["step"]), step["lines"].as_array().unwrap());
            self.take(&line, number);
            let mut want: Vec<String> = want.iter().map(|line| masked(&text(line))).collect();
            let mut got = self.lines(want.len());
            want.sort();
            got.sort();
            want.retain(|line| !self.differs(line));
            got.retain(|line| !self.differs(line));
            if want != got {
                let lacks: Vec<_> = want.iter().filter(|line| !got.contains(line)).collect();
                let besides: Vec<_> = got.iter().filter(|line| !want.contains(line)).collect();
                let counts = (want.len(), got.len());
                differences.push(format!(
                    "{}: {line} {counts:?}\n  lacks   {lacks:?}\n  besides {besides:?}",
                    text(&self.scenario["id"])
                ));
            }
        }
        differences
    }

    /// Whether a line differs on purpose.
    fn differs(&self, line: &str) -> bool {
        DIFFERS.iter().any(|(id, part, _)| self.scenario["id"] == *id && line.contains(part))
    }

    /// Does a step.
    fn take(&mut self, step: &str, number: usize) {
        let (word, rest) = step.split_once(' ').unwrap_or((step, ""));
        match word {
            "start" => {}
            "sleep" => thread::sleep(Duration::from_secs_f64(rest.parse().unwrap())),
            "TERM" => self.subject.signal(Signal::SIGTERM).unwrap(),
            "put" => self.put(rest),
            "http" => {
                let (address, path) = rest.trim_start_matches("http://").split_once('/').unwrap();
                drop(http::get(address.parse().unwrap(), &format!("/{path}")));
            }
            _ => ask(step, Some(number)),
        }
    }

    /// Puts a file in its place, or takes it away.
    fn put(&self, name: &str) {
        let (path, content) = match &self.scenario["puts"][name] {
            Value::Array(pair) => (text(&pair[0]), pair[1].as_str()),
            content => (name.to_owned(), content.as_str()),
        };
        let path = self.folder.path().join("work").join(path);
        match content {
            None => fs::remove_file(path).unwrap(),
            Some(content) => {
                let new = path.with_file_name(".new");
                fs::write(&new, content).unwrap();
                fs::rename(new, path).unwrap();
            }
        }
    }

    /// The lines that have come since the last step, once there are as many as wanted.
    fn lines(&mut self, wanted: usize) -> Vec<String> {
        let end = Instant::now() + LIMIT;
        loop {
            let output = self.subject.output();
            let whole = output.get(..output.rfind('\n').map_or(0, |at| at + 1)).unwrap_or_default();
            let is_noise = |line: &str| NOISE.iter().any(|noise| line.starts_with(noise)) || line.contains(CHANCE);
            let lines = whole.lines().filter(|line| !is_noise(line));
            let new: Vec<_> = lines.skip(self.seen).map(masked).collect();
            if new.len() >= wanted || Instant::now() > end {
                self.seen += new.len();
                return new;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Asks a query of the recordings; with the number of its step, from the source port that stands in the recorded lines.
pub(crate) fn ask(step: &str, number: Option<usize>) {
    let mut ports = vec![53];
    let mut words = Vec::new();
    let mut is_repeated = false;
    for word in step.split_whitespace() {
        words.push(match word.split_once('=') {
            Some(("raw", octets)) => format!("x RAW hex={octets}{}", if octets.len() % 2 == 0 { "" } else { "0" }),
            Some(("port", port)) => {
                ports.push(port.parse().unwrap());
                "port=2".to_owned()
            }
            Some(("times", count)) => {
                is_repeated = true;
                format!("repeat={count}")
            }
            _ => word.to_owned(),
        });
    }
    let mut line = words.join(" ");
    if let Some(number) = number {
        let (id, port) = QUERY;
        let own = if is_repeated { String::new() } else { format!(" sport={}", port + 10 * number.saturating_sub(1)) };
        line = format!("{line} id={id}{own}");
    }
    let query = line.parse().unwrap_or_else(|error| panic!("{step}: {error}"));
    drop(Client::new(Ipv4Addr::LOCALHOST.into(), ports).send(&query));
}

/// A line with what changes masked.
fn masked(line: &str) -> String {
    let mut line = line.to_owned();
    for (expression, text) in MASKS {
        line = Regex::new(expression).unwrap().replace_all(&line, *text).into_owned();
    }
    // The client's own port, but where it stands in the query log.
    let client = Regex::new(r"(127\.0\.0\.1|10\.244\.9\.\d+|\[::1\]):(3[2-9]|[45678]\d)\d{3}").unwrap();
    let Some(found) = client.find(&line) else { return line };
    let (before, behind) = (line.get(..found.start()).unwrap(), line.get(found.end()..).unwrap());
    match found.as_str().rsplit_once(':') {
        Some((host, _)) if !behind.starts_with(" - ") => format!("{before}{host}:<port>{behind}"),
        _ => line,
    }
}

/// A string of a record.
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The pairs of an object of a record.
fn pairs(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// Where a side listener answers.
pub(crate) fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
