//! Tests of names, messages and the walk through a chain.

use crate::metrics::{Histogram, OwnCell, Tally};
use crate::{
    Chain, Class, Edns, Handler, Message, Name, Next, Origin, Rcode, Reply, ReplyBuilder, Request, Response, Section,
    Site, Transport, Type, Zone, flag,
};
use std::future::Future;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// A query for `name` with these EDNS octets behind it.
fn query(name: &str, qtype: Type, extra: &[u8]) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 0x01, 0x10, 0, 1, 0, 0, 0, 0, 0, u8::from(!extra.is_empty())];
    message.extend_from_slice(Name::from_text(name).unwrap().as_wire());
    message.extend_from_slice(&qtype.0.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    message.extend_from_slice(extra);
    message
}

/// An origin on loopback.
fn origin() -> Origin {
    let address = "127.0.0.1:53".parse().unwrap();
    let site = Arc::new(Site { server: "dns://:53".into(), upstream: None });
    Origin { peer: address, local: address, transport: Transport::Udp, arrival: Instant::now(), site }
}

#[test]
fn names_keep_letters_and_compare_without_case() {
    let name = Name::from_text("WWW.Example.org").unwrap();
    assert_eq!(name.to_string(), "WWW.Example.org.");
    assert_eq!(name, Name::from_text("www.example.ORG.").unwrap());
    assert_eq!(name.to_lower().to_string(), "www.example.org.");
    assert_eq!(name.label_count(), 3);
    assert_eq!(name.parent().to_string(), "Example.org.");
    assert!(name.is_within(Zone::from_text("example.org").unwrap().name()));
    assert!(!Name::from_text("badexample.org").unwrap().is_within(Zone::from_text("example.org").unwrap().name()));
}

#[test]
fn names_are_escaped_as_coredns_does() {
    for text in ["a\\009b.c.", "a\\.b.c.", "\\195\\169.c.", ".", "a\\ b.", "*.x."] {
        assert_eq!(Name::from_text(text).unwrap().to_string(), text);
    }
    for text in ["a..b", ".a", "a\\25", "a\\999.", ""] {
        assert!(Name::from_text(text).is_err(), "{text}");
    }
    assert!(Name::from_text(&format!("{}.org", "a".repeat(64))).is_err());
    let longest = format!("{0}.{0}.{0}.{1}.", "a".repeat(63), "b".repeat(61));
    assert_eq!(Name::from_text(&longest).unwrap().as_wire().len(), 255);
    assert!(Name::from_text(&format!("c{longest}")).is_err());
}

#[test]
fn compressed_names_are_read_and_loops_refused() {
    let message = [&[0; 12][..], b"\x01a\x00\x01b\xc0\x0c\xc0\x13"].concat();
    let (name, end) = Name::read(&message, 15).unwrap();
    assert_eq!((name.to_string().as_str(), end), ("b.a.", 19));
    assert!(Name::read(&message, 19).is_err());
}

#[test]
fn requests_are_read_in_place() {
    let opt = [0, 0, 41, 0x10, 0, 0, 0, 0x80, 0, 0, 4, 0, 3, 0, 0];
    let message = query("Web.Default.svc.cluster.local", Type::AAAA, &opt);
    let mut request = Request::parse(&message, origin()).unwrap();
    assert_eq!(request.id(), 0x1234);
    assert_eq!(request.qname().to_string(), "Web.Default.svc.cluster.local.");
    assert_eq!(request.question().lower().to_string(), "web.default.svc.cluster.local.");
    assert_eq!(request.qtype(), Type::AAAA);
    assert!(request.has_flag(flag::RD) && request.has_flag(flag::CD) && request.dnssec_ok());
    assert_eq!(request.reply_limit(), 4096);
    assert_eq!(request.edns().unwrap().option(3), Some(&[][..]));
    let mut copy = Vec::new();
    request.write_query(0x1234, &mut copy).unwrap();
    assert_eq!(copy, message);
    request.read(&query("a.b", Type::A, &[])).unwrap();
    assert!(request.edns().is_none());
    assert_eq!(request.reply_limit(), 512);
    // As miekg/dns: a question may end behind its name or type, and records may be missing, but none may be cut.
    let name = 12 + 31;
    for end in 12..message.len() {
        let is_whole = [name, name + 2, name + 4].contains(&end);
        assert_eq!(request.read(&message[..end]).is_ok(), is_whole, "{end}");
    }
}

