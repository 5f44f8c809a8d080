//! The replies of `any`, as recorded from CoreDNS, and its errors.

use crate::trial::{Trial, setup_error};

/// Checks the reply to a query.
fn check(query: &str, expected: &str) {
    assert_eq!(Trial::new("any\nwhoami").ask(query), expected, "{query}");
}

#[test]
fn answers_any_of_every_class() {
    let answer = "8482 IN HINFO \"ANY obsoleted\" \"See RFC 8482\"";
    check("X-.Any.TEST ANY", &format!("NOERROR qr rd; answer: X-.Any.TEST. {answer}"));
    check("any.test ANY CH", &format!("NOERROR qr rd; answer: any.test. {answer}"));
    check("any.test ANY nord", &format!("NOERROR qr; answer: any.test. {answer}"));
}

#[test]
fn passes_other_types_on() {
    assert!(Trial::new("any\nwhoami").ask("any.test HINFO").contains("additional: any.test. 0 IN A"));
}

#[test]
fn refuses_in_the_words_of_coredns() {
    let place = "plugin/any: Corefile:";
    let word = "2 - Error during parsing: Wrong argument count or unexpected line ending after 'x'";
    assert_eq!(setup_error("any x"), Some(format!("{place}{word}")));
    let brace = "2 - Error during parsing: Unexpected token '{', expecting argument";
    assert_eq!(setup_error("any {\nbogus\n}"), Some(format!("{place}{brace}")));
}
