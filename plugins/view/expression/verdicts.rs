//! What expr-lang, as CoreDNS has it, says of expressions, recorded in `tests/verdicts/patterns`.

use super::{Program, QueryEnvironment};
use crate::trial::request;
use plugin_api::Clock;
use serde_json::Value;

/// The recorded verdicts.
const VERDICTS: &str = include_str!("../../../tests/verdicts/patterns/expressions.jsonl");

/// Expressions with another end than in CoreDNS, and why.
const DIFFERS: &[(&str, &str)] = &[
    ("groupBy([1,2,3,4], # % 2)[0]", KEYS),
    ("filter([1,2], # + 1)", LATER),
    ("len(1)", LATER),
    ("1 % 0", LATER),
    ("now()", "there are no dates"),
    ("name", "a function is no value"),
    ("1.", "a number has digits behind its point"),
    ("incidr(client_ip(), '10.}.0.0/8') and true == false", FOLDED),
    ("incidr(client_ip(), '10.0#0.0/8') and false or (true)", FOLDED),
    ("1_", "an underscore stands between digits"),
];

/// Why faults in front of a constant differ.
const FOLDED: &str = "expr-lang folds the constant and then does not look at what stands before it";
/// Why maps differ.
const KEYS: &str = "keys of maps are text";
/// Why some faults of types differ.
const LATER: &str = "it is seen when the expression runs, which then does not hold";

/// A text of a record.
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The expression of a record; long ones are written as parts that are repeated.
fn expression(record: &Value) -> String {
    match record["r"].as_array() {
        None => text(&record["s"]).to_owned(),
        Some(parts) => parts
            .iter()
            .map(|part| text(&part["s"]).repeat(usize::try_from(part["n"].as_u64().unwrap()).unwrap()))
            .collect(),
    }
}

/// What is found of an expression: `refused`, `failed` or `value`, and the words.
fn found(source: &str) -> (&'static str, String) {
    let request = request("www.example.org MX tcp do from=10.1.2.3 sport=4711 id=7", &Clock::manual());
    match Program::compile(source, &QueryEnvironment::scope(false)) {
        Err(error) => ("refused", error.to_string()),
        Ok(program) => match program.run(&QueryEnvironment::new(&request)) {
            Err(error) => ("failed", error),
            Ok(value) => ("value", value.to_string()),
        },
    }
}

#[test]
fn means_what_expr_lang_means() {
    let small = std::thread::Builder::new().stack_size(256 << 10);
    let differences = small.spawn(|| {
        let mut differences = Vec::new();
        for line in VERDICTS.lines() {
            let record: Value = serde_json::from_str(line).unwrap();
            let source = expression(&record);
            let (refused, failed) = (text(&record["e"]), text(&record["x"]));
            let (kind, words) = match (refused, failed) {
                ("", "") => ("value", text(&record["v"])),
                ("", failed) => ("failed", failed),
                (refused, _) => ("refused", refused),
            };
            let (found_kind, found_words) = found(&source);
            let differs = kind != found_kind
                || (kind == "value" && words != found_words)
                // Of refusals, the words of bounds and of regular expressions are CoreDNS's; others may be ours.
                || (kind == "refused"
                    && (!record["r"].is_null() || words.contains("regexp"))
                    && words.lines().next() != found_words.lines().next());
            let shown = if source.len() > 100 { line.chars().take(150).collect() } else { source };
            if differs && !DIFFERS.iter().any(|(known, _)| *known == shown) {
                let head = found_words.lines().next().unwrap_or_default().to_owned();
                differences
                    .push(format!("{shown:?}: {found_kind} {head}, not {kind} {}", words.lines().next().unwrap_or("")));
            }
        }
        differences
    });
    let differences = differences.unwrap().join().unwrap();
    assert!(differences.is_empty(), "{}:\n{}", differences.len(), differences.join("\n"));
}
