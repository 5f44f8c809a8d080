//! The recorded Corefiles in `golden/operation`: does the program start on them, or refuse them with CoreDNS's words?
//!
//! Lines of ours that follow CoreDNS's (where in the file, and what to do) are not compared, and neither are the words of
//! Go's library and resolver.
//!
//! `FERRODNS_CASES=TEXT` runs only cases whose name contains TEXT.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;
use std::{env, fs, io, thread};

use serde_json::Value;
use tempfile::TempDir;
use test_support::netns;
use test_support::subject::Subject;

use crate::conformance::run_as_root;
use crate::harness::{say, subject};

/// How many programs run at the same time, each in a network of its own; a start is mostly waiting.
const WORKERS: usize = 4;

/// How long a start may take; `kubernetes` waits five seconds for an API that is not there.
const START: Duration = Duration::from_secs(14);

/// The working directory when the cases were recorded; here each case has its own.
const RECORDED_IN: &str = "/etc/coredns";

/// How the banner begins.
const BANNER: [&str; 2] = ["ferrodns-", "CoreDNS-"];

/// What a refusal says of a plugin that comes later.
const NOT_BUILT_IN: &str = "does not have yet";

/// Where words begin that are not CoreDNS's own.
const FOREIGN: [&str; 4] = ["strconv.", "time: ", "error parsing", "lookup "];

/// The cases that end differently on purpose, or whose recorded end is wrong, with the reason.
const DIFFERS: &[(&str, &str)] = &[
    ("keys/scheme-tls", NO_LISTENER),
    ("keys/scheme-https", NO_LISTENER),
    ("keys/scheme-quic", NO_LISTENER),
    ("keys/scheme-https3", NO_LISTENER),
    ("keys/scheme-port", NO_LISTENER),
    ("keys/scheme-path", NO_LISTENER),
    ("plugin-cache/22", "a zone that is no name is refused, CoreDNS takes it and it never matches"),
    ("plugin-forward/04", "a port above 65535 is refused, in CoreDNS each query fails"),
    ("plugin-forward/46", "a nameserver that is no address is left out, in CoreDNS each query fails"),
    ("directives/proxy-removed", REMOVED),
    ("plugin-file/06", "CoreDNS crashes"),
    ("plugin-file/15", REMOVED),
    ("plugin-kubernetes/03", REMOVED),
    ("plugin-kubernetes/04", REMOVED),
];

/// Why schemes other than plain DNS differ.
const NO_LISTENER: &str = "there is no listener for it yet, and plain DNS in its place would be worse";

/// Why `proxy`, `upstream`, `resyncperiod`, and `transfer` in old places differ.
const REMOVED: &str = "words of older releases are taken with a warning";

/// A recorded case.
pub(crate) struct Case {
    /// Its name.
    pub(crate) id: String,
    /// The Corefile as JSON has it.
    corefile: Vec<u8>,
    /// All that was recorded.
    pub(crate) record: Value,
}

/// How a start ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ending {
    /// `start`, `refuse`, `exits` (with the banner) or `silent`.
    pub(crate) outcome: String,
    /// The exit status, if it has ended.
    exit: Option<i64>,
    /// The lines on standard error, if it refused.
    pub(crate) stderr: Vec<String>,
    /// The zones that it listed, sorted, if it started.
    listing: Vec<String>,
}

#[test]
fn corefiles_end_as_recorded() {
    let name = "language::corefiles_end_as_recorded";
    let Some(endings) = run_all(name, &golden().join("language.jsonl"), || {}) else { return };
    let mut waiting: BTreeMap<String, usize> = BTreeMap::new();
    let (mut same, mut wrong) = (0, Vec::new());
    for (case, got) in &endings {
        let want = case.want();
        let reason = DIFFERS.iter().find(|(id, _)| *id == case.id);
        match (want.agrees(got), reason) {
            (true, None) => same += 1,
            (false, Some((_, reason))) => say(&format!("{}: differs: {reason}", case.id)),
            (true, Some(_)) => wrong.push(format!("{} is as recorded: take it off the list", case.id)),
            (false, None) => match missing_plugin(got) {
                Some(plugin) => *waiting.entry(plugin).or_default() += 1,
                None => wrong.push(format!("{}\n  want {want:?}\n  got  {got:?}", case.id)),
            },
        }
    }
    let left: usize = waiting.values().sum();
    say(&format!("language: {same} of {} as recorded, {left} wait for plugins: {waiting:?}", endings.len()));
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// The plugin that a refusal says will come later.
pub(crate) fn missing_plugin(got: &Ending) -> Option<String> {
    let at = got.stderr.iter().position(|line| line.contains(NOT_BUILT_IN))?;
    let named = got.stderr.get(..at)?.iter().rev().find_map(|line| line.split_once("Unknown directive '"));
    Some(named.and_then(|(_, rest)| rest.split('\'').next()).unwrap_or("?").to_owned())
}

/// The folder of the recordings.
fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/operation")
}

