//! Tests of the final form of replies. The sizes are those that CoreDNS 1.14.7 gave for the same records.

use super::{fit, truncates};
use crate::server::testing::{octets, origin, query};
use plugin_api::{Edns, Message, Name, OwnedRecord, Request, Section, Srv, Transport, Type, flag};
use plugin_api::{Rcode, ReplyBuilder};
use proptest::prelude::{ProptestConfig, any, prop, prop_assert_eq, proptest};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// The wire form of a name.
fn wire(name: &str) -> Vec<u8> {
    Name::from_text(name).unwrap().as_wire().to_vec()
}

/// A request as `transport` brings it, with EDNS of this payload size.
fn request(name: &str, qtype: Type, transport: Transport, payload: Option<u16>) -> Box<Request> {
    let message = query(7, name, qtype, payload.map(|payload| (payload, &[][..])));
    Request::parse(&message, origin(transport)).unwrap()
}

/// The reply as sent.
fn sent(message: &Message, request: &Request) -> Vec<u8> {
    let mut out = b"before".to_vec();
    fit(message, request, &[], &mut out);
    out.split_off(6)
}

/// Closes the answer with the zone's NS record.
fn with_ns(mut reply: ReplyBuilder) -> ReplyBuilder {
    let (zone, server) = (wire("server.test"), wire("ns.server.test"));
    reply.push_name(Section::Authority, &[&zone], (Type::NS, 300), &[&server]);
    reply
}

/// A reply with `count` addresses and the NS record.
fn addresses(request: &Request, count: u8) -> Message {
    let mut reply = ReplyBuilder::new(request).authoritative();
    for last in 1..=count {
        reply.push_a(Section::Answer, &[request.qname().as_wire()], 60, Ipv4Addr::new(198, 51, 100, last));
    }
    with_ns(reply).finish()
}

#[test]
fn addresses_are_cut_and_compressed_as_recorded() {
    for (transport, payload, size, is_cut) in [
        (Transport::Udp, None, 498, true),
        (Transport::Udp, Some(1232), 1229, true),
        (Transport::Udp, Some(4096), 3262, false),
        (Transport::Udp, Some(65535), 3262, false),
        (Transport::Tcp, None, 6473, false),
    ] {
        let request = request("many.server.test", Type::A, transport, payload);
        let octets = sent(&addresses(&request, 200), &request);
        assert_eq!(octets.len(), size, "{transport:?} {payload:?}");
        assert_eq!(truncates(&addresses(&request, 200), &request, &[]), is_cut);
        let reply = Message::read(&octets).unwrap();
        assert_eq!(reply.has_flag(flag::TC), is_cut);
        assert!(reply.section(Section::Answer).all(|record| record.owner == wire("many.server.test")));
        assert_eq!(reply.edns.map(|edns| edns.payload), payload);
    }
}

#[test]
fn what_would_be_fragmented_is_compressed() {
    let mut request = request("mid.server.test", Type::A, Transport::Udp, Some(4096));
    assert_eq!(sent(&addresses(&request, 44), &request).len(), 1447);
    let peer: SocketAddr = "[::1]:5353".parse().unwrap();
    request.set_arrival(peer, peer, std::time::Instant::now());
    assert_eq!(sent(&addresses(&request, 44), &request).len(), 765);
}

/// Eight MX records with their hosts' addresses.
fn mail(request: &Request) -> Message {
    let zone = wire("server.test");
    let mut reply = ReplyBuilder::new(request).authoritative();
    for host in 1..=8 {
        let name = wire(&format!("mx{host}.server.test"));
        reply.push(Section::Answer, &[request.qname().as_wire()], (Type::MX, 60), |out| {
            out.extend_from_slice(&[0, host]);
            out.extend_from_slice(&name);
        });
    }
    reply.push_name(Section::Authority, &[&zone], (Type::NS, 300), &[&wire("ns.server.test")]);
    for host in 1..=8 {
        let name = wire(&format!("mx{host}.server.test"));
        reply.push_a(Section::Additional, &[&name], 60, Ipv4Addr::new(192, 0, 2, host));
        reply.push_aaaa(Section::Additional, &[&name], 60, Ipv6Addr::LOCALHOST);
    }
    reply.finish()
}

#[test]
fn names_in_mx_rdata_become_pointers() {
    for (transport, payload, size, is_cut) in [
        (Transport::Udp, None, 491, true),
        (Transport::Udp, Some(600), 574, false),
        (Transport::Udp, Some(1232), 1052, false),
        (Transport::Tcp, None, 1041, false),
    ] {
        let request = request("glue.server.test", Type::MX, transport, payload);
        let octets = sent(&mail(&request), &request);
        assert_eq!(octets.len(), size, "{transport:?} {payload:?}");
        let reply = Message::read(&octets).unwrap();
        assert_eq!(reply.has_flag(flag::TC), is_cut);
        assert_eq!(reply.count(Section::Answer), 8);
        assert_eq!(reply.count(Section::Additional), if is_cut { 13 } else { 16 });
    }
}

