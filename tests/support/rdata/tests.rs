//! Each rdata as dnspython 2.9 prints it.

use super::*;
use crate::query::unhex;

/// Class, type, wire form and text.
#[rustfmt::skip]
const CASES: &[(u16, u16, &str, &str)] = &[
    (1, 1, "c0000201", "192.0.2.1"),
    (1, 28, "20010db8000000000000000000000001", "2001:db8::1"),
    (1, 28, "00000000000000000000ffffc0000201", "::ffff:192.0.2.1"),
    (1, 28, "000000000000000000000000c0000201", "::192.0.2.1"),
    (1, 28, "00000000000000000000000000000001", "::1"),
    (1, 28, "00010000000000020000000000000003", "1:0:0:2::3"),
    (1, 28, "00010002000300000005000600070008", "1:2:3:0:5:6:7:8"),
    (1, 2, "026e73076578616d706c6500", "ns.example."),
    (1, 5, "00", "."),
    (1, 39, "03612e6203002263076578616d706c6500", r#"a\.b.\000\"c.example."#),
    (1, 12, "04486f7374076578616d706c6500", "Host.example."),
    (1, 6, "026e73076578616d706c650004726f6f74076578616d706c650078c275f500001c2000000708000151800000003c", "ns.example. root.example. 2026010101 7200 1800 86400 60"),
    (1, 6, "026e73076578616d706c650004726f6f74076578616d706c65000000000000000001000000020000000300000004", "ns.example. root.example. 0 1 2 3 4"),
    (1, 15, "000a046d61696c076578616d706c6500", "10 mail.example."),
    (1, 16, "0361206203225cc800", r#""a b" "\"\\\200" """#),
    (3, 16, "0e436f7265444e532d312e31342e37", r#""CoreDNS-1.14.7""#),
    (1, 99, "06763d73706631", r#""v=spf1""#),
    (1, 33, "0000006401bb03776562076578616d706c6500", "0 100 443 web.example."),
    (1, 13, "025043054c696e7578", r#""PC" "Linux""#),
    (1, 257, "0005697373756563612e6578616d706c65", r#"0 issue "ca.example""#),
    (1, 35, "0064000a0175074532552b73697019215e2e2a24217369703a696e666f407a6f6e652e746573742100", r#"100 10 "u" "E2U+sip" "!^.*$!sip:info@zone.test!" ."#),
    (1, 17, "0561646d696e076578616d706c650003747874076578616d706c6500", "admin.example. txt.example."),
    (1, 256, "000a000168747470733a2f2f6578616d706c652e636f6d2f", r#"10 1 "https://example.com/""#),
    (1, 64, "000103777777076578616d706c650000000002000100010006026832026833000200000003000220fb00040008c0000201c00002020005000800060001000100010006001020010db8000000000000000000000001fde80003612062", r#"1 www.example. mandatory="alpn" alpn="h2,h3" no-default-alpn port="8443" ipv4hint="192.0.2.1,192.0.2.2" ech="AAYAAQABAAE=" ipv6hint="2001:db8::1" key65000="a b""#),
    (1, 65, "000003777777076578616d706c6500", "0 www.example."),
    (1, 65, "0001000001000c08665c6f6f2c626172026832", r#"1 . alpn="f\\\\oo\\,bar,h2""#),
    (1, 43, "30390d020f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f", "12345 13 2 0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"),
    (1, 59, "0000000000", "0 0 0 00"),
    (1, 48, "0101030daa30ebdfbb1e65ea492c19bdb9385c18fe9f66376569ceafb96f35f7fa84be6b1a3c83a6463071d2f9821280f127f799fbffd819963e42dc3832ca79a305f32b", "257 3 13 qjDr37seZepJLBm9uThcGP6fZjdlac6v uW819/qEvmsaPIOmRjBx0vmCEoDxJ/eZ +//YGZY+Qtw4Msp5owXzKw=="),
    (1, 46, "ff780d020000003c69a3817f65dfc9003c5c047369676e0474657374003e79b20c14f23fe161beeb4c619051c7192a7ffae996dd23c2e42fb29c0c5c2fdd826d9e48277bde53fe38357c4e7f88586632b4ec8548937500675ab16a65d7", "TYPE65400 13 2 60 20260228235959 20240229000000 15452 sign.test. PnmyDBTyP+FhvutMYZBRxxkqf/rplt0j wuQvspwMXC/dgm2eSCd73lP+ODV8Tn+I WGYytOyFSJN1AGdasWpl1w=="),
    (1, 47, "05616c696173047369676e0474657374000006400100000003041b000000000000000000000000000000000000000000000000000020", "alias.sign.test. A MX RRSIG NSEC TYPE1234"),
    (1, 50, "0101000c02aabb14174eb2409fe28bcb4887a1836f957f0a8425e27b0006400000000002", "1 1 12 aabb 2t7b4g4vsa5smi47k61mv5bv1a22bojr A RRSIG"),
    (1, 50, "010000000005174eb2409f", "1 0 0 - 2t7b4g4v"),
    (1, 52, "030100abababababababababababababababababababababababababababababababababababababababababababababababababababababababababababababababababababababab", "3 1 0 abababababababababababababababababababababababababababababababababababababababababababababababababababababababababababababababab abababababab"),
    (1, 44, "01010000000000000000000000000000000000000000", "1 1 0000000000000000000000000000000000000000"),
    (1, 29, "000000008b0d2c8c7ff8fca500989680", "51 30 12.748 N 0 7 39.611 W 0.00m 0.00m 0.00m 0.00m"),
    (1, 29, "0012161374f2d3748007035b009895ea", "51 30 12.748 S 0 7 39.611 E -1.50m"),
    (1, 29, "001216138038cefc80e06557009899a9", "1 2 3.004 N 4 5 6.007 E 8.09m"),
    (1, 65400, "01020304", r"\# 4 01020304"),
    (1, 10, "abcd", r"\# 2 abcd"),
    (4, 1, "01020304", r"\# 4 01020304"),
    (3, 1, "026e73001fff", "ns. 17777"),
];

#[test]
fn every_type_is_printed_as_recorded() {
    for (class, rtype, wire, text) in CASES {
        let wire = unhex(wire).unwrap();
        assert_eq!(print(*class, *rtype, Reader::new(&wire)).as_deref(), Ok(*text), "type {rtype}");
    }
}

#[test]
fn rdata_that_is_cut_or_goes_on_is_a_fault() {
    for (class, rtype, wire, _) in CASES.iter().filter(|(_, rtype, ..)| [1, 2, 6, 15, 28, 33].contains(rtype)) {
        let mut wire = unhex(wire).unwrap();
        let cut = &wire[..wire.len() - 1];
        assert!(*class == 4 || print(*class, *rtype, Reader::new(cut)).is_err(), "type {rtype}");
        wire.push(0);
        assert!(*class == 4 || print(*class, *rtype, Reader::new(&wire)).is_err(), "type {rtype}");
    }
}

#[test]
fn a_serial_that_is_the_time_of_day_is_masked() {
    let mut wire = vec![0, 0];
    wire.extend(1_770_000_000u32.to_be_bytes());
    wire.extend([0; 16]);
    assert_eq!(print(1, 6, Reader::new(&wire)).as_deref(), Ok(". . SERIAL 0 0 0 0"));
}
