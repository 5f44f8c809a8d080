//! Tests of admission. The queries are those of the recorded suite plugins/server, the replies are CoreDNS's.

use super::{Verdict, admit, refuse_version};
use crate::server::testing::{octets, origin, query};
use plugin_api::{Message, Rcode, Request, Transport, Type};

/// What comes of a message: a reply in hexadecimal, `query` or `ignored`.
fn outcome(hex: &str) -> String {
    let mut request = Request::empty(origin(Transport::Udp));
    let mut out = Vec::new();
    match admit(&octets(hex), &mut request, &mut out) {
        Verdict::Query => "query".to_owned(),
        Verdict::Ignore => "ignored".to_owned(),
        Verdict::Refused => out.iter().map(|octet| format!("{octet:02x}")).collect(),
    }
}

/// The question `www.server.test. A IN`.
const QUESTION: &str = "037777770673657276657204746573740000010001";
/// A header of the reply FORMERR to a query with RD, without question.
const FORMERR: &str = "abcd81010000000000000000";

#[test]
fn headers_decide_before_anything_is_decoded() {
    for (query, expected) in [
        ("00", "ignored"),
        ("xid010000010000000000", "ignored"),
        ("xid81000001000000000000", "ignored"),
        ("xid01000000000000000000", FORMERR),
        ("xid01000001000000000000", "abcd81020000000000000000"),
        ("xid0100000000000000000100002904d0000000000000", FORMERR),
        ("xid10000000000000000000", "abcd90040000000000000000"),
    ] {
        assert_eq!(outcome(query), expected, "{query}");
    }
    for (head, expected) in [
        ("xid01000001000000000000", "query"),
        ("xid21000001000000000000", "query"),
        ("xid01400001000000000000", "query"),
        ("xid07f00001000000000000", "query"),
        ("xid01000002000000000000", FORMERR),
        ("xid09000001000000000000", "abcd89040000000000000000"),
        ("xid29000001000000000000", "abcda9040000000000000000"),
        ("xid79000001000000000000", "abcdf9040000000000000000"),
        ("xid01000001000200000000", FORMERR),
        ("xid01000001000000020000", FORMERR),
        ("xid01000001000000000003", FORMERR),
        // Counts that promise records which are not there.
        ("xid01000001000000000001", "query"),
        ("xid01000001000100010002", "query"),
    ] {
        assert_eq!(outcome(&format!("{head}{QUESTION}")), expected, "{head}");
    }
}

#[test]
fn what_cannot_be_decoded_is_a_format_error() {
    for question in [
        "037777770673657276657204746573740000010",
        "0377777706",
        "c00c00010001",
        "c04000010001",
        "41000000000000010001",
    ] {
        let question = if question.len() % 2 == 1 { format!("{question}0") } else { question.to_owned() };
        assert_eq!(outcome(&format!("xid01000001000000000000{question}")), FORMERR, "{question}");
    }
    let with_question = format!("abcd81010001000000000000{QUESTION}");
    for (extra, expected) in [
        ("00002904d0", &*with_question),
        ("00002904d0000000000004", &with_question),
        ("00002904d0000000000006000a0008aabb", &with_question),
        ("00002904d000000000000800080004ffff1800", &with_question),
        ("00002904d000000000000c0008000800014000c0000201", &with_question),
        ("00002904d0000000000007000b0003010203", &with_question),
        ("00002904d0000000000006001200020102", &with_question),
        ("00002904d00000000000050013000101", &with_question),
        ("00002904d000000000000700120003017800", "query"),
        ("00002904d0000000000005000a000101", "query"),
        ("00002904d00000000000080008000400010000", "query"),
        ("00002904d0000000000004000b0000", "query"),
        ("00002904d000000000000400090000", "query"),
        ("00002904d0000000000006fde90002abcd", "query"),
        ("016100002904d0000000000000", "query"),
        ("0377777706736572766572047465737400000100010000003c0003c00002", &with_question),
    ] {
        assert_eq!(outcome(&format!("xid01000001000000000001{QUESTION}{extra}")), expected, "{extra}");
    }
}

#[test]
fn queries_with_records_that_do_not_decode_are_format_errors() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/verdicts/replies/rdata.jsonl");
    let mut refused = 0;
    for line in std::fs::read_to_string(file).unwrap().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let (rtype, rdata) = (line["type"].as_u64().unwrap(), line["rdata"].as_str().unwrap());
        // `cut` has a letter for each length of the rdata; a dot stands for rdata that decodes.
        for (length, theirs) in line["cut"].as_str().unwrap().chars().enumerate() {
            let record = format!("00{rtype:04x}000100000000{length:04x}{}", rdata.get(..2 * length).unwrap());
            let outcome = outcome(&format!("xid01000001000000000001{QUESTION}{record}"));
            let expected =
                if theirs == '.' { "query".to_owned() } else { format!("abcd81010001000000000000{QUESTION}") };
            // Names in the record that point to the question point elsewhere in this message.
            if !rdata.contains("c0") {
                refused += usize::from(theirs != '.');
                assert_eq!(outcome, expected, "{} {record}", line["name"]);
            }
        }
    }
    assert!(refused > 200, "{refused}");
}

#[test]
fn other_edns_versions_get_badvers_with_a_bare_opt() {
    let mut message = query(7, "www.test", Type::A, Some((1232, &[])));
    let mut request = Request::parse(&message, origin(Transport::Udp)).unwrap();
    assert!(!refuse_version(&request, &mut Vec::new()));
    let version = message.len() - 5;
    message[version] = 1;
    request.read(&message).unwrap();
    let mut out = Vec::new();
    assert!(refuse_version(&request, &mut out));
    let reply = Message::read(&out).unwrap();
    assert_eq!(reply.rcode(), Rcode::BADVERS);
    let edns = reply.edns.unwrap();
    assert_eq!((edns.payload, edns.version, edns.flags), (0, 0, 0));
}

#[test]
fn any_octets_are_survived() {
    let mut request = Request::empty(origin(Transport::Udp));
    let seed = octets(&format!("xid01000001000000000001{QUESTION}00002904d000000000000c000a00080102030405060708"));
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..20_000 {
        let mut message = seed.clone();
        for _ in 0..4 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let at = usize::try_from(state % 64).unwrap() % message.len();
            message[at] = u8::try_from(state >> 32 & 0xff).unwrap();
        }
        message.truncate(usize::try_from(state >> 40).unwrap() % (seed.len() + 1));
        let mut out = Vec::new();
        match admit(&message, &mut request, &mut out) {
            Verdict::Refused => assert!(out.len() >= 12 && out.len() <= message.len().max(12)),
            Verdict::Ignore => assert!(out.is_empty()),
            Verdict::Query => assert!(out.is_empty() && request.id() == u16::from_be_bytes([message[0], message[1]])),
        }
    }
}
