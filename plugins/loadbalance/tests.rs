//! Orders of records, and the errors of `loadbalance`. Chance is checked by what may and what may not come out.

use super::weights::Weights;
use crate::trial::{Logged, Trial, setup_error};
use plugin_api::{Lifecycle, Rcode, ReplyBuilder, Request, Response, Section, Type};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

/// A block whose last handler answers with three addresses, an alias, two MX records and a TXT record, mixed.
fn trial(directives: &str) -> Trial {
    Trial::ending_in(directives, |request: &Request| {
        let mut reply = ReplyBuilder::new(request);
        let owner = [request.qname().as_wire()];
        if request.qname().to_string().starts_with("nx") {
            reply.set_rcode(Rcode::NXDOMAIN);
        }
        reply.push_txt(Section::Answer, &owner, 1, &[b"t"]);
        for octet in [1, 2] {
            reply.push_a(Section::Answer, &owner, 1, Ipv4Addr::new(10, 0, 0, octet));
            reply.push(Section::Answer, &owner, (Type::MX, 1), |out| out.extend_from_slice(&[0, octet, 0]));
        }
        reply.push_name(Section::Answer, &owner, (Type::CNAME, 1), &owner);
        reply.push_a(Section::Answer, &owner, 1, Ipv4Addr::new(192, 0, 2, 3));
        reply.push_a(Section::Additional, &owner, 1, Ipv4Addr::new(192, 0, 2, 3));
        reply.push_a(Section::Additional, &owner, 1, Ipv4Addr::new(10, 0, 0, 1));
        Ok(Response::Message(reply.finish()))
    })
}

/// The answers of many tries, each as the rdata in their order, and the additional sections.
fn orders(trial: &Trial, query: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let short = |section: &str| {
        let records = section.split_once(": ").map_or("", |(_, records)| records).split(", ");
        records.map(|record| record.split(' ').skip(4).collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(" ")
    };
    let replies: Vec<String> = (0..400).map(|_| trial.ask(query)).collect();
    let section = |name: &str| {
        let sections = replies.iter().flat_map(|reply| reply.split("; ").filter(|section| section.starts_with(name)));
        sections.map(short).collect()
    };
    (section("answer"), section("additional"))
}

#[test]
fn shuffles_addresses_and_mx_behind_the_rest() {
    let (answers, additional) = orders(&trial("loadbalance"), "x A");
    assert_eq!(answers.len(), 12, "3! orders of addresses and 2 of MX: {answers:?}");
    assert!(answers.iter().all(|answer| answer.starts_with("x. \"t\" 1") && answer.ends_with(" .")), "{answers:?}");
    assert_eq!(additional.len(), 2, "{additional:?}");
    assert_eq!(orders(&trial("loadbalance round_robin"), "x A").0, answers);
}

#[test]
fn leaves_denials_and_transfers_alone() {
    let as_sent = "\"t\" 10.0.0.1 1 . 10.0.0.2 2 . nx. 192.0.2.3";
    assert_eq!(orders(&trial("loadbalance"), "nx A").0, [as_sent.to_owned()].into());
    let as_sent = as_sent.replace("nx.", "x.");
    assert_eq!(orders(&trial("loadbalance"), "x AXFR").0, [as_sent].into());
}

#[test]
fn prefers_networks_in_their_order() {
    let (answers, additional) = orders(&trial("loadbalance {\nprefer 192.0.2.0/24 10.0.0.2/32\n}"), "x A");
    let expected = ["x. 192.0.2.3 10.0.0.2 10.0.0.1 1 . 2 . \"t\"", "x. 192.0.2.3 10.0.0.2 10.0.0.1 2 . 1 . \"t\""];
    assert_eq!(answers, expected.map(str::to_owned).into());
    assert_eq!(additional, ["192.0.2.3 10.0.0.1".to_owned()].into());
}

/// A weight file of its own, gone at the end.
struct TestFile(PathBuf);

impl TestFile {
    /// Writes a file with this text.
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ferrodns-weights-{}-{name}", std::process::id()));
        std::fs::write(&path, text).expect("written");
        Self(path)
    }
}

