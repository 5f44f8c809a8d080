//! The replies of `chaos`, as recorded from CoreDNS, and its errors.

use crate::hostname::hostname;
use crate::trial::{Trial, setup_error};

/// A block that tells a version and two authors.
const NAMED: &str = "chaos FerroDNS-test \"Ann Author\" \"Bob Builder\" \"Ann Author\"";

/// Checks the reply to a query.
fn check(query: &str, expected: &str) {
    assert_eq!(Trial::new(NAMED).ask(query), expected, "{query}");
}

#[test]
fn tells_version_and_host() {
    check("version.bind TXT CH", "NOERROR qr rd; answer: version.bind. 0 CH TXT \"FerroDNS-test\"");
    check("Version.Bind TXT CH", "NOERROR qr rd; answer: Version.Bind. 0 CH TXT \"FerroDNS-test\"");
    check("version.server TXT CH nord", "NOERROR qr; answer: version.server. 0 CH TXT \"FerroDNS-test\"");
    let host = hostname();
    check("hostname.bind TXT CH", &format!("NOERROR qr rd; answer: hostname.bind. 0 CH TXT \"{host}\""));
    check("id.server TXT CH", &format!("NOERROR qr rd; answer: id.server. 0 CH TXT \"{host}\""));
}

#[test]
fn tells_each_author_once_in_any_order() {
    let ann = "authors.bind. 0 CH TXT \"Ann Author\"";
    let bob = "authors.bind. 0 CH TXT \"Bob Builder\"";
    let reply = Trial::new(NAMED).ask("authors.bind TXT CH");
    let expected = [format!("NOERROR qr rd; answer: {ann}, {bob}"), format!("NOERROR qr rd; answer: {bob}, {ann}")];
    assert!(expected.contains(&reply), "{reply}");
}

#[test]
fn tells_the_truth_without_arguments() {
    let version = Trial::new("chaos").ask("version.bind TXT CH");
    assert!(version.contains("TXT \"ferrodns-"), "{version}");
}

#[test]
fn cuts_a_long_version() {
    let reply = Trial::new(&format!("chaos {}", "v".repeat(300))).ask("version.bind TXT CH");
    assert!(reply.ends_with(&format!("\"{}\"", "v".repeat(255))), "{reply}");
}

#[test]
fn passes_other_queries_on() {
    let next = "error SERVFAIL: plugin/chaos: no next plugin found";
    for query in ["version.bind TXT", "version.bind A CH", "version.bind TXT HS", "other.bind TXT CH", "bind TXT CH"] {
        check(query, next);
    }
}

#[test]
fn lets_other_classes_in() {
    assert!(Trial::new("chaos").block.settings.any_class);
}

#[test]
fn has_no_properties() {
    let expected = "plugin/chaos: Corefile:3 - Error during parsing: unknown property 'unknown'";
    assert_eq!(setup_error("chaos v2 {\nunknown\n}").as_deref(), Some(expected));
}
