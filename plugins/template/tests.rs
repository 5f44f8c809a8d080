//! The replies of `template`, as recorded from CoreDNS (golden suite plugins/template), and its errors.

use crate::trial::{Trial, setup_error};
use plugin_api::{Rcode, Response};

/// What the handler behind answers.
const NEXT: &str = "unwritten NOTIMP";
/// A query that no template is for.
const FAILED: &str = "unwritten SERVFAIL";

/// Checks the replies of a block with these directives.
fn check(directives: &str, cases: &[(&str, &str)]) {
    let trial = Trial::ending_in(directives, |_| Ok(Response::Unwritten(Rcode::NOTIMP)));
    for (query, expected) in cases {
        assert_eq!(trial.ask(query), *expected, "{query}");
    }
}

#[test]
fn fills_in_groups() {
    let directives = r#"template IN A a.test {
        match "^ip-(?P<a>[0-9]+)-(?P<b>[0-9]+)-(?P<c>[0-9]+)-(?P<d>[0-9]+)[.]a[.]test[.]$"
        answer "{{ .Name }} 60 IN A {{ .Group.a }}.{{ .Group.b }}.{{ .Group.c }}.{{ .Group.d }}"
        fallthrough
    }"#;
    check(
        directives,
        &[
            ("IP-10-1-2-3.A.test A", "NOERROR qr aa rd; answer: ip-10-1-2-3.a.test. 60 IN A 10.1.2.3"),
            ("ip-10-1-2-3.a.test A nord cd", "NOERROR qr aa cd; answer: ip-10-1-2-3.a.test. 60 IN A 10.1.2.3"),
            ("ip-10-1-2-300.a.test A", "error SERVFAIL: dns: bad A A: \"10.1.2.300\" at line: 1:40"),
            ("ip-10-1-2.a.test A", NEXT),
            ("ip-10-1-2-3.a.test AAAA", NEXT),
            ("ip-10-1-2-3.b.test A", NEXT),
        ],
    );
}

#[test]
fn fills_in_the_query() {
    let directives = r#"template IN TXT a.test {
        answer "{{ .Name }} IN TXT \"{{ .Zone }}|{{ .Class }}|{{ .Type }}|{{ .Remote }}|{{ index .Match 0 }}|{{ .Message.RecursionDesired }}|{{ .Question.Name }}|{{ .Question.Qtype }}|{{ .Meta \"x/y\" }}|{{ .Regex }}\""
    }"#;
    let expected = "NOERROR qr aa rd; answer: vars.a.test. 3600 IN TXT \"a.test.|IN|TXT|127.0.0.9|vars.a.test.|true|VARS.A.Test.|16||.*\"";
    check(directives, &[("VARS.A.Test TXT from=127.0.0.9", expected)]);
}

#[test]
fn answers_in_all_sections() {
    let directives = r#"template IN MX {
        answer "{{ .Name }} 60 IN MX 10 mx1.a.test." "{{ .Name }} 60 IN MX 20 mx2.a.test."
        additional "mx1.a.test. 60 IN A 192.0.2.1"
        authority "a.test. 60 IN NS ns1.a.test."
    }
    template IN ANY {
        rcode NXDOMAIN
        authority "a.test 30 IN SOA ns.a.test. hostmaster.a.test. (1 60 60 60 60)"
    }"#;
    let mx = "NOERROR qr aa rd; answer: a.test. 60 IN MX 10 mx1.a.test., a.test. 60 IN MX 20 mx2.a.test.; authority: a.test. 60 IN NS ns1.a.test.; additional: mx1.a.test. 60 IN A 192.0.2.1";
    let soa = "NXDOMAIN qr aa rd; authority: a.test. 30 IN SOA ns.a.test. hostmaster.a.test. 1 60 60 60 60";
    check(directives, &[("a.test MX", mx), ("x.a.test TXT", soa)]);
}

