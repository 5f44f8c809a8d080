//! Our outcome against recordings of CoreDNS 1.14.7: `testdata/`, and larger collections where they are present.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use base64::Engine;
use serde_json::Value;

use super::*;

/// The language cases that concern the parser.
const LANGUAGE: &str = include_str!("testdata/language.jsonl");

/// The directives of the recorded CoreDNS.
const DIRECTIVES: &str = include_str!("testdata/directives.txt");

/// What the parser and the keys alone refuse, by the words behind the place.
const OURS: &[&str] = &[
    "Could not import ",
    "Expected another address ",
    "Failed to use import pattern ",
    "File to import not found: ",
    "Glob pattern may ",
    "Import ",
    "Unexpected '}' ",
    "Unexpected EOF",
    "Unknown directive ",
    "Wrong argument count or unexpected line ending after 'import'",
    "maximum ",
    "redeclaration ",
];

/// One case.
struct Case {
    /// Its name.
    id: String,
    /// The Corefile.
    text: Vec<u8>,
    /// The files around it.
    files: BTreeMap<PathBuf, Vec<u8>>,
    /// The variables that are set.
    env: HashMap<String, String>,
    /// What CoreDNS did.
    expect: Value,
}

/// The strings of an array; none when it is absent.
fn strings(value: &Value) -> Vec<String> {
    let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect()
}

/// The entries of an object with text values.
fn entries(value: &Value) -> impl Iterator<Item = (&String, &str)> {
    value.as_object().into_iter().flatten().filter_map(|(key, value)| Some((key, value.as_str()?)))
}

impl Case {
    /// Reads a case from its line; `corpus` is where a named Corefile is.
    fn read(line: &str, corpus: Option<&Path>) -> Self {
        let value: Value = serde_json::from_str(line).expect("a case is JSON");
        let text = match (value["corefile"].as_str(), value["corefile_b64"].as_str(), value["corpus"].as_str()) {
            (Some(text), ..) => text.as_bytes().to_vec(),
            (_, Some(coded), _) => base64::engine::general_purpose::STANDARD.decode(coded).expect("base64"),
            (.., Some(name)) => std::fs::read(corpus.expect("a corpus").join(name)).expect("a Corefile of the corpus"),
            _ => panic!("a case without Corefile"),
        };
        let home = Path::new("/etc/coredns");
        let mut files: BTreeMap<PathBuf, Vec<u8>> =
            entries(&value["files"]).map(|(name, text)| (home.join(name), text.as_bytes().to_vec())).collect();
        files.insert(home.join("Corefile"), text.clone());
        for _ in 0..2 {
            link(&mut files, home, &value["links"]);
        }
        let env = entries(&value["env"]).map(|(name, value)| (name.clone(), value.to_owned())).collect();
        let bare = value.get("expect_bare").unwrap_or_else(|| &value["expect"]);
        Self { id: value["id"].as_str().unwrap_or("?").to_owned(), text, files, env, expect: bare.clone() }
    }

    /// The message if the parser or the keys refuse, as one text.
    fn refusal(&self) -> Option<String> {
        let lines = strings(&self.expect["stderr"]);
        let first = lines.first()?;
        let words = first.split_once(" - Error during parsing: ").map_or("", |(_, words)| words);
        let is_ours = !first.starts_with("plugin/") && OURS.iter().any(|word| words.starts_with(word));
        let is_syntax = !first.starts_with("plugin/") && first.contains(" - Syntax error: Unexpected token");
        (is_ours || is_syntax || first.starts_with("error inspecting")).then(|| lines.join("\n"))
    }

    /// The zones listed at the start; `None` when they do not follow from the keys alone.
    fn listing(&self) -> Option<BTreeSet<String>> {
        let lines = strings(&self.expect["listing"]);
        let is_other = |line: &String| line.contains(" on ") || line.starts_with("... ");
        (!lines.is_empty() && !lines.iter().any(is_other)).then(|| lines.into_iter().collect())
    }

