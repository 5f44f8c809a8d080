//! A reply as plain wire octets.

use crate::builder::ReplyBuilder;
use crate::edns::Edns;
use crate::name::Name;
use crate::request::Request;
use crate::rr::{Class, Opcode, Rcode, Type, flag};
use crate::wire::{
    HEADER, PseudoRecords, Record, Records, Section, WireError, question_end, read_plain, read_u16, set_ttls,
};

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
    /// Whether it was received with a TSIG record.
    has_tsig: bool,
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
        Self { octets, edns: None, live: false, gist: None, has_tsig: false }
    }

    /// Reads a message as received.
    ///
    /// # Errors
    /// When the octets are no message.
    pub fn read(message: &[u8]) -> Result<Self, WireError> {
        let mut octets = Vec::with_capacity(message.len() + message.len() / 2);
        let PseudoRecords { edns, has_tsig } = read_plain(message, &mut octets)?;
        Ok(Self { octets, edns: edns.map(Box::new), live: false, gist: None, has_tsig })
    }

    /// Whether it was received with a TSIG record, which is not among the plain octets.
    #[must_use]
    pub const fn has_tsig(&self) -> bool {
        self.has_tsig
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