#[test]
fn chooses_by_class_and_type() {
    let directives = r#"template IN AAAA {
        rcode NOERROR
    }
    template IN SRV {
        rcode NXDOMAIN
        ederror 21 "no such service"
    }
    template IN CAA {
        rcode SERVFAIL
    }
    template IN A {
        rcode REFUSED
    }
    template CH TXT {
        answer "{{ .Name }} 0 CH TXT \"chaos {{ .Class }}\""
    }
    template ANY ANY {
        match "^any[.]"
        answer "{{ .Name }} 5 {{ .Class }} TXT \"{{ .Class }} {{ .Type }}\""
    }"#;
    check(
        directives,
        &[
            ("x.test AAAA", "NOERROR qr aa rd"),
            ("x.test SRV", "NXDOMAIN qr aa rd; edns: 4096 do 15:\\x00\\x15no such service"),
            ("x.test CAA", FAILED),
            ("x.test A", "REFUSED qr aa rd"),
            ("x.test TXT CH", "NOERROR qr aa rd; answer: x.test. 0 CH TXT \"chaos CH\""),
            ("any.test MX", "NOERROR qr aa rd; answer: any.test. 5 IN TXT \"IN MX\""),
            ("x.test MX", FAILED),
            ("any.test ANY ANY", "NOERROR qr aa rd"),
        ],
    );
}

#[test]
fn falls_through_where_it_is_told_to() {
    let directives = r#"template IN A one.fall.test {
        match "^a[.]"
        answer "{{ .Name }} 60 IN A 192.0.2.1"
        fallthrough b.one.fall.test
    }
    template IN A fall.test {
        match "^c[.]"
        answer "{{ .Name }} 60 IN A 192.0.2.2"
    }"#;
    check(
        directives,
        &[
            ("a.one.fall.test A", "NOERROR qr aa rd; answer: a.one.fall.test. 60 IN A 192.0.2.1"),
            ("x.one.fall.test A", FAILED),
            ("x.b.one.fall.test A", FAILED),
            ("c.b.one.fall.test A", "NOERROR qr aa rd; answer: c.b.one.fall.test. 60 IN A 192.0.2.2"),
            ("c.fall.test A", "NOERROR qr aa rd; answer: c.fall.test. 60 IN A 192.0.2.2"),
            ("x.fall.test TXT", NEXT),
        ],
    );
}

#[test]
fn evaluates_expressions() {
    let directives = r#"template IN A expr.test {
        match "^(?P<n>[0-9]+)[.]expr[.]test[.]$"
        var doubled "int(group('n')) * 2"
        expr "int(group('n')) < 100"
        answer "{{ .Name }} 60 IN A 192.0.2.{{ .Var.doubled }}"
        fallthrough
    }
    template IN TXT expr.test {
        expr "incidr(client_ip(), '127.0.0.0/31')"
        expr "proto() == 'udp'"
        answer "{{ .Name }} 60 IN TXT near"
        fallthrough
    }
    template IN MX {
        expr "int(name()) > 1"
        fallthrough
    }"#;
    check(
        directives,
        &[
            ("7.expr.test A", "NOERROR qr aa rd; answer: 7.expr.test. 60 IN A 192.0.2.14"),
            ("150.expr.test A", NEXT),
            ("x.expr.test A", NEXT),
            ("7.expr.test TXT", "NOERROR qr aa rd; answer: 7.expr.test. 60 IN TXT \"near\""),
            ("7.expr.test TXT tcp", NEXT),
            ("7.expr.test MX", FAILED),
        ],
    );
}

#[test]
fn calls_functions() {
    let directives = r#"template IN A {
        match "^(?P<n>0x[0-9a-f]+|[0-9]+)[.]"
        answer "{{ .Name }} 60 IN A 192.0.2.{{ parseInt .Group.n 0 8 }}"
    }
    template IN TXT {
        match "^(?P<first>[a-z]+)-(?P<second>[a-z]*)[.](?:.*)$"
        answer "{{ .Name }} 60 IN TXT \"{{ if eq .Group.second \"x\" }}is x{{ else }}is {{ .Group.second | printf \"%q\" | len }}{{ end }}\" \"{{ len .Match }} {{ index .Group \"1\" }}\""
    }"#;
    check(
        directives,
        &[
            ("0x1f.test A", "NOERROR qr aa rd; answer: 0x1f.test. 60 IN A 192.0.2.31"),
            ("foo-bar.test TXT", "NOERROR qr aa rd; answer: foo-bar.test. 60 IN TXT \"is 5\" \"3 foo\""),
            ("foo-x.test TXT", "NOERROR qr aa rd; answer: foo-x.test. 60 IN TXT \"is x\" \"3 foo\""),
        ],
    );
    assert!(Trial::new(directives).ask("300.test A").starts_with("error SERVFAIL: template: answer: executing"));
}

#[test]
fn follows_a_link() {
    let directives = r#"template IN ANY {
        answer "{{ .Name }} 60 IN CNAME end.test."
    }"#;
    // Without a server behind it there is nothing to follow into.
    let expected = "NOERROR qr aa rd; answer: a.test. 60 IN CNAME end.test.";
    check(directives, &[("a.test A", expected), ("a.test TXT", expected)]);
}