#[test]
fn srv_targets_stay_whole_but_can_be_pointed_to() {
    for (payload, size, records) in [(None, 505, 12), (Some(4096), 2237, 39 + 1 + 39)] {
        let request = request("srvs.server.test", Type::SRV, Transport::Udp, payload);
        let mut reply = ReplyBuilder::new(&request).authoritative();
        let hosts: Vec<_> = (1..=39_u8).map(|host| wire(&format!("target{host}.server.test"))).collect();
        for (host, port) in hosts.iter().zip(1..) {
            let srv = Srv { priority: 0, weight: 0, port, target: &[host] };
            reply.push_srv(Section::Answer, &[request.qname().as_wire()], 60, &srv);
        }
        let mut reply = with_ns(reply);
        for host in &hosts {
            reply.push_a(Section::Additional, &[host], 60, Ipv4Addr::LOCALHOST);
        }
        let octets = sent(&reply.finish(), &request);
        assert_eq!(octets.len(), size);
        assert_eq!(Message::read(&octets).unwrap().records().count(), records);
    }
}

#[test]
fn compression_compares_letters() {
    let request = request("many.Server.test", Type::A, Transport::Udp, Some(512));
    let mut reply = ReplyBuilder::new(&request);
    let lower = wire("many.server.test");
    for last in 0..19 {
        reply.push_a(Section::Answer, &[&lower], 60, Ipv4Addr::new(192, 0, 2, last));
    }
    let octets = sent(&reply.finish(), &request);
    // Header, question, the first owner up to `test`, pointers from there on, OPT.
    assert_eq!(octets.len(), 12 + 22 + (12 + 2 + 14) + 18 * 16 + 11);
}

#[test]
fn own_options_are_echoed_by_a_list() {
    let options = octets("00030000000a00080102030405060708fde90002abcd000c000200000008000400010000000f00020000");
    let message = query(7, "www.test", Type::A, Some((1232, &options)));
    let request = Request::parse(&message, origin(Transport::Udp)).unwrap();
    let echo = |codes: &[u16]| {
        let mut out = Vec::new();
        fit(&ReplyBuilder::new(&request).finish(), &request, codes, &mut out);
        Message::read(&out).unwrap().edns.unwrap().options().map(|(code, _)| code).collect::<Vec<_>>()
    };
    assert_eq!(echo(&[]), [3, 10, 12]);
    assert_eq!(echo(&[0xfde9]), [3, 10, 0xfde9, 12]);
}

#[test]
fn options_are_echoed_as_they_were_understood() {
    for (options, expected) in [
        ("0009000501020304ff", "0009000401020304"),
        ("00090000", "00090000"),
        ("000b00020000", "000b0000"),
        ("000b00020001", "000b00020001"),
    ] {
        let message = query(7, "www.test", Type::A, Some((1232, &octets(options))));
        let request = Request::parse(&message, origin(Transport::Udp)).unwrap();
        let reply = Message::read(&sent(&ReplyBuilder::new(&request).finish(), &request)).unwrap();
        assert_eq!(reply.edns.unwrap().options, octets(expected), "{options}");
    }
}

#[test]
fn edns_of_the_reply_is_kept_under_the_clients_terms() {
    let mut message = ReplyBuilder::new(&request("www.test", Type::A, Transport::Udp, None)).finish();
    let mut edns = Edns { payload: 4096, flags: 0x80ff, version: 0, ..Edns::default() };
    edns.push_error(17, "");
    message.edns = Some(Box::new(edns));
    message.set_rcode(Rcode::BADCOOKIE);
    let sent_to = |payload| {
        let request = request("www.test", Type::A, Transport::Udp, payload);
        let reply = Message::read(&sent(&message, &request)).unwrap();
        assert_eq!(reply.rcode(), Rcode::BADCOOKIE);
        *reply.edns.unwrap()
    };
    let edns = sent_to(Some(1400));
    assert_eq!((edns.payload, edns.flags), (1400, 0x8000));
    assert_eq!(edns.option(15), Some(&[0, 17][..]));
    assert_eq!(sent_to(None).payload, 4096);
}

