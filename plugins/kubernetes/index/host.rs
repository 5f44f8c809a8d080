//! An address as the API writes it, or a name where one stands in its place.

use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where an endpoint or a service is reached. Two hosts are equal if their text is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Host {
    /// An IPv4 address in its only form.
    V4(Ipv4Addr),
    /// An IPv6 address in canonical form (RFC 5952); never an IPv4-mapped one.
    V6(Ipv6Addr),
    /// Anything else.
    Odd(Box<Odd>),
}

/// An address in an unusual form, or no address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Odd {
    /// As the API writes it.
    pub(crate) text: Box<str>,
    /// What it means; none for a name.
    pub(crate) address: Option<IpAddr>,
}

/// Reads an address as Go's net.ParseIP does; an IPv4-mapped IPv6 address is an IPv4 address.
pub(crate) fn parse_address(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// Every number of an IPv4 address as text, with dashes behind it, and how many digits it has.
const DASHED: [([u8; 4], u8); 256] = {
    let mut table = [([b'-'; 4], 1); 256];
    let mut number: usize = 0;
    let mut digits = *b"000";
    while number < 256 {
        let skipped = if number < 10 {
            2
        } else if number < 100 {
            1
        } else {
            0
        };
        let mut at = skipped;
        while at < 3 {
            table[number].0[at - skipped] = digits[at];
            at += 1;
        }
        table[number].1 = match skipped {
            0 => 3,
            1 => 2,
            _ => 1,
        };
        // Counts the digits on, as an odometer does.
        let mut place = 2;
        while digits[place] == b'9' {
            digits[place] = b'0';
            place -= 1;
        }
        digits[place] += 1;
        number += 1;
    }
    table
};

/// Text of at most 64 octets, as a label's is; longer text is cut.
pub(crate) struct LabelText {
    /// The octets, the first of them unused so that a length can stand there.
    octets: [u8; 65],
    /// How many octets of text there are.
    len: usize,
}

impl LabelText {
    /// Empty text.
    pub(crate) const fn new() -> Self {
        Self { octets: [0; 65], len: 0 }
    }

    /// Returns the text.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.octets.get(1..=self.len).unwrap_or_default()
    }

    /// Returns the label in wire form; none if it is empty or too long.
    pub(crate) fn as_wire(&mut self) -> Option<&[u8]> {
        let length = u8::try_from(self.len).ok().filter(|length| (1..=63).contains(length))?;
        *self.octets.first_mut()? = length;
        self.octets.get(..=self.len)
    }

    /// Appends octets.
    pub(crate) fn push(&mut self, octets: &[u8]) {
        let start = self.len + 1;
        let count = octets.len().min(self.octets.len() - start);
        if let (Some(room), Some(octets)) = (self.octets.get_mut(start..start + count), octets.get(..count)) {
            room.copy_from_slice(octets);
            self.len += count;
        }
    }

    /// Appends an IPv4 address, a dash between its numbers.
    fn push_dashed(&mut self, address: Ipv4Addr) {
        let start = self.len + 1;
        // Room for four numbers of three digits with their dashes.
        let Some(room) = self.octets.get_mut(start..).and_then(<[u8]>::first_chunk_mut::<16>) else { return };
        let mut at = 0;
        for octet in address.octets() {
            let (digits, count) = DASHED[usize::from(octet)];
            if let Some(room) = room.get_mut(at..at + 4) {
                room.copy_from_slice(&digits);
            }
            at += usize::from(count) + 1;
        }
        // The dash behind the last number is not taken.
        self.len += at - 1;
    }

    /// Returns the text in lower case.
    pub(crate) fn into_lower(mut self) -> Self {
        self.octets.make_ascii_lowercase();
        self
    }
}

/// Writes text with some octets exchanged for dashes.
struct Dashed<'a> {
    /// Where to.
    label: &'a mut LabelText,
    /// What becomes a dash.
    from: u8,
}

