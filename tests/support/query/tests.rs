//! Lines to messages, as dnspython builds them.

use super::*;
use crate::rdata::hex;

/// Lines and the messages that they stand for under the id 7.
#[rustfmt::skip]
const LINES: &[(&str, &str)] = &[
    ("www.example.com A", "00070100000100000000000003777777076578616d706c6503636f6d0000010001"),
    ("Www.Example.com. TXT CH nord cd ad z", "00070070000100000000000003577777074578616d706c6503636f6d0000100003"),
    (r"a\.b.\000.example SRV do id=7", "00070100000100000000000103612e620100076578616d706c65000021000100002904d0000080000000"),
    ("x.test A bufsize=512 nsid cookie opt=65001:abcd,3:", "000701000001000000000001017804746573740000010001000029020000000000001a00030000000a00080102030405060708fde90002abcd00030000"),
    ("x.test A edns=1", "00070100000100000000000101780474657374000001000100002904d0000100000000"),
    ("x.test IXFR serial=2026010101 tcp", "000701000001000000010000017804746573740000fb0001c00c00060001000000000016000078c275f500000000000000000000000000000000"),
    ("x.test TYPE65400 CLASS7 aa tc qr opcode=5 edns", "0007af0000010000000000010178047465737400ff78000700002904d0000000000000"),
    ("a-label RAW hex=xid01000000", "000701000000"),
];

#[test]
fn a_line_becomes_a_message() {
    for (line, wire) in LINES {
        assert_eq!(hex(&line.parse::<Query>().unwrap().to_wire(7)), *wire, "{line}");
    }
}

#[test]
fn options_say_how_to_send() {
    let query: Query =
        "x A conn=a from=127.0.0.9 sport=5 to=::1 port=2 sleep=0.5 wait=2 repeat=3 bg all # b".parse().unwrap();
    assert_eq!(query.route, Route::Kept("a".to_owned()));
    assert_eq!((query.source_port, query.port, query.repeat), (5, 2, 3));
    assert_eq!((query.sleep, query.wait), (Duration::from_millis(500), Duration::from_secs(2)));
    assert!(query.is_background && query.is_all);
    assert_eq!(query.line.split(' ').next_back(), Some("all"));
    assert_eq!(query.unsupported(), None);
}

#[test]
fn other_transports_are_known_by_name() {
    for (line, name) in [
        ("x A tls port=2", "tls"),
        ("x A https=get path=/y", "https"),
        ("x A https3", "https3"),
        ("x A quic", "quic"),
        ("x A grpc tls", "tls"),
        ("x A tsig=a:b= badsig", "tsig"),
    ] {
        assert_eq!(line.parse::<Query>().unwrap().unsupported(), Some(name), "{line}");
    }
}

#[test]
fn what_is_not_understood_is_refused() {
    for line in
        ["", "x", "x A nonsense", "x A id=65536", "x A hex=1", "x NOTYPE", "a..b A", "x A wait=-1", "x A opcode=16"]
    {
        assert!(line.parse::<Query>().is_err(), "{line}");
    }
}
