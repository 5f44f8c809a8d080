//! Who may have which zone, how it is sent, and NOTIFY over a real socket.

use super::handler::Transfers;
use super::notify::Sender;
use super::{Rule, rule_for};
use crate::trial::{Trial, request, setup_error, text};
use plugin_api::link::{Notifier, Transfer};
use plugin_api::{Class, Clock, Handler, Name, Next, OwnedRecord, Response, Section, Type, Zone, Zones};
use std::sync::{Arc, OnceLock};

/// A zone `big.test` of so many records beside the SOAs.
struct Source(usize);

impl Transfer for Source {
    fn transfer(&self, zone: &Name, serial: Option<u32>) -> Option<Box<dyn Iterator<Item = Vec<OwnedRecord>> + Send>> {
        if zone.to_string() != "big.test." {
            return None;
        }
        let record = |rtype, rdata: Vec<u8>| OwnedRecord {
            section: Section::Answer,
            owner: Name::from_text("big.test").unwrap(),
            rtype,
            class: Class::IN,
            ttl: 1,
            rdata,
        };
        let mut soa = vec![0, 0];
        soa.extend([0, 0, 0, 5].iter().chain(&[0; 16]));
        let soa = record(Type::SOA, soa);
        if serial == Some(5) {
            return Some(Box::new(std::iter::once(vec![soa])));
        }
        let rest = (0..self.0).map(move |_| record(Type::TXT, vec![0; 200]));
        Some(Box::new([vec![soa.clone()], rest.collect(), vec![soa]].into_iter()))
    }
}

/// A rule for zones and addresses.
fn rule(zones: &[&str], to: &[&str]) -> Rule {
    let zones = Zones::new(zones.iter().map(|zone| Zone::from_text(zone).unwrap()).collect());
    Rule { zones, is_open: to.is_empty(), to: to.iter().map(|to| to.parse().unwrap()).collect(), source: None }
}

/// The reply to a query, with rules for one source.
fn ask(rules: Vec<Rule>, query: &str) -> String {
    let sources = OnceLock::from(vec![Arc::new(Source(1000)) as Arc<dyn Transfer>]);
    let chain: plugin_api::Chain = [Arc::new(Transfers { rules: rules.into(), sources }) as Arc<dyn Handler>].into();
    let request = request(query, &Clock::manual());
    text(crate::trial::now(Next::start(&chain).run(&request)))
}

#[test]
fn zones_are_sent_in_messages_that_fit() {
    let rules = || vec![rule(&["test"], &[])];
    assert_eq!(ask(rules(), "big.test AXFR tcp"), "stream of 4");
    assert_eq!(ask(rules(), "big.test AXFR"), "unwritten REFUSED");
    assert_eq!(ask(rules(), "big.test IXFR tcp"), "unwritten SERVFAIL", "there is no SOA in the query");
    let nobody = "error SERVFAIL: plugin/transfer: no next plugin found";
    assert_eq!(ask(rules(), "else.test AXFR tcp"), nobody);
    assert_eq!(ask(rules(), "big.test A tcp"), nobody);
    assert_eq!(ask(vec![rule(&["org"], &[])], "big.test AXFR tcp"), nobody);
}

#[test]
fn records_are_counted_and_complete() {
    let sources = OnceLock::from(vec![Arc::new(Source(1000)) as Arc<dyn Transfer>]);
    let transfers = Transfers { rules: vec![rule(&["test"], &[])].into(), sources };
    let chain: plugin_api::Chain = [Arc::new(transfers) as Arc<dyn Handler>].into();
    let request = request("big.test AXFR tcp", &Clock::manual());
    let Ok(Response::Stream(messages)) = crate::trial::now(Next::start(&chain).run(&request)) else { panic!() };
    let mut count = 0;
    for message in messages {
        assert!(message.octets().len() < 65_000);
        assert!(message.has_flag(plugin_api::flag::AA));
        count += message.count(Section::Answer);
    }
    assert_eq!(count, 1002);
}

#[test]
fn only_those_named_may_have_a_zone() {
    let rules = || vec![rule(&["test"], &["192.0.2.1:53"])];
    assert_eq!(ask(rules(), "big.test AXFR tcp from=192.0.2.1"), "stream of 4");
    assert_eq!(ask(rules(), "big.test AXFR tcp from=192.0.2.2"), "REFUSED qr rd");
}

#[test]
fn the_longest_zone_counts() {
    let rules = [rule(&["test"], &[]), rule(&["a.test"], &["192.0.2.1:53"]), rule(&["a.test"], &[])];
    let find = |name: &str| rule_for(&rules, &Name::from_text(name).unwrap()).map(|rule| rule.to.len());
    assert_eq!((find("b.test"), find("x.a.test"), find("org")), (Some(0), Some(1), None));
}

#[tokio::test]
async fn secondaries_are_told() {
    let secondary = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let to = secondary.local_addr().unwrap().to_string();
    let sender = Sender::new(vec![rule(&["test"], &[&to])].into());
    sender.notify(&Name::from_text("big.test").unwrap());
    let mut buffer = [0; 512];
    let (length, peer) = secondary.recv_from(&mut buffer).await.unwrap();
    assert_eq!(buffer[2..length], *b"\x24\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03big\x04test\x00\x00\x06\x00\x01");
    buffer[2] |= 0x80;
    secondary.send_to(&buffer[..length], peer).await.unwrap();
}

#[test]
fn errors_are_coredns_words() {
    let place = "plugin/transfer: plugin/transfer: Corefile:3 - Error during parsing: ";
    for (directive, expected) in [
        ("transfer {\n bogus\n}", format!("{place}unknown property \"bogus\"")),
        ("transfer {\n source x\n}", format!("{place}invalid source address \"x\"")),
        ("transfer a.test {\n to bogus\n}", "plugin/transfer: must specify an IP address: `bogus'".into()),
        (
            "transfer {\n to\n}",
            "plugin/transfer: Corefile:3 - Error during parsing: Wrong argument count or unexpected line ending after 'to'"
                .into(),
        ),
        (
            "transfer",
            "plugin/transfer: plugin/transfer: Corefile:2 - Error during parsing: 'to' is required".into(),
        ),
    ] {
        assert_eq!(setup_error(directive), Some(expected), "{directive}");
    }
    Trial::new("transfer a.test {\n to *\n to 192.0.2.1 [::1]:5353 2001:db8::1\n source ::1\n}");
}