    /// What differs between us and the recording.
    fn difference(&self) -> Option<String> {
        let known: Vec<&str> = DIRECTIVES.lines().collect();
        let options = Options { directives: Some(&known), hints: &[], env: &self.env, files: &self.files };
        let parsed = parse(Input { name: "Corefile", text: &self.text }, options);
        let inspected = parsed.map_err(|rejected| rejected.diagnostics).and_then(|corefile| {
            let keys = keys::inspect(&corefile.blocks, "53", &corefile.sources)?;
            Ok((corefile, keys))
        });
        let expected = self.refusal();
        match (inspected, expected) {
            (Err(ours), Some(theirs)) => differing(&recorded_form(&ours[0].to_string()), &theirs),
            (Err(ours), None) => Some(format!("refused: {}", ours[0])),
            (Ok(_), Some(theirs)) => Some(format!("accepted instead of: {theirs}")),
            (Ok((corefile, keys)), None) => self.compare_start(&corefile, &keys),
        }
    }

    /// What differs in warnings (the recordings have each once) and zones of a Corefile that parses.
    fn compare_start(&self, corefile: &Corefile, keys: &[Vec<keys::ServerKey>]) -> Option<String> {
        let is_import = |line: &String| line.contains("import glob");
        let ours: BTreeSet<String> =
            corefile.warnings.iter().map(|warning| format!("[WARNING] {warning}")).filter(is_import).collect();
        let theirs: BTreeSet<String> = strings(&self.expect["stdout"]).into_iter().filter(is_import).collect();
        let is_started = self.expect["outcome"] == "start";
        let zones = |key: &keys::ServerKey| key.to_string().trim_start_matches("dns://").to_owned();
        let mut listed: BTreeSet<String> = keys.iter().flatten().map(zones).collect();
        if listed.is_empty() {
            listed.insert(".:53".to_owned());
        }
        let zones = self.listing().and_then(|theirs| differing(&format!("{listed:?}"), &format!("{theirs:?}")));
        let warnings = differing(&format!("{ours:?}"), &format!("{theirs:?}")).filter(|_| is_started);
        warnings.or(zones)
    }
}

/// Puts a link's target, a file or all below a directory, in the place of the link too.
fn link(files: &mut BTreeMap<PathBuf, Vec<u8>>, home: &Path, links: &Value) {
    for (name, target) in entries(links) {
        let link = home.join(name);
        let target = link.parent().expect("a link is in a directory").join(target);
        let below =
            |(path, text): (&PathBuf, &Vec<u8>)| Some((path.strip_prefix(&target).ok()?.to_owned(), text.clone()));
        let copies: Vec<(PathBuf, Vec<u8>)> = files.iter().filter_map(below).collect();
        files.extend(
            copies
                .into_iter()
                .map(|(rest, text)| (if rest.as_os_str().is_empty() { link.clone() } else { link.join(rest) }, text)),
        );
    }
}

/// A message as the recording keeps it: in lines, which end at anything that ends a line in Unicode.
fn recorded_form(message: &str) -> String {
    let is_break = |letter: char| matches!(letter, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}');
    message.replace(is_break, "\n")
}

/// Both, unless they are equal.
fn differing(ours: &str, theirs: &str) -> Option<String> {
    (ours != theirs).then(|| format!("ours: {ours}\n    theirs: {theirs}"))
}

/// Runs all cases of a text and fails with everything that differs.
fn check(lines: &str, corpus: Option<&Path>) -> usize {
    let cases: Vec<Case> = lines.lines().map(|line| Case::read(line, corpus)).collect();
    let report = |case: &Case| Some(format!("{}: {}", case.id, case.difference()?));
    let reports: Vec<String> = cases.iter().filter_map(report).collect();
    assert!(reports.is_empty(), "{} of {} differ:\n{}", reports.len(), cases.len(), reports.join("\n"));
    cases.len()
}

/// Where the collected Corefiles are, if they are on this machine.
fn corpus() -> Option<PathBuf> {
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus/corefiles"));
    let place = std::env::var_os("FERRODNS_CORPUS").map_or_else(beside, PathBuf::from);
    place.is_dir().then_some(place)
}

#[test]
fn language_cases() {
    assert!(check(LANGUAGE, None) > 250);
}

#[test]
fn collected_corefiles_where_present() {
    let Some(corpus) = corpus() else {
        println!("skipped: no collection of Corefiles; FERRODNS_CORPUS names its directory");
        return;
    };
    let records = corpus.join("../../golden/operation");
    for file in ["language-cases.jsonl", "corefile-accept.jsonl"] {
        let lines = std::fs::read_to_string(records.join(file)).expect("recordings beside the collection");
        println!("{file}: {} cases agree", check(&lines, Some(&corpus)));
    }
}
