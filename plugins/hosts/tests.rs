//! The answers of `hosts`, as recorded from CoreDNS (golden suite plugins/hosts), and its errors.

use crate::trial::{Logged, Trial, now, request, setup_error, text};
use plugin_api::{Next, Rcode, Response};
use std::path::PathBuf;

/// A file of its own for each test, gone at its end.
struct TestFile(PathBuf);

impl TestFile {
    /// Writes a file with this text.
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ferrodns-hosts-{}-{name}", std::process::id()));
        std::fs::write(&path, text).expect("written");
        Self(path)
    }
}

impl Drop for TestFile {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

/// The lines of the recorded suite, and some for zones of other tests.
const LINES: &str = "# a hosts file
127.0.0.1 localhost
10.0.0.1 a.hosts.test
10.0.0.2\tb.hosts.test   alias-b.hosts.test b
2001:db8::2 b.hosts.test
10.0.0.3 double.hosts.test
10.0.0.4 double.hosts.test
10.0.0.3 double.hosts.test
2001:db8::1 six.hosts.test
10.0.0.5 trailing.hosts.test.
  10.0.0.6 \t tabbed.hosts.test
#10.0.0.7 commented.hosts.test
10.0.0.8 # commented.hosts.test
10.0.0 bad1.hosts.test
10.0.0.256 bad2.hosts.test
nonsense bad3.hosts.test
fe80::9%lo zoned.hosts.test
::ffff:10.0.0.9 mapped.hosts.test
10.0.0.10 CAPS.Hosts.Test
10.0.0.20 *.wild.hosts.test
10.0.0.21 exact.wild.hosts.test
10.0.0.31 a.fallzone.test a.sub.fallzone.test
";

/// A block with the file of [`LINES`], after the start; the handler behind answers REFUSED.
async fn block(name: &str, args: &str) -> (Trial, TestFile) {
    let file = TestFile::new(name, LINES);
    let text = format!("hosts {} {args}", file.0.display());
    let trial = Trial::ending_in(&text, |_| Ok(Response::Unwritten(Rcode::REFUSED)));
    for (_, part) in &trial.block.managed {
        part.start().await.expect("started");
    }
    (trial, file)
}

/// Checks the answer section, in short form, of an authoritative NOERROR reply.
fn check(trial: &Trial, query: &str, expected: &[&str]) {
    let head = "NOERROR qr aa rd";
    let expected = match expected {
        [] => head.to_owned(),
        records => format!("{head}; answer: {}", records.join(", ")),
    };
    assert_eq!(trial.ask(query), expected, "{query}");
}

/// What the handler behind answers.
const NEXT: &str = "unwritten REFUSED";
/// A name that is unknown here.
const FAILED: &str = "unwritten SERVFAIL";

#[tokio::test]
async fn answers_addresses() {
    let (trial, _file) = block("addresses", "{\nttl 120\n}").await;
    check(&trial, "a.hosts.test A", &["a.hosts.test. 120 IN A 10.0.0.1"]);
    check(&trial, "A.Hosts.TEST A", &["a.hosts.test. 120 IN A 10.0.0.1"]);
    check(&trial, "b.hosts.test AAAA", &["b.hosts.test. 120 IN AAAA 2001:db8::2"]);
    check(&trial, "alias-b.hosts.test A", &["alias-b.hosts.test. 120 IN A 10.0.0.2"]);
    let double = ["3", "4", "3"].map(|octet| format!("double.hosts.test. 120 IN A 10.0.0.{octet}"));
    check(&trial, "double.hosts.test A", &double.each_ref().map(String::as_str));
    check(&trial, "trailing.hosts.test A", &["trailing.hosts.test. 120 IN A 10.0.0.5"]);
    check(&trial, "tabbed.hosts.test A", &["tabbed.hosts.test. 120 IN A 10.0.0.6"]);
    check(&trial, "zoned.hosts.test AAAA", &["zoned.hosts.test. 120 IN AAAA fe80::9"]);
    check(&trial, "mapped.hosts.test A", &["mapped.hosts.test. 120 IN A 10.0.0.9"]);
    check(&trial, "caps.hosts.test A", &["caps.hosts.test. 120 IN A 10.0.0.10"]);
    check(&trial, "a.hosts.test A CH", &["a.hosts.test. 120 IN A 10.0.0.1"]);
}

#[tokio::test]
async fn a_name_without_the_type_has_no_data() {
    let (trial, _file) = block("nodata", "").await;
    for qtype in ["AAAA", "TXT", "MX", "SRV", "CNAME", "ANY", "SOA", "NS", "HTTPS"] {
        check(&trial, &format!("a.hosts.test {qtype}"), &[]);
    }
    check(&trial, "mapped.hosts.test AAAA", &[]);
    check(&trial, "six.hosts.test A", &[]);
    for query in
        ["none.hosts.test A", "none.hosts.test TXT", "hosts.test A", "commented.hosts.test A", "bad1.hosts.test A"]
    {
        assert_eq!(trial.ask(query), FAILED, "{query}");
    }
}

#[tokio::test]
async fn a_wildcard_is_one_label() {
    let (trial, _file) = block("wildcard", "").await;
    check(&trial, "x.wild.hosts.test A", &["x.wild.hosts.test. 3600 IN A 10.0.0.20"]);
    check(&trial, "X.WILD.hosts.test A", &["x.wild.hosts.test. 3600 IN A 10.0.0.20"]);
    check(&trial, "*.wild.hosts.test A", &["*.wild.hosts.test. 3600 IN A 10.0.0.20"]);
    check(&trial, "exact.wild.hosts.test A", &["exact.wild.hosts.test. 3600 IN A 10.0.0.21"]);
    check(&trial, "exact.wild.hosts.test AAAA", &[]);
    check(&trial, "x.wild.hosts.test TXT", &[]);
    assert_eq!(trial.ask("y.x.wild.hosts.test A"), FAILED);
    assert_eq!(trial.ask("wild.hosts.test A"), FAILED);
}

#[tokio::test]
async fn answers_reverse_names_outside_its_zones_too() {
    let (trial, _file) = block("reverse", "hosts.test {\nttl 120\n}").await;
    check(&trial, "1.0.0.10.in-addr.arpa PTR", &["1.0.0.10.in-addr.arpa. 120 IN PTR a.hosts.test."]);
    let two = ["b", "alias-b"].map(|name| format!("2.0.0.10.in-addr.arpa. 120 IN PTR {name}.hosts.test."));
    check(&trial, "2.0.0.10.in-addr.arpa PTR", &two.each_ref().map(String::as_str));
    check(&trial, "9.0.0.10.IN-ADDR.arpa PTR", &["9.0.0.10.in-addr.arpa. 120 IN PTR mapped.hosts.test."]);
    let six = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
    check(&trial, &format!("{six} PTR"), &[&format!("{six}. 120 IN PTR six.hosts.test.")]);
    for query in ["20.0.0.10", "99.0.0.10", "0.0.10", "a.b.0.10", "01.0.0.10", "1.0.0.0.10"] {
        assert_eq!(trial.ask(&format!("{query}.in-addr.arpa PTR")), NEXT, "{query}");
    }
    assert_eq!(trial.ask("a.hosts.test PTR"), NEXT);
    assert_eq!(trial.ask("1.0.0.10.in-addr.arpa A"), NEXT);
    assert_eq!(trial.ask("localhost A"), NEXT);
}

#[tokio::test]
async fn falls_through_where_it_is_told_to() {
    let (trial, _file) = block("fall", "fallzone.test {\nfallthrough sub.fallzone.test\n}").await;
    assert_eq!(trial.ask("x.fallzone.test A"), FAILED);
    assert_eq!(trial.ask("x.sub.fallzone.test A"), NEXT);
    check(&trial, "a.sub.fallzone.test TXT", &[]);
    check(&trial, "a.fallzone.test A", &["a.fallzone.test. 3600 IN A 10.0.0.31"]);
    let (trial, _file) = block("unsupported", "{\nfallthrough_unsupported\nfallthrough\n}").await;
    assert_eq!(trial.ask("a.hosts.test TXT"), NEXT);
    check(&trial, "a.hosts.test AAAA", &[]);
}

#[tokio::test]
async fn inline_lines_come_after_those_of_the_file() {
    let inline = "{\n192.0.2.1 one.test a.hosts.test ONE.test\n2001:db8::1 one.test\n10.9.9.9 *.wild.hosts.test\nttl 7\nno_reverse\n}";
    let (trial, _file) = block("inline", inline).await;
    check(&trial, "one.test A", &["one.test. 7 IN A 192.0.2.1", "one.test. 7 IN A 192.0.2.1"]);
    check(&trial, "a.hosts.test A", &["a.hosts.test. 7 IN A 10.0.0.1", "a.hosts.test. 7 IN A 192.0.2.1"]);
    let exact = ["exact.wild.hosts.test. 7 IN A 10.0.0.21", "exact.wild.hosts.test. 7 IN A 10.9.9.9"];
    check(&trial, "exact.wild.hosts.test A", &exact);
    assert_eq!(trial.ask("1.2.0.192.in-addr.arpa PTR"), NEXT);
    assert_eq!(trial.ask("1.0.0.10.in-addr.arpa PTR"), NEXT);
}

#[tokio::test]
async fn reads_a_changed_file_again() {
    let (trial, file) = block("reload", "{\nreload 1ms\n}").await;
    std::fs::write(&file.0, "192.0.2.9 new.test\n").expect("written");
    while trial.ask("new.test A") == FAILED {
        tokio::task::yield_now().await;
    }
    check(&trial, "new.test A", &["new.test. 3600 IN A 192.0.2.9"]);
    assert_eq!(trial.ask("a.hosts.test A"), FAILED);
    std::fs::remove_file(&file.0).expect("removed");
    trial.block.managed[0].1.stop().await;
    check(&trial, "new.test A", &["new.test. 3600 IN A 192.0.2.9"]);
}

#[tokio::test]
async fn counts_entries() {
    let (trial, file) = block("metrics", "hosts.test {\n192.0.2.1 x.hosts.test\n}").await;
    let mut out = String::new();
    trial.process.metrics.with(|registry| prometheus_client::encoding::text::encode(&mut out, registry)).expect("text");
    let path = file.0.display();
    assert!(out.contains(&format!("coredns_hosts_entries{{hostsfile=\"{path}\"}} 31\n")), "{out}");
    assert!(out.contains("coredns_hosts_reload_timestamp_seconds 1"), "{out}");
}

#[test]
fn a_missing_file_is_a_warning() {
    let log = Logged::during(|| drop(Trial::new("hosts missing")));
    assert_eq!(log, ["[WARN] plugin/hosts: File does not exist: missing"]);
    let log = Logged::during(|| drop(Trial::new("hosts /tmp")));
    assert_eq!(log, ["[WARN] plugin/hosts: Hosts file \"/tmp\" is a directory"]);
}

#[test]
fn a_query_before_the_start_finds_the_inline_lines() {
    let trial = Trial::new("hosts missing {\n192.0.2.1 a.test\n}");
    let request = request("a.test A", &trial.process.clock);
    let outcome = now(Next::start(&trial.chain).run(&request));
    assert_eq!(text(outcome), "NOERROR qr aa rd; answer: a.test. 3600 IN A 192.0.2.1");
}

#[test]
fn lines_without_effect_are_warned_of() {
    let trial = Trial::new("hosts missing {\n10.0.0.300 a.test\nfe80::1%eth0 b.test\nfalthrough\n}");
    let shown: Vec<_> = trial.block.warnings.iter().map(ToString::to_string).collect();
    let no_effect = "is no IP address: the line has no effect";
    assert_eq!(
        shown,
        ["3 - '10.0.0.300'", "5 - 'falthrough'"].map(|place| format!("plugin/hosts: Corefile:{place} {no_effect}"))
    );
    assert_eq!(trial.block.warnings[1].help.as_deref(), Some("did you mean 'fallthrough'?"));
}

#[test]
fn refuses_in_the_words_of_coredns() {
    for (text, line, expected) in [
        ("ttl", 3, "ttl needs a time in second"),
        ("ttl -1", 3, "ttl provided is invalid"),
        ("ttl 70000", 3, "ttl provided is invalid"),
        ("ttl 30s", 3, "ttl needs a number of second"),
        ("reload", 3, "reload needs a duration (zero seconds to disable)"),
        ("reload abc", 3, "invalid duration for reload 'abc'"),
        ("reload -1s", 3, "invalid negative duration for reload '-1s'"),
        ("fallthrough_unsupported", 4, "fallthrough_unsupported requires fallthrough"),
        ("fallthrough_unsupported x.org", 3, "Wrong argument count or unexpected line ending after 'x.org'"),
        ("fallthrough\n10.0.0.1 example.org", 4, "unknown property '10.0.0.1'"),
    ] {
        let expected = format!("plugin/hosts: Corefile:{line} - Error during parsing: {expected}");
        assert_eq!(setup_error(&format!("hosts {{\n{text}\n}}")), Some(expected), "{text}");
    }
    let once = "plugin/hosts: this plugin can only be used once per Server Block";
    assert_eq!(setup_error("hosts {\n192.0.2.1 a\n}\nhosts {\n}").as_deref(), Some(once));
}
