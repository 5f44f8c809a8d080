//! The builder that writes a reply, record by record, straight into a query's buffer.

use crate::message::Message;
use crate::request::Request;
use crate::rr::{Class, Opcode, Rcode, Type, flag};
use crate::wire::{HEADER, Section, set_ttls};
use std::net::{Ipv4Addr, Ipv6Addr};

/// The rdata of a SRV record (RFC 2782).
#[derive(Clone, Copy, Debug)]
pub struct Srv<'a> {
    /// Lower is asked first.
    pub priority: u16,
    /// Share among equal priorities.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host, in parts.
    pub target: &'a [&'a [u8]],
}

/// The rdata of a SOA record (RFC 1035 §3.3.13); times in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Soa<'a> {
    /// The primary server, in parts.
    pub primary: &'a [&'a [u8]],
    /// The mailbox of who is responsible, in parts.
    pub mailbox: &'a [&'a [u8]],
    /// The zone's version.
    pub serial: u32,
    /// Between checks by secondaries.
    pub refresh: u32,
    /// Between failed checks.
    pub retry: u32,
    /// Until a secondary gives up.
    pub expire: u32,
    /// The negative TTL (RFC 2308 §4).
    pub minimum: u32,
}

/// Most records that a message of 65,535 octets can carry: none takes less than 11 octets, compressed or not. (RFC 1035 §4.1.3)
const MAX_RECORDS: u16 = u16::MAX / 11;

/// Writes a reply record by record, in the order of the sections.
///
/// Owners and names are given in parts (`&[&[u8]]`), so that a prefix of one's own and a suffix in the client's letters
/// need no buffer between. The last part ends in the zero octet.
pub struct ReplyBuilder {
    pub(crate) octets: Vec<u8>,
    pub(crate) counts: [u16; 3],
}

impl ReplyBuilder {
    /// A reply without records: id and opcode of the query, RD and CD for opcode QUERY, its question in its letters.
    /// (miekg/dns: Msg.SetReply)
    #[must_use]
    pub fn new(request: &Request) -> Self {
        let mut octets = request.take_buffer();
        let copied = if request.opcode() == Opcode::QUERY { flag::RD | flag::CD } else { 0 };
        let head = flag::QR | request.opcode().0 << 11 | request.flags() & copied;
        let ([i1, i2], [h1, h2]) = (request.id().to_be_bytes(), head.to_be_bytes());
        octets.extend_from_slice(&[i1, i2, h1, h2, 0, 1, 0, 0, 0, 0, 0, 0]);
        request.write_question(&mut octets);
        Self { octets, counts: [0; 3] }
    }

    /// Sets AA.
    #[must_use]
    pub fn authoritative(mut self) -> Self {
        if let Some(octet) = self.octets.get_mut(2) {
            *octet |= 0x04;
        }
        self
    }

    /// Sets the rcode (its lower four bits).
    pub fn set_rcode(&mut self, rcode: Rcode) {
        if let Some(octet) = self.octets.get_mut(3) {
            *octet = *octet & 0xf0 | u8::try_from(rcode.0 & 0xf).unwrap_or(0);
        }
    }

    /// Appends a record of class IN; `rdata` writes its rdata. A section after a later one, a record too many (more
    /// than 5,957, which no message carries) or rdata too long (65,535 octets) is left out.
    pub fn push(
        &mut self,
        section: Section,
        owner: &[&[u8]],
        (rtype, ttl): (Type, u32),
        rdata: impl FnOnce(&mut Vec<u8>),
    ) {
        self.push_any(section, owner, (rtype, Class::IN, ttl), rdata);
    }

    /// As [`ReplyBuilder::push`], for any class.
    pub fn push_any(
        &mut self,
        section: Section,
        owner: &[&[u8]],
        (rtype, class, ttl): (Type, Class, u32),
        rdata: impl FnOnce(&mut Vec<u8>),
    ) {
        if !self.is_open(section) {
            return;
        }
        let start = self.octets.len();
        for part in owner {
            self.octets.extend_from_slice(part);
        }
        let ([t1, t2], [c1, c2], [l1, l2, l3, l4]) = (rtype.0.to_be_bytes(), class.0.to_be_bytes(), ttl.to_be_bytes());
        self.octets.extend_from_slice(&[t1, t2, c1, c2, l1, l2, l3, l4, 0, 0]);
        let at = self.octets.len();
        rdata(&mut self.octets);
        let length = u16::try_from(self.octets.len() - at);
        match (length, self.octets.get_mut(at - 2..at), self.counts.get_mut(section as usize)) {
            (Ok(length), Some(room), Some(count)) => {
                room.copy_from_slice(&length.to_be_bytes());
                *count += 1;
            }
            _ => self.octets.truncate(start),
        }
    }

    /// Whether a section takes one more record: none behind it has any, and the reply is not full.
    const fn is_open(&self, section: Section) -> bool {
        let [_, authorities, additionals] = self.counts;
        let is_last = match section {
            Section::Answer => authorities | additionals == 0,
            Section::Authority => additionals == 0,
            Section::Additional => true,
        };
        is_last && !self.is_full()
    }

