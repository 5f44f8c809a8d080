//! What Go's engine says of patterns and texts, recorded in `tests/verdicts/patterns`; memory and stack.

use super::{Pattern, compile};
use serde_json::Value;

/// The templates of the recording.
const TEMPLATES: [&str; 2] = ["$1-${2}$$x", "${n}.$m.${1}y$1y${0"];

/// The recorded verdicts.
const VERDICTS: &str = include_str!("../../tests/verdicts/patterns/regexp.jsonl");

/// A text of a record.
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The pattern of a record; long ones are written as parts that are repeated.
fn pattern_of(record: &Value) -> String {
    match record["r"].as_array() {
        None => text(&record["p"]).to_owned(),
        Some(parts) => parts
            .iter()
            .map(|part| text(&part["s"]).repeat(usize::try_from(part["n"].as_u64().unwrap()).unwrap()))
            .collect(),
    }
}

/// Starts and ends of the groups of the leftmost match, as the recording has them.
fn found(pattern: &Pattern, text: &str) -> String {
    let Some(groups) = pattern.captures(text) else { return "-".to_owned() };
    let ends = |group: usize| match groups.span(group) {
        Some(span) => format!("{} {}", span.start, span.end),
        None => "-1 -1".to_owned(),
    };
    (0..pattern.group_count()).map(ends).collect::<Vec<_>>().join(" ")
}

/// How a record differs from what is found now.
fn difference(record: &Value) -> Option<String> {
    let source = pattern_of(record);
    let shown = source.chars().take(60).collect::<String>();
    let pattern = match (compile(&source), text(&record["e"])) {
        (Err(error), "") => return Some(format!("{shown:?}: refused: {error}")),
        (Err(error), expected) if error.starts_with(expected) => return None,
        (Err(error), expected) => return Some(format!("{shown:?}: {error}, not {expected}")),
        (Ok(_), expected) if !expected.is_empty() => return Some(format!("{shown:?}: taken, not {expected}")),
        (Ok(pattern), _) => pattern,
    };
    let mut expanded = Vec::new();
    for (text, expected) in record["t"].as_array()?.iter().zip(record["f"].as_array()?) {
        let (text, expected) = (text.as_str()?, expected.as_str()?);
        let found = found(&pattern, text);
        if found != expected || pattern.is_match(text) != (expected != "-") {
            return Some(format!("{shown:?} in {text:?}: {found}, not {expected}"));
        }
        if let (true, Some(groups)) = (expanded.is_empty() && pattern.group_count() > 1, pattern.captures(text)) {
            expanded = TEMPLATES.map(|template| groups.expand(template)).to_vec();
        }
    }
    let expected: Vec<_> = record["x"].as_array().into_iter().flatten().map(text).collect();
    (expanded != expected).then(|| format!("{shown:?}: expands to {expanded:?}, not {expected:?}"))
}

#[test]
fn means_what_go_means() {
    let records: Vec<Value> = VERDICTS.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(records.len() > 3900);
    let differences: Vec<_> = records.iter().filter_map(difference).collect();
    assert!(differences.is_empty(), "{} of {}:\n{}", differences.len(), records.len(), differences.join("\n"));
}

/// Octets of patterns, searched once.
fn memory(patterns: impl Iterator<Item = String>, text: &str) -> usize {
    patterns
        .map(|pattern| {
            let pattern = compile(&pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
            pattern.is_match(text);
            pattern.memory_usage()
        })
        .sum()
}

#[test]
fn costs_less_memory_than_coredns() {
    let name = "some-pod-name.namespace.svc.cluster.local.";
    // CoreDNS 1.14.7 takes 59, 61 and 61 MiB with these; 50 of it are the program itself.
    let rewrites = (0..20).map(|n| format!(r"^([\w-]{{1,63}})\.(\w{{1,63}})\.svc{n}$"));
    assert!(memory(rewrites, name) < 2 << 20);
    assert!(memory((0..300).map(|n| format!(r"^(\w{{60}})x{n}$")), name) < 8 << 20);
    assert!(memory((0..5).map(|n| format!(r"(?i)^(\w{{1,63}}\.){{1,4}}zone{n}$")), name) < 1 << 20);
    // 2.2 GB for 300 of them.
    assert!(memory((0..300).map(|n| format!(r"^(\pL{{900}})x{n}$")), name) < 80 << 20);
}

#[test]
fn needs_no_stack() {
    let deep = format!("{}a{}", "(?:a|(b".repeat(249), "))*".repeat(249));
    let small = std::thread::Builder::new().stack_size(128 << 10);
    let thread = small.spawn(move || {
        let pattern = compile(&deep).expect("taken");
        let ends = (pattern.is_match("a"), pattern.is_match("ab\u{e9}"));
        let refused =
            ["(".repeat(100_000), "(a".repeat(5_000) + &")".repeat(5_000), "(?:".repeat(50_000) + &")*".repeat(50_000)];
        (ends, refused.map(|pattern| compile(&pattern).is_err()))
    });
    assert_eq!(thread.unwrap().join().unwrap(), ((true, true), [true; 3]));
}
