//! The flags of queries and replies, as recorded from CoreDNS, and the errors.

use crate::trial::{Trial, setup_error};
use plugin_api::{Error, Rcode, ReplyBuilder, Request, Response, Type, flag};

/// A block with these properties; its last handler answers A with RA and the query's flags, AXFR with a stream, MX with an
/// error that has a message, others not.
fn check(properties: &str, query: &str, expected: &str) {
    let trial = Trial::ending_in(&format!("header {{\n{properties}\n}}"), |request: &Request| {
        let mut message = ReplyBuilder::new(request).finish();
        message.set_flag(request.flags() & (flag::RD | flag::AA), true);
        message.set_flag(flag::RA, true);
        match request.qtype() {
            Type::A => Ok(Response::Message(message)),
            Type::MX => Err(Error::new("no").with_message(message)),
            _ => Ok(Response::Unwritten(Rcode::SERVFAIL)),
        }
    });
    assert_eq!(trial.ask(query), expected, "{properties}: {query}");
}

#[test]
fn changes_replies() {
    check("response set aa\nresponse clear ra", "a.test A", "NOERROR qr aa rd");
    check("response clear rd ra", "a.test A", "NOERROR qr");
    check("RESPONSE SET AA", "a.test A", "NOERROR qr aa rd ra");
    check("response set aa", "a.test MX", "error SERVFAIL: no; NOERROR qr aa rd ra");
    check("response set aa", "a.test TXT", "unwritten SERVFAIL");
    check("response set aa\nresponse clear aa", "a.test A", "NOERROR qr rd ra");
}

#[test]
fn changes_queries() {
    check("query clear rd\nquery set aa", "a.test A", "NOERROR qr aa ra");
    check("query set aa\nresponse clear aa rd", "a.test A", "NOERROR qr ra");
    check("query set rd", "a.test A nord", "NOERROR qr rd ra");
}

#[test]
fn takes_the_rules_of_all_directives() {
    check("response set aa\n}\nheader {\nresponse clear ra", "a.test A", "NOERROR qr aa rd");
}

#[test]
fn refuses_in_the_words_of_coredns() {
    for (text, expected) in [
        ("bogus set aa", "invalid selector=bogus should be query or response"),
        ("response set bogus", "unknown/unsupported flag=bogus"),
        ("response set", "invalid length for flags, at least one should be provided"),
        ("query foo", "invalid length for flags, at least one should be provided"),
        ("query foo rd", "unknown flag action=foo, should be set or clear"),
        ("query", "no flag action provided"),
    ] {
        let expected = format!("plugin/header: setting up rule: {expected}");
        assert_eq!(setup_error(&format!("header {{\n{text}\n}}")), Some(expected), "{text}");
    }
    let empty = "plugin/header: Corefile:2 - Error during parsing: Wrong argument count or unexpected line ending after 'header'";
    assert_eq!(setup_error("header").as_deref(), Some(empty));
}
