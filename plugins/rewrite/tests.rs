//! Rules of `rewrite`, their effect on a query and its reply, and the errors of the directive.

use crate::trial::{Trial, setup_error};
use plugin_api::{Error, Name, Rcode, ReplyBuilder, Request, Response, Section, Type};

/// A last handler that answers every question about itself: `alias...` with a CNAME to `api.example.com`, others with a
/// record of the type; SOA in authority.
fn echo(request: &Request) -> Result<Response, Error> {
    let qname = request.qname().as_wire();
    let mut reply = ReplyBuilder::new(request);
    let api = Name::from_text("api.example.com").unwrap();
    if request.qname().to_string().starts_with("alias") {
        reply.push_name(Section::Answer, &[qname], (Type::CNAME, 90), &[api.as_wire()]);
    }
    match request.qtype() {
        Type::MX => reply.push(Section::Answer, &[qname], (Type::MX, 30), |out| {
            out.extend_from_slice(&[0, 10]);
            out.extend_from_slice(b"\x04mail");
            out.extend_from_slice(qname);
        }),
        Type::TXT => {
            let edns = request.edns().map_or_else(String::new, |edns| {
                let options = edns.options().map(|(code, data)| format!("{code}:{}", data.escape_ascii()));
                format!("{} {}", edns.payload, options.collect::<Vec<_>>().join(" "))
            });
            reply.push_txt(Section::Answer, &[qname], 5, &[edns.as_bytes()]);
        }
        _ => reply.push_a(Section::Answer, &[qname], 60, [192, 0, 2, 1].into()),
    }
    Ok(Response::Message(reply.finish()))
}

/// Checks the reply to a query under some rules.
fn check(rules: &str, query: &str, expected: &str) {
    assert_eq!(Trial::ending_in(rules, echo).ask(query), format!("NOERROR qr rd; {expected}"), "{rules}: {query}");
}

#[test]
fn exact_names_are_mapped_back() {
    let rules = "rewrite name A.exact.test echo.example.com";
    check(rules, "a.EXACT.test A", "answer: a.exact.test. 60 IN A 192.0.2.1");
    check(rules, "a.exact.test MX", "answer: a.exact.test. 30 IN MX 10 mail.a.exact.test.");
    check(rules, "b.exact.test A", "answer: b.exact.test. 60 IN A 192.0.2.1");
}

#[test]
fn other_names_are_mapped_back_only_if_told() {
    check("rewrite name prefix dot. echo.", "dot.a.test A", "answer: echo.a.test. 60 IN A 192.0.2.1");
    check("rewrite name prefix dot echo", "dotted.a.test A", "answer: dotted.a.test. 60 IN A 192.0.2.1");
    check("rewrite name prefix dot. echo. answer auto", "dot.a.test A", "answer: dot.a.test. 60 IN A 192.0.2.1");
    let suffix = "rewrite name suffix .a.test .b.test answer auto";
    check(suffix, "X.a.test MX", "answer: x.a.test. 30 IN MX 10 mail.x.a.test.");
    check("rewrite name substring mid.dle echo", "a.mid.dle. A", "answer: a.echo. 60 IN A 192.0.2.1");
    let regex = "rewrite name regex (.*)-(us|eu)[.]test[.] {1}.{2}.test";
    check(regex, "a-eu.test A", "answer: a.eu.test. 60 IN A 192.0.2.1");
    let answers = "rewrite {\n name regex ^multi-(.*)[.]test[.]$ {1}.example.com\n answer name ^(.*)[.]example[.]com[.]$ \
                   {1}.test\n answer value ^api[.]example[.]com[.]$ api.else.test\n}";
    let expected = "answer: alias.test. 90 IN CNAME api.else.test., alias.test. 60 IN A 192.0.2.1";
    check(answers, "multi-alias.test A", expected);
}

#[test]
fn rules_go_on_or_stop() {
    let rules = "rewrite continue name a.test b.test\nrewrite name b.test c.test\nrewrite name c.test d.test\n\
                 rewrite ttl b.test 7";
    check(rules, "a.test A", "answer: a.test. 60 IN A 192.0.2.1");
    check("rewrite continue ttl a.test 7\nrewrite name a.test b.test", "a.test A", "answer: a.test. 7 IN A 192.0.2.1");
    check("rewrite ttl substring a. 90-100", "a.test A", "answer: a.test. 90 IN A 192.0.2.1");
    check("rewrite type AAAA A", "a.test AAAA", "answer: a.test. 60 IN A 192.0.2.1");
    check("rewrite class CH IN", "a.test A CH", "answer: a.test. 60 IN A 192.0.2.1");
}

