//! The size that the rest of the chain sees, and the errors.

use crate::trial::{Trial, setup_error};
use plugin_api::{Rcode, Response};

/// Checks payload and limit behind the plugin.
fn check(directive: &str, query: &str, payload: u16, limit: usize) {
    let trial = Trial::ending_in(directive, move |request| {
        assert_eq!((request.payload(), request.reply_limit()), (payload, limit));
        Ok(Response::Unwritten(Rcode::NOERROR))
    });
    assert_eq!(trial.ask(query), "unwritten NOERROR", "{query}");
}

#[test]
fn lowers_and_never_raises() {
    check("bufsize", "a.test A", 0, 512);
    check("bufsize", "a.test A bufsize=4096", 1232, 1232);
    check("bufsize", "a.test A bufsize=512", 512, 512);
    check("bufsize", "a.test A bufsize=4096 tcp", 1232, 65535);
    check("bufsize 512", "a.test A bufsize=1232", 512, 512);
    check("bufsize 512", "a.test A bufsize=300", 300, 512);
    check("bufsize 4096", "a.test A bufsize=65535", 4096, 4096);
}

#[test]
fn refuses_in_the_words_of_coredns() {
    for (args, word) in [("abc", "abc"), ("4097", "4097"), ("511", "511"), ("512 512", "512"), ("-1", "-1")] {
        let place = "plugin/bufsize: plugin/bufsize: Corefile:2 - Error during parsing: ";
        let expected = format!("{place}Wrong argument count or unexpected line ending after '{word}'");
        assert_eq!(setup_error(&format!("bufsize {args}")), Some(expected));
    }
}
