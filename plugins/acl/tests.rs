//! What becomes of queries, as recorded from CoreDNS (golden suite plugins/acl), and the errors.

use crate::trial::{Trial, setup_error};
use plugin_api::{Rcode, Response};

/// A query that goes on.
const ALLOWED: &str = "unwritten NOTIMP";
/// A query that is refused.
const BLOCKED: &str = "REFUSED qr rd; edns: 4096 do 15:\\x00\\x0f";
/// A query that gets an empty answer.
const FILTERED: &str = "NOERROR qr rd; edns: 4096 do 15:\\x00\\x11";
/// A query that gets no reply.
const DROPPED: &str = "dropped";

/// Checks what becomes of queries in a block with these directives.
fn check(directives: &str, cases: &[(&str, &str)]) {
    let trial = Trial::ending_in(directives, |_| Ok(Response::Unwritten(Rcode::NOTIMP)));
    for (query, expected) in cases {
        assert_eq!(trial.ask(query), *expected, "{query}");
    }
}

#[test]
fn decides_by_type_and_client() {
    let policies = "acl {\nblock type A net 127.0.0.2 127.0.1.0/24\nblock type AAAA TXT net 127.0.0.0/8\nallow\n}";
    check(
        policies,
        &[
            ("a.test A", ALLOWED),
            ("a.test A from=127.0.0.2", BLOCKED),
            ("a.test A from=127.0.1.77 tcp", BLOCKED),
            ("a.test A from=::ffff:127.0.0.2", BLOCKED),
            ("a.test AAAA", BLOCKED),
            ("a.test TXT", BLOCKED),
            ("a.test MX", ALLOWED),
            ("a.test A from=127.0.0.2 nord cd", "REFUSED qr cd; edns: 4096 do 15:\\x00\\x0f"),
        ],
    );
}

#[test]
fn the_first_policy_decides() {
    let policies =
        "acl {\nallow net 127.0.0.2/32\nblock net 127.0.0.0/30\nfilter net 127.0.0.8/29\ndrop net 127.0.0.16\n}";
    check(
        policies,
        &[
            ("a.test A", BLOCKED),
            ("a.test A from=127.0.0.2", ALLOWED),
            ("a.test A from=127.0.0.15", FILTERED),
            ("a.test A from=127.0.0.16", DROPPED),
            ("a.test A from=127.0.0.17", ALLOWED),
        ],
    );
}

#[test]
fn sections_come_in_any_order_and_case() {
    let policies = "acl {\nBLOCK Net 127.0.0.4 TYPE TXT\nblock type *\n}";
    check(policies, &[("a.test TXT from=127.0.0.4", BLOCKED), ("a.test A", BLOCKED)]);
    check("acl {\nblock net * type MX\n}", &[("a.test MX from=2001:db8::1", BLOCKED), ("a.test A", ALLOWED)]);
}

#[test]
fn rules_are_about_their_zones() {
    let rules =
        "acl a.zone.test b.zone.test {\nblock\n}\nacl c.a.zone.test {\nfilter\n}\nacl {\nallow net 127.0.0.1\ndrop\n}";
    check(
        rules,
        &[
            ("A.ZONE.test A", BLOCKED),
            ("x.b.zone.test A", BLOCKED),
            ("c.a.zone.test A", BLOCKED),
            ("d.zone.test A", ALLOWED),
            ("d.zone.test A from=127.0.0.2", DROPPED),
        ],
    );
    check("acl {\nallow type A\n}\nacl {\nblock net *\n}", &[("a.test A", ALLOWED), ("a.test AAAA", BLOCKED)]);
}

#[test]
fn counts_what_it_does() {
    let trial = Trial::ending_in("acl a.test {\nblock type A\nfilter type MX\ndrop type TXT\n}", |_| {
        Ok(Response::Unwritten(Rcode::NOTIMP))
    });
    for query in ["a.test A", "a.test MX", "a.test TXT", "b.test A"] {
        drop(trial.ask(query));
    }
    let mut out = String::new();
    trial.process.metrics.with(|registry| prometheus_client::encoding::text::encode(&mut out, registry)).expect("text");
    for name in ["blocked", "filtered", "dropped"] {
        let line = format!("coredns_acl_{name}_requests_total{{server=\"dns://:53\",zone=\"a.test.\",view=\"\"}} 1\n");
        assert!(out.contains(&line), "{out}");
    }
    assert!(out.contains("coredns_acl_allowed_requests_total{server=\"dns://:53\",view=\"\"} 1\n"), "{out}");
}

#[test]
fn refuses_in_the_words_of_coredns() {
    for (text, expected) in [
        ("bogus", "unexpected token \"bogus\"; expect 'allow', 'block', 'filter' or 'drop'"),
        ("allow bogus", "unexpected token \"bogus\"; expect 'type | net'"),
        ("allow net 10.0.0.0/99", "illegal CIDR notation \"10.0.0.0/99\""),
        ("allow net bogus", "illegal CIDR notation \"bogus/32\""),
        ("allow type BOGUS", "unexpected token \"BOGUS\"; expect legal QTYPE"),
        ("allow type a", "unexpected token \"a\"; expect legal QTYPE"),
        ("allow net 10.0.0.0/8 type", "no token specified in \"type\" section"),
    ] {
        let expected = format!("plugin/acl: Corefile:3 - Error during parsing: {expected}");
        assert_eq!(setup_error(&format!("acl {{\n{text}\n}}")), Some(expected), "{text}");
    }
}