impl fmt::Write for Dashed<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for octet in text.bytes() {
            self.label.push(&[if octet == self.from { b'-' } else { octet }]);
        }
        Ok(())
    }
}

impl Host {
    /// Reads what the API has; none if that is empty.
    pub(crate) fn read(text: &str) -> Option<Self> {
        Some(match text.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => Self::V4(address),
            Ok(IpAddr::V6(address)) if is_canonical(address, text) => Self::V6(address),
            Ok(IpAddr::V6(address)) => Self::odd(text, Some(IpAddr::V6(address).to_canonical())),
            Err(_) if text.is_empty() => return None,
            Err(_) => Self::odd(text, None),
        })
    }

    /// Makes an odd host.
    fn odd(text: &str, address: Option<IpAddr>) -> Self {
        Self::Odd(Box::new(Odd { text: text.into(), address }))
    }

    /// Returns the address; none for a name.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        match self {
            Self::V4(address) => Some(IpAddr::V4(*address)),
            Self::V6(address) => Some(IpAddr::V6(*address)),
            Self::Odd(odd) => odd.address,
        }
    }

    /// Returns the address if the API writes it in its canonical form; only such have a PTR.
    pub(crate) fn canonical(&self) -> Option<IpAddr> {
        if matches!(self, Self::Odd(_)) { None } else { self.address() }
    }

    /// Returns the name that stands in an address's place.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Odd(odd) if odd.address.is_none() => Some(&odd.text),
            _ => None,
        }
    }

    /// Says whether the API writes it so.
    pub(crate) fn is_text(&self, text: &str) -> bool {
        match self {
            Self::Odd(odd) => odd.text.as_ref() == text,
            _ => Self::read(text).as_ref() == Some(self),
        }
    }

    /// Returns the label of an endpoint without hostname: dots or colons become dashes, and `0` follows a dash at the end.
    /// A name without a dot has none. (CoreDNS: endpointHostname)
    pub(crate) fn label(&self) -> LabelText {
        let mut label = LabelText::new();
        let written = match self {
            Self::V4(address) => {
                label.push_dashed(*address);
                Ok(())
            }
            Self::V6(address) => write!(Dashed { label: &mut label, from: b':' }, "{address}"),
            Self::Odd(odd) if odd.text.contains('.') => Dashed { label: &mut label, from: b'.' }.write_str(&odd.text),
            Self::Odd(odd) if odd.text.contains(':') => Dashed { label: &mut label, from: b':' }.write_str(&odd.text),
            Self::Odd(_) => Ok(()),
        };
        debug_assert!(written.is_ok(), "writing to a label cannot fail");
        if matches!(self, Self::V4(_)) {
            return label;
        }
        let has_dots = matches!(self, Self::Odd(odd) if odd.text.contains('.'));
        if !has_dots && label.as_bytes().last() == Some(&b'-') {
            label.push(b"0");
        }
        label
    }
}

/// Text that is still to be written.
struct Expect<'a>(&'a [u8]);

impl fmt::Write for Expect<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.strip_prefix(text.as_bytes()).ok_or(fmt::Error)?;
        Ok(())
    }
}

/// Says whether `text` is how Go writes this address: RFC 5952, and never an IPv4-mapped one.
fn is_canonical(address: Ipv6Addr, text: &str) -> bool {
    let mut expect = Expect(text.as_bytes());
    address.to_ipv4_mapped().is_none() && write!(expect, "{address}").is_ok() && expect.0.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_ipv4_addresses_are_their_text_with_dashes() {
        for number in 0..=u8::MAX {
            for address in [[number, 1, 10, 200], [9, number, 0, 99], [100, 255, number, 0], [1, 2, 3, number]] {
                let address = Ipv4Addr::from(address);
                let label = Host::V4(address).label();
                assert_eq!(label.as_bytes(), address.to_string().replace('.', "-").as_bytes());
            }
        }
    }
}
