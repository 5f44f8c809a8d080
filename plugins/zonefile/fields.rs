//! Single values of rdata: numbers, times, names, strings, and what is written in hexadecimal or base 64.

use plugin_api::Name;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A TTL or another time in seconds, with units (`1h30m`); none if it is none or does not fit into 32 bits.
pub(super) fn ttl(text: &str) -> Option<u32> {
    let (mut sum, mut number) = (0_u64, 0_u64);
    for letter in text.chars() {
        let unit = match letter.to_ascii_lowercase() {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            digit => {
                number = number.checked_mul(10)?.checked_add(u64::from(digit.to_digit(10)?))?;
                continue;
            }
        };
        sum = sum.checked_add(number.checked_mul(unit)?)?;
        number = 0;
    }
    u32::try_from(sum.checked_add(number)?).ok()
}

/// A name, completed by the origin if it has no final dot; `@` is the origin itself.
pub(super) fn name(text: &str, origin: &Name) -> Option<Name> {
    if text == "@" {
        return Some(origin.clone());
    }
    let name = Name::from_text(text).ok()?;
    let before = text.strip_suffix('.');
    let is_absolute =
        before.is_some_and(|rest| rest.bytes().rev().take_while(|octet| *octet == b'\\').count() % 2 == 0);
    if is_absolute {
        return Some(name);
    }
    let labels = name.as_wire();
    Name::from_parts(&[labels.get(..labels.len() - 1)?, origin.as_wire()]).ok()
}

/// The octets of a string with `\DDD` and `\X` resolved (RFC 1035 §5.1).
pub(super) fn octets(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        if octet != b'\\' {
            out.push(octet);
            continue;
        }
        let first = rest.next()?;
        let digits: Vec<u8> = rest.clone().take(2).take_while(u8::is_ascii_digit).collect();
        match digits.as_slice() {
            [second, third] if first.is_ascii_digit() => {
                // Beyond 255 miekg/dns counts on from 0.
                let number = |digit: u8| digit - b'0';
                let value =
                    number(first).wrapping_mul(100).wrapping_add(number(*second) * 10).wrapping_add(number(*third));
                out.push(value);
                rest.nth(1);
            }
            _ => out.push(first),
        }
    }
    Some(out)
}

/// Appends a character string with its length octet; octets beyond 255 make another one (miekg/dns: endingToTxtSlice).
pub(super) fn push_strings(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let octets = octets(text)?;
    if octets.is_empty() {
        out.push(0);
    }
    for part in octets.chunks(255) {
        out.push(u8::try_from(part.len()).ok()?);
        out.extend_from_slice(part);
    }
    Some(())
}

/// Appends one character string with its length octet.
pub(super) fn push_string(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let octets = octets(text)?;
    out.push(u8::try_from(octets.len()).ok()?);
    out.extend_from_slice(&octets);
    Some(())
}

/// Octets from hexadecimal digits.
pub(super) fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|letter| letter.to_digit(16)).collect();
    let pairs = digits?;
    pairs
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => u8::try_from(high << 4 | low).ok(),
            _ => None,
        })
        .collect()
}

/// Octets from base 64, padding as in RFC 4648.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}

/// An IPv4 address.
pub(super) fn ipv4(text: &str) -> Option<[u8; 4]> {
    text.parse::<Ipv4Addr>().ok().map(|address| address.octets())
}

/// An IPv6 address.
pub(super) fn ipv6(text: &str) -> Option<[u8; 16]> {
    text.parse::<Ipv6Addr>().ok().map(|address| address.octets())
}

/// A moment of a signature, in seconds since 1970 modulo 2^32: `YYYYMMDDHHMMSS` or the number (RFC 4034 §3.2).
pub(super) fn moment(text: &str) -> Option<u32> {
    if text.len() != 14 {
        return text.parse().ok();
    }
    let part = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    let is_date = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 61;
    if !is_date {
        return None;
    }
    // Days since 1970 of a proleptic Gregorian date, counted in years that begin in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year.div_euclid(400) * 146_097 + year.rem_euclid(400) * 365 + year.rem_euclid(400) / 4
        - year.rem_euclid(400) / 100
        + (month * 153 + 2) / 5
        + day
        - 1
        - 719_468;
    u32::try_from((days * 86_400 + hour * 3600 + minute * 60 + second).rem_euclid(1 << 32)).ok()
}

/// A DNSSEC algorithm by number or mnemonic (the IANA registry's).
pub(super) fn algorithm(text: &str) -> Option<u8> {
    Some(match text.to_uppercase().as_str() {
        "RSAMD5" => 1,
        "DH" => 2,
        "DSA" => 3,
        "RSASHA1" => 5,
        "DSA-NSEC3-SHA1" => 6,
        "RSASHA1-NSEC3-SHA1" => 7,
        "RSASHA256" => 8,
        "RSASHA512" => 10,
        "ECC-GOST" => 12,
        "ECDSAP256SHA256" => 13,
        "ECDSAP384SHA384" => 14,
        "ED25519" => 15,
        "ED448" => 16,
        "INDIRECT" => 252,
        "PRIVATEDNS" => 253,
        "PRIVATEOID" => 254,
        _ => return text.parse().ok(),
    })
}
