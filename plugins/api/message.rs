//! A reply as plain wire octets, and the builder that writes one straight into a query's buffer.

use crate::edns::Edns;
use crate::name::Name;
use crate::request::Request;
use crate::rr::{Class, Opcode, Rcode, Type, flag};
use crate::wire::{HEADER, Record, Records, Section, WireError, question_end, read_plain, read_u16, set_ttls};
use std::net::{Ipv4Addr, Ipv6Addr};

/// A reply in plain form (see [`crate::wire`]): header, question and records, names written out, EDNS beside it.
///
/// The octets may be longer than any transport carries; the server makes them fit.
#[derive(Clone, Debug, Default)]
pub struct Message {
    octets: Vec<u8>,
    /// The EDNS that a plugin or an upstream put on the reply; the server adds the client's own if this is none.
    pub edns: Option<Box<Edns>>,
    /// Made from a live index just now: `cache` keeps no copy of it.
    pub live: bool,
    /// What its maker says of its records, if they are still as they were made.
    gist: Option<Gist>,
}

/// What the maker of a reply knows of it, so that nobody has to walk the records to find it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gist {
    /// What it is.
    pub kind: GistKind,
    /// The TTL of each of its records, in seconds.
    pub ttl: u32,
}

/// What a reply of class IN without TC is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GistKind {
    /// NOERROR, with answers of the queried name and type and nothing in the authority section.
    Answer,
    /// NOERROR without answers, with a SOA.
    NoData,
    /// NXDOMAIN without answers, with a SOA.
    NameError,
}

impl Message {
    /// Takes octets that a [`ReplyBuilder`] or [`read_plain`] made.
    pub(crate) const fn from_plain(octets: Vec<u8>) -> Self {
        Self { octets, edns: None, live: false, gist: None }
    }

    /// Reads a message as received.
    ///
    /// # Errors
    /// When the octets are no message.
    pub fn read(message: &[u8]) -> Result<Self, WireError> {
        let mut octets = Vec::with_capacity(message.len() + message.len() / 2);
        let edns = read_plain(message, &mut octets)?.map(Box::new);
        Ok(Self { octets, edns, live: false, gist: None })
    }

    /// The plain octets, OPT not among them.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Gives the octets away, to be sent or used again.
    #[must_use]
    pub fn into_octets(self) -> Vec<u8> {
        self.octets
    }

    /// The second 16 bits of the header: flags, opcode, rcode.
    fn head(&self) -> u16 {
        read_u16(&self.octets, 2).unwrap_or(0)
    }

    /// Writes one 16-bit field of the header.
    fn put(&mut self, field: usize, value: u16) {
        if let Some(room) = self.octets.get_mut(field..field + 2) {
            room.copy_from_slice(&value.to_be_bytes());
        }
    }

    /// The id.
    #[must_use]
    pub fn id(&self) -> u16 {
        read_u16(&self.octets, 0).unwrap_or(0)
    }

    /// Sets the id.
    pub fn set_id(&mut self, id: u16) {
        self.put(0, id);
    }

    /// The rcode, with the upper bits of the EDNS.
    #[must_use]
    pub fn rcode(&self) -> Rcode {
        let upper = self.edns.as_ref().map_or(0, |edns| edns.extended_rcode);
        Rcode(u16::from(upper) << 4 | self.head() & 0xf)
    }

    /// What its maker said of it; none if nobody did or it was changed since.
    #[must_use]
    pub const fn gist(&self) -> Option<Gist> {
        self.gist
    }

    /// Says what it is; any later change of its records takes that back.
    pub const fn set_gist(&mut self, gist: Gist) {
        self.gist = Some(gist);
    }

    /// Sets the rcode; the upper bits go to the EDNS if there is one and are lost otherwise.
    pub fn set_rcode(&mut self, rcode: Rcode) {
        self.gist = None;
        self.put(2, self.head() & !0xf | rcode.0 & 0xf);
        if let Some(edns) = self.edns.as_mut() {
            edns.extended_rcode = u8::try_from(rcode.0 >> 4 & 0xff).unwrap_or(0);
        }
    }

    /// The opcode.
    #[must_use]
    pub fn opcode(&self) -> Opcode {
        Opcode(self.head() >> 11 & 0xf)
    }

    /// The flag bits, see [`flag`].
    #[must_use]
    pub fn flags(&self) -> u16 {
        self.head() & crate::edns::HEADER_FLAGS
    }

    /// Whether a flag bit is set.
    #[must_use]
    pub fn has_flag(&self, bit: u16) -> bool {
        self.head() & bit != 0
    }

    /// Sets or clears a flag bit.
    pub fn set_flag(&mut self, bit: u16, on: bool) {
        let bit = bit & crate::edns::HEADER_FLAGS;
        if bit & flag::TC != 0 {
            self.gist = None;
        }
        self.put(2, if on { self.head() | bit } else { self.head() & !bit });
    }

    /// How many questions there are.
    #[must_use]
    pub fn question_count(&self) -> u16 {
        read_u16(&self.octets, 4).unwrap_or(0)
    }

    /// How many records a section has (the OPT never counts).
    #[must_use]
    pub fn count(&self, section: Section) -> u16 {
        read_u16(&self.octets, 6 + 2 * section as usize).unwrap_or(0)
    }

    /// The question, if there is exactly one or more; the first.
    #[must_use]
    pub fn question(&self) -> Option<(Name, Type, Class)> {
        if self.question_count() == 0 {
            return None;
        }
        let (name, at) = Name::read(&self.octets, HEADER).ok()?;
        Some((name, Type(read_u16(&self.octets, at)?), Class(read_u16(&self.octets, at + 2)?)))
    }

