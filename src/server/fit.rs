//! Makes a reply fit its client and writes its final octets: EDNS, size, TC, compression (behaviour of CoreDNS's
//! `request.SizeAndDo` and `request.Scrub` over miekg/dns's `Msg.Truncate` and `Msg.Pack`).
//!
//! Knows no socket and no plugin. A reply that fits is copied as it stands, uncompressed; only larger ones are walked.

use super::compress::Compressor;
use plugin_api::edns::{DO, code};
use plugin_api::wire::{Records, question_end};
use plugin_api::{Edns, Message, Request, Transport, Type};

/// Octets over which a UDP reply is compressed although it fits, so that it is not cut into fragments: IPv4 and IPv6
/// (NSD's limits, taken over by CoreDNS).
const FRAGMENT_V4: usize = 1480;
/// See [`FRAGMENT_V4`].
const FRAGMENT_V6: usize = 1220;
/// Most octets that any transport carries.
const MAX_MESSAGE: usize = 65_535;
/// Most octets of a datagram: 65,535 of an IPv4 packet without its header and UDP's; of an IPv6 packet, whose length leaves
/// out its header, without UDP's. The system refuses longer ones.
const MAX_DATAGRAM_V4: usize = MAX_MESSAGE - 20 - 8;
/// See [`MAX_DATAGRAM_V4`].
const MAX_DATAGRAM_V6: usize = MAX_MESSAGE - 8;
/// Octets of an OPT record without options.
pub(super) const OPT_FIXED: usize = 11;

/// Appends the final octets of `message` to `out`, for the client that sent `request`. `echoed` are option codes that
/// are echoed besides the well-known ones (plugin `rewrite`).
pub fn fit(message: &Message, request: &Request, echoed: &[u16], out: &mut Vec<u8>) {
    let mut opt = Opt::of(message, request, echoed);
    let plain = message.octets();
    let limit = limit(request);
    if opt.as_ref().is_some_and(|opt| opt.len() + question_end(plain) > MAX_MESSAGE) {
        opt = None;
    }
    let opt_len = opt.as_ref().map_or(0, Opt::len);
    let start = out.len();
    let whole = plain.len() + opt_len;
    if whole <= limit && !fragments(whole, request) {
        out.extend_from_slice(plain);
    } else {
        shrink(plain, limit.saturating_sub(opt_len), out);
    }
    if let Some(opt) = opt {
        opt.write(out);
        add(out, start + 10, 1);
    }
}

/// Most octets of a reply: what the client takes and its transport carries.
fn limit(request: &Request) -> usize {
    let carried = match request.origin().transport {
        Transport::Udp if request.peer().is_ipv4() => MAX_DATAGRAM_V4,
        Transport::Udp => MAX_DATAGRAM_V6,
        _ => MAX_MESSAGE,
    };
    request.reply_limit().min(carried)
}

/// Whether [`fit`] would leave records out of a reply; for those who are told before it is written. It costs nothing but for a reply
/// that is too large uncompressed, which is written to see.
pub(super) fn truncates(message: &Message, request: &Request, echoed: &[u16]) -> bool {
    let opt_len = Opt::of(message, request, echoed).map_or(0, |opt| opt.len());
    if message.octets().len() + opt_len <= limit(request) {
        return false;
    }
    let mut out = Vec::new();
    fit(message, request, echoed, &mut out);
    out.get(2).is_some_and(|octet| octet & 0x02 != 0)
}

/// Whether a reply of this size that fits is compressed all the same.
fn fragments(octets: usize, request: &Request) -> bool {
    let is_udp = matches!(request.origin().transport, Transport::Udp | Transport::Https3 | Transport::Quic);
    is_udp && octets > if request.peer().is_ipv4() { FRAGMENT_V4 } else { FRAGMENT_V6 }
}

/// Appends a plain message compressed, with as many records from its beginning as `budget` octets hold. TC says that
/// some were left out, whatever their section.
fn shrink(plain: &[u8], budget: usize, out: &mut Vec<u8>) {
    let start = out.len();
    let mut records = Records::of(plain);
    out.extend_from_slice(plain.get(..records.offset()).unwrap_or(plain));
    let mut compressor = Compressor::new(start, out);
    let mut counts = [0_u16; 3];
    let mut is_cut = out.len() - start >= budget && records.clone().next().is_some();
    if !is_cut {
        while let Some(record) = records.next() {
            let behind_owner = plain.get(record.offset + record.owner.len()..records.offset()).unwrap_or(&[]);
            let end = out.len();
            let is_full = end - start >= budget;
            if !is_full {
                compressor.record(&record, behind_owner, out);
            }
            if is_full || out.len() - start > budget {
                out.truncate(end);
                is_cut = true;
                break;
            }
            let Some(count) = counts.get_mut(record.section as usize) else { continue };
            *count += 1;
            // Addresses of one owner come in long runs; but for their last octets they are written alike, once the owner is a pointer.
            if matches!(record.rtype, Type::A | Type::AAAA) && out.get(end).is_some_and(|octet| *octet >= 0xc0) {
                let (size, head) = (out.len() - end, out.len() - end - record.rdata.len());
                while out.len() - start + size <= budget
                    && let Some(rdata) = records.next_alike()
                {
                    out.extend_from_within(end..end + head);
                    out.extend_from_slice(rdata);
                    *count += 1;
                }
            }
        }
    }
    for (index, count) in counts.into_iter().enumerate() {
        put(out, start + 6 + 2 * index, count);
    }
    if is_cut && let Some(octet) = out.get_mut(start + 2) {
        *octet |= 0x02;
    }
}

