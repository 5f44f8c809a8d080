//! Every verdict of miekg/dns in `tests/verdicts/replies/rdata.jsonl`, which its README explains.

use crate::{Message, NameError, WireError};
use std::fmt::Write as _;

/// What octets are set to, one at a time.
const VALUES: [u8; 11] = [0x00, 0x01, 0x02, 0x08, 0x21, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xff];
/// What is put behind the whole rdata.
const TAILS: [&[u8]; 9] =
    [&[0], &[0, 0], &[0, 0, 0], &[0, 0, 0, 0], &[1], &[0xff], &[1, b'a'], &[0, 0xff], &[0xc0, 0x0c]];
/// Names that point forwards, which miekg/dns follows and we refuse (RFC 1035 §4.1.4: to a prior occurrence).
const FORWARD_POINTERS: usize = 0;

/// The octets of hex digits.
fn octets(hex: &str) -> Vec<u8> {
    hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// A message with a record of this type, and an address behind it.
fn message(rtype: u16, rdata: &[u8]) -> Vec<u8> {
    let mut message = octets("000084000001000200000000016104746573740000010001c00c");
    message.extend_from_slice(&rtype.to_be_bytes());
    message.extend_from_slice(&[0, 1, 0, 0, 0, 60]);
    message.extend_from_slice(&u16::try_from(rdata.len()).unwrap().to_be_bytes());
    message.extend_from_slice(rdata);
    message.extend_from_slice(&octets("c00c000100010000003c0004c0000201"));
    message
}

/// Our verdict.
fn verdict(rtype: u16, rdata: &[u8]) -> Result<(), WireError> {
    Message::read(&message(rtype, rdata)).map(drop)
}

/// All changes of rdata in the order of the verdicts.
fn changes(rdata: &[u8]) -> Vec<Vec<u8>> {
    let mut changes: Vec<Vec<u8>> = (0..=rdata.len()).map(|length| rdata[..length].to_vec()).collect();
    changes.extend(TAILS.iter().map(|tail| [rdata, tail].concat()));
    for at in 0..rdata.len() {
        changes.extend(VALUES.map(|value| {
            let mut changed = rdata.to_vec();
            changed[at] = value;
            changed
        }));
    }
    changes
}

#[test]
fn rdata_decodes_where_it_does_in_coredns() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/verdicts/replies/rdata.jsonl");
    let (mut wrong, mut forward, mut count) = (String::new(), 0, 0);
    for line in std::fs::read_to_string(file).unwrap().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |field: &str| line[field].as_str().unwrap().to_owned();
        let rtype = u16::try_from(line["type"].as_u64().unwrap()).unwrap();
        let verdicts = text("cut") + &text("more") + &text("set");
        let changes = changes(&octets(&text("rdata")));
        assert_eq!(changes.len(), verdicts.len());
        for (rdata, theirs) in changes.iter().zip(verdicts.chars()) {
            count += 1;
            let ours = verdict(rtype, rdata);
            let letter = match ours {
                Ok(()) => '.',
                Err(WireError::Short) => 't',
                Err(_) => 'x',
            };
            if theirs == '.' && ours == Err(WireError::Name(NameError::Pointer)) {
                forward += 1;
            } else if letter != theirs {
                writeln!(wrong, "{} {rdata:02x?}: {theirs}, ours {ours:?}", text("name")).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count} differ:\n{wrong}", wrong.lines().count());
    assert_eq!(forward, FORWARD_POINTERS);
    assert!(count > 10_000, "{count}");
}

#[test]
fn pseudo_records_are_cut_out_of_every_section() {
    for section in 0..3 {
        for (rtype, rdata) in [(41, &[][..]), (250, &octets("00000000000001012c0000000000000000"))] {
            let mut octets = message(rtype, rdata);
            octets[7] = 0;
            // The record alone in its section, and the address behind it in the last one.
            octets[7 + 2 * section] += 1;
            octets[11] += 1;
            let read = Message::read(&octets).unwrap();
            assert_eq!(read.records().map(|record| record.rtype.0).collect::<Vec<_>>(), [1], "{section} {rtype}");
            assert_eq!((read.edns.is_some(), read.has_tsig()), (rtype == 41 && section == 2, rtype == 250));
        }
    }
}
