//! The recorded answers of CoreDNS in `golden/`, asked again of the program under test.
//!
//! `later.txt` names the suites that are not run yet, each with the plugin that it waits for. They are tried all the
//! same, up to the first difference: one that has come to pass has to be taken off the list (`FERRODNS_LATER=prune` does it).
//!
//! `FERRODNS_SUITES=TEXT` runs only suites whose name contains TEXT, listed or not, and shows all differences.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::{env, fs, thread};

use test_support::golden::Suite;
use test_support::netns;

use crate::harness::{Plan, Report, run, say, subject};

/// The suites that are not run yet: name and plugin, one a line.
const LATER: &str = include_str!("golden/later.txt");

/// How many suites of a family run at the same time; they mostly wait.
const WORKERS: usize = 3;

/// How many differences of a suite are shown.
const SHOWN: usize = 5;

/// Set in the process that runs as root of a user namespace.
const INNER: &str = "FERRODNS_INNER";

#[test]
fn kubernetes() {
    family("kubernetes");
}

#[test]
fn plugins() {
    family("plugins");
}

#[test]
fn defaults() {
    family("defaults");
}

#[test]
fn every_suite_on_the_list_exists() {
    for (name, plugin) in later() {
        assert!(golden().join(name).join("cases").exists(), "later.txt names {name}, which does not exist");
        assert!(!plugin.is_empty(), "later.txt does not say what {name} waits for");
    }
}

/// The folder of all suites.
fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The suites that are not run yet, and the plugins that they wait for.
fn later() -> BTreeMap<&'static str, &'static str> {
    let lines = LATER.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(' ')).map(|(name, plugin)| (name, plugin.trim())).collect()
}

/// The suites of a family that are asked for.
fn suites(family: &str, filter: &str) -> Vec<Suite> {
    let folder = golden().join(family);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let suites = paths.iter().map(|path| Suite::load(path).unwrap());
    suites.filter(|suite| suite.name.contains(filter)).collect()
}

/// Runs all suites of a family, with a network for each where the machine allows it.
fn family(family: &str) {
    let is_apart = netns::is_available();
    if !is_apart && run_as_root(&format!("conformance::{family}")) {
        return;
    }
    if !is_apart {
        say("no network namespaces here: what depends on the machine's addresses is left out");
    }
    let filter = env::var("FERRODNS_SUITES").unwrap_or_default();
    let wanted = suites(family, &filter);
    let listed = if filter.is_empty() { later() } else { BTreeMap::new() };
    let names: Vec<_> = wanted.iter().map(|suite| suite.name.clone()).collect();
    let queue = Mutex::new(wanted.into_iter().rev().collect::<Vec<_>>());
    let reports = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        // Without networks of their own suites would fight for ports.
        for _ in 0..if is_apart { WORKERS } else { 1 } {
            scope.spawn(|| {
                while let Some(suite) = next(&queue) {
                    let name = suite.name.clone();
                    let stops_early = listed.contains_key(name.as_str());
                    let report = run(suite, Plan { subject: subject(), is_apart, stops_early });
                    reports.lock().unwrap().insert(name, report);
                }
            });
        }
    });
    let reports = reports.into_inner().unwrap();
    assert_eq!(names.len(), reports.len());
    conclude(family, &reports, &listed);
}

/// The next suite to run.
fn next(queue: &Mutex<Vec<Suite>>) -> Option<Suite> {
    queue.lock().unwrap().pop()
}

/// Says what came out, and fails if anything is not as it should be.
fn conclude(family: &str, reports: &BTreeMap<String, Report>, listed: &BTreeMap<&str, &str>) {
    let mut wrong = Vec::new();
    let mut waiting: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut left_out: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut suites, mut answers) = (0, 0);
    for (name, report) in reports {
        if let Some(plugin) = listed.get(name.as_str()) {
            waiting.entry(plugin).or_default().push(name);
            if report.is_clean() && report.compared > 0 && !prune(name) {
                wrong.push(format!("{name} passes: take it off later.txt"));
            }
            continue;
        }
        suites += 1;
        answers += report.compared;
        report.left_out.iter().for_each(|(reason, count)| *left_out.entry(reason).or_default() += count);
        wrong.extend(report.failure.iter().map(|failure| format!("{name}: {failure}")));
        wrong.extend(report.differences.iter().take(SHOWN).map(|differs| format!("{name}: {differs}")));
        if !report.differences.is_empty() {
            wrong.push(format!("{name}: {} of {} differ", report.differences.len(), report.compared));
        }
    }
    say(&format!("{family}: {suites} suites, {answers} answers compared"));
    left_out.iter().for_each(|(reason, count)| say(&format!("{family}: {count} queries left out: {reason}")));
    waiting.iter().for_each(|(plugin, names)| say(&format!("{family}: waiting for {plugin}: {}", names.join(" "))));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Takes a suite off `later.txt`, if that is wanted.
fn prune(name: &str) -> bool {
    /// One family at a time.
    static WRITING: Mutex<()> = Mutex::new(());
    if env::var_os("FERRODNS_LATER").is_none_or(|word| word != "prune") {
        return false;
    }
    let _writing = WRITING.lock().unwrap();
    let path = golden().join("later.txt");
    let text = fs::read_to_string(&path).unwrap();
    let lines = text.lines().filter(|line| line.split(' ').next() != Some(name));
    fs::write(path, lines.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    true
}

/// Runs a test once more as root of a user namespace; false if the machine has no such thing, or this is that run.
pub(crate) fn run_as_root(test: &str) -> bool {
    if env::var_os(INNER).is_some() {
        return false;
    }
    let Some(mut command) = netns::command_as_root(&env::current_exe().unwrap()) else { return false };
    let status = command.args([test, "--exact", "--nocapture"]).env(INNER, "1").status().unwrap();
    assert!(status.success(), "{test} fails, see above");
    true
}
