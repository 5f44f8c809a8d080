//! Messages that are well formed, and some that are not.

use super::*;
use crate::answer::Answer;

/// A header with these counts, and what follows.
fn message(counts: [u8; 4], rest: &[u8]) -> Vec<u8> {
    let [a, b, c, d] = counts;
    [&[0, 1, 0x84, 0, 0, a, 0, b, 0, c, 0, d], rest].concat()
}

/// What is wrong with a message.
fn fault(counts: [u8; 4], rest: &[u8]) -> Fault {
    Message::parse(&message(counts, rest)).err().unwrap()
}

/// An OPT record at the root without options.
const OPT_RECORD: [u8; 11] = [0, 0, 41, 4, 0xd0, 1, 0, 0x80, 0, 0, 0];

#[test]
fn a_whole_message_is_taken_apart() {
    let mut rest = b"\x01a\x00\x00\x01\x00\x01".to_vec();
    rest.extend(b"\xc0\x0c\x00\x05\x00\x01\x80\x00\x00\x00\x00\x04\x01b\xc0\x0c");
    rest.extend(OPT_RECORD);
    let answer = Answer::from_wire(&message([1, 1, 0, 1], &rest));
    assert_eq!(answer.question.as_deref(), Some("a. IN A"));
    assert_eq!(answer.answer, ["a. 0 IN CNAME b.a."]);
    assert_eq!((answer.rcode.as_deref(), answer.flags.as_deref()), (Some("BADVERS"), Some("qr aa")));
    let edns = answer.edns.unwrap();
    assert_eq!((edns.payload, edns.is_do), (1232, true));
}

#[test]
fn every_fault_has_its_name() {
    assert_eq!(Message::parse(&[0; 11]).err(), Some(Fault::ShortHeader));
    assert_eq!(fault([0, 0, 0, 0], &[0]), Fault::Trailing);
    assert_eq!(fault([1, 0, 0, 0], &[0, 0, 1, 0]), Fault::Form);
    assert_eq!(fault([1, 0, 0, 0], &[0x41, 0, 0, 1, 0, 1]), Fault::LabelType);
    assert_eq!(fault([1, 0, 0, 0], &[0xc0, 12, 0, 1, 0, 1]), Fault::Pointer);
    assert_eq!(fault([1, 0, 0, 0], &[[1, b'a'].repeat(130), vec![0; 5]].concat()), Fault::NameTooLong);
    assert_eq!(fault([0, 1, 0, 0], &OPT_RECORD), Fault::Edns);
    assert_eq!(fault([0, 0, 0, 2], &OPT_RECORD.repeat(2)), Fault::Edns);
    assert_eq!(fault([0, 0, 0, 2], &[0, 0, 250, 0, 1, 0, 0, 0, 0, 0, 0].repeat(2)), Fault::Tsig);
}

#[test]
fn a_cookie_of_one_octet_is_a_fault() {
    let record = [&OPT_RECORD[..9], &[0, 5, 0, 10, 0, 1, 1]].concat();
    let answer = Answer::from_wire(&message([0, 0, 0, 1], &record));
    assert_eq!(answer.unparsable.as_deref(), Some("FormError"));
    assert_eq!(answer.header.as_deref(), Some("84000000000000000001"));
}
