//! Looks at a query before it is decoded, and writes the replies that need no plugin (miekg/dns: `Server.serveDNS`,
//! `defaultMsgAcceptFunc`; RFC 1035 §4.1.1).
//!
//! Every transport comes through here. Knows no server block.

use plugin_api::edns::check_options;
use plugin_api::wire::{HEADER, WireError, read_plain, read_u16};
use plugin_api::{Message, Name, Opcode, Rcode, ReplyBuilder, Request, flag};

/// What becomes of received octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A query, now in the request.
    Query,
    /// Nothing is sent: shorter than a header, or a response.
    Ignore,
    /// The reply stands in the output already.
    Refused,
}

/// Reads `message` into `request`, or refuses it into `out` (appended).
pub fn admit(message: &[u8], request: &mut Request, out: &mut Vec<u8>) -> Verdict {
    let field = |at| read_u16(message, at).unwrap_or(0);
    let flags = field(2);
    if message.len() < HEADER || flags & flag::QR != 0 {
        return Verdict::Ignore;
    }
    let opcode = Opcode(flags >> 11 & 0xf);
    if opcode != Opcode::QUERY && opcode != Opcode::NOTIFY {
        refuse(message, Rcode::NOTIMP, out);
        return Verdict::Refused;
    }
    // NOTIFY may bring a SOA (RFC 1996 §3.7), IXFR too (RFC 1995 §3), TSIG and OPT are additional.
    if field(4) != 1 || field(6) > 1 || field(8) > 1 || field(10) > 2 {
        refuse(message, Rcode::FORMERR, out);
        return Verdict::Refused;
    }
    // A header that promises a question and ends is no format error to miekg/dns, but to CoreDNS's server a query
    // without a question: SERVFAIL (golden plugins/server, header-only-qd1).
    if message.len() == HEADER {
        head(field(0), flag::QR | flags & (flag::RD | flag::CD) | opcode.0 << 11 | Rcode::SERVFAIL.0, out);
        return Verdict::Refused;
    }
    if request.read(message).is_err() || !is_whole(message, request) {
        refuse_with_question(message, out);
        return Verdict::Refused;
    }
    Verdict::Query
}

/// Whether records and options can be decoded, as miekg/dns demands although nobody reads most of them.
fn is_whole(message: &[u8], request: &Request) -> bool {
    let has_others = read_u16(message, 6) != Some(0)
        || read_u16(message, 8) != Some(0)
        || read_u16(message, 10).unwrap_or(0) > u16::from(request.edns().is_some());
    // A question that ends early has been taken already, and nothing is behind it.
    let is_bad = |error| error != WireError::Question;
    if has_others && read_plain(message, &mut Vec::new()).is_err_and(is_bad) {
        return false;
    }
    request.edns().is_none_or(|edns| check_options(&edns.options).is_ok())
}

/// Writes a header alone.
fn head(id: u16, flags: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(&flags.to_be_bytes());
    out.extend_from_slice(&[0; 8]);
}

/// Writes a reply without question: the query's header with this rcode, AA and Z cleared. FORMERR loses the opcode
/// (miekg/dns: Msg.SetRcodeFormatError).
fn refuse(message: &[u8], rcode: Rcode, out: &mut Vec<u8>) {
    let flags = read_u16(message, 2).unwrap_or(0);
    let kept = flag::TC | flag::RD | flag::RA | flag::AD | flag::CD;
    let opcode = if rcode == Rcode::FORMERR { 0 } else { flags & 0x7800 };
    head(read_u16(message, 0).unwrap_or(0), flag::QR | opcode | flags & kept | rcode.0 & 0xf, out);
}

/// Writes FORMERR, with the question if that much could be read.
fn refuse_with_question(message: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    refuse(message, Rcode::FORMERR, out);
    question(message, start, out);
}

/// Writes SERVFAIL for a query that was admitted but cannot be worked on for want of room.
pub fn busy(message: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let flags = read_u16(message, 2).unwrap_or(0);
    let kept = 0x7800 | flag::RD | flag::CD;
    head(read_u16(message, 0).unwrap_or(0), flag::QR | flags & kept | Rcode::SERVFAIL.0, out);
    question(message, start, out);
}

/// Appends the question of `message` to the reply that begins at `start`, if it can be read.
fn question(message: &[u8], start: usize, out: &mut Vec<u8>) {
    let Ok((name, at)) = Name::read(message, HEADER) else { return };
    let fields = message.get(at..).unwrap_or(&[]);
    if matches!(fields.len(), 1 | 3) {
        return;
    }
    out.extend_from_slice(name.as_wire());
    out.extend_from_slice(&read_u16(fields, 0).unwrap_or(0).to_be_bytes());
    out.extend_from_slice(&read_u16(fields, 2).unwrap_or(0).to_be_bytes());
    if let Some(count) = out.get_mut(start + 5) {
        *count = 1;
    }
}

/// An empty reply with this rcode (miekg/dns: Msg.SetRcode).
#[must_use]
pub fn empty(request: &Request, rcode: Rcode) -> Message {
    let mut message = ReplyBuilder::new(request).finish();
    if rcode.0 > 0xf {
        message.edns = request.edns().map(|_| Box::default());
    }
    message.set_rcode(rcode);
    message
}

/// Appends BADVERS if the query's EDNS is of another version than 0 (RFC 6891 §6.1.3), with CoreDNS's bare OPT: payload 0.
pub fn refuse_version(request: &Request, out: &mut Vec<u8>) -> bool {
    if request.edns().is_none_or(|edns| edns.version == 0) {
        return false;
    }
    let message = empty(request, Rcode::BADVERS);
    let start = out.len();
    out.extend_from_slice(message.octets());
    // Owner, type OPT, payload, upper rcode bits, version, flags, no options.
    out.extend_from_slice(&[0, 0, 41, 0, 0, 1, 0, 0, 0, 0, 0]);
    if let Some(count) = out.get_mut(start + 11) {
        *count = 1;
    }
    true
}

#[cfg(test)]
#[path = "admit_tests.rs"]
mod tests;