#[test]
fn counts_matches_and_failures() {
    let directives = r#"template IN A a.test {
        answer "{{ index .Match 7 }}"
    }
    template IN TXT a.test {
        answer "{{ .Name }}"
    }"#;
    let trial = Trial::new(directives);
    for query in ["a.test A", "a.test TXT"] {
        assert!(trial.ask(query).starts_with("error SERVFAIL: "), "{query}");
    }
    let mut out = String::new();
    trial.process.metrics.with(|registry| prometheus_client::encoding::text::encode(&mut out, registry)).expect("text");
    let labels = "server=\"dns://:53\",zone=\"a.test.\",view=\"\",class=\"IN\",type=";
    for line in [
        format!("coredns_template_matches_total{{{labels}\"A\"}} 1"),
        format!(
            "coredns_template_template_failures_total{{{labels}\"A\",section=\"answer\",template=\"{{{{ index .Match 7 }}}}\"}} 1"
        ),
        format!(
            "coredns_template_rr_failures_total{{{labels}\"TXT\",section=\"answer\",template=\"{{{{ .Name }}}}\"}} 1"
        ),
    ] {
        assert!(out.contains(&line), "{line}\n{out}");
    }
}

#[test]
fn refuses_in_the_words_of_coredns() {
    let count = "Wrong argument count or unexpected line ending after";
    for (text, line, expected) in [
        ("template", 2, format!("{count} 'template'")),
        ("template ANY", 2, format!("{count} 'ANY'")),
        ("template IN BOGUS", 2, "invalid RR class BOGUS".to_owned()),
        ("template XX A", 2, "invalid query class XX".to_owned()),
        ("template IN A {\nnotavailable\n}", 3, format!("{count} 'notavailable'")),
        ("template IN A {\nmatch\n}", 3, format!("{count} 'match'")),
        ("template IN A {\nmatch (\n}", 3, "could not parse regex: (, error parsing regexp: missing closing ): `(`".to_owned()),
        ("template IN A {\nanswer\n}", 3, format!("{count} 'answer'")),
        (
            "template IN A {\nanswer \"{{ .Bogus\"\n}",
            3,
            "could not compile template: {{ .Bogus, template: answer:1: unclosed action".to_owned(),
        ),
        (
            "template IN A {\nauthority \"{{\"\n}",
            3,
            "could not compile template: {{, template: authority:1: unclosed action".to_owned(),
        ),
        ("template IN A {\nrcode\n}", 3, format!("{count} 'rcode'")),
        ("template IN A {\nrcode BOGUS\n}", 3, "unknown rcode BOGUS".to_owned()),
        ("template IN A {\nederror 21 a b\n}", 3, format!("{count} 'b'")),
        (
            "template IN A {\nederror abc\n}",
            3,
            "error parsing extended DNS error code abc, strconv.ParseUint: parsing \"abc\": invalid syntax".to_owned(),
        ),
        ("template IN A {\nvar\n}", 3, format!("{count} 'var'")),
        ("template IN A {\nvar 1a 1\n}", 3, "invalid variable name \"1a\"".to_owned()),
        ("template IN A {\nvar name 1\n}", 3, "variable name \"name\" is reserved".to_owned()),
        ("template IN A {\nvar let 1\n}", 3, "variable name \"let\" is reserved".to_owned()),
        ("template IN A {\nvar a 1\nvar a 2\n}", 4, "variable name \"a\" is reserved".to_owned()),
        (
            "template IN A {\nvar a 1\nexpr a + 'x'\n}",
            4,
            "could not compile expression: invalid operation: + (mismatched types int and string) (1:3)\n | a + 'x'\n | ..^"
                .to_owned(),
        ),
        (
            "template IN A {\nvar a undefined\n}",
            3,
            "could not compile expression: a, unknown name undefined (1:1)\n | undefined\n | ^".to_owned(),
        ),
    ] {
        let expected = format!("plugin/template: Corefile:{line} - Error during parsing: {expected}");
        assert_eq!(setup_error(text), Some(expected), "{text}");
    }
    for text in ["var Name 1", "expr 1", "upstream", "var a 1\nvar b a + 1\nvar c 'x' + name()"] {
        assert_eq!(setup_error(&format!("template ANY ANY example. {{\n{text}\n}}")), None, "{text}");
    }
}
