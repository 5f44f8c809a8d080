//! The network that IPv4 addresses are put into (RFC 6052 §2).

use std::net::{Ipv4Addr, Ipv6Addr};

/// The octet that stays zero between prefix and address (RFC 6052 §2.2).
const RESERVED: usize = 8;

/// A prefix of 32 to 96 bits, whole octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefix {
    octets: [u8; 16],
    /// How many octets of it count, 4 to 12.
    length: usize,
}

/// Why text is no prefix.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is no network at all; CoreDNS says so without a place.
    Syntax(String),
    /// It is a network that cannot be used.
    Unfit(String),
}

impl Prefix {
    /// The well-known prefix `64:ff9b::/96`.
    pub(super) const fn well_known() -> Self {
        Self { octets: [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], length: 12 }
    }

    /// Reads `ADDRESS/BITS`; bits behind the prefix are cleared.
    pub(super) fn read(text: &str) -> Result<Self, Refused> {
        let syntax = || Refused::Syntax(format!("invalid CIDR address: {text}"));
        let (address, bits) = text.split_once('/').ok_or_else(syntax)?;
        let is_number = !bits.is_empty() && bits.bytes().all(|octet| octet.is_ascii_digit());
        let bits: u32 = bits.parse().ok().filter(|_| is_number).ok_or_else(syntax)?;
        if let Ok(address) = address.parse::<Ipv4Addr>() {
            let mask = u32::MAX.checked_shl(32_u32.checked_sub(bits).ok_or_else(syntax)?).unwrap_or(0);
            let network = Ipv4Addr::from_bits(address.to_bits() & mask);
            return Err(Refused::Unfit(format!("invalid netmask 32 IPv6 address: \"{network}/{bits}\"")));
        }
        let address: Ipv6Addr = address.parse().map_err(|_| syntax())?;
        let mask = u128::MAX.checked_shl(128_u32.checked_sub(bits).ok_or_else(syntax)?).unwrap_or(0);
        let network = Ipv6Addr::from_bits(address.to_bits() & mask);
        match usize::try_from(bits / 8) {
            Ok(length) if bits.is_multiple_of(8) && (32..=96).contains(&bits) => {
                Ok(Self { octets: network.octets(), length })
            }
            _ => Err(Refused::Unfit(format!("invalid prefix length \"{network}/{bits}\""))),
        }
    }

    /// The address with an IPv4 address in it.
    pub(super) fn embed(&self, address: [u8; 4]) -> [u8; 16] {
        let mut octets = self.octets;
        let places = (self.length..16).filter(|place| *place != RESERVED);
        for (place, octet) in places.zip(address) {
            if let Some(room) = octets.get_mut(place) {
                *room = octet;
            }
        }
        octets
    }
}