#[test]
fn no_reply_is_longer_than_a_datagram() {
    let (v4, v6) = ("127.0.0.1:5353".parse().unwrap(), "[::1]:5353".parse().unwrap());
    for (peer, transport, most) in [
        (v4, Transport::Udp, 65_507),
        (v6, Transport::Udp, 65_527),
        (v4, Transport::Tcp, 65_535),
        (v6, Transport::Tcp, 65_535),
    ] {
        let mut request = request("a.test", Type::A, transport, Some(65_535));
        request.set_arrival(peer, peer, std::time::Instant::now());
        // Header, question, OPT, and compressed records of 16 octets; the last a text that fills up to a number of octets.
        for size in most - 1..=most + 1 {
            let mut reply = ReplyBuilder::new(&request);
            let filled = size - 24 - 11;
            (0..filled / 16 - 2)
                .for_each(|_| reply.push_a(Section::Answer, &[request.qname().as_wire()], 60, Ipv4Addr::LOCALHOST));
            let text = vec![0; 32 + filled % 16 - 12];
            reply.push(Section::Answer, &[request.qname().as_wire()], (Type::NULL, 60), |out| {
                out.extend_from_slice(&text);
            });
            let message = reply.finish();
            let octets = sent(&message, &request);
            let is_cut = size > most;
            assert_eq!(octets[2] & 2 != 0, is_cut, "{transport:?} {size}");
            assert_eq!(octets.len(), if is_cut { size - 12 - text.len() } else { size });
            assert_eq!(truncates(&message, &request, &[]), is_cut);
        }
    }
}

#[test]
fn a_lowered_payload_counts() {
    let request = request("many.server.test", Type::A, Transport::Udp, Some(4096));
    request.cap_payload(512);
    let reply = Message::read(&sent(&addresses(&request, 200), &request)).unwrap();
    assert!(reply.has_flag(flag::TC));
    assert_eq!(reply.edns.unwrap().payload, 512);
}

#[test]
fn names_beyond_the_reach_of_a_pointer_are_written_out() {
    let request = request("big.test", Type::A, Transport::Tcp, None);
    let mut reply = ReplyBuilder::new(&request);
    for number in 0..3000_u16 {
        let owner = wire(&format!("host{number}.zone{}.test", number / 700));
        let [high, low] = number.to_be_bytes();
        reply.push_a(Section::Answer, &[&owner], 60, Ipv4Addr::new(10, 0, high, low));
    }
    let message = reply.finish();
    assert!(message.octets().len() > 65_535);
    let octets = sent(&message, &request);
    let reply = Message::read(&octets).unwrap();
    let wanted: Vec<OwnedRecord> = message.records().map(OwnedRecord::from).collect();
    let got: Vec<OwnedRecord> = reply.records().map(OwnedRecord::from).collect();
    assert_eq!(got, wanted[..got.len()]);
    // About 27 octets a record within reach (a pointer to the zone), 34 beyond: cut between the two.
    assert!(got.len() > 1900 && octets.len() > 65_400, "{} {}", got.len(), octets.len());
    assert_eq!(reply.has_flag(flag::TC), got.len() < 3000);
}

/// Names that often share suffixes.
fn name() -> impl prop::strategy::Strategy<Value = Name> {
    use prop::strategy::Strategy as _;
    prop::collection::vec("[ab]{1,3}", 0..6)
        .prop_map(|labels| Name::from_text(&format!("{}.", labels.join("."))).unwrap())
}

/// Records of types with and without names.
fn record() -> impl prop::strategy::Strategy<Value = OwnedRecord> {
    use prop::strategy::Strategy as _;
    let rdata = (any::<u8>(), name(), name(), prop::collection::vec(any::<u8>(), 20));
    (0..3_usize, name(), any::<u32>(), rdata).prop_map(|(section, owner, ttl, (kind, first, second, octets))| {
        let [first, second] = [first.as_wire(), second.as_wire()];
        let (rtype, rdata) = match kind % 7 {
            0 => (Type::A, octets[..4].to_vec()),
            1 => (Type::CNAME, first.to_vec()),
            2 => (Type::SRV, [&octets[..6], first].concat()),
            3 => (Type::SOA, [first, second, &octets].concat()),
            4 => (Type::MX, [&octets[..2], first].concat()),
            5 => (Type::RRSIG, [&octets[..18], first, &octets].concat()),
            _ => (Type::TXT, [&[20][..], &octets].concat()),
        };
        let section = [Section::Answer, Section::Authority, Section::Additional][section];
        OwnedRecord { section, owner, rtype, class: plugin_api::Class::IN, ttl, rdata }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_compressed_reply_reads_as_it_was(records in prop::collection::vec(record(), 0..60), payload in 512..4096_u16) {
        let request = request("a.b.ab", Type::A, Transport::Udp, Some(payload));
        let mut message = ReplyBuilder::new(&request).finish();
        message.edit(|all| all.extend(records));
        let octets = sent(&message, &request);
        assert!(octets.len() <= usize::from(payload));
        let reply = Message::read(&octets).unwrap();
        let wanted: Vec<OwnedRecord> = message.records().map(OwnedRecord::from).collect();
        let got: Vec<OwnedRecord> = reply.records().map(OwnedRecord::from).collect();
        prop_assert_eq!(&got[..], &wanted[..got.len()]);
        let letters = |records: &[OwnedRecord]| records.iter().map(|record| record.owner.as_wire().to_vec()).collect::<Vec<_>>();
        prop_assert_eq!(letters(&got), letters(&wanted[..got.len()]));
        prop_assert_eq!(reply.has_flag(flag::TC), got.len() < wanted.len());
    }
}
