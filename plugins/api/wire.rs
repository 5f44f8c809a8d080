//! Records in wire form: reading a message, and turning any message into the form that all answers have in here.
//!
//! Inside the program a message is *plain*: header, question and records with every name written out, no compression
//! pointer, no OPT record (EDNS travels beside it, see [`crate::edns`]). So records can be walked, copied and patched
//! without decoding; compression is put on when a message leaves and does not fit.

use crate::edns::Edns;
use crate::name::{Name, NameError, wire_len};
use crate::rdata::copy_rdata;
use crate::rr::{Class, Type};

pub use crate::rdata::{Length, Part, compresses_rdata, rdata_shape, read_rdata};

/// Octets of a message header.
pub const HEADER: usize = 12;
/// Octets between a record's owner and its rdata: type, class, TTL, length.
const FIXED: usize = 10;

/// Why octets are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A record runs over the end of the message, or a field over the end of its rdata. CoreDNS takes such a datagram for a
    /// truncated one (proxy.shouldTruncateResponse).
    #[error("message is cut short")]
    Short,
    /// The message ends inside its header or question.
    #[error("question is cut short")]
    Question,
    /// A name in it is none.
    #[error("bad name: {0}")]
    Name(#[from] NameError),
    /// Rdata does not have the shape of its type.
    #[error("bad rdata")]
    Rdata,
    /// An OPT record with an option that does not decode.
    #[error("bad OPT record")]
    Opt,
    /// A TSIG record where nobody has a key for it.
    #[error("no secrets defined")]
    Tsig,
}

/// The three sections of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// Answer.
    Answer,
    /// Authority.
    Authority,
    /// Additional.
    Additional,
}

/// Reads a big-endian number of two octets.
#[must_use]
pub fn read_u16(octets: &[u8], at: usize) -> Option<u16> {
    let pair = octets.get(at..at + 2)?;
    Some(u16::from_be_bytes([*pair.first()?, *pair.get(1)?]))
}

/// Reads a big-endian number of four octets.
#[must_use]
pub fn read_u32(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from(read_u16(octets, at)?) << 16 | u32::from(read_u16(octets, at + 2)?))
}

/// One record of a plain message.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The section it is in.
    pub section: Section,
    /// Offset of its owner in the message.
    pub offset: usize,
    /// Its owner in wire form.
    pub owner: &'a [u8],
    /// Its type.
    pub rtype: Type,
    /// Its class.
    pub class: Class,
    /// Its TTL in seconds.
    pub ttl: u32,
    /// Its rdata, names in it written out.
    pub rdata: &'a [u8],
}

impl Record<'_> {
    /// The owner as a name; the root if it is damaged, which a plain message never has.
    #[must_use]
    pub fn owner_name(&self) -> Name {
        Name::from_wire(self.owner).unwrap_or_else(|_| Name::root())
    }

    /// Offset of the TTL in the message.
    #[must_use]
    pub const fn ttl_offset(&self) -> usize {
        self.offset + self.owner.len() + 4
    }
}

/// Walks the records of a plain message.
#[derive(Clone)]
pub struct Records<'a> {
    message: &'a [u8],
    at: usize,
    left: [u16; 3],
    /// The owner before: most records have the same.
    last: &'a [u8],
    /// All of the record before but its rdata.
    head: &'a [u8],
    /// The section of the record before.
    section: usize,
}

impl<'a> Records<'a> {
    /// All records of a plain message, in their order.
    #[must_use]
    pub fn of(message: &'a [u8]) -> Self {
        let count = |index: usize| read_u16(message, 6 + 2 * index).unwrap_or(0);
        Self {
            message,
            at: question_end(message),
            left: [count(0), count(1), count(2)],
            last: &[],
            head: &[],
            section: 0,
        }
    }

    /// Octets up to the next record; behind the last one the length of the message.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.at
    }

    /// The rdata of the next record, if it differs from the one before in nothing else; that record is then passed.
    pub fn next_alike(&mut self) -> Option<&'a [u8]> {
        let left = self.left.get_mut(self.section).filter(|left| **left > 0)?;
        let rest = self.message.get(self.at..)?.strip_prefix(self.head)?;
        let rdata = rest.get(..usize::from(u16::from_be_bytes(*self.head.last_chunk::<2>()?)))?;
        *left -= 1;
        self.at += self.head.len() + rdata.len();
        Some(rdata)
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        const SECTIONS: [Section; 3] = [Section::Answer, Section::Authority, Section::Additional];
        let (left, section) = self.left.iter_mut().zip(SECTIONS).find(|(left, _)| **left > 0)?;
        *left -= 1;
        let offset = self.at;
        let rest = self.message.get(offset..)?;
        if self.last.is_empty() || !rest.starts_with(self.last) {
            self.last = rest.get(..wire_len(rest).ok()?)?;
        }
        let start = offset + self.last.len() + FIXED;
        let &[t1, t2, c1, c2, l1, l2, l3, l4, n1, n2] = rest.get(self.last.len()..)?.first_chunk::<FIXED>()?;
        let end = start + usize::from(u16::from_be_bytes([n1, n2]));
        self.at = end;
        (self.head, self.section) = (rest.get(..start - offset)?, section as usize);
        Some(Record {
            section,
            offset,
            owner: self.last,
            rtype: Type(u16::from_be_bytes([t1, t2])),
            class: Class(u16::from_be_bytes([c1, c2])),
            ttl: u32::from_be_bytes([l1, l2, l3, l4]),
            rdata: self.message.get(start..end)?,
        })
    }
}

