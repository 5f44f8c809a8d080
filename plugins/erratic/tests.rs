//! The replies of `erratic`, as recorded from CoreDNS (golden suite plugins/erratic), and its errors.

use crate::trial::{Trial, request, setup_error, text};
use plugin_api::link::{Ready, SearchPath};
use plugin_api::{Next, Reply};

/// An answer to an A query for `a.test`.
const ANSWER: &str = "NOERROR qr aa rd; answer: a.test. 0 IN A 192.0.2.53";
/// The same with TC.
const TRUNCATED: &str = "NOERROR qr aa tc rd; answer: a.test. 0 IN A 192.0.2.53";

/// Checks the replies to one A query after the other.
fn check(properties: &str, expected: &[&str]) {
    let trial = Trial::new(&format!("erratic {{\n{properties}\n}}"));
    let replies: Vec<String> = expected.iter().map(|_| trial.ask("a.test A")).collect();
    assert_eq!(replies, expected, "{properties}");
}

#[test]
fn spoils_every_so_many() {
    check("drop 3", &["dropped", ANSWER, ANSWER, "dropped"]);
    check("drop", &["dropped", ANSWER, "dropped", ANSWER]);
    check("truncate 2", &[TRUNCATED, TRUNCATED, ANSWER, ANSWER, TRUNCATED]);
    check("drop 0\ntruncate 3", &[TRUNCATED, ANSWER, ANSWER, ANSWER, TRUNCATED]);
    check("drop 2\ndelay 0", &["dropped", ANSWER]);
    assert_eq!(Trial::new("erratic").ask("a.test A"), "dropped");
}

#[tokio::test]
async fn delays_every_so_many() {
    let trial = Trial::new("erratic {\ndelay 2 1ms\n}");
    for is_late in [true, false, true] {
        let request = request("a.test A", &trial.process.clock);
        let reply = Next::start(&trial.chain).run(&request);
        assert_eq!(matches!(reply, Reply::Later(_)), is_late);
        assert_eq!(text(reply.await), ANSWER);
    }
}

#[test]
fn answers_by_type() {
    let trial = Trial::new("erratic {\ndrop 0\n}");
    assert_eq!(trial.ask("A.test AAAA"), "NOERROR qr aa rd; answer: A.test. 0 IN AAAA 2001:db8::53");
    assert_eq!(trial.ask("a.test TXT"), "unwritten SERVFAIL");
    let soa = "x. 0 IN SOA sns.dns.icann.org. noc.dns.icann.org. 2018050825 7200 3600 1209600 3600";
    let rest = "x. 0 IN NS b.x., x. 0 IN NS a.x., a.x. 0 IN AAAA 2001:bd8::53, b.x. 0 IN AAAA 2001:500::54";
    assert_eq!(trial.ask("x AXFR tcp"), format!("NOERROR qr aa rd; answer: {soa}, {rest}, {soa}"));
    let large = Trial::new("erratic {\ndrop 0\nlarge\n}").ask("a.test A");
    assert_eq!(large.matches("192.0.2.53").count(), 30);
}

#[test]
fn offers_readiness_and_a_search_path() {
    let trial = Trial::new("erratic");
    let ready = trial.block.links.find::<dyn Ready>("erratic").expect("offered");
    let states: Vec<bool> = (0..6)
        .map(|_| {
            drop(trial.ask("a.test A"));
            ready.is_ready()
        })
        .collect();
    assert_eq!(states, [false, false, true, true, false, false]);
    let path = trial.block.links.find::<dyn SearchPath>("erratic").expect("offered");
    let path: Vec<String> =
        path.search_path(&request("a A", &trial.process.clock)).iter().map(ToString::to_string).collect();
    assert_eq!(path, ["a.example.org.", "b.example.org.", "."]);
}

#[test]
fn refuses_in_the_words_of_coredns() {
    for (text, expected) in [
        ("bogus", "Corefile:3 - Error during parsing: unknown property 'bogus'"),
        ("delay 1 2 4", "Corefile:3 - Error during parsing: Wrong argument count or unexpected line ending after '4'"),
        ("drop -1", "illegal amount value given \"-1\""),
        ("truncate x", "strconv.ParseInt: parsing \"x\": invalid syntax"),
        ("delay 1 x", "time: invalid duration \"x\""),
    ] {
        assert_eq!(
            setup_error(&format!("erratic {{\n{text}\n}}")),
            Some(format!("plugin/erratic: {expected}")),
            "{text}"
        );
    }
}
