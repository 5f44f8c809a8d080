//! Replies of every kind that an upstream may send, against CoreDNS's verdicts in `tests/verdicts/replies/cuts.jsonl`.

use super::{read_datagram, read_whole};
use crate::forward::fault::Fault;
use plugin_api::{Message, Rcode, WireError, flag};

/// The question `a.test. A IN` in a client's letters.
const QUESTION: &[u8] = b"\x01a\x04TEst\0\0\x01\0\x01";
/// Where the question of a reply ends.
const QUESTION_END: usize = 24;
/// An address, its owner compressed.
const ADDRESS: &[u8] = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01";

/// The octets of hex digits.
fn octets(hex: &str) -> Vec<u8> {
    hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// A message of these flags, counts and octets behind the header.
fn message(flags: u16, counts: [u8; 4], rest: &[u8]) -> Vec<u8> {
    let [high, low] = flags.to_be_bytes();
    let mut message = vec![0, 7, high, low];
    message.extend(counts.iter().flat_map(|count| [0, *count]));
    message.extend_from_slice(rest);
    message
}

/// What a datagram is taken for: T for a truncated reply without records, the number of records of another one, `wait` for
/// what is waited on, `end` for what ends the wait.
fn taken(read: Result<Message, Fault>) -> String {
    match read {
        Ok(reply) => {
            let count = reply.records().count() + usize::from(reply.edns.is_some());
            assert!(reply.octets()[12..].starts_with(QUESTION) || !reply.has_flag(flag::TC));
            if reply.has_flag(flag::TC) && count == 0 { "T".to_owned() } else { count.to_string() }
        }
        Err(fault) if fault.ends_wait() => "end".to_owned(),
        Err(_) => "wait".to_owned(),
    }
}

#[test]
fn a_reply_cut_at_any_octet_is_what_it_is_to_coredns() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/verdicts/replies/cuts.jsonl");
    let mut count = 0;
    for line in std::fs::read_to_string(file).unwrap().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let reply = octets(line["reply"].as_str().unwrap());
        for (length, theirs) in (12..).zip(line["cut"].as_str().unwrap().chars()) {
            count += 1;
            let ours = taken(read_datagram(&reply[..length], QUESTION, 512));
            // CoreDNS ends the query with FORMERR or SERVFAIL where the question is not whole; it may be forged.
            let expected = if length < QUESTION_END { "wait".to_owned() } else { theirs.to_string() };
            assert_eq!(ours, expected, "{} cut at {length}", line["shape"]);
            assert_eq!(taken(read_datagram(&reply, QUESTION, length)), expected, "a limit of {length}");
        }
        for length in 0..12 {
            assert_eq!(taken(read_datagram(&reply[..length], QUESTION, 512)), "wait");
        }
    }
    assert!(count > 400);
}

#[test]
fn a_header_alone_says_what_its_flags_say() {
    for (flags, datagram, stream) in [
        // TC; nothing; FORMERR, SERVFAIL, NXDOMAIN, REFUSED; no response.
        (0x8380, "T", "wait"),
        (0x8180, "wait", "wait"),
        (0x8181, "end", "end"),
        (0x8182, "end", "end"),
        (0x8183, "end", "end"),
        (0x8185, "end", "end"),
        (0x0181, "wait", "wait"),
        (0x0380, "wait", "wait"),
    ] {
        for counts in [[0; 4], [1, 0, 0, 0], [1, 1, 1, 1]] {
            let header = message(flags, counts, &[]);
            assert_eq!(taken(read_datagram(&header, QUESTION, 512)), datagram, "{flags:x} {counts:?}");
            assert_eq!(taken(read_whole(&header, QUESTION)), stream, "{flags:x} {counts:?}");
        }
        // With EDNS, but no question.
        let opt = message(flags, [0, 0, 0, 1], b"\0\0\x29\x04\xd0\0\0\0\0\0\0");
        assert_eq!(taken(read_datagram(&opt, QUESTION, 512)), datagram, "{flags:x}");
    }
    let fault = read_datagram(&message(0x8185, [0; 4], &[]), QUESTION, 512).unwrap_err();
    assert!(matches!(fault, Fault::Bare(Rcode::REFUSED)));
}

#[test]
fn what_does_not_decode_ends_the_wait_if_it_answers_the_question() {
    let other = b"\x01z\x04test\0\0\x01\0\x01";
    let mail = b"\xc0\x0c\0\x0f\0\x01\0\0\0\x3c\0\x04\0\x01\x03a";
    for (question, record, expected) in [
        (QUESTION, &mail[..], "end"),
        (other, mail, "wait"),
        (QUESTION, ADDRESS, "1"),
        (other, ADDRESS, "wait"),
        // Rdata that is too short for its type, and too long.
        (QUESTION, b"\xc0\x0c\0\x30\0\x01\0\0\0\x3c\0\x01\x01", "T"),
        (other, b"\xc0\x0c\0\x30\0\x01\0\0\0\x3c\0\x01\x01", "wait"),
        (QUESTION, b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x05\x01\x01\x01\x01\x01", "end"),
        // OPT in the answer section is left out, TSIG ends the wait.
        (QUESTION, b"\0\0\x29\x04\xd0\0\0\0\0\0\0", "0"),
        (QUESTION, b"\0\0\xfa\0\xff\0\0\0\0\0\x11\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "end"),
    ] {
        let reply = message(0x8180, [1, 1, 0, 0], &[question, record].concat());
        assert_eq!(taken(read_datagram(&reply, QUESTION, 512)), expected, "{record:02x?}");
    }
    let signed = message(0x8180, [1, 0, 0, 1], &[QUESTION, &[0, 0, 250, 0, 255, 0, 0, 0, 0, 0, 0]].concat());
    assert!(matches!(read_whole(&signed, QUESTION), Err(Fault::Undecodable(WireError::Tsig))));
}
