//! What rdata of each type is made of: which octets decode, and where the names are that may be compressed. Knows no owner and
//! no message around the record.
//!
//! What decodes is what miekg/dns v1.1.72 decodes, so that nothing is passed on that CoreDNS would refuse and nothing is refused
//! that it takes; `tests/verdicts/replies` has its verdicts. Rdata that ends between two fields is taken as it is (miekg/dns
//! fills the rest with zeros).

use crate::edns::check_options;
use crate::name::Name;
use crate::rr::Type;
use crate::wire::{WireError, read_u16};

/// A part of rdata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A domain name.
    Name,
    /// Domain names up to the end.
    Names,
    /// That many octets.
    Fixed(usize),
    /// A character string with its length octet.
    Text,
    /// Character strings up to the end.
    Texts,
    /// Octets whose number stands in the rdata.
    Sized(Length),
    /// All that is left.
    Rest,
    /// The bitmap of types of NSEC (RFC 4034 §4.1.2).
    Types,
    /// The parameters of SVCB (RFC 9460 §2.2).
    Params,
    /// The prefixes of APL (RFC 3123 §4).
    Prefixes,
    /// The gateway of IPSECKEY, whose kind is the second octet of the rdata (RFC 4025 §2.3).
    Gateway,
    /// The options of OPT (RFC 6891 §6.1.2).
    Options,
}

/// Where the number of octets of a [`Part::Sized`] stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// In the octet before the part.
    Octet,
    /// In the two octets before the part.
    Pair,
    /// In the octet at this offset of the rdata.
    OctetAt(usize),
    /// In the two octets at this offset of the rdata.
    PairAt(usize),
}

/// The parts of rdata of a type, in their order. Names are read from compressed form in all types, and written compressed only in
/// those of [`compresses_rdata`] (RFC 3597 §4).
#[must_use]
#[expect(clippy::too_many_lines, reason = "a table")]
pub fn rdata_shape(rtype: Type) -> &'static [Part] {
    use Part::{Fixed, Gateway, Name, Names, Options, Params, Prefixes, Rest, Sized, Text, Texts, Types};
    match rtype {
        Type::A => &[Fixed(4)],
        Type::AAAA => &[Fixed(16)],
        Type::NS
        | Type::CNAME
        | Type::PTR
        | Type::MB
        | Type::MD
        | Type::MF
        | Type::MG
        | Type::MR
        | Type::DNAME
        | Type::NSAP_PTR => &[Name],
        Type::SOA => &[Name, Name, Fixed(4), Fixed(4), Fixed(4), Fixed(4), Fixed(4)],
        Type::MX | Type::AFSDB | Type::RT | Type::KX | Type::LP => &[Fixed(2), Name],
        Type::MINFO | Type::RP | Type::TALINK => &[Name, Name],
        Type::PX => &[Fixed(2), Name, Name],
        Type::SRV => &[Fixed(2), Fixed(2), Fixed(2), Name],
        Type::NAPTR => &[Fixed(2), Fixed(2), Text, Text, Text, Name],
        Type::SIG | Type::RRSIG => &[Fixed(2), Fixed(1), Fixed(1), Fixed(4), Fixed(4), Fixed(4), Fixed(2), Name, Rest],
        Type::NXT | Type::NSEC => &[Name, Types],
        Type::NSEC3 => {
            &[Fixed(1), Fixed(1), Fixed(2), Fixed(1), Sized(Length::Octet), Fixed(1), Sized(Length::Octet), Types]
        }
        Type::NSEC3PARAM => &[Fixed(1), Fixed(1), Fixed(2), Fixed(1), Sized(Length::Octet)],
        Type::CSYNC => &[Fixed(4), Fixed(2), Types],
        Type::SVCB | Type::HTTPS => &[Fixed(2), Name, Params],
        Type::TXT | Type::SPF | Type::AVC | Type::NINFO | Type::RESINFO => &[Texts],
        Type::HINFO | Type::ISDN => &[Text, Text],
        Type::GPOS => &[Text, Text, Text],
        Type::X25 | Type::UINFO => &[Text],
        Type::CAA => &[Fixed(1), Text, Rest],
        Type::URI => &[Fixed(2), Fixed(2), Rest],
        Type::KEY | Type::DNSKEY | Type::CDNSKEY | Type::RKEY | Type::DS | Type::CDS | Type::DLV | Type::TA => {
            &[Fixed(2), Fixed(1), Fixed(1), Rest]
        }
        Type::CERT => &[Fixed(2), Fixed(2), Fixed(1), Rest],
        Type::TLSA | Type::SMIMEA => &[Fixed(1), Fixed(1), Fixed(1), Rest],
        Type::SSHFP => &[Fixed(1), Fixed(1), Rest],
        Type::ZONEMD => &[Fixed(4), Fixed(1), Fixed(1), Rest],
        Type::LOC => &[Fixed(1), Fixed(1), Fixed(1), Fixed(1), Fixed(4), Fixed(4), Fixed(4)],
        Type::NID | Type::L64 => &[Fixed(2), Fixed(8)],
        Type::L32 => &[Fixed(2), Fixed(4)],
        Type::EUI48 => &[Fixed(6)],
        Type::EUI64 => &[Fixed(8)],
        Type::UID | Type::GID => &[Fixed(4)],
        Type::APL => &[Prefixes],
        Type::IPSECKEY => &[Fixed(1), Fixed(1), Fixed(1), Gateway, Rest],
        Type::AMTRELAY => &[Fixed(1), Fixed(1), Gateway],
        Type::HIP => &[Fixed(1), Fixed(1), Fixed(2), Sized(Length::OctetAt(0)), Sized(Length::PairAt(2)), Names],
        Type::TKEY => &[
            Name,
            Fixed(4),
            Fixed(4),
            Fixed(2),
            Fixed(2),
            Fixed(2),
            Sized(Length::Pair),
            Fixed(2),
            Sized(Length::Pair),
        ],
        Type::TSIG => &[
            Name,
            Fixed(6),
            Fixed(2),
            Fixed(2),
            Sized(Length::Pair),
            Fixed(2),
            Fixed(2),
            Fixed(2),
            Sized(Length::Pair),
        ],
        Type::OPT => &[Options],
        // No record of these types has rdata.
        Type::ANY | Type::NXNAME => &[],
        _ => &[Rest],
    }
}

