//! EDNS(0) as a value beside the message (RFC 6891).

use crate::name::{Name, wire_len};
use crate::rr::{Type, flag};
use crate::wire::{WireError, read_u16, read_u32};

/// The DO bit in the flags of an OPT record (RFC 3225).
pub const DO: u16 = 0x8000;

/// The content of an OPT record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edns {
    /// The sender's UDP payload size, as written.
    pub payload: u16,
    /// The upper eight bits of the rcode.
    pub extended_rcode: u8,
    /// The version; only 0 is defined.
    pub version: u8,
    /// The flag bits, [`DO`] among them.
    pub flags: u16,
    /// The options as on the wire: code, length, data, each.
    pub options: Vec<u8>,
}

/// Well-known option codes.
pub mod code {
    /// Name server identifier (RFC 5001).
    pub const NSID: u16 = 3;
    /// Client subnet (RFC 7871).
    pub const SUBNET: u16 = 8;
    /// Zone expiry (RFC 7314).
    pub const EXPIRE: u16 = 9;
    /// Cookie (RFC 7873).
    pub const COOKIE: u16 = 10;
    /// TCP keepalive (RFC 7828).
    pub const KEEPALIVE: u16 = 11;
    /// Padding (RFC 7830).
    pub const PADDING: u16 = 12;
    /// Extended DNS error (RFC 8914).
    pub const EDE: u16 = 15;
}

impl Edns {
    /// Whether DNSSEC records are wanted.
    #[must_use]
    pub const fn dnssec_ok(&self) -> bool {
        self.flags & DO != 0
    }

    /// The options, each as code and data; ends early where one is cut.
    pub fn options(&self) -> impl Iterator<Item = (u16, &[u8])> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let code = read_u16(&self.options, at)?;
            let end = at + 4 + usize::from(read_u16(&self.options, at + 2)?);
            let data = self.options.get(at + 4..end)?;
            at = end;
            Some((code, data))
        })
    }

    /// The data of the first option with this code.
    #[must_use]
    pub fn option(&self, code: u16) -> Option<&[u8]> {
        self.options().find(|(found, _)| *found == code).map(|(_, data)| data)
    }

    /// Appends an option; one of more than 65,535 octets is left out.
    pub fn push_option(&mut self, code: u16, data: &[u8]) {
        if let Ok(length) = u16::try_from(data.len()) {
            self.options.extend_from_slice(&code.to_be_bytes());
            self.options.extend_from_slice(&length.to_be_bytes());
            self.options.extend_from_slice(data);
        }
    }

    /// Adds an extended DNS error (RFC 8914).
    pub fn push_error(&mut self, info: u16, text: &str) {
        let mut data = info.to_be_bytes().to_vec();
        data.extend_from_slice(text.as_bytes());
        self.push_option(code::EDE, &data);
    }

    /// Reads a whole OPT record in plain form; none if it is none or its options are cut.
    #[must_use]
    pub fn from_record(record: &[u8]) -> Option<Self> {
        let fixed = wire_len(record).ok()?;
        if read_u16(record, fixed)? != Type::OPT.0 {
            return None;
        }
        let mut edns = Self::default();
        edns.read(record.get(fixed..)?).then_some(edns)
    }

    /// Takes over the record that follows its owner in `rest`; false if it is cut. Keeps the capacity of `options`.
    pub(crate) fn read(&mut self, rest: &[u8]) -> bool {
        let (Some(payload), Some(ttl), Some(length)) = (read_u16(rest, 2), read_u32(rest, 4), read_u16(rest, 8)) else {
            return false;
        };
        let Some(options) = rest.get(10..10 + usize::from(length)) else { return false };
        let [extended_rcode, version, high, low] = ttl.to_be_bytes();
        *self = Self {
            payload,
            extended_rcode,
            version,
            flags: u16::from_be_bytes([high, low]),
            options: std::mem::take(&mut self.options),
        };
        self.options.clear();
        self.options.extend_from_slice(options);
        options_whole(options)
    }

    /// Writes the OPT record behind a message; the caller counts it.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(0);
        out.extend_from_slice(&Type::OPT.0.to_be_bytes());
        out.extend_from_slice(&self.payload.to_be_bytes());
        out.extend_from_slice(&[self.extended_rcode, self.version]);
        out.extend_from_slice(&self.flags.to_be_bytes());
        out.extend_from_slice(&u16::try_from(self.options.len()).unwrap_or(0).to_be_bytes());
        out.extend_from_slice(&self.options);
    }

    /// Octets that [`Edns::write`] writes.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        11 + self.options.len()
    }
}

/// Checks that options end where their record does and that each decodes, as in miekg/dns.
///
/// # Errors
/// [`WireError::Short`] if one runs over the end, [`WireError::Opt`] if one does not decode.
pub fn check_options(mut options: &[u8]) -> Result<(), WireError> {
    while !options.is_empty() {
        let (&[c1, c2, l1, l2], rest) = options.split_first_chunk::<4>().ok_or(WireError::Short)?;
        let length = usize::from(u16::from_be_bytes([l1, l2]));
        let (data, rest) = rest.split_at_checked(length).ok_or(WireError::Short)?;
        if !option_decodes(u16::from_be_bytes([c1, c2]), data) {
            return Err(WireError::Opt);
        }
        options = rest;
    }
    Ok(())
}

/// Whether an option has a shape that miekg/dns decodes.
fn option_decodes(code: u16, data: &[u8]) -> bool {
    match (code, data) {
        (1, _) => data.len() >= 18,
        (2, _) => matches!(data.len(), 4 | 8),
        (8, [high, low, mask, scope, ..]) => match u16::from_be_bytes([*high, *low]) {
            0 => *mask == 0,
            1 => *mask <= 32 && *scope <= 32,
            2 => *mask <= 128 && *scope <= 128,
            _ => false,
        },
        (8, _) => false,
        (9, _) => data.is_empty() || data.len() >= 4,
        (11, _) => matches!(data.len(), 0 | 2),
        (15, _) => data.len() >= 2,
        // The domain of a reporting agent (RFC 9567 §6.1).
        (18, _) => Name::read(data, 0).is_ok(),
        (19, _) => data.len() >= 2,
        _ => true,
    }
}

/// Whether the options end where the record does.
fn options_whole(options: &[u8]) -> bool {
    let mut at = 0;
    while at < options.len() {
        let Some(length) = read_u16(options, at + 2) else { return false };
        at += 4 + usize::from(length);
    }
    at == options.len()
}

/// The flag bits of a header that say something about a query or a reply; never opcode or rcode.
pub const HEADER_FLAGS: u16 = flag::QR | flag::AA | flag::TC | flag::RD | flag::RA | flag::Z | flag::AD | flag::CD;
