//! The lines of `log`, as recorded from CoreDNS, and its errors.

use crate::trial::{Logged, Trial, setup_error};
use plugin_api::{Error, Message, Outcome, Rcode, ReplyBuilder, Request, Response, Section, Type, flag};
use std::net::Ipv4Addr;

/// Answers by type: A with an address, TXT with NXDOMAIN, MX with NODATA, NS with a delegation, SRV not at all, AXFR with two
/// messages, PTR with an error, others with SERVFAIL that nobody wrote.
fn end(request: &Request) -> Outcome {
    let mut reply = ReplyBuilder::new(request).authoritative();
    let owner = [request.qname().as_wire()];
    let message = match request.qtype() {
        Type::A => {
            reply.push_a(Section::Answer, &owner, 60, Ipv4Addr::new(192, 0, 2, 1));
            reply.finish()
        }
        Type::TXT => {
            reply.set_rcode(Rcode::NXDOMAIN);
            reply.finish()
        }
        Type::MX => {
            reply.push(Section::Authority, &owner, (Type::SOA, 60), |out| out.extend_from_slice(&[0; 22]));
            reply.finish()
        }
        Type::NS => {
            reply.push_name(Section::Authority, &owner, (Type::NS, 60), &owner);
            reply.finish()
        }
        Type::SRV => return Ok(Response::Drop),
        Type::AXFR => {
            let messages: Vec<Message> = [ReplyBuilder::new(request).finish(), reply.finish()].into();
            return Ok(Response::Stream(Box::new(messages.into_iter())));
        }
        Type::PTR => return Err(Error::new("no").with_rcode(Rcode::REFUSED)),
        _ => return Ok(Response::Unwritten(Rcode::SERVFAIL)),
    };
    Ok(Response::Message(message))
}

/// The lines of a block with these directives, without their prefix.
fn lines(directives: &str, query: &str) -> Vec<String> {
    let trial = Trial::ending_in(directives, end);
    let lines = Logged::during(|| drop(trial.ask(query)));
    lines.into_iter().map(|line| line.strip_prefix("[INFO] log: ").expect("a line of log").to_owned()).collect()
}

/// Checks the line of a query.
fn check(directives: &str, query: &str, expected: &str) {
    assert_eq!(lines(directives, query), [expected], "{directives}: {query}");
}

#[test]
fn writes_the_common_format() {
    let check = |query, expected: &str| check("log", query, &format!("{expected} 0s"));
    check("X.A.test A", "127.0.0.1:40000 - 4660 \"A IN x.a.test. udp 26 false 512\" NOERROR qr,aa,rd 50");
    check("x.a.test TXT", "127.0.0.1:40000 - 4660 \"TXT IN x.a.test. udp 26 false 512\" NXDOMAIN qr,aa,rd 26");
    check(
        "x.a.test A do bufsize=4096",
        "127.0.0.1:40000 - 4660 \"A IN x.a.test. udp 37 true 4096\" NOERROR qr,aa,rd 50",
    );
    check("x.a.test A tcp do", "127.0.0.1:40000 - 4660 \"A IN x.a.test. tcp 37 true 65535\" NOERROR qr,aa,rd 50");
    check("x.a.test A from=::1 sport=1", "[::1]:1 - 4660 \"A IN x.a.test. udp 26 false 512\" NOERROR qr,aa,rd 50");
    check(
        "x.a.test TYPE65400 id=1",
        "127.0.0.1:40000 - 1 \"TYPE65400 IN x.a.test. udp 26 false 512\" SERVFAIL qr,rd 26",
    );
    check("x.a.test SRV", "127.0.0.1:40000 - 4660 \"SRV IN x.a.test. udp 26 false 512\" - - 0");
    check("x.a.test PTR", "127.0.0.1:40000 - 4660 \"PTR IN x.a.test. udp 26 false 512\" REFUSED qr,rd 26");
    check("x.a.test AXFR tcp", "127.0.0.1:40000 - 4660 \"AXFR IN x.a.test. tcp 26 false 65535\" NOERROR qr,aa,rd 52");
}

#[test]
fn logs_an_error_of_the_rest() {
    let trial = Trial::new("log\nerrors");
    let lines = Logged::during(|| drop(trial.ask("example.org A")));
    let line = "[INFO] log: 127.0.0.1:40000 - 4660 \"A IN example.org. udp 29 false 512\" SERVFAIL qr,rd 29 0s";
    let error = "[ERROR] plugin/errors: 2 example.org. A: plugin/log: no next plugin found";
    assert_eq!(lines, [line, error]);
    assert_eq!(trial.ask("example.org A"), "error SERVFAIL: plugin/log: no next plugin found");
}

