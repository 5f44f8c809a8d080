//! The address that a reverse name spells. (RFC 1035 §3.5, RFC 3596 §2.5)

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Nibbles of an IPv6 address.
const NIBBLES: usize = 32;

/// Reads the address of a name in lower case and wire form; none if it spells no whole address.
///
/// As CoreDNS (dnsutil.ExtractAddressFromReverse) an IPv6 name may have up to three labels too many on the left, and a
/// mapped address is an IPv4 address.
pub(super) fn address_of(lower: &[u8]) -> Option<IpAddr> {
    if let Some(labels) = lower.strip_suffix(b"\x07in-addr\x04arpa\0") {
        return v4(labels).map(IpAddr::V4);
    }
    v6(lower.strip_suffix(b"\x03ip6\x04arpa\0")?).map(|address| IpAddr::V6(address).to_canonical())
}

/// Reads four labels, the last octet first.
fn v4(mut labels: &[u8]) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    for octet in octets.iter_mut().rev() {
        let (length, rest) = labels.split_first()?;
        let (label, rest) = rest.split_at_checked(usize::from(*length))?;
        let is_plain = label.iter().all(u8::is_ascii_digit) && (label.len() == 1 || label.first() != Some(&b'0'));
        *octet = std::str::from_utf8(label).ok().filter(|_| is_plain)?.parse().ok()?;
        labels = rest;
    }
    labels.is_empty().then(|| Ipv4Addr::from(octets))
}

/// Reads labels of one nibble each, the last nibble first.
fn v6(mut labels: &[u8]) -> Option<Ipv6Addr> {
    // Labels that are too many on the left may have any length.
    let mut rest = labels;
    let mut count = 0;
    while let Some((length, after)) = rest.split_first() {
        rest = after.get(usize::from(*length)..)?;
        count += 1;
    }
    for _ in NIBBLES..count {
        let length = usize::from(*labels.first()?);
        labels = labels.get(length + 1..)?;
    }
    if !(NIBBLES..NIBBLES + 4).contains(&count) {
        return None;
    }
    let mut value: u128 = 0;
    for pair in labels.chunks(2).rev() {
        let &[1, digit] = pair else { return None };
        value = value << 4 | u128::from(char::from(digit).to_digit(16)?);
    }
    Some(Ipv6Addr::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use plugin_api::Name;

    /// Shows the address that a name spells.
    fn address(text: &str) -> Option<String> {
        address_of(Name::from_text(text).unwrap().as_wire()).map(|address| address.to_string())
    }

    #[test]
    fn addresses_of_both_families() {
        let six = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.";
        let mapped = "1.0.3.0.2.0.a.0.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa.";
        let cases = [
            ("4.3.2.1.in-addr.arpa.", Some("1.2.3.4")),
            ("04.3.2.1.in-addr.arpa.", None),
            ("3.2.1.in-addr.arpa.", None),
            ("5.4.3.2.1.in-addr.arpa.", None),
            ("256.3.2.1.in-addr.arpa.", None),
            ("in-addr.arpa.", None),
            (six, Some("2001:db8::1")),
            (mapped, Some("10.2.3.1")),
            (&format!("surplus.{six}"), Some("2001:db8::1")),
            (&format!("a.b.c.d.{six}"), None),
            (six.trim_start_matches("1."), None),
        ];
        for (name, expected) in cases {
            assert_eq!(address(name).as_deref(), expected, "{name}");
        }
    }
}
