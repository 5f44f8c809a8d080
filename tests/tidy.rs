//! The house rules that a program can check: who may use whom, what is pure, how long things are, what every plugin's folder holds.
//!
//! Each rule is an invariant of ARCHITECTURE.md or a line of the style that clippy does not know.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Longest file without its tests, in lines.
const MAX_LINES: usize = 500;

/// Files that may be longer, each with its reason.
const LONG_FILES: &[(&str, &str)] = &[];

/// Crates, and the dependencies they must never have.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("corefile", &["hickory-proto", "hickory-server", "tokio", "tracing", "plugin-api", "plugins"]),
    ("plugins/api", &["tokio", "kube", "moka", "hickory-server", "plugins", "socket2"]),
    ("plugins", &["hickory-server", "ferrodns"]),
    (".", &["kube", "moka", "k8s-openapi"]),
    ("tests/kubesim", &["plugins", "plugin-api", "ferrodns"]),
    ("tests/support", &["plugins", "ferrodns"]),
];

/// Plugins that may use a sibling's insides, with their reason.
const SIBLINGS: &[(&str, &str, &str)] = &[
    ("auto", "file", "serves zones as `file` does"),
    ("forward", "proxy", "the old name of the same plugin"),
    ("template", "view", "evaluates the same expressions"),
];

/// Modules of crate `plugins` that are no plugin and may be used by all.
const SHARED: &[&str] = &["endpoint", "pattern", "testing", "trial", "trust", "zonefile"];

/// Names of modules that hold tests or what only tests use.
const TEST_MODULES: &[&str] = &["tests", "testing", "trial", "recorded", "properties", "exercise"];

/// The repository's root.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `folder` with this ending, build output left out; paths relative to the root.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if name.starts_with('.') || name == "target" {
                continue;
            }
            if path.is_dir() {
                open.push(path);
            } else if name.ends_with(ending) {
                found.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// A file's text.
fn read(path: &Path) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A source file without what is compiled for tests only.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text)
}

/// Whether a file holds tests only.
fn is_test(path: &Path) -> bool {
    let text = path.to_string_lossy();
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let is_test_module = name.ends_with("_tests") || TEST_MODULES.contains(&name.as_str());
    text.starts_with("tests/") || text.starts_with("benches/") || is_test_module
}

/// The sources that are part of the program.
fn sources() -> Vec<(PathBuf, String)> {
    files(".", ".rs").into_iter().filter(|path| !is_test(path)).map(|path| (path.clone(), read(&path))).collect()
}

/// The lines of code, comments left out.
fn code(text: &str) -> impl Iterator<Item = &str> {
    without_tests(text).lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// Fails with all findings at once.
fn none(rule: &str, findings: Vec<String>) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}

#[test]
fn every_file_says_what_it_is() {
    let silent = files(".", ".rs").into_iter().filter(|path| {
        let text = read(path);
        !text.starts_with("//!") && !text.starts_with("#!")
    });
    none("a source file begins with `//!`", silent.map(|path| path.display().to_string()).collect());
}

#[test]
fn files_hold_one_idea() {
    let long = sources().into_iter().filter_map(|(path, text)| {
        let (name, lines) = (path.display().to_string(), without_tests(&text).lines().count());
        let is_allowed = LONG_FILES.iter().any(|(known, _)| *known == name);
        (lines > MAX_LINES && !is_allowed).then(|| format!("{name}: {lines}"))
    });
    none("files have at most 500 lines without tests", long.collect());
    for (name, reason) in LONG_FILES {
        let lines = without_tests(&read(Path::new(name))).lines().count();
        assert!(lines > MAX_LINES && !reason.is_empty(), "{name} is no longer long: take it off the list");
    }
}

#[test]
fn arrows_point_down() {
    let mut findings = Vec::new();
    for (krate, forbidden) in FORBIDDEN {
        let manifest = read(&Path::new(krate).join("Cargo.toml"));
        let section = manifest.split("\n[dependencies]\n").nth(1).unwrap_or_default();
        let section = section.split("\n[").next().unwrap_or_default();
        let names = section.lines().filter_map(|line| line.split(['.', ' ', '=']).next());
        findings.extend(names.filter(|name| forbidden.contains(name)).map(|name| format!("{krate} uses {name}")));
    }
    none("a crate uses only what lies below it", findings);
}

#[test]
fn unsafe_code_is_in_the_socket_file() {
    let findings = sources().into_iter().filter(|(path, text)| {
        path != Path::new("src/transport/socket.rs")
            && code(text).any(|line| line.contains("unsafe {") || line.contains("unsafe fn"))
    });
    none(
        "only src/transport/socket.rs has unsafe code",
        findings.map(|(path, _)| path.display().to_string()).collect(),
    );
}

#[test]
fn the_index_is_pure() {
    let mut findings = Vec::new();
    for (path, text) in sources().iter().filter(|(path, _)| path.starts_with("plugins/kubernetes/index")) {
        for word in
            ["kube::", "k8s_openapi", "tokio", "Instant::now", "SystemTime", "tracing::", "std::fs", "std::net::Tcp"]
        {
            findings.extend(
                code(text)
                    .filter(|line| line.contains(word))
                    .map(|line| format!("{}: {}", path.display(), line.trim())),
            );
        }
    }
    none("the index knows no API, no runtime, no clock", findings);
}