impl Drop for TestFile {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

#[tokio::test]
async fn draws_by_weight() {
    let file = TestFile::new("draw", "# comment\nX\n10.0.0.1 1\n10.0.0.2 255\n\nother.test.\n192.0.2.3 200\n");
    let trial = trial(&format!("loadbalance weighted {} {{\nreload 0s\n}}", file.0.display()));
    let (answers, _) = orders(&trial, "x A");
    let swapped = ["10.0.0.1 10.0.0.2 192.0.2.3", "10.0.0.2 10.0.0.1 192.0.2.3", "192.0.2.3 10.0.0.2 10.0.0.1"];
    let all = swapped.map(|addresses| format!("x. \"t\" {addresses} 1 . 2 ."));
    assert_eq!(answers, all.clone().into(), "every address may be first before the file is read");
    trial.block.managed[0].1.start().await.expect("started");
    let firsts = (0..400).filter(|_| trial.ask("x A").contains("\"t\", x. 1 IN A 10.0.0.2,")).count();
    assert!(firsts > 360, "255 of 257 are expected, {firsts} of 400 came");
    let as_sent = "\"t\" 10.0.0.1 1 . 10.0.0.2 2 . x. 192.0.2.3".to_owned();
    assert_eq!(orders(&trial, "x TXT").0, [as_sent].into(), "other types keep their order");
}

/// The error of reading this text as a weight file.
fn weight_error(name: &str, text: &str) -> String {
    let file = TestFile::new(name, text);
    let error = Weights::new(file.0.clone(), Duration::ZERO).read().expect_err("refused").to_string();
    error.replace(&file.0.display().to_string(), "w")
}

#[test]
fn refuses_weight_files_in_the_words_of_coredns() {
    for (text, expected) in [
        ("x.test\n10.0.0.1 300", "wrong weight value:\"300\" in weight file w"),
        ("x.test\n10.0.0.1 0", "wrong weight value:\"0\" in weight file w"),
        ("x.test\n10.0.0 1", "wrong IP address:\"10.0.0\" in weight file w"),
        ("10.0.0.1", "wrong domain name:\"10.0.0.1\" in weight file w. (Maybe a missing weight value?)"),
        ("10.0.0.1 1", "missing domain name in weight file w"),
        ("a b c", "could not parse weight line:\"a b c\" in weight file w"),
    ] {
        assert_eq!(weight_error("refuse", text), expected);
    }
}

#[tokio::test]
async fn a_missing_weight_file_may_appear() {
    let path = TestFile::new("missing", "").0.clone();
    let once = Weights::new(path.clone(), Duration::ZERO);
    assert_eq!(once.start().await, Err("plugin/loadbalance: weight file open error".to_owned()));
    let again = Weights::new(path, Duration::from_secs(30));
    let logged = Logged::default();
    let _guard = tracing::subscriber::set_default(logged.clone());
    again.start().await.expect("started");
    let warning = "[WARN] plugin/loadbalance: Failed to open weight file:weight file open error. Will try again in 30s";
    assert_eq!(logged.take(), [warning]);
    again.stop().await;
}

#[test]
fn says_once_that_a_file_was_read() {
    let file = TestFile::new("once", "x.test\n10.0.0.1 2\n");
    let weights = Weights::new(file.0.clone(), Duration::ZERO);
    let lines = Logged::during(|| (0..2).for_each(|_| weights.read().expect("read")));
    assert_eq!(lines, [format!("[INFO] plugin/loadbalance: Successfully reloaded weight file {}", file.0.display())]);
}

#[test]
fn refuses_in_the_words_of_coredns() {
    let parsing = "Error during parsing: ";
    for (text, expected) in [
        ("loadbalance random", "unknown policy: random".to_owned()),
        ("loadbalance round_robin x", format!("Corefile:2 - {parsing}unknown property for round_robin")),
        ("loadbalance weighted", format!("Corefile:2 - {parsing}missing weight file argument")),
        ("loadbalance weighted w x", format!("Corefile:2 - {parsing}unexpected argument(s)")),
        ("loadbalance weighted w {\nreload abc\n}", format!("Corefile:3 - {parsing}invalid reload duration 'abc'")),
        ("loadbalance weighted w {\nreload 30s a\n}", format!("Corefile:3 - {parsing}unexpected argument")),
        ("loadbalance weighted w {\nbogus 1\n}", format!("Corefile:3 - {parsing}unknown property 'bogus'")),
        ("loadbalance {\nbogus\n}", format!("Corefile:3 - {parsing}unknown property 'bogus'")),
        (
            "loadbalance {\nprefer 10.0.0.0/99\n}",
            format!("Corefile:3 - {parsing}invalid CIDR \"10.0.0.0/99\": invalid CIDR address: 10.0.0.0/99"),
        ),
    ] {
        assert_eq!(setup_error(text), Some(format!("plugin/loadbalance: {expected}")), "{text}");
    }
}