#[test]
fn escapes_what_could_forge_a_line() {
    check("log . {name}", "a\\010b\\032.x A", "a\\010b\\ .x.");
}

#[test]
fn fills_odd_formats() {
    let line = |format: &str, expected: &str| check(&format!("log . \"{format}\""), "x.b.test A", expected);
    line("{bogus} {} {name {name}} {{name}} }{", "{bogus} {} {name x.b.test.} {x.b.test.} }{");
    line("{/meta/x} {/} {/a b}", "- - -");
    line("{>rflags}{rcode}{rsize}", "qr,aa,rdNOERROR50");
    line("{NAME} {>ID} {>id }", "{NAME} {>ID} {>id }");
    line("{local} {>opcode} {proto}", "[::] 0 udp");
    let common = "127.0.0.1:40000 - 4660 \"A IN x.b.test. udp 26 false 512\" NOERROR qr,aa,rd 50 0s";
    line("{common} {combined}", &format!("{common} {common} \"0\""));
    line("no placeholders", common);
    check("log . {name} {type}", "x.b.test A", "A");
    check("log . {local}", "x.b.test A tcp to=10.0.0.1", "10.0.0.1");
}

#[test]
fn one_argument_is_a_name() {
    assert_eq!(lines("log {name}", "x.test A"), [""; 0]);
    assert_eq!(lines("log b.test", "x.test A"), [""; 0]);
    assert_eq!(lines("log TEST", "x.test A").len(), 1);
}

#[test]
fn the_first_rule_that_matches_decides() {
    let rules = "log a.test \"one {name}\"\nlog b.test {\nclass error\n}\nlog . \"two {name}\"";
    check(rules, "x.a.test A", "one x.a.test.");
    check(rules, "x.test A", "two x.test.");
    assert_eq!(lines(rules, "b.test A"), [""; 0]);
}

#[test]
fn chooses_by_class() {
    for (class, types) in [
        ("denial", vec!["TXT", "MX"]),
        ("error", vec!["SRV", "AXFR", "PTR", "AAAA"]),
        ("success", vec!["A", "NS"]),
        ("success denial", vec!["A", "TXT", "MX", "NS"]),
        ("all", vec!["A", "TXT", "MX", "NS", "SRV", "AXFR", "PTR", "AAAA"]),
        ("error all", vec!["A", "TXT", "MX", "NS", "SRV", "AXFR", "PTR", "AAAA"]),
    ] {
        let directives = format!("log . {{type}} {{\nclass {class}\n}}");
        let all = ["A", "TXT", "MX", "NS", "SRV", "AXFR", "PTR", "AAAA"];
        let logged: Vec<_> = all.iter().flat_map(|qtype| lines(&directives, &format!("x.test {qtype}"))).collect();
        assert_eq!(logged, types, "{class}");
    }
}

#[test]
fn tells_type_and_class_by_metadata() {
    let trial = Trial::ending_in("log . \"{/log/type} {/log/class}\"", end);
    let request = crate::trial::request("x.test MX", &trial.process.clock);
    request.keep_metadata();
    let next = plugin_api::Next::start(&trial.chain);
    let lines = Logged::during(|| drop(crate::trial::now(next.run(&request))));
    assert_eq!(lines, ["[INFO] log: NODATA denial"]);
}

#[test]
fn shows_every_flag() {
    let trial = Trial::ending_in("log . {>rflags}", |request| {
        let mut message = ReplyBuilder::new(request).finish();
        message.set_flag(flag::AA | flag::TC | flag::RD | flag::RA | flag::Z | flag::AD | flag::CD, true);
        Ok(Response::Message(message))
    });
    assert_eq!(Logged::during(|| drop(trial.ask("x A"))), ["[INFO] log: qr,aa,tc,rd,ra,z,ad,cd"]);
}

#[test]
fn refuses_in_the_words_of_coredns() {
    for (text, expected) in [
        (
            "log {\nclass\n}",
            "Corefile:3 - Error during parsing: Wrong argument count or unexpected line ending after 'class'",
        ),
        ("log {\nbogus\n}", "Corefile:3 - Error during parsing: unknown property 'bogus'"),
        ("log {\nclass success, denial\n}", "invalid Class: success,"),
    ] {
        assert_eq!(setup_error(text), Some(format!("plugin/log: {expected}")), "{text}");
    }
}
