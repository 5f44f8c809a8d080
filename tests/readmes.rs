//! Every Corefile that a README shows is set up: all but opening sockets, so also none that the machine may refuse.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, iter};

use ferrodns::load::{Failure, Origin};
use ferrodns::server::build::build;
use plugin_api::link::Kept;
use plugin_api::{BoxFuture, Clock, Control, Metrics, Process, Reloaded};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::harness::say;

/// What a refusal says of a plugin that comes later.
const NOT_BUILT_IN: &str = "does not have yet";

/// What it says of a file that only the reader has.
const NO_FILE: &str = "no such file or directory";

/// The objects for `kubernetes` blocks, which have no API server here.
const CLUSTER: &str = "deploy/demo/cluster.yaml";

/// A Corefile in a README.
struct Example {
    /// `FILE:LINE` of its first line.
    place: String,
    /// Its text.
    text: String,
}

#[test]
fn every_corefile_in_a_readme_is_accepted() {
    let runtime = Runtime::new().unwrap();
    let _entered = runtime.enter();
    let folder = TempDir::new().unwrap();
    let mut wrong = Vec::new();
    let mut accepted = 0;
    for Example { place, text } in readmes().iter().flat_map(|path| examples(path)) {
        let Err(failure) = set_up(&folder, &text) else {
            accepted += 1;
            continue;
        };
        let reasons = match &failure {
            Failure::Rejected { errors, .. } => errors.iter().map(|error| error.text.clone()).collect(),
            other => vec![other.to_string()],
        };
        if reasons.iter().all(|reason| reason.contains(NOT_BUILT_IN) || reason.contains(NO_FILE)) {
            say(&format!("{place}: not judged: {}", failure.log_line()));
        } else {
            wrong.push(format!("{place}: {failure}"));
        }
    }
    say(&format!("readmes: {accepted} Corefiles accepted"));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(accepted > 30, "only {accepted} Corefiles found");
}

#[test]
fn every_plugin_shows_itself_in_a_corefile() {
    let mut without = Vec::new();
    for path in readmes() {
        let plugin = path.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
        let is_shown =
            |example: Example| example.text.lines().any(|line| line.split_whitespace().next() == Some(&plugin));
        if path.parent() != Some(Path::new(env!("CARGO_MANIFEST_DIR"))) && !examples(&path).into_iter().any(is_shown) {
            without.push(plugin);
        }
    }
    assert!(without.is_empty(), "no example in the README of {without:?}");
}

#[test]
fn a_corefile_in_a_readme_that_is_wrong_is_found() {
    let folder = TempDir::new().unwrap();
    let failure = set_up(&folder, ". {\n    chaos a\n    bufsize x\n}\n").unwrap_err();
    assert!(failure.to_string().contains("Corefile:3"), "{failure}");
}

/// The root's README and those of the plugins.
fn readmes() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let plugins = fs::read_dir(root.join("plugins")).unwrap().map(|entry| entry.unwrap().path().join("README.md"));
    let mut paths: Vec<_> = iter::once(root.join("README.md")).chain(plugins.filter(|path| path.exists())).collect();
    paths.sort();
    paths
}

/// The blocks of a README that are marked as Corefiles.
fn examples(path: &Path) -> Vec<Example> {
    let text = fs::read_to_string(path).unwrap();
    let shown = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().display();
    let mut lines = text.lines().enumerate();
    let mut examples = Vec::new();
    while let Some((at, line)) = lines.next() {
        if line.trim() == "```corefile" {
            let body = lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "```");
            let text = body.map(|line| format!("{line}\n")).collect();
            examples.push(Example { place: format!("{shown}:{}", at + 2), text });
        }
    }
    examples
}

/// Does with a Corefile all that comes before opening sockets.
fn set_up(folder: &TempDir, text: &str) -> Result<(), Failure> {
    let path = folder.path().join("Corefile");
    fs::write(&path, text).unwrap();
    let loaded = Origin { conf: path.display().to_string(), port: "53".to_owned() }.load()?;
    let process = Process {
        metrics: Arc::new(Metrics::default()),
        clock: Clock::system(),
        manifests: vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(CLUSTER)],
        control: Arc::new(Nobody),
    };
    build(&loaded, "53", (&process, &Kept::default()), plugins::PLUGINS).map(drop)
}

/// A process that does nothing that it is asked for.
struct Nobody;

impl Control for Nobody {
    fn fail(&self, message: String) {
        panic!("{message}");
    }

    fn reload_if_changed(&self) -> BoxFuture<'_, Reloaded> {
        Box::pin(async { Reloaded::Unchanged })
    }

    fn configuration_hash(&self) -> String {
        String::new()
    }
}

#[test]
fn the_readme_names_every_plugin_that_is_missing() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let list = readme.split_once("that are refused with a message: ").unwrap().1.split_once(". So are").unwrap().0;
    let listed: Vec<&str> = list.split(',').map(str::trim).collect();
    let has: Vec<&str> = plugins::names().collect();
    let mut missing: Vec<&str> =
        plugins::COREDNS_DIRECTIVES.iter().copied().filter(|name| !has.contains(name)).collect();
    missing.sort_unstable();
    assert_eq!(listed, missing);
}