/// Whether names in rdata of this type may be compressed when a message leaves (RFC 1035 types, as miekg/dns does).
#[must_use]
pub const fn compresses_rdata(rtype: Type) -> bool {
    matches!(
        rtype,
        Type::NS
            | Type::CNAME
            | Type::PTR
            | Type::SOA
            | Type::MX
            | Type::MB
            | Type::MD
            | Type::MF
            | Type::MG
            | Type::MR
            | Type::MINFO
    )
}

/// Rdata that stands alone, checked for the shape of its type.
///
/// # Errors
/// When it has another shape.
pub fn read_rdata(rtype: Type, rdata: &[u8]) -> Result<Vec<u8>, WireError> {
    let mut out = Vec::with_capacity(rdata.len());
    if !rdata.is_empty() {
        copy_rdata(rdata, 0, rtype, &mut out)?;
    }
    Ok(out)
}

/// Copies the rdata that begins at `start` and ends with `message`, names written out.
///
/// # Errors
/// [`WireError::Short`] when a field other than a name runs over the end, another one when the rdata has another shape.
pub(crate) fn copy_rdata(message: &[u8], start: usize, rtype: Type, out: &mut Vec<u8>) -> Result<(), WireError> {
    let mut rdata = Rdata { message, start, at: start };
    for part in rdata_shape(rtype) {
        rdata.copy_part(*part, out)?;
        // Behind octets of a given number further fields are demanded.
        if rdata.is_at_end() && !matches!(part, Part::Sized(_)) {
            return Ok(());
        }
    }
    if rdata.is_at_end() { Ok(()) } else { Err(WireError::Rdata) }
}

/// Rdata that is read part by part.
struct Rdata<'a> {
    /// The message up to the end of the rdata.
    message: &'a [u8],
    /// Where the rdata begins.
    start: usize,
    /// Where the next part begins.
    at: usize,
}

impl<'a> Rdata<'a> {
    /// Whether all has been read.
    const fn is_at_end(&self) -> bool {
        self.at >= self.message.len()
    }

