//! The deadline that the rest of the chain sees, and the errors.

use crate::trial::{Trial, setup_error};
use plugin_api::{Error, Request};
use std::time::Duration;

/// Checks the time that a query has.
fn check(directives: &str, expected: Duration) {
    let trial = Trial::ending_in(directives, |request: &Request| {
        let left = request.deadline().expect("a deadline") - request.origin().arrival;
        Err(Error::new(format!("{}", left.as_millis())))
    });
    assert_eq!(trial.ask("a.test A"), format!("error SERVFAIL: {}", expected.as_millis()));
}

#[test]
fn sets_the_deadline() {
    check("cancel", Duration::from_millis(5001));
    check("cancel 1s", Duration::from_secs(1));
    check("cancel 1s\ncancel 2m", Duration::from_secs(120));
}

#[test]
fn refuses_in_the_words_of_coredns() {
    for (args, expected) in [
        ("abc", "invalid duration: \"abc\""),
        ("0", "invalid negative duration: \"0\""),
        ("-1s", "invalid negative duration: \"-1s\""),
        ("1s 2s", "Corefile:2 - Error during parsing: Wrong argument count or unexpected line ending after '2s'"),
    ] {
        assert_eq!(setup_error(&format!("cancel {args}")), Some(format!("plugin/cancel: {expected}")));
    }
}