/// Runs all cases of a file; none if this machine gives no networks, or another process has run them.
///
/// Each worker has a network of its own, which `furnish` adds to.
pub(crate) fn run_all(test: &str, file: &Path, furnish: fn()) -> Option<Vec<(Case, Ending)>> {
    if !netns::is_available() {
        if !run_as_root(test) {
            say(&format!("{test}: no network namespaces here, so nobody may listen on port 53: left out"));
        }
        return None;
    }
    let filter = env::var("FERRODNS_CASES").unwrap_or_default();
    let cases = load(file).into_iter().filter(|case| case.id.contains(&filter));
    let queue = Mutex::new(cases.enumerate().collect::<Vec<_>>());
    let endings = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                netns::enter(Some(&golden().join("stubs/resolv"))).unwrap();
                furnish();
                while let Some((at, case)) = next(&queue) {
                    let got = case.run().unwrap_or_else(|error| panic!("{}: {error}", case.id));
                    endings.lock().unwrap().insert(at, (case, got));
                }
            });
        }
    });
    Some(endings.into_inner().unwrap().into_values().collect())
}

/// The next case to run.
fn next(queue: &Mutex<Vec<(usize, Case)>>) -> Option<(usize, Case)> {
    queue.lock().unwrap().pop()
}

/// Reads the cases of a file; public ones are beside it, in `../../corpus/corefiles`.
fn load(file: &Path) -> Vec<Case> {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{file:?}: {error}"));
    let folder = file.parent().unwrap();
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let case = |record: Value| {
        let corefile = match (&record["corefile"], &record["octets"], &record["corpus"]) {
            (Value::String(text), ..) => text.clone().into_bytes(),
            // No UTF-8: each character stands for an octet.
            (_, Value::String(octets), _) => octets.chars().map(|octet| u8::try_from(octet).unwrap()).collect(),
            (.., corpus) => fs::read(folder.join("../../corpus/corefiles").join(text_of(corpus))).unwrap(),
        };
        Case { id: text_of(&record["id"]), corefile, record }
    };
    records.map(case).collect()
}

/// A string of a record.
fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A list of strings of a record.
fn texts_of(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text_of).collect()
}