    /// The next octets.
    fn take(&mut self, octets: usize) -> Result<&'a [u8], WireError> {
        let taken = self.message.get(self.at..self.at + octets).ok_or(WireError::Short)?;
        self.at += octets;
        Ok(taken)
    }

    /// Passes the next octets.
    fn skip(&mut self, octets: usize) -> Result<(), WireError> {
        self.take(octets)?;
        Ok(())
    }

    /// The octet at an offset of the rdata.
    fn octet(&self, offset: usize) -> Result<usize, WireError> {
        self.message.get(self.start + offset).map(|octet| usize::from(*octet)).ok_or(WireError::Short)
    }

    /// The two octets at an offset of the rdata, as a number.
    fn pair(&self, offset: usize) -> Result<usize, WireError> {
        read_u16(self.message, self.start + offset).map(usize::from).ok_or(WireError::Short)
    }

    /// How many octets a part has whose number stands elsewhere.
    fn length(&self, length: Length) -> Result<usize, WireError> {
        let done = self.at - self.start;
        match length {
            Length::Octet => self.octet(done.saturating_sub(1)),
            Length::Pair => self.pair(done.saturating_sub(2)),
            Length::OctetAt(offset) => self.octet(offset),
            Length::PairAt(offset) => self.pair(offset),
        }
    }

    /// Copies the next part.
    fn copy_part(&mut self, part: Part, out: &mut Vec<u8>) -> Result<(), WireError> {
        let begin = self.at;
        match part {
            Part::Name => return self.copy_name(out),
            Part::Names => {
                while !self.is_at_end() {
                    self.copy_name(out)?;
                }
                return Ok(());
            }
            Part::Gateway => return self.copy_gateway(out),
            Part::Fixed(octets) => self.skip(octets)?,
            Part::Text => self.skip_text()?,
            Part::Texts => {
                while !self.is_at_end() {
                    self.skip_text()?;
                }
            }
            Part::Sized(length) => self.skip(self.length(length)?)?,
            Part::Types => self.skip_types()?,
            Part::Params => self.skip_params()?,
            Part::Prefixes => self.skip_prefixes()?,
            Part::Options => check_options(self.message.get(begin..).unwrap_or(&[]))?,
            Part::Rest => {}
        }
        if matches!(part, Part::Options | Part::Rest) {
            self.at = self.message.len();
        }
        out.extend_from_slice(self.message.get(begin..self.at).unwrap_or(&[]));
        Ok(())
    }

    /// Copies a name, written out.
    fn copy_name(&mut self, out: &mut Vec<u8>) -> Result<(), WireError> {
        let mut name = Name::root();
        self.at = name.read_into(self.message, self.at)?;
        out.extend_from_slice(name.as_wire());
        Ok(())
    }

    /// Copies a gateway: an address, a name, or nothing.
    fn copy_gateway(&mut self, out: &mut Vec<u8>) -> Result<(), WireError> {
        let octets = match self.octet(1)? {
            1 => self.take(4)?,
            2 => self.take(16)?,
            3 => return self.copy_name(out),
            _ => &[],
        };
        out.extend_from_slice(octets);
        Ok(())
    }

    /// Passes a character string.
    fn skip_text(&mut self) -> Result<(), WireError> {
        let length = self.take(1)?.first().map_or(0, |length| usize::from(*length));
        self.skip(length)
    }

    /// Passes a bitmap of types: windows in rising order, none empty or of more than 32 octets.
    fn skip_types(&mut self) -> Result<(), WireError> {
        let mut next_window = 0;
        while !self.is_at_end() {
            let &[window, length] = self.take(2)? else { return Err(WireError::Short) };
            if u16::from(window) < next_window || !(1..=32).contains(&length) {
                return Err(WireError::Rdata);
            }
            self.take(usize::from(length))?;
            next_window = u16::from(window) + 1;
        }
        Ok(())
    }

    /// Passes parameters of SVCB: keys in rising order, the values of known keys of the right shape.
    fn skip_params(&mut self) -> Result<(), WireError> {
        let mut next_key = 0;
        while !self.is_at_end() {
            let &[k1, k2, l1, l2] = self.take(4)? else { return Err(WireError::Short) };
            let (key, length) = (u16::from_be_bytes([k1, k2]), u16::from_be_bytes([l1, l2]));
            check_param(key, self.take(usize::from(length))?)?;
            if u32::from(key) < next_key {
                return Err(WireError::Rdata);
            }
            next_key = u32::from(key) + 1;
        }
        Ok(())
    }

    /// Passes prefixes of APL: families 1 and 2, no zero octets at the end of an address.
    fn skip_prefixes(&mut self) -> Result<(), WireError> {
        while !self.is_at_end() {
            let &[f1, f2, prefix, length] = self.take(4)? else { return Err(WireError::Short) };
            let octets = match u16::from_be_bytes([f1, f2]) {
                1 => 4_u8,
                2 => 16,
                _ => return Err(WireError::Rdata),
            };
            let length = length & 0x7f;
            if prefix > 8 * octets || length > octets {
                return Err(WireError::Rdata);
            }
            if self.take(usize::from(length))?.last() == Some(&0) {
                return Err(WireError::Rdata);
            }
        }
        Ok(())
    }
}

/// Whether a parameter of SVCB has the shape of its key (RFC 9460 §7, §8; RFC 9461, RFC 9540).
fn check_param(key: u16, value: &[u8]) -> Result<(), WireError> {
    let is_right = match key {
        // mandatory
        0 => value.len().is_multiple_of(2),
        // alpn: character strings, of which the last may be cut.
        1 => {
            let mut strings = Rdata { message: value, start: 0, at: 0 };
            while !strings.is_at_end() {
                strings.skip_text()?;
            }
            true
        }
        // no-default-alpn, ohttp
        2 | 8 => value.is_empty(),
        // port
        3 => value.len() == 2,
        // ipv4hint
        4 => !value.is_empty() && value.len().is_multiple_of(4),
        // ipv6hint: no IPv4 address among them.
        6 => {
            let (addresses, rest) = value.as_chunks::<16>();
            let is_mapped = |address: &[u8; 16]| address.starts_with(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
            rest.is_empty() && !addresses.is_empty() && !addresses.iter().any(is_mapped)
        }
        // Reserved.
        u16::MAX => false,
        _ => true,
    };
    if is_right { Ok(()) } else { Err(WireError::Rdata) }
}

#[cfg(test)]
#[path = "rdata_tests.rs"]
mod tests;
