//! A message taken apart: header, questions, records, OPT. Knows no presentation form.

use crate::mnemonic::OPT;
use crate::name::Name;
use crate::reader::{Fault, Reader};

/// The type of a TSIG record (RFC 8945 §4.2).
const TSIG: u16 = 250;

/// The EDNS option COOKIE (RFC 7873 §4).
const COOKIE: u16 = 10;

/// The EDNS option that holds a client subnet (RFC 7871 §6).
const SUBNET: u16 = 8;

/// A question.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// QNAME as spelled.
    pub(crate) name: Name,
    /// QTYPE.
    pub(crate) qtype: u16,
    /// QCLASS.
    pub(crate) qclass: u16,
}

/// A record whose rdata has not been read yet.
pub(crate) struct Record<'a> {
    /// The owner as spelled.
    pub(crate) owner: Name,
    /// The type.
    pub(crate) rtype: u16,
    /// The class.
    pub(crate) class: u16,
    /// The TTL in seconds; more than 2^31-1 counts as 0 (RFC 2181 §8).
    pub(crate) ttl: u32,
    /// The rdata; names in it may point anywhere in the message.
    pub(crate) rdata: Reader<'a>,
}

/// What the OPT record says (RFC 6891 §6.1).
#[derive(Clone, Debug)]
pub(crate) struct Opt {
    /// The payload size in octets.
    pub(crate) payload: u16,
    /// The upper eight bits of the response code.
    pub(crate) extended: u8,
    /// The EDNS version.
    pub(crate) version: u8,
    /// The flags; the highest bit is DO.
    pub(crate) flags: u16,
    /// The options: code and data.
    pub(crate) options: Vec<(u16, Vec<u8>)>,
}

impl Opt {
    /// Whether DO is set.
    pub(crate) fn is_do(&self) -> bool {
        self.flags & 0x8000 != 0
    }
}

/// A whole message.
pub(crate) struct Message<'a> {
    /// The message id.
    pub(crate) id: u16,
    /// Everything from QR to RCODE as on the wire.
    pub(crate) flags: u16,
    /// The questions.
    pub(crate) questions: Vec<Question>,
    /// Answer, authority and additional section, without OPT and TSIG.
    pub(crate) sections: [Vec<Record<'a>>; 3],
    /// The OPT record.
    pub(crate) opt: Option<Opt>,
}

impl<'a> Message<'a> {
    /// Takes a message apart.
    ///
    /// # Errors
    ///
    /// Everything has to be well formed up to the last octet.
    pub(crate) fn parse(wire: &'a [u8]) -> Result<Self, Fault> {
        if wire.len() < 12 {
            return Err(Fault::ShortHeader);
        }
        let mut reader = Reader::new(wire);
        let (id, flags, questions) = (reader.u16()?, reader.u16()?, reader.u16()?);
        let counts = [reader.u16()?, reader.u16()?, reader.u16()?];
        let mut message = Self { id, flags, questions: Vec::new(), sections: Default::default(), opt: None };
        for _ in 0..questions {
            let (name, qtype, qclass) = (reader.name()?, reader.u16()?, reader.u16()?);
            message.questions.push(Question { name, qtype, qclass });
        }
        for (section, count) in counts.into_iter().enumerate() {
            for place in 0..count {
                message.record(&mut reader, section, place + 1 == count)?;
            }
        }
        if reader.remaining() == 0 { Ok(message) } else { Err(Fault::Trailing) }
    }

    /// Reads one record of a section (0 is the answer section).
    fn record(&mut self, reader: &mut Reader<'a>, section: usize, last: bool) -> Result<(), Fault> {
        let (owner, rtype, class) = (reader.name()?, reader.u16()?, reader.u16()?);
        let ttl = reader.u32()?;
        let length = reader.u16()?;
        match rtype {
            OPT if section != 2 || self.opt.is_some() || !owner.labels.is_empty() => return Err(Fault::Edns),
            OPT => self.opt = Some(opt(class, ttl, reader.part(usize::from(length))?)?),
            TSIG if section != 2 || !last => return Err(Fault::Tsig),
            TSIG => {
                reader.take(usize::from(length))?;
            }
            _ => {
                let rdata = reader.part(usize::from(length))?;
                let ttl = if ttl > 0x7fff_ffff { 0 } else { ttl };
                let records = self.sections.get_mut(section).ok_or(Fault::Form)?;
                records.push(Record { owner, rtype, class, ttl, rdata });
            }
        }
        Ok(())
    }
}

/// Reads an OPT record from its class, TTL and rdata.
fn opt(class: u16, ttl: u32, mut rdata: Reader<'_>) -> Result<Opt, Fault> {
    let [extended, version, high, low] = ttl.to_be_bytes();
    let mut options = Vec::new();
    while rdata.remaining() > 0 {
        let (code, length) = (rdata.u16()?, rdata.u16()?);
        let data = rdata.take(usize::from(length))?.to_vec();
        if !is_well_formed(code, &data) {
            return Err(Fault::Form);
        }
        options.push((code, data));
    }
    Ok(Opt { payload: class, extended, version, flags: u16::from_be_bytes([high, low]), options })
}

/// Whether an option that has a form has it.
fn is_well_formed(code: u16, data: &[u8]) -> bool {
    match code {
        COOKIE => matches!(data.len(), 8 | 16..=40),
        SUBNET => match data {
            [0, 1, source, scope, address @ ..] => {
                *source <= 32 && *scope <= 32 && address.len() == usize::from(source.div_ceil(8))
            }
            [0, 2, source, scope, address @ ..] => {
                *source <= 128 && *scope <= 128 && address.len() == usize::from(source.div_ceil(8))
            }
            _ => false,
        },
        _ => true,
    }
}

#[cfg(test)]
mod tests;