#[test]
fn replies_that_nobody_wrote_are_written_and_rewritten() {
    let refused = |_: &Request| Ok(Response::Unwritten(Rcode::REFUSED));
    let trial = Trial::ending_in("rewrite rcode suffix .test. REFUSED NXDOMAIN", refused);
    assert_eq!(trial.ask("a.test A"), "NXDOMAIN qr rd");
    let failed = |_: &Request| Err(Error::new("no"));
    let trial = Trial::ending_in("rewrite rcode a.test SERVFAIL NOERROR", failed);
    assert_eq!(trial.ask("a.test A"), "error NOERROR: no; NOERROR qr rd");
    let trial = Trial::ending_in("rewrite name regex ^(.*)[.]test[.]$ {1}..x", failed);
    assert_eq!(trial.ask("a.test A"), "error SERVFAIL: invalid name after rewrite: a..x.");
}

#[test]
fn options_reach_the_upstream_and_are_echoed() {
    let set = "rewrite edns0 local set 0xffee 0x6162";
    check(set, "a.test TXT", "answer: a.test. 5 IN TXT \"4096 65518:ab\"; edns: 4096 65518:ab");
    let nsid = "rewrite continue edns0 nsid set\nrewrite continue edns0 subnet set 20 56";
    let expected =
        "answer: a.test. 5 IN TXT \"1232 3: 8:\\\\x00\\\\x01\\\\x14\\\\x00\\\\xc0\\\\x00\\\\x00\"; edns: 1232 3:";
    check(nsid, "a.test TXT edns from=192.0.15.9", expected);
    let revert = "rewrite edns0 local set 0xffee {qtype} revert";
    check(revert, "a.test TXT", "answer: a.test. 5 IN TXT \"4096 65518:\\\\x00\\\\x10\"; edns: 4096");
    let replace = "rewrite edns0 nsid replace";
    check(replace, "a.test TXT", "answer: a.test. 5 IN TXT \"4096 \"; edns: 4096");
    let unset = "rewrite edns0 nsid unset";
    check(unset, "a.test TXT nsid", "answer: a.test. 5 IN TXT \"1232 \"; edns: 1232");
    assert_eq!(Trial::ending_in(set, echo).block.settings.echoed_options, [0xffee]);
}

#[test]
fn errors_are_coredns_words() {
    let many = "x".repeat(10_001);
    for (rule, expected) in [
        ("", "no rule type specified for rewrite"),
        ("{\n}", "no rule type specified for rewrite"),
        ("stop", "stop rule must begin with a rule type"),
        ("bogus a b", "invalid rule type \"bogus\""),
        ("name a", "too few arguments for a name rule"),
        (
            "name bogus a b",
            "name rule supports only exact, prefix, suffix, substring, and regex name matching, received: bogus",
        ),
        ("name exact a b c", "invalid arguments for exact rule"),
        ("name exact a b c d", "exceeded the number of arguments for a non-answer rule argument for exact rule"),
        ("name regex (.*) {1} answer name", "name answer rule for regex rule: 2 arguments required"),
        ("name regex (.*) {1} answer bogus a b", "invalid type \"bogus\" for answer rule for regex rule"),
        (
            "name regex a.b {1}.c",
            "the rewrite regex pattern ({1}.c) uses more subexpressions than its corresponding matching regex pattern (a.b)",
        ),
        ("name regex [bad[ bar", "invalid regex matching pattern: [bad["),
        (&format!("name regex {many} a"), "regex pattern too long: 10001 > 10000"),
        ("class IN", "class rules must have exactly two arguments"),
        ("class IN XX", "invalid class \"XX\""),
        ("type A BOGUS", "invalid type \"BOGUS\""),
        ("edns0 local", "too few arguments for an EDNS0 rule"),
        ("edns0 local set 0xffee", "EDNS0 local rules require three or four args"),
        ("edns0 local bogus 1 1", "invalid action: \"bogus\""),
        ("edns0 local set 0xffee {bogus}", "unsupported variable name \"{bogus}\""),
        ("edns0 local set xyz abc", "strconv.ParseUint: parsing \"xyz\": invalid syntax"),
        ("edns0 subnet set 33 64", "invalid IPv4 bit mask length 33"),
        ("edns0 bogus set 1", "invalid rule type \"bogus\""),
        ("ttl exact a", "invalid TTL 'a' for a ttl rule"),
        ("ttl regex ( 5", "invalid regex pattern in a ttl rule: ("),
        ("ttl a -", "invalid TTL '-' for a ttl rule"),
        ("rcode exact a NXDOMAIN BOGUS", "invalid replacement RCODE 'BOGUS' for a rcode rule"),
        ("cname regex ( b", "invalid cname rewrite regex pattern: error parsing regexp: missing closing ): `(`"),
        ("cname bogus a b", "unknown cname rewrite type: bogus"),
    ] {
        let text = format!("rewrite {rule}");
        assert_eq!(setup_error(&text), Some(format!("plugin/rewrite: {expected}")), "{text}");
    }
    for rule in ["name exact a", "cname exact a", "ttl a 10-", "rcode a 3 NOTIMPL", "edns0 subnet set 24 56 revert"] {
        assert_eq!(setup_error(&format!("rewrite {rule}")), None, "{rule}");
    }
}