    /// The records in their order.
    #[must_use]
    pub fn records(&self) -> Records<'_> {
        Records::of(&self.octets)
    }

    /// The records of one section.
    pub fn section(&self, section: Section) -> impl Iterator<Item = Record<'_>> {
        self.records().filter(move |record| record.section == section)
    }

    /// Sets the TTL of every record to what `change` gives for it.
    pub fn change_ttls(&mut self, mut change: impl FnMut(&Record<'_>) -> u32) {
        self.gist = None;
        let edits: Vec<(usize, u32)> = self.records().map(|record| (record.ttl_offset(), change(&record))).collect();
        for (at, ttl) in edits {
            if let Some(room) = self.octets.get_mut(at..at + 4) {
                room.copy_from_slice(&ttl.to_be_bytes());
            }
        }
    }

    /// Sets the TTL of every record, without allocating.
    pub fn set_ttls(&mut self, ttl: u32) {
        if let Some(gist) = &mut self.gist {
            gist.ttl = ttl;
        }
        let start = question_end(&self.octets);
        if let Some(records) = self.octets.get_mut(start..) {
            set_ttls(records, ttl);
        }
    }

    /// The records as octets, to be kept and given to [`ReplyBuilder::copy_records`], and how many each section has.
    #[must_use]
    pub fn record_octets(&self) -> (&[u8], [u16; 3]) {
        let counts = [Section::Answer, Section::Authority, Section::Additional].map(|section| self.count(section));
        (self.octets.get(question_end(&self.octets)..).unwrap_or(&[]), counts)
    }

    /// Writes the records anew as `edit` leaves them: for plugins that reorder, drop or change records.
    pub fn edit(&mut self, edit: impl FnOnce(&mut Vec<OwnedRecord>)) {
        self.gist = None;
        let mut records: Vec<OwnedRecord> = self.records().map(OwnedRecord::from).collect();
        edit(&mut records);
        records.sort_by_key(|record| record.section);
        let mut octets = std::mem::take(&mut self.octets);
        octets.truncate(question_end(&octets));
        let mut builder = ReplyBuilder { octets, counts: [0; 3] };
        for record in &records {
            let OwnedRecord { section, owner, rtype, class, ttl, rdata } = record;
            builder.push_any(*section, &[owner.as_wire()], (*rtype, *class, *ttl), |out| out.extend_from_slice(rdata));
        }
        self.octets = builder.finish().octets;
    }

    /// Puts records into another order, octet for octet: `arrange` may move them about and leave some out, but not from one
    /// section to another.
    pub fn arrange(&mut self, arrange: impl FnOnce(&mut Vec<Record<'_>>)) {
        self.gist = None;
        let octets = std::mem::take(&mut self.octets);
        let mut records: Vec<Record<'_>> = Records::of(&octets).collect();
        arrange(&mut records);
        records.sort_by_key(|record| record.section);
        let mut builder = ReplyBuilder { octets: Vec::with_capacity(octets.len()), counts: [0; 3] };
        builder.octets.extend_from_slice(octets.get(..question_end(&octets)).unwrap_or_default());
        for Record { section, owner, rtype, class, ttl, rdata, .. } in records {
            builder.push_any(section, &[owner], (rtype, class, ttl), |out| out.extend_from_slice(rdata));
        }
        self.octets = builder.finish().octets;
    }

    /// Replaces the question with that of `request`, in its letters; records stay.
    pub fn set_question(&mut self, request: &Request) {
        self.gist = None;
        let records = self.octets.split_off(question_end(&self.octets));
        self.octets.truncate(HEADER);
        request.write_question(&mut self.octets);
        self.octets.extend_from_slice(&records);
        self.put(4, 1);
    }
}

/// A record on its own, for plugins that change records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedRecord {
    /// The section it is in.
    pub section: Section,
    /// Its owner.
    pub owner: Name,
    /// Its type.
    pub rtype: Type,
    /// Its class.
    pub class: Class,
    /// Its TTL in seconds.
    pub ttl: u32,
    /// Its rdata, names in it written out.
    pub rdata: Vec<u8>,
}

impl From<Record<'_>> for OwnedRecord {
    fn from(record: Record<'_>) -> Self {
        let Record { section, rtype, class, ttl, rdata, .. } = record;
        Self { section, owner: record.owner_name(), rtype, class, ttl, rdata: rdata.to_vec() }
    }
}

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

/// Writes a reply record by record, in the order of the sections.
///
/// Owners and names are given in parts (`&[&[u8]]`), so that a prefix of one's own and a suffix in the client's letters
/// need no buffer between. The last part ends in the zero octet.
pub struct ReplyBuilder {
    octets: Vec<u8>,
    counts: [u16; 3],
}

impl ReplyBuilder {
    /// A reply without records: id, opcode and RD of the query, CD for opcode QUERY, its question in its letters.
    /// (miekg/dns: Msg.SetReply)
    #[must_use]
    pub fn new(request: &Request) -> Self {
        let mut octets = request.take_buffer();
        let copied = if request.opcode() == Opcode::QUERY { flag::RD | flag::CD } else { flag::RD };
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

    /// Appends a record of class IN; `rdata` writes its rdata. A section after a later one, a record too many (65,535)
    /// or rdata too long (65,535 octets) is left out.
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

    /// Whether a section takes one more record: none behind it has any, and it has less than 65,535.
    const fn is_open(&self, section: Section) -> bool {
        let [answers, authorities, additionals] = self.counts;
        match section {
            Section::Answer => authorities | additionals == 0 && answers < u16::MAX,
            Section::Authority => additionals == 0 && authorities < u16::MAX,
            Section::Additional => additionals < u16::MAX,
        }
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