#[test]
fn replies_are_written_into_the_requests_buffer() {
    let request = Request::parse(&query("Web.example.org", Type::A, &[]), origin()).unwrap();
    let owner = request.qname().clone();
    let mut builder = ReplyBuilder::new(&request).authoritative();
    builder.push_a(Section::Answer, &[owner.as_wire()], 30, Ipv4Addr::new(10, 0, 0, 1));
    builder.push_txt(Section::Additional, &[b"\x01t", owner.parent().as_wire()], 5, &[b"x"]);
    builder.push_a(Section::Authority, &[&[0]], 1, Ipv4Addr::LOCALHOST);
    let mut message = builder.finish();
    assert_eq!(
        [Section::Answer, Section::Authority, Section::Additional].map(|section| message.count(section)),
        [1, 0, 1]
    );
    assert!(message.has_flag(flag::AA) && message.has_flag(flag::QR) && message.has_flag(flag::CD));
    message.change_ttls(|record| record.ttl + 1);
    let ttls: Vec<u32> = message.records().map(|record| record.ttl).collect();
    assert_eq!(ttls, [31, 6]);
    message.edit(|records| records.retain(|record| record.rtype == Type::TXT));
    assert_eq!(message.records().next().unwrap().owner_name().to_string(), "t.example.org.");
    let buffer = message.into_octets();
    let place = buffer.as_ptr();
    request.give_buffer(buffer, 65_536);
    let again = request.take_buffer();
    assert_eq!(again.as_ptr(), place);
}

#[test]
fn received_messages_become_plain() {
    let mut message = query("a.example.org", Type::MX, &[]);
    message[7] = 1;
    message[11] = 1;
    message.extend_from_slice(b"\xc0\x0c\x00\x0f\x00\x01\x00\x00\x00\x1e\x00\x07\x00\x0a\x02mx\xc0\x0e");
    message.extend_from_slice(&[0, 0, 41, 4, 208, 1, 0, 0, 0, 0, 0]);
    let read = Message::read(&message).unwrap();
    let record = read.records().next().unwrap();
    assert_eq!(record.owner_name().to_string(), "a.example.org.");
    assert_eq!(Name::from_wire(&record.rdata[2..]).unwrap().to_string(), "mx.example.org.");
    assert_eq!(read.count(Section::Additional), 0);
    assert_eq!(read.edns.as_ref().map(|edns| (edns.payload, edns.extended_rcode)), Some((1232, 1)));
    assert_eq!(read.rcode(), Rcode(16));
    // A header alone, and what ends between two records.
    let are_messages = [12, message.len() - 30, message.len() - 11];
    assert_eq!(Message::read(&message[..12]).unwrap().question_count(), 0);
    for end in (0..message.len()).filter(|end| !are_messages.contains(end)) {
        assert!(Message::read(&message[..end]).is_err(), "{end}");
    }
}

#[test]
fn edns_options_round_trip() {
    let mut edns = Edns { payload: 1232, ..Edns::default() };
    edns.push_option(10, &[1, 2]);
    edns.push_error(15, "no");
    let mut record = Vec::new();
    edns.write(&mut record);
    assert_eq!(record.len(), edns.wire_len());
    assert_eq!(Edns::from_record(&record), Some(edns));
    assert_eq!(Edns::from_record(&record[..record.len() - 1]), None);
}

/// Passes on, and counts answers on the way back.
struct Pass;

impl Handler for Pass {
    fn name(&self) -> &'static str {
        "pass"
    }

    fn handle<'a>(&'a self, request: &'a Request, next: Next<'a>) -> Reply<'a> {
        next.run(request).then(|outcome| outcome)
    }
}

#[test]
fn the_end_of_a_chain_names_the_last_handler() {
    let chain: Chain = Arc::new([Arc::new(Pass) as Arc<dyn Handler>, Arc::new(Pass)]);
    let request = Request::parse(&query("a", Type::A, &[]), origin()).unwrap();
    let reply = pin!(Next::start(&chain).run(&request));
    let Poll::Ready(Err(error)) = reply.poll(&mut Context::from_waker(Waker::noop())) else { panic!("no error") };
    assert_eq!(error.to_string(), "plugin/pass: no next plugin found");
    assert_eq!(error.rcode, Rcode::SERVFAIL);
    assert_eq!(Response::Drop.rcode(), Rcode::NOERROR);
    assert_eq!((Class::CH.to_string(), Type(65400).to_string()), ("CH".to_owned(), "TYPE65400".to_owned()));
}

