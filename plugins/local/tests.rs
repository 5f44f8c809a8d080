//! The replies of `local`, as recorded from CoreDNS, and its errors.

use crate::trial::{Logged, Trial, setup_error};

/// Checks the reply of a block with these directives.
fn check_in(directives: &str, query: &str, expected: &str) {
    assert_eq!(Trial::new(directives).ask(query), expected, "{query}");
}

/// Checks the reply of a block with the plugin alone.
fn check(query: &str, expected: &str) {
    check_in("local", query, expected);
}

/// The end of an SOA record.
const SOA: &str = "604800 IN SOA localhost. root.localhost. 1 0 0 0 604800";
/// What is said when the query goes on.
const NEXT: &str = "error SERVFAIL: plugin/local: no next plugin found";

#[test]
fn answers_localhost() {
    check("LOCALHOST A", "NOERROR qr rd; answer: LOCALHOST. 604800 IN A 127.0.0.1");
    check("localhost AAAA nord", "NOERROR qr; answer: localhost. 604800 IN AAAA ::1");
    check("localhost SOA", &format!("NOERROR qr rd; answer: localhost. {SOA}"));
    check("localhost NS", "NOERROR qr rd; answer: localhost. 604800 IN NS localhost.");
    check("localhost ANY", &format!("NOERROR qr rd; authority: localhost. {SOA}"));
    check("localhost A CH", "NOERROR qr rd; answer: localhost. 604800 IN A 127.0.0.1");
}

#[test]
fn answers_below_and_before_localhost() {
    check("a.b.localhost AAAA", "NOERROR qr rd; answer: a.b.localhost. 604800 IN AAAA ::1");
    check("a.localhost TXT", &format!("NOERROR qr rd; authority: a.localhost. {SOA}"));
    check("LocalHost.Example.com A", "NOERROR qr rd; answer: LocalHost.Example.com. 604800 IN A 127.0.0.1");
    check("localhost.example.com MX", &format!("NOERROR qr rd; authority: localhost.example.com. {SOA}"));
    for query in ["xlocalhost A", "localhostx A", "x.localhost.example.com A"] {
        check(query, NEXT);
    }
    let off = "local {\nlocalhost_prefix off\n}";
    check_in(off, "localhost.off.test A", NEXT);
    check_in(off, "a.localhost A", "NOERROR qr rd; answer: a.localhost. 604800 IN A 127.0.0.1");
}

#[test]
fn answers_reverse_zones() {
    check("1.0.0.127.in-addr.arpa PTR", "NOERROR qr rd; answer: 1.0.0.127.in-addr.arpa. 604800 IN PTR localhost.");
    check("1.0.0.127.in-addr.arpa A", &format!("NOERROR qr rd; authority: 127.in-addr.arpa. {SOA}"));
    check("2.0.0.127.In-Addr.arpa PTR", &format!("NXDOMAIN qr rd; authority: 127.In-Addr.arpa. {SOA}"));
    check("127.in-addr.arpa SOA", &format!("NOERROR qr rd; answer: 127.in-addr.arpa. {SOA}"));
    check("127.in-addr.arpa A", &format!("NOERROR qr rd; authority: 127.in-addr.arpa. {SOA}"));
    check("255.in-addr.arpa NS", "NOERROR qr rd; answer: 255.in-addr.arpa. 604800 IN NS localhost.");
    check("0.0.0.0.in-addr.arpa PTR", &format!("NXDOMAIN qr rd; authority: 0.in-addr.arpa. {SOA}"));
    check("1.in-addr.arpa PTR", NEXT);
}

#[test]
fn counts_names_of_the_machine() {
    let trial = Trial::new("local");
    let lines = Logged::during(|| ["a.localhost A", "localhost A"].iter().for_each(|query| drop(trial.ask(query))));
    assert_eq!(lines, ["[DEBUG] plugin/local: Intercepting localhost query for \"a.localhost.\" A, from 127.0.0.1"]);
    assert_eq!(super::metrics::localhost_requests(&trial.process.metrics).get(), 1);
}

#[test]
fn refuses_in_the_words_of_coredns() {
    for (text, expected) in [
        ("local x", "Corefile:2 - Error during parsing: Wrong argument count or unexpected line ending after 'x'"),
        ("local {\nbogus\n}", "Corefile:3 - Error during parsing: unknown property 'bogus'"),
        (
            "local {\nlocalhost_prefix maybe\n}",
            "Corefile:3 - Error during parsing: localhost_prefix expects 'on' or 'off', got \"maybe\"",
        ),
    ] {
        assert_eq!(setup_error(text), Some(format!("plugin/local: {expected}")), "{text}");
    }
}
