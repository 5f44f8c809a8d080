//! Writes messages for the fixed upstream: sections of records, names compressed without regard to letter case.

use crate::message::{Opt, Question};
use crate::mnemonic::OPT;
use crate::name::Name;

/// The highest offset that a compression pointer can hold (RFC 1035 §4.1.4).
const MAX_POINTER: usize = 0x3fff;

/// Rdata as the upstream needs it.
#[derive(Clone)]
pub(super) enum Rdata {
    /// Octets that are written as they are: addresses, character strings, names that are never compressed.
    Octets(Vec<u8>),
    /// A name (CNAME, NS, PTR).
    Name(Name),
    /// A preference and a name (MX).
    Preference(u16, Name),
    /// Two names and five numbers (SOA).
    Soa([Name; 2], [u32; 5]),
}

/// A record of class IN.
#[derive(Clone)]
pub(super) struct Rr {
    /// The owner.
    pub(super) owner: Name,
    /// The TTL in seconds.
    pub(super) ttl: u32,
    /// The type.
    pub(super) rtype: u16,
    /// The rdata.
    pub(super) rdata: Rdata,
}

/// A reply that is being made.
pub(super) struct Draft {
    /// The message id.
    pub(super) id: u16,
    /// Everything from QR to RCODE.
    pub(super) flags: u16,
    /// The question; none to leave it out.
    pub(super) question: Option<Question>,
    /// Answer, authority and additional section.
    pub(super) sections: [Vec<Rr>; 3],
    /// The OPT record.
    pub(super) opt: Option<Opt>,
}

/// A message under construction, and where in it names stand.
#[derive(Default)]
struct Writer {
    /// The octets so far.
    wire: Vec<u8>,
    /// Names in lower case with their offsets.
    seen: Vec<(Vec<Vec<u8>>, usize)>,
}

impl Draft {
    /// Sets the response code; what does not fit into the header goes into the OPT record, made if need be.
    pub(super) fn set_rcode(&mut self, rcode: u16) {
        self.flags = self.flags & !15 | rcode & 15;
        let extended = u8::try_from(rcode >> 4).unwrap_or(0);
        if extended != 0 {
            self.opt.get_or_insert_with(|| empty_opt(1232)).extended = extended;
        }
    }

    /// The message on the wire.
    pub(super) fn to_wire(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        let [answer, authority, additional] = self.sections.each_ref().map(Vec::len);
        let counts =
            [usize::from(self.question.is_some()), answer, authority, additional + usize::from(self.opt.is_some())];
        writer.u16(self.id);
        writer.u16(self.flags);
        for count in counts {
            writer.u16(u16::try_from(count).unwrap_or(u16::MAX));
        }
        if let Some(question) = &self.question {
            writer.name(&question.name);
            writer.u16(question.qtype);
            writer.u16(question.qclass);
        }
        for rr in self.sections.iter().flatten() {
            writer.record(rr);
        }
        if let Some(opt) = &self.opt {
            writer.opt(opt);
        }
        writer.wire
    }
}

/// An OPT record without options.
pub(super) const fn empty_opt(payload: u16) -> Opt {
    Opt { payload, extended: 0, version: 0, flags: 0, options: Vec::new() }
}

impl Writer {
    /// Writes two octets.
    fn u16(&mut self, number: u16) {
        self.wire.extend(number.to_be_bytes());
    }

    /// Writes four octets.
    fn u32(&mut self, number: u32) {
        self.wire.extend(number.to_be_bytes());
    }

    /// Writes a name, its tail as a pointer if it stands in the message already.
    fn name(&mut self, name: &Name) {
        let mut rest = name.labels.as_slice();
        while let [label, tail @ ..] = rest {
            let key: Vec<_> = rest.iter().map(|label| label.to_ascii_lowercase()).collect();
            if let Some((_, at)) = self.seen.iter().find(|(known, _)| *known == key) {
                let pointer = 0xc000 | u16::try_from(*at).unwrap_or(0);
                return self.u16(pointer);
            }
            if self.wire.len() <= MAX_POINTER {
                self.seen.push((key, self.wire.len()));
            }
            self.wire.push(u8::try_from(label.len()).unwrap_or(0));
            self.wire.extend(label);
            rest = tail;
        }
        self.wire.push(0);
    }

    /// Writes a record of class IN.
    fn record(&mut self, rr: &Rr) {
        self.name(&rr.owner);
        self.u16(rr.rtype);
        self.u16(1);
        self.u32(rr.ttl);
        let start = self.wire.len();
        self.u16(0);
        match &rr.rdata {
            Rdata::Octets(octets) => self.wire.extend(octets),
            Rdata::Name(name) => self.name(name),
            Rdata::Preference(preference, name) => {
                self.u16(*preference);
                self.name(name);
            }
            Rdata::Soa(names, numbers) => {
                names.iter().for_each(|name| self.name(name));
                numbers.iter().for_each(|number| self.u32(*number));
            }
        }
        let length = u16::try_from(self.wire.len() - start - 2).unwrap_or(0).to_be_bytes();
        if let Some(place) = self.wire.get_mut(start..start + 2) {
            place.copy_from_slice(&length);
        }
    }

    /// Writes an OPT record.
    fn opt(&mut self, opt: &Opt) {
        self.wire.push(0);
        self.u16(OPT);
        self.u16(opt.payload);
        self.wire.extend([opt.extended, opt.version]);
        self.u16(opt.flags);
        let length: usize = opt.options.iter().map(|(_, data)| data.len() + 4).sum();
        self.u16(u16::try_from(length).unwrap_or(0));
        for (code, data) in &opt.options {
            self.u16(*code);
            self.u16(u16::try_from(data.len()).unwrap_or(0));
            self.wire.extend(data);
        }
    }
}