#[test]
fn records_are_kept_and_written_again_with_another_ttl() {
    let request = Request::parse(&query("a.example", Type::A, &[]), origin()).unwrap();
    let owner = request.qname().as_wire().to_vec();
    let mut builder = ReplyBuilder::new(&request);
    builder.push_a(Section::Answer, &[&owner], 300, Ipv4Addr::LOCALHOST);
    builder.push_a(Section::Additional, &[&owner], 7, Ipv4Addr::LOCALHOST);
    let mut message = builder.finish();
    message.set_ttls(5);
    assert!(message.records().all(|record| record.ttl == 5));
    let (records, counts) = message.record_octets();
    let mut copy = ReplyBuilder::new(&request);
    copy.copy_records(records, counts, 4);
    let copy = copy.finish();
    assert_eq!(copy.octets().len(), message.octets().len());
    assert_eq!(copy.records().map(|record| record.ttl).collect::<Vec<_>>(), [4, 4]);
    assert_eq!(copy.count(Section::Additional), 1);
}

#[test]
fn a_cache_asks_upstreams_whether_data_is_authentic() {
    let request = Request::parse(&query("a.example", Type::A, &[]), origin()).unwrap();
    let mut written = Vec::new();
    request.ask_authenticated();
    request.derive().write_query(7, &mut written).unwrap();
    assert_eq!(written[3] & 0x20, 0x20);
    assert!(!request.has_flag(flag::AD));
}

#[test]
fn counts_that_promise_too_much_are_corrected() {
    let mut message = query("a.example", Type::A, &[]);
    message[7] = 3;
    let read = Message::read(&message).unwrap();
    assert_eq!(read.count(Section::Answer), 0);
}

#[test]
fn a_query_is_as_long_as_what_it_says() {
    let edns = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 4, 0, 3, 0, 0];
    let mut message = query("www.example.org", Type::A, &edns);
    let length = message.len();
    message.extend_from_slice(b"behind");
    let mut request = Request::parse(&message, origin()).unwrap();
    assert_eq!(request.size(), length);
    request.set_question(crate::Question::new(Name::from_text("example.org").unwrap(), Type::A, Class::IN));
    assert_eq!(request.size(), length - 4);
    request.set_edns(None);
    assert_eq!(request.size(), length - 4 - edns.len());
}

#[test]
fn a_request_that_is_used_again_forgets_the_letters_of_before() {
    let mut request = Request::empty(origin());
    for name in ["web.SHOP.svc.Cluster.Local.", "web.shop.", "A.", "x.", "web.SHOP.svc.Cluster.Local."] {
        let question = [Name::from_text(name).unwrap().as_wire(), &[0, 1, 0, 1]].concat();
        let query = [&[0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], &question[..]].concat();
        request.read(&query).unwrap();
        let question = request.question();
        assert_eq!(question.name().to_string(), name);
        assert_eq!(question.lower().as_wire(), question.name().to_lower().as_wire(), "{name}");
    }
}

#[test]
fn names_of_any_length_are_read_and_lowered() {
    for length in 1..=250 {
        let labels: Vec<String> = (0..length)
            .step_by(50)
            .map(|at| "aZ@[9".repeat((length - at).min(50)).chars().take((length - at).min(49)).collect())
            .collect();
        let text = labels.join(".");
        let Ok(name) = Name::from_text(&text.replace('@', "\\064")) else { continue };
        let lowered: Vec<u8> = name.as_wire().iter().map(u8::to_ascii_lowercase).collect();
        assert_eq!(name.to_lower().as_wire(), lowered, "{length}");
        assert_eq!((name.is_lower(), name.to_lower().is_lower()), (lowered == name.as_wire(), true), "{length}");
        let message = [&[7; 12], name.as_wire(), &[1, 2]].concat();
        let (read, end) = Name::read(&message, 12).unwrap();
        assert_eq!((read.as_wire(), end), (name.as_wire(), message.len() - 2), "{length}");
    }
}

#[test]
fn the_longest_zone_is_found() {
    let zones = ["org", "b.Example.org", "example.org", "."].map(|zone| Name::from_text(zone).unwrap());
    let find = |name: &str| Name::from_text(name).unwrap().longest_zone(zones.iter());
    assert_eq!(find("a.B.example.org"), Some((1, 2)));
    assert_eq!(find("bb.example.org"), Some((2, 3)));
    assert_eq!(find("org"), Some((0, 0)));
    assert_eq!(find("net"), Some((3, 4)));
    assert_eq!(Name::from_text("net").unwrap().longest_zone(zones.iter().take(3)), None);
}

#[test]
fn cells_of_all_threads_are_summed() {
    let (tally, histogram) = (Tally::default(), Histogram::new(&[1.0, 2.0]));
    std::thread::scope(|scope| {
        for number in 0..20 {
            let (tally, histogram) = (&tally, &histogram);
            scope.spawn(move || {
                let _cell = (number % 2 == 0).then(OwnCell::claim);
                (0..1000).for_each(|_| tally.inc());
                histogram.observe(1.5);
            });
        }
    });
    assert_eq!((tally.get(), histogram.count()), (20_000, 20));
}