    /// Whether the reply has more records than any message carries, so that what would follow is cut off for every client.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        let [answers, authorities, additionals] = self.counts;
        answers >= MAX_RECORDS || authorities >= MAX_RECORDS || additionals >= MAX_RECORDS
    }

    /// Appends a record of class IN whose rdata has one length for its type.
    fn push_fixed<const N: usize>(
        &mut self,
        section: Section,
        owner: &[&[u8]],
        (rtype, ttl): (Type, u32),
        rdata: [u8; N],
    ) {
        if !self.is_open(section) {
            return;
        }
        for part in owner {
            self.octets.extend_from_slice(part);
        }
        let ([t1, t2], [l1, l2, l3, l4]) = (rtype.0.to_be_bytes(), ttl.to_be_bytes());
        let length = u8::try_from(N).unwrap_or(0);
        self.octets.extend_from_slice(&[t1, t2, 0, 1, l1, l2, l3, l4, 0, length]);
        self.octets.extend_from_slice(&rdata);
        if let Some(count) = self.counts.get_mut(section as usize) {
            *count += 1;
        }
    }

    /// Appends records as [`Message::record_octets`] gave them, all with this TTL. For a builder without records.
    pub fn copy_records(&mut self, records: &[u8], counts: [u16; 3], ttl: u32) {
        let start = self.octets.len();
        self.octets.extend_from_slice(records);
        if let Some(copied) = self.octets.get_mut(start..) {
            set_ttls(copied, ttl);
        }
        self.counts = counts;
    }

    /// Appends records that are ready in plain form, `count` of them. As with [`ReplyBuilder::push`], a section after a later
    /// one is left out.
    pub fn push_records(&mut self, section: Section, records: &[u8], count: u16) {
        let index = section as usize;
        if self.counts.iter().skip(index + 1).any(|later| *later != 0) {
            return;
        }
        if let Some(sum) = self.counts.get_mut(index)
            && let Some(more) = sum.checked_add(count)
        {
            *sum = more;
            self.octets.extend_from_slice(records);
        }
    }

    /// Appends an A record.
    pub fn push_a(&mut self, section: Section, owner: &[&[u8]], ttl: u32, address: Ipv4Addr) {
        self.push_fixed(section, owner, (Type::A, ttl), address.octets());
    }

    /// Appends an A record for each address, in the answer section.
    pub fn push_fours(&mut self, owner: &[u8], ttl: u32, addresses: &[Ipv4Addr]) {
        let [l1, l2, l3, l4] = ttl.to_be_bytes();
        self.octets.reserve(addresses.len() * (owner.len() + 14));
        for address in addresses {
            if !self.is_open(Section::Answer) {
                return;
            }
            let [a1, a2, a3, a4] = address.octets();
            self.octets.extend_from_slice(owner);
            self.octets.extend_from_slice(&[0, 1, 0, 1, l1, l2, l3, l4, 0, 4, a1, a2, a3, a4]);
            let [answers, ..] = &mut self.counts;
            *answers += 1;
        }
    }

    /// Appends an AAAA record.
    pub fn push_aaaa(&mut self, section: Section, owner: &[&[u8]], ttl: u32, address: Ipv6Addr) {
        self.push_fixed(section, owner, (Type::AAAA, ttl), address.octets());
    }

    /// Appends a record whose rdata is one name: NS, CNAME, PTR, DNAME.
    pub fn push_name(&mut self, section: Section, owner: &[&[u8]], (rtype, ttl): (Type, u32), target: &[&[u8]]) {
        self.push(section, owner, (rtype, ttl), |out| target.iter().for_each(|part| out.extend_from_slice(part)));
    }

    /// Appends a SRV record.
    pub fn push_srv(&mut self, section: Section, owner: &[&[u8]], ttl: u32, srv: &Srv<'_>) {
        self.push(section, owner, (Type::SRV, ttl), |out| {
            let [[p1, p2], [w1, w2], [n1, n2]] = [srv.priority, srv.weight, srv.port].map(u16::to_be_bytes);
            out.extend_from_slice(&[p1, p2, w1, w2, n1, n2]);
            srv.target.iter().for_each(|part| out.extend_from_slice(part));
        });
    }

    /// Appends a SOA record.
    pub fn push_soa(&mut self, section: Section, owner: &[&[u8]], ttl: u32, soa: &Soa<'_>) {
        self.push(section, owner, (Type::SOA, ttl), |out| {
            soa.primary.iter().chain(soa.mailbox).for_each(|part| out.extend_from_slice(part));
            let timers = [soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum].map(u32::to_be_bytes);
            out.extend_from_slice(timers.as_flattened());
        });
    }

    /// Appends a TXT record of strings, each cut at 255 octets.
    pub fn push_txt(&mut self, section: Section, owner: &[&[u8]], ttl: u32, strings: &[&[u8]]) {
        self.push(section, owner, (Type::TXT, ttl), |out| {
            for string in strings {
                let string = string.get(..255).unwrap_or(string);
                out.push(u8::try_from(string.len()).unwrap_or(u8::MAX));
                out.extend_from_slice(string);
            }
        });
    }

    /// How many records the section has so far.
    #[must_use]
    pub fn count(&self, section: Section) -> u16 {
        self.counts.get(section as usize).copied().unwrap_or(0)
    }

    /// The finished reply.
    #[must_use]
    pub fn finish(mut self) -> Message {
        if let Some(room) = self.octets.get_mut(6..HEADER) {
            room.copy_from_slice(self.counts.map(u16::to_be_bytes).as_flattened());
        }
        Message::from_plain(self.octets)
    }
}