#[test]
fn kube_stays_in_the_source() {
    let findings = sources().into_iter().filter(|(path, text)| {
        !path.starts_with("plugins/kubernetes/source")
            && code(text).any(|line| line.contains("kube::") || line.contains("k8s_openapi::"))
    });
    none("only plugins/kubernetes/source names kube", findings.map(|(path, _)| path.display().to_string()).collect());
}

#[test]
fn nothing_is_left_unfinished() {
    let marks = ["todo".to_owned() + "!(", "unimplemented".to_owned() + "!(", "#[ign".to_owned() + "ore"];
    let findings = files(".", ".rs").into_iter().filter(|path| marks.iter().any(|mark| read(path).contains(mark)));
    none("no unfinished code, no ignored test", findings.map(|path| path.display().to_string()).collect());
}

/// The folders of plugins.
fn plugins() -> Vec<String> {
    let folders =
        fs::read_dir(root().join("plugins")).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> = folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name != "api" && name != "target" && !SHARED.contains(&name.as_str()));
    names.sort();
    names
}

#[test]
fn every_plugin_is_in_the_table_and_explained() {
    let table = read(Path::new("plugins/lib.rs"));
    let mut findings = Vec::new();
    for plugin in plugins() {
        let module = if plugin == "loop" { "r#loop".to_owned() } else { plugin.clone() };
        if !table.contains(&format!("mod {module};")) || !table.contains(&format!("{module}::PLUGIN")) {
            findings.push(format!("{plugin}: not in plugins/lib.rs"));
        }
        let path = PathBuf::from(format!("plugins/{plugin}/README.md"));
        let readme = fs::read_to_string(root().join(&path)).unwrap_or_default();
        for section in ["## Name", "## Description", "## Syntax", "## Metrics", "## Examples"] {
            if !readme.lines().any(|line| line == section) {
                findings.push(format!("{}: no section {section}", path.display()));
            }
        }
    }
    none("a plugin has its lines in the table and a README with all sections", findings);
}

#[test]
fn plugins_do_not_know_each_other() {
    let names = plugins();
    let mut findings = Vec::new();
    for (path, text) in
        sources().iter().filter(|(path, _)| path.starts_with("plugins") && !path.starts_with("plugins/api"))
    {
        let Some(own) = path.iter().nth(1).map(|part| part.to_string_lossy().into_owned()) else { continue };
        for line in code(text) {
            let Some((_, used)) = line.split_once("crate::") else { continue };
            let used: String = used.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
            let is_allowed = used == own
                || SHARED.contains(&used.as_str())
                || SIBLINGS.iter().any(|(user, sibling, _)| *user == own && *sibling == used);
            if names.contains(&used) && !is_allowed && own != "lib.rs" {
                findings.push(format!("{}: {}", path.display(), line.trim()));
            }
        }
    }
    none("a plugin reaches another through a link, never by path", findings);
}

#[test]
fn the_corefile_crate_knows_no_plugin() {
    let mut findings = Vec::new();
    for (path, text) in sources().iter().filter(|(path, _)| path.starts_with("corefile")) {
        for plugin in plugins() {
            let quoted = format!("\"{plugin}\"");
            findings.extend(
                code(text)
                    .filter(|line| line.contains(&quoted))
                    .map(|line| format!("{}: {}", path.display(), line.trim())),
            );
        }
    }
    none("the language knows no plugin's name", findings);
}

#[test]
fn metrics_have_one_type_each() {
    // A name that is asked for with two types would be counted where nobody scrapes it.
    let mut seen: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut findings = Vec::new();
    for (path, text) in sources().iter().filter(|(path, _)| path.starts_with("plugins")) {
        let squeezed: String = code(text).flat_map(str::split_whitespace).collect();
        for part in squeezed.split("metrics.get(\"").skip(1) {
            let name = part.split('"').next().unwrap_or_default().to_owned();
            if let Some(other) = seen.insert(name.clone(), path.clone()).filter(|other| other.parent() != path.parent())
            {
                findings.push(format!("{name}: {} and {}", other.display(), path.display()));
            }
        }
    }
    none("a metric belongs to one plugin", findings);
}

#[test]
fn metrics_are_explained() {
    let mut findings = Vec::new();
    for plugin in plugins() {
        let readme = fs::read_to_string(root().join(format!("plugins/{plugin}/README.md"))).unwrap_or_default();
        for (_, text) in sources().iter().filter(|(path, _)| path.starts_with(format!("plugins/{plugin}"))) {
            let squeezed: String = code(text).flat_map(str::split_whitespace).collect();
            let names = squeezed.split("metrics.get(\"").skip(1).filter_map(|part| part.split('"').next());
            findings.extend(
                names
                    .filter(|name| !readme.contains(&format!("coredns_{name}")))
                    .map(|name| format!("{plugin}: {name}")),
            );
        }
    }
    none("the README of a plugin lists its metrics", findings);
}
