//! Zone files as they are read, and the words of what is wrong.

use super::{ParseError, Reader, Record};
use plugin_api::Name;
use proptest::prelude::*;
use std::fmt::Write as _;
use std::path::Path;

/// The records of a text with origin `example.org`.
fn records(text: &str) -> Result<Vec<Record>, ParseError> {
    let origin = Name::from_text("example.org").unwrap();
    Reader::new(text.to_owned(), origin, Path::new("db")).collect()
}

/// The records of a text, one in a line: owner, TTL, class, type, rdata in hexadecimal.
fn show(text: &str) -> Vec<String> {
    let records = records(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let line = |record: &Record| {
        let Record { owner, ttl, class, rtype, rdata } = record;
        let mut line = format!("{owner} {ttl} {class} {rtype} ");
        rdata.iter().for_each(|octet| write!(line, "{octet:02x}").unwrap());
        line
    };
    records.iter().map(line).collect()
}

#[test]
fn owners_ttls_and_classes_are_carried_on() {
    let text =
        "$TTL 5m\n@ IN A 192.0.2.1\n\tA 192.0.2.2 ; more\nwww 60 CH A 192.0.2.3\n$ORIGIN sub\nX IN 7 A 192.0.2.4\n";
    assert_eq!(
        show(text),
        [
            "example.org. 300 IN A c0000201",
            "example.org. 300 IN A c0000202",
            "www.example.org. 60 CH A c0000203",
            "X.sub.example.org. 7 IN A c0000204",
        ]
    );
}

#[test]
fn a_ttl_is_missing_only_where_the_type_follows_the_owner() {
    let text = "a IN A 192.0.2.1\nb CH TXT x\nc 300 A 192.0.2.2\nd A 192.0.2.3\n";
    assert_eq!(
        show(text),
        [
            "a.example.org. 0 IN A c0000201",
            "b.example.org. 0 CH TXT 0178",
            "c.example.org. 300 IN A c0000202",
            "d.example.org. 300 IN A c0000203",
        ]
    );
}

#[test]
fn words_cross_lines_and_hold_anything_in_quotation_marks() {
    let text = "a 1 TXT ( \"one;\"\n  \"two words\" ) ; end\nb\\.c 1 TXT \"a\\\"\\065\" \"\"\nd 1 TXT \"x\"\"y\"\n";
    assert_eq!(
        show(text),
        [
            "a.example.org. 1 IN TXT 046f6e653b0974776f20776f726473",
            "b\\.c.example.org. 1 IN TXT 0361224100",
            "d.example.org. 1 IN TXT 01780179",
        ]
    );
}

#[test]
fn rdata_of_every_kind() {
    for (text, expected) in [
        ("MX 10 mail", "000a046d61696c076578616d706c65036f726700"),
        ("SRV 1 2 3 .", "00010002000300"),
        ("SOA a. b. 1 1h 2m 3 4", "0161000162000000000100000e10000000780000000300000004"),
        ("CAA 0 issue \"ca\"", "0005697373756563"),
        ("URI 1 2 \"http\"", "0001000268747470"),
        ("NSEC . A MX TYPE1234", "000002400104"),
        ("DS 1 ECDSAP256SHA256 2 00 ff", "00010d0200ff"),
        ("NAPTR 1 2 \"u\" \"\" \"r\" .", "00010002017500017200"),
        ("SVCB 1 . alpn=\"h2,h3\" port=1", "0001000001000602683202683300030002"),
        ("LOC 1 2 3 N 4 W 5m", "001216138038cef87f24460000989874"),
        ("APL 1:192.0.2.0/24 !2:2001:db8::/32", "00011803c000020002208420010db8"),
        ("EUI48 00-11-22-33-44-55", "001122334455"),
        ("HINFO \"a b\"", "01610162"),
        ("TYPE65400 \\# 3 abcd ef", "abcdef"),
        ("A \\# 4 c0000201", "c0000201"),
        ("ISDN 1", "013100"),
        ("UINFO foo", "03666f6f"),
        ("TXT \\300", "012c"),
        (
            "NSEC3 1 0 2 aabb 00000000000000000000000000000vv1 A",
            "0100000202aabb140000000000000000000000000000000000007fe1000140",
        ),
        ("NSEC3PARAM 1 0 2 -", "0100000200"),
        ("RRSIG A 13 2 1 19700101000100 60 7 . AAAA", "00010d02000000010000003c0000003c000700000000"),
    ] {
        let shown = show(&format!("a 1 {text}\n"));
        assert!(shown[0].contains(expected), "{text}: {shown:?}");
    }
}

#[test]
fn ranges_are_generated() {
    let text = "$TTL 9\n$GENERATE 8-12/2 g$ A 192.0.2.$\n$GENERATE 10-10 ${-1,3,x} TXT \"$$\"\n";
    assert_eq!(
        show(text),
        [
            "g8.example.org. 3600 IN A c0000208",
            "g10.example.org. 3600 IN A c000020a",
            "g12.example.org. 3600 IN A c000020c",
            "009.example.org. 3600 IN TXT 0124",
        ]
    );
}

#[test]
fn errors_are_in_the_words_of_miekg_dns() {
    for (text, expected) in [
        ("garbage", "db: dns: not a TTL: \"garbage\" at line: 1:7"),
        ("garbage\n", "db: dns: unexpected newline: \"\\n\" at line: 1:7"),
        ("garbage here\n", "db: dns: not a TTL: \"here\" at line: 1:12"),
        ("a A 192.0.2.1\n", "db: dns: missing TTL with no previous value: \"A\" at line: 1:4"),
        ("$TTL 1\na A 192.0.2.300\n", "db: dns: bad A A: \"192.0.2.300\" at line: 2:15"),
        ("a 1 MX x mail\n", "db: dns: bad MX Pref: \"x\" at line: 1:9"),
        ("a 1 A 192.0.2.1 2\n", "db: dns: garbage after rdata: \"2\" at line: 1:17"),
        ("a..b 1 A 192.0.2.1\n", "db: dns: bad owner name: \"a..b\" at line: 1:5"),
        ("a 1 TXT ( \"x\"\n", "db: dns: unbalanced brace: \"unbalanced brace\" at line: 2:0"),
        (
            "$INCLUDE other\n",
            "db: dns: failed to open `other': open other: no such file or directory: \"other\" at line: 1:14",
        ),
        ("$GENERATE 5-1 a A 1\n", "db: dns: bad range in $GENERATE range: \"5-1\" at line: 1:14"),
    ] {
        assert_eq!(records(text).unwrap_err().to_string(), expected);
    }
}

#[test]
fn one_record_needs_neither_origin_nor_ttl() {
    let record = Reader::record("www.example.org. A 192.0.2.1").unwrap().unwrap();
    assert_eq!((record.ttl, record.rdata.as_slice()), (3600, [192, 0, 2, 1].as_slice()));
    assert_eq!(Reader::record("; nothing").unwrap(), None);
    for directive in ["$INCLUDE /etc/passwd", "$GENERATE 1-2 a A 192.0.2.$"] {
        assert!(Reader::record(directive).unwrap_err().to_string().contains("directive not allowed"), "{directive}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in r#"([ -~\n\t]|[$@();"\\.0-9]|A|TXT|IN|LOC|SVCB|\$GENERATE |\$TTL |[é\r]){0,80}"#) {
        drop(records(&text));
    }

    #[test]
    fn any_range_ends(first: i64, last: i64, step in 1_i64.., offset: i64, width in 0_u8..40) {
        let text = format!("$TTL 1\n$GENERATE {first}-{last}/{step} a${{{offset},{width},x}} A 192.0.2.1\n");
        if let Ok(found) = records(&text) {
            prop_assert!(found.len() <= 65_536);
        }
    }
}