/// Sets the TTL of all records that a slice of plain octets begins with and is made of.
pub fn set_ttls(mut records: &mut [u8], ttl: u32) {
    while let Ok(owner) = wire_len(records) {
        let Some(length) = read_u16(records, owner + 8) else { return };
        if let Some(room) = records.get_mut(owner + 4..owner + 8) {
            room.copy_from_slice(&ttl.to_be_bytes());
        }
        let Some((_, rest)) = records.split_at_mut_checked(owner + FIXED + usize::from(length)) else { return };
        records = rest;
    }
}

/// Offset behind the question section of a plain message.
#[must_use]
pub fn question_end(message: &[u8]) -> usize {
    let mut at = HEADER;
    for _ in 0..read_u16(message, 4).unwrap_or(0) {
        at += message.get(at..).and_then(|rest| wire_len(rest).ok()).unwrap_or(0) + 4;
    }
    at
}

/// Pseudo-records of a message: they speak of the message and belong to no zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PseudoRecords {
    /// The EDNS of the last OPT record of the additional section.
    pub edns: Option<Edns>,
    /// Whether there was a TSIG record (RFC 8945), in any section.
    pub has_tsig: bool,
}

/// Turns a message as received into a plain one in `out`, and hands back its pseudo-records.
///
/// Header and question are taken over; several questions are kept. OPT and TSIG records are cut out of every section and the
/// counts lowered. With more than one OPT the last one counts, as miekg/dns's `IsEdns0`.
///
/// # Errors
/// When the octets are no message; [`WireError::Short`] for what is behind the question and ends too early. `out` is then
/// unspecified.
pub fn read_plain(message: &[u8], out: &mut Vec<u8>) -> Result<PseudoRecords, WireError> {
    out.clear();
    out.extend_from_slice(message.get(..HEADER).ok_or(WireError::Question)?);
    // A header alone is a message without sections, whatever it counts (miekg/dns: Msg.unpack).
    if message.len() == HEADER {
        out.truncate(4);
        out.resize(HEADER, 0);
        return Ok(PseudoRecords::default());
    }
    let mut at = HEADER;
    let mut name = Name::root();
    for _ in 0..read_u16(message, 4).unwrap_or(0) {
        at = name.read_into(message, at)?;
        out.extend_from_slice(name.as_wire());
        out.extend_from_slice(message.get(at..at + 4).ok_or(WireError::Question)?);
        at += 4;
    }
    let mut pseudo = PseudoRecords::default();
    for index in 0..3 {
        let field = 6 + 2 * index;
        let written = read_u16(message, field).unwrap_or(0);
        let mut count = written;
        for done in 0..written {
            // Counts that promise more than there is are taken as they are (miekg/dns: unpackRRslice).
            if at >= message.len() {
                count -= written - done;
                break;
            }
            let start = out.len();
            let rtype;
            (at, rtype) = copy_record(message, at, &mut name, out)?;
            if !matches!(rtype, Type::OPT | Type::TSIG) {
                continue;
            }
            pseudo.has_tsig |= rtype == Type::TSIG;
            if index == 2 && rtype == Type::OPT {
                pseudo.edns = Some(Edns::from_record(out.get(start..).unwrap_or(&[])).ok_or(WireError::Opt)?);
            }
            out.truncate(start);
            count -= 1;
        }
        if let Some(room) = out.get_mut(field..field + 2) {
            room.copy_from_slice(&count.to_be_bytes());
        }
    }
    Ok(pseudo)
}

/// Copies one record with its names written out; gives the offset behind it and its type. `name` holds its owner afterwards.
fn copy_record(message: &[u8], at: usize, name: &mut Name, out: &mut Vec<u8>) -> Result<(usize, Type), WireError> {
    let at = name.read_into(message, at).map_err(|error| match error {
        NameError::Short => WireError::Short,
        error => WireError::Name(error),
    })?;
    out.extend_from_slice(name.as_wire());
    let fixed = message.get(at..at + FIXED).ok_or(WireError::Short)?;
    out.extend_from_slice(fixed);
    let rtype = Type(read_u16(fixed, 0).unwrap_or(0));
    let (begin, start) = (at + FIXED, out.len());
    let end = begin + usize::from(read_u16(fixed, 8).unwrap_or(0));
    let upto = message.get(..end).ok_or(WireError::Short)?;
    // RDLENGTH 0 is legal in updates and in deletions; there is nothing to read then.
    if end > begin {
        copy_rdata(upto, begin, rtype, out)?;
    }
    let length = u16::try_from(out.len() - start).map_err(|_| WireError::Rdata)?;
    if let Some(room) = out.get_mut(start - 2..start) {
        room.copy_from_slice(&length.to_be_bytes());
    }
    Ok((end, rtype))
}
