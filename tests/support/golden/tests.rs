//! Lines of `cases` to what they mean.

use super::*;

/// Reads a suite with these `cases` and `loose.json`.
fn load(name: &str, cases: &str, loose: &str) -> Result<Suite, SuiteError> {
    let folder = std::env::temp_dir().join(format!("test-support-{}-{name}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("cases"), cases).unwrap();
    fs::write(folder.join("loose.json"), loose).unwrap();
    fs::write(folder.join("Corefile"), ".:{$PORT} {\n forward . {$UPSTREAM2}\n}\n").unwrap();
    let suite = Suite::load(&folder);
    fs::remove_dir_all(&folder).unwrap();
    suite
}

#[test]
fn a_case_is_a_line_and_the_lines_below_it() {
    let cases = "# head\nWww.test A do # why\n  NOERROR qr aa rd\n  an @ 5 IN A 192.0.2.1\n  ad y. 5 IN A 192.0.2.2\n  \
                 edns 1232 do v1 10:0102\nx.test A\n  json {\"timeout\": true}\n!http 2 /ready ^O\n  json {\"status\": 200}\n";
    let suite = load("lines", cases, r#"{"*": {"ttl": true}, "x.test A": {"ttl": false, "skip": true}}"#).unwrap();
    let [first, second, third] = suite.cases.as_slice() else { panic!("{:?}", suite.cases) };
    let want = first.want.clone().unwrap();
    assert_eq!(want.question.as_deref(), Some("Www.test. IN A"));
    assert_eq!(want.answer, ["Www.test. 5 IN A 192.0.2.1"]);
    assert_eq!(want.additional, ["y. 5 IN A 192.0.2.2"]);
    let edns = want.edns.unwrap();
    assert_eq!((edns.payload, edns.is_do, edns.version, edns.options), (1232, true, 1, vec!["10:0102".to_owned()]));
    assert!(first.loose.ttl && !second.loose.ttl && second.loose.skip);
    assert!(second.want.as_ref().unwrap().timeout);
    assert!(matches!(&third.action, Action::Http(2, path, Some(_)) if path == "/ready"));
    assert!(suite.names("UPSTREAM2") && !suite.names("UPSTREAM"));
}

#[test]
fn a_line_that_makes_no_sense_is_an_error_with_its_place() {
    let error = |cases: &str| load("bad", cases, "{}").unwrap_err().to_string();
    assert!(error("x A\nx A what").contains("cases:2: cannot read \"what\""));
    assert!(error("x A\n  edns much").contains("cases:2:"));
    assert!(error("  an x").contains("without a query"));
    assert!(error("!dance").contains("unknown command"));
    assert!(load("mask", "x A", r#"{"*": {"mask": ["("]}}"#).is_err());
}