/// Writes a header field.
fn put(out: &mut [u8], at: usize, value: u16) {
    if let Some(room) = out.get_mut(at..at + 2) {
        room.copy_from_slice(&value.to_be_bytes());
    }
}

/// Raises a header field.
fn add(out: &mut [u8], at: usize, more: u16) {
    let old = plugin_api::wire::read_u16(out, at).unwrap_or(0);
    put(out, at, old.saturating_add(more));
}

/// The OPT record of a reply.
struct Opt<'a> {
    payload: u16,
    extended_rcode: u8,
    flags: u16,
    options: &'a Edns,
    /// Which options are written: all, or the well-known ones and these.
    only: Option<&'a [u16]>,
}

impl<'a> Opt<'a> {
    /// What a reply carries: its own EDNS under the client's terms, the client's own EDNS, or none.
    fn of(message: &'a Message, request: &'a Request, echoed: &'a [u16]) -> Option<Self> {
        let own = message.edns.as_deref();
        let Some(client) = request.edns() else {
            let own = own?;
            let Edns { payload, extended_rcode, flags, .. } = *own;
            return Some(Self { payload, extended_rcode, flags, options: own, only: None });
        };
        let payload = request.payload();
        Some(match own {
            // CoreDNS clears the lower eight flag bits only (`Ttl &= 0xff00`).
            Some(own) => Self {
                payload,
                extended_rcode: own.extended_rcode,
                flags: own.flags & 0xff00 | client.flags & DO,
                options: own,
                only: None,
            },
            None => {
                Self { payload, extended_rcode: 0, flags: client.flags & 0xff00, options: client, only: Some(echoed) }
            }
        })
    }

    /// Whether an option is written.
    fn takes(&self, option: u16) -> bool {
        self.only.is_none_or(|echoed| {
            matches!(option, code::NSID | code::EXPIRE | code::COOKIE | code::KEEPALIVE | code::PADDING)
                || echoed.contains(&option)
        })
    }

    /// The options that are written.
    fn written(&self) -> impl Iterator<Item = (u16, &[u8])> {
        let shown = |(option, data)| (option, if self.only.is_some() { echo(option, data) } else { data });
        self.options.options().filter(|(option, _)| self.takes(*option)).map(shown)
    }

    /// Octets of its options.
    fn options_len(&self) -> usize {
        if self.only.is_none() || self.options.options.is_empty() {
            return self.options.options.len();
        }
        self.written().map(|(_, data)| 4 + data.len()).sum()
    }

    /// Octets of the whole record.
    fn len(&self) -> usize {
        OPT_FIXED + self.options_len()
    }

    /// Appends the record; version 0.
    fn write(&self, out: &mut Vec<u8>) {
        let length = u16::try_from(self.options_len()).unwrap_or(0);
        out.extend_from_slice(&[0, 0, 41]);
        out.extend_from_slice(&self.payload.to_be_bytes());
        out.extend_from_slice(&[self.extended_rcode, 0]);
        out.extend_from_slice(&self.flags.to_be_bytes());
        out.extend_from_slice(&length.to_be_bytes());
        if length == 0 {
            return;
        }
        for (code, data) in self.written() {
            out.extend_from_slice(&code.to_be_bytes());
            out.extend_from_slice(&u16::try_from(data.len()).unwrap_or(0).to_be_bytes());
            out.extend_from_slice(data);
        }
    }
}

/// What is left of an option that miekg/dns has read and writes again: four octets of EXPIRE, no KEEPALIVE of 0.
fn echo(option: u16, data: &[u8]) -> &[u8] {
    match (option, data) {
        (code::EXPIRE, _) => data.get(..4).unwrap_or(data),
        (code::KEEPALIVE, [0, 0]) => &[],
        _ => data,
    }
}

#[cfg(test)]
#[path = "fit_tests.rs"]
mod tests;
