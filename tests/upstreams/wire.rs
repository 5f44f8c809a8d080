//! Messages octet by octet, right ones and forged ones, for upstreams that do as they are told.

/// The octets before the question.
const HEADER: usize = 12;

/// The flags of a plain reply: QR, RD, RA.
pub(crate) const PLAIN: u16 = 0x8180;

/// The last octet of a right address, `192.0.2.1`.
pub(crate) const RIGHT: u8 = 1;

/// The last octet of a forged one.
pub(crate) const FORGED: u8 = 66;

/// A name as labels with their lengths; the empty text is the root.
pub(crate) fn name(text: &str) -> Vec<u8> {
    let labels = text.split('.').filter(|label| !label.is_empty());
    let mut wire: Vec<u8> =
        labels.flat_map(|label| [&[u8::try_from(label.len()).unwrap()], label.as_bytes()].concat()).collect();
    wire.push(0);
    wire
}

/// A record; no owner means the name of the question.
pub(crate) fn record(owner: &str, (rtype, ttl): (u16, u32), rdata: &[u8]) -> Vec<u8> {
    let mut wire = if owner.is_empty() { vec![0xc0, 12] } else { name(owner) };
    wire.extend(rtype.to_be_bytes());
    wire.extend([0, 1]);
    wire.extend(ttl.to_be_bytes());
    wire.extend(u16::try_from(rdata.len()).unwrap().to_be_bytes());
    wire.extend(rdata);
    wire
}

/// An address record of the name of the question.
pub(crate) fn address(last: u8) -> Vec<u8> {
    record("", (1, 60), &[192, 0, 2, last])
}

/// A SOA of `test`, whose minimum is its TTL.
pub(crate) fn soa(ttl: u32) -> Vec<u8> {
    let numbers = [1, 7200, 900, 86400, ttl].map(u32::to_be_bytes).concat();
    record("test", (6, ttl), &[name("ns.test"), name("hostmaster.test"), numbers].concat())
}

/// Where the question of a query ends.
fn question_end(query: &[u8]) -> usize {
    let mut at = HEADER;
    while query[at] != 0 {
        at += 1 + usize::from(query[at]);
    }
    at + 5
}

/// The name of a query's question in presentation form, and its type.
pub(crate) fn asked(query: &[u8]) -> (String, u16) {
    let (mut at, mut text) = (HEADER, String::new());
    while query[at] != 0 {
        let end = at + 1 + usize::from(query[at]);
        text += &String::from_utf8_lossy(&query[at + 1..end]);
        text.push('.');
        at = end;
    }
    (text.to_lowercase(), u16::from_be_bytes([query[at + 1], query[at + 2]]))
}

/// The reply to a query with these flags and sections, without EDNS.
pub(crate) fn reply(query: &[u8], flags: u16, sections: [&[Vec<u8>]; 3]) -> Vec<u8> {
    let mut wire = query[..2].to_vec();
    wire.extend(flags.to_be_bytes());
    wire.extend([0, 1]);
    for section in sections {
        wire.extend(u16::try_from(section.len()).unwrap().to_be_bytes());
    }
    wire.extend(&query[HEADER..question_end(query)]);
    wire.extend(sections.concat().concat());
    wire
}

/// The reply with one address.
pub(crate) fn answer(query: &[u8], last: u8) -> Vec<u8> {
    reply(query, PLAIN, [&[address(last)], &[], &[]])
}

/// The reply with this code and nothing else.
pub(crate) fn rcode(query: &[u8], code: u16) -> Vec<u8> {
    reply(query, PLAIN | code, [&[], &[], &[]])
}

/// A forged answer, changed.
pub(crate) fn forged(query: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut wire = answer(query, FORGED);
    change(&mut wire);
    wire
}

/// A forged answer with another id.
pub(crate) fn wrong_id(query: &[u8]) -> Vec<u8> {
    forged(query, |wire| wire[0] ^= 1)
}

/// A forged answer to the name with its first letter changed.
pub(crate) fn wrong_name(query: &[u8]) -> Vec<u8> {
    forged(query, |wire| wire[HEADER + 1] = b'z')
}

/// A message with its length before it.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
}