/// The pairs of an object of a record.
fn pairs_of(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

impl Case {
    /// The recorded end.
    pub(crate) fn want(&self) -> Ending {
        let want = &self.record["expect"];
        Ending {
            outcome: text_of(&want["outcome"]),
            exit: want["exit"].as_i64(),
            stderr: texts_of(&want["stderr"]),
            listing: texts_of(&want["listing"]),
        }
    }

    /// The paths that stand elsewhere here: the working directory, and absolute ones that the case brings along.
    fn moved(&self) -> impl Iterator<Item = &str> {
        let brought = pairs_of(&self.record["files"]).chain(pairs_of(&self.record["stubs"])).map(|(path, _)| &**path);
        brought.filter(|path| path.starts_with('/') && !path.starts_with(RECORDED_IN)).chain([RECORDED_IN])
    }

    /// Starts the program in a folder of its own, and sees what becomes of it.
    fn run(&self) -> io::Result<Ending> {
        let folder = TempDir::new()?;
        let root = folder.path().join("root");
        let work = root.join(RECORDED_IN.trim_start_matches('/'));
        fs::create_dir_all(&work)?;
        self.lay_out(&root, &work)?;
        let mut command = Command::new(subject());
        command.args(["-conf", "Corefile"]).current_dir(&work);
        // Without an API server a Corefile that is good would only wait, so there are no objects instead.
        let is_public = !self.record["class"].is_null();
        let starts = is_public || self.want().outcome == "start" || DIFFERS.contains(&(&*self.id, REMOVED));
        if starts && contains(&self.corefile, "kubernetes") {
            fs::write(folder.path().join("objects.yaml"), "kind: List\nitems: []\n")?;
            command.arg("-kubernetes.manifests").arg(folder.path().join("objects.yaml"));
        }
        self.set_environment(&mut command);
        let (log, errors) = (folder.path().join("log"), folder.path().join("errors"));
        let mut subject = Subject::start_apart(&mut command, &log, &errors)?;
        let is_up = |output: &str| output.lines().any(|line| BANNER.iter().any(|banner| line.starts_with(banner)));
        let waited = subject.wait_until(START, is_up);
        let outcome = match waited {
            Ok(Some(_)) => "refuse",
            Ok(None) if self.want().outcome == "exits" => {
                subject.wait(START)?;
                "exits"
            }
            Ok(None) => "start",
            Err(_) => "silent",
        };
        // What ends it after the banner, such as a loop that is noticed, is another matter.
        let ended = if outcome == "start" { None } else { subject.ended()? };
        let exit = ended.and_then(|status| status.code()).map(i64::from);
        let here = |text: &str| text.replace(&*root.display().to_string(), "");
        let stderr = if outcome == "refuse" { subject.errors() } else { String::new() };
        let mut listing = if outcome == "start" { zones(&subject.output()) } else { Vec::new() };
        listing.sort();
        let stderr = here(&stderr).lines().map(str::to_owned).collect();
        Ok(Ending { outcome: outcome.to_owned(), exit, stderr, listing })
    }

    /// Writes the files of the case; absolute paths below `root`.
    fn lay_out(&self, root: &Path, work: &Path) -> io::Result<()> {
        let place = |path: &str| match path.strip_prefix('/') {
            Some(path) => root.join(path),
            None => work.join(path),
        };
        let make = |path: &str| -> io::Result<PathBuf> {
            let path = place(path);
            fs::create_dir_all(path.parent().unwrap_or(root))?;
            Ok(path)
        };
        for (path, content) in pairs_of(&self.record["files"]) {
            fs::write(make(path)?, text_of(content))?;
        }
        for (path, kind) in pairs_of(&self.record["stubs"]) {
            let kind = text_of(kind);
            let source = golden().join("stubs").join(&kind);
            fs::write(make(path)?, fs::read(source).unwrap_or_else(|_| b"# stand-in\n".to_vec()))?;
        }
        for (path, target) in pairs_of(&self.record["links"]) {
            symlink(text_of(target), make(path)?)?;
        }
        let mut corefile = self.corefile.clone();
        for path in self.moved() {
            corefile = replace(&corefile, path, &format!("{}{path}", root.display()));
        }
        fs::write(work.join("Corefile"), corefile)
    }

    /// The environment of a pod, with what the case changes in it.
    fn set_environment(&self, command: &mut Command) {
        command.env_clear().envs([("PATH", "/usr/bin:/bin"), ("HOME", "/root")]);
        command.envs([("KUBERNETES_SERVICE_HOST", "127.0.0.1"), ("KUBERNETES_SERVICE_PORT", "16443")]);
        for (name, value) in pairs_of(&self.record["env"]) {
            match value {
                Value::String(value) => command.env(name, value),
                _ => command.env_remove(name),
            };
        }
    }
}

/// The lines of an output that list zones.
fn zones(output: &str) -> Vec<String> {
    let is_zone = |line: &&str| {
        let place = line.split(" on ").next().unwrap_or_default();
        let port = place.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty() && port.parse::<u32>().is_ok());
        port && !["[INFO] ", "[WARNING] ", "[ERROR] ", "Warning: ", "maxprocs: "]
            .iter()
            .any(|start| line.starts_with(start))
    };
    output.lines().filter(is_zone).map(str::to_owned).collect()
}

/// Whether octets contain a text.
fn contains(octets: &[u8], text: &str) -> bool {
    octets.windows(text.len()).any(|part| part == text.as_bytes())
}

/// Replaces a text in octets.
fn replace(octets: &[u8], from: &str, to: &str) -> Vec<u8> {
    let mut result = Vec::new();
    let mut rest = octets;
    while let Some(at) = rest.windows(from.len()).position(|part| part == from.as_bytes()) {
        result.extend_from_slice(&rest[..at]);
        result.extend_from_slice(to.as_bytes());
        rest = &rest[at + from.len()..];
    }
    result.extend_from_slice(rest);
    result
}

impl Ending {
    /// Whether another one is as this one, which was recorded; that may say more.
    pub(crate) fn agrees(&self, got: &Self) -> bool {
        let head = got.stderr.iter().take(self.stderr.len()).map(|line| masked(line));
        self.outcome == got.outcome
            && self.exit == got.exit
            && self.lists_as(got)
            && (self.outcome != "refuse" || head.eq(self.stderr.iter().map(|line| masked(line))))
    }
}

impl Ending {
    /// Whether the listings are equal, as far as this one was recorded: long ones end in `... N lines`.
    fn lists_as(&self, got: &Self) -> bool {
        match self.listing.split_last() {
            Some((last, head)) if last.starts_with("... ") => got.listing.starts_with(head),
            _ => self.listing == got.listing,
        }
    }
}

/// A line up to where the words are not CoreDNS's own.
fn masked(line: &str) -> &str {
    let end = FOREIGN.iter().filter_map(|word| line.find(word)).min().unwrap_or(line.len());
    line.get(..end).unwrap_or(line)
}
