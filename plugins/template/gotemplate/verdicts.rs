//! What Go's `text/template` and `fmt` make of templates, recorded in `tests/verdicts/patterns`.

use super::{Data, Root, Template};
use serde_json::Value;
use std::collections::BTreeMap;

/// The recorded verdicts.
const VERDICTS: &str = include_str!("../../../tests/verdicts/patterns/templates.jsonl");

/// Templates with another end than in CoreDNS, and why.
const DIFFERS: &[(&str, &str)] = &[
    (r#"{{ printf "%1000001d" 1 }}"#, "a text of more than 256 KiB is not made"),
    (r#"{{ parseInt "18446744073709551615" 10 64 }}"#, NUMBERS),
    ("{{ 9223372036854775808 }}", "a number that is too large is one with a fraction here"),
    ("{{ 1i }}", "there are no complex numbers"),
    ("{{ $ }}", "the data as a whole is not printed"),
];
/// Why large numbers differ.
const NUMBERS: &str = "whole numbers have 63 bits and a sign";

/// The data of the recording.
struct Query;

impl Root for Query {
    fn field(&self, name: &str) -> Option<Data> {
        let text = |text: &str| Data::Text(text.to_owned());
        Some(match name {
            "Name" => text("a.test."),
            "Match" => Data::List(vec![text("ab"), text("b")]),
            "Group" => Data::Map(BTreeMap::from([("0".to_owned(), text("ab")), ("n".to_owned(), text("0x1f"))])),
            _ => return None,
        })
    }

    fn method(&self, name: &str, argument: &str) -> Option<String> {
        (name == "Meta").then(|| format!("<{argument}>"))
    }
}

/// A text of a record.
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The template of a record; long ones are written as parts that are repeated.
fn template(record: &Value) -> String {
    match record["r"].as_array() {
        None => text(&record["s"]).to_owned(),
        Some(parts) => parts
            .iter()
            .map(|part| text(&part["s"]).repeat(usize::try_from(part["n"].as_u64().unwrap()).unwrap()))
            .collect(),
    }
}

/// How a template ends: `refused`, `failed` or `filled`, and the words.
fn found(source: &str) -> (&'static str, String) {
    match Template::parse("answer", source) {
        Err(error) => ("refused", error),
        Ok(template) => match template.execute(&Query) {
            Err(error) => ("failed", error),
            Ok(text) if text.len() > 100 => ("filled", format!("{} octets", text.len())),
            Ok(text) => ("filled", text),
        },
    }
}

#[test]
fn means_what_go_means() {
    let small = std::thread::Builder::new().stack_size(256 << 10);
    let differences = small.spawn(|| {
        let mut differences = Vec::new();
        for line in VERDICTS.lines() {
            let record: Value = serde_json::from_str(line).unwrap();
            let source = template(&record);
            let (kind, words) = match (text(&record["e"]), text(&record["x"])) {
                ("", "") => ("filled", text(&record["v"])),
                ("", failed) => ("failed", failed),
                (refused, _) => ("refused", refused),
            };
            let (found_kind, found_words) = found(&source);
            // The words of failures are ours.
            let differs = kind != found_kind || (kind == "filled" && words != found_words);
            let shown = if source.len() > 200 { line.chars().take(150).collect() } else { source };
            if differs && !DIFFERS.iter().any(|(known, _)| *known == shown) {
                differences.push(format!("{shown}: {found_kind} {found_words:.100}, not {kind} {words:.100}"));
            }
        }
        differences
    });
    let differences = differences.unwrap().join().unwrap();
    assert!(differences.is_empty(), "{}:\n{}", differences.len(), differences.join("\n"));
}
