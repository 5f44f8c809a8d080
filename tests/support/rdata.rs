//! Rdata in presentation form, letter for letter as the recorded answers have it (that is, as dnspython prints it).
//!
//! A type that is not known here is printed in the form of RFC 3597 §5.

use std::net::{Ipv4Addr, Ipv6Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::mnemonic::type_name;
use crate::reader::{Fault, Reader};

/// Base64 text comes in words of this many letters.
const BASE64_WORD: usize = 32;

/// Hexadecimal text comes in words of this many digits.
const HEX_WORD: usize = 128;

/// The keys of SVCB parameters that have a name (RFC 9460 §14.3.2).
const SVCB_KEYS: &[&str] = &["mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint"];

/// Prints the rdata of a record; all of it has to be used up.
///
/// # Errors
///
/// The rdata has to have the form of its type.
pub(crate) fn print(class: u16, rtype: u16, mut rdata: Reader<'_>) -> Result<String, Fault> {
    let is_internet = class == 1;
    let text = match rtype {
        1 if class == 3 => format!("{} {:o}", rdata.name()?, rdata.u16()?),
        1 | 28 | 33 | 35 | 64 | 65 if !is_internet => generic(&mut rdata)?,
        1 => ipv4(&mut rdata)?,
        28 => ipv6(&mut rdata)?,
        2 | 5 | 12 | 39 => rdata.name()?.to_string(),
        6 => soa(&mut rdata)?,
        13 => format!("{} {}", quoted(rdata.counted()?), quoted(rdata.counted()?)),
        15 => format!("{} {}", rdata.u16()?, rdata.name()?),
        16 | 99 => strings(&mut rdata)?,
        17 => format!("{} {}", rdata.name()?, rdata.name()?),
        29 => location(&mut rdata)?,
        33 => format!("{} {} {} {}", rdata.u16()?, rdata.u16()?, rdata.u16()?, rdata.name()?),
        35 => naptr(&mut rdata)?,
        43 | 59 => format!("{} {} {} {}", rdata.u16()?, rdata.u8()?, rdata.u8()?, hex_words(rdata.rest()?)),
        44 => format!("{} {} {}", rdata.u8()?, rdata.u8()?, hex_words(rdata.rest()?)),
        46 => rrsig(&mut rdata)?,
        47 => format!("{}{}", rdata.name()?, type_bitmap(&mut rdata)?),
        48 | 60 => format!("{} {} {} {}", rdata.u16()?, rdata.u8()?, rdata.u8()?, base64_words(rdata.rest()?)),
        50 => nsec3(&mut rdata)?,
        52 | 53 => format!("{} {} {} {}", rdata.u8()?, rdata.u8()?, rdata.u8()?, hex_words(rdata.rest()?)),
        64 | 65 => service_binding(&mut rdata)?,
        256 => format!("{} {} {}", rdata.u16()?, rdata.u16()?, quoted(rdata.rest()?)),
        257 => format!("{} {} {}", rdata.u8()?, escaped(rdata.counted()?), quoted(rdata.rest()?)),
        _ => generic(&mut rdata)?,
    };
    if rdata.remaining() == 0 { Ok(text) } else { Err(Fault::Form) }
}

/// Hexadecimal digits in lower case, without blanks.
#[must_use]
pub fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Text cut into words of `length` letters, all of them ASCII.
fn words(text: &str, length: usize) -> String {
    let words: Vec<_> = text.as_bytes().chunks(length).map(String::from_utf8_lossy).collect();
    words.join(" ")
}

/// Hexadecimal digits in words.
fn hex_words(octets: &[u8]) -> String {
    words(&hex(octets), HEX_WORD)
}

/// Base64 in words.
fn base64_words(octets: &[u8]) -> String {
    words(&STANDARD.encode(octets), BASE64_WORD)
}

/// A character string with its special octets escaped.
fn escaped(octets: &[u8]) -> String {
    let escape = |&octet: &u8| match octet {
        b'"' | b'\\' => format!("\\{}", char::from(octet)),
        0x20..=0x7e => char::from(octet).to_string(),
        _ => format!("\\{octet:03}"),
    };
    octets.iter().map(escape).collect()
}

/// A character string in quotes.
fn quoted(octets: &[u8]) -> String {
    format!("\"{}\"", escaped(octets))
}

/// The form for types without one (RFC 3597 §5).
fn generic(rdata: &mut Reader<'_>) -> Result<String, Fault> {
    let octets = rdata.rest()?;
    Ok(format!("\\# {} {}", octets.len(), hex_words(octets)))
}

/// A (RFC 1035 §3.4.1).
fn ipv4(rdata: &mut Reader<'_>) -> Result<String, Fault> {
    rdata.u32().map(|bits| Ipv4Addr::from_bits(bits).to_string())
}

/// AAAA (RFC 3596 §2.2); an IPv4-compatible address ends in dotted form.
fn ipv6(rdata: &mut Reader<'_>) -> Result<String, Fault> {
    let octets: [u8; 16] = rdata.take(16)?.try_into().map_err(|_| Fault::Form)?;
    let address = Ipv6Addr::from(octets);
    if let [0, 0, 0, 0, 0, 0, high, _] = address.segments()
        && high != 0
    {
        let [.., a, b, c, d] = octets;
        return Ok(format!("::{a}.{b}.{c}.{d}"));
    }
    Ok(address.to_string())
}

/// SOA (RFC 1035 §3.3.13); a serial that is the time of day becomes `SERIAL`.
fn soa(rdata: &mut Reader<'_>) -> Result<String, Fault> {
    let names = format!("{} {}", rdata.name()?, rdata.name()?);
    let serial = rdata.u32()?;
    let text = serial.to_string();
    let serial = if serial > 1_600_000_000 && !text.starts_with("20260101") { "SERIAL".to_owned() } else { text };
    Ok(format!("{names} {serial} {} {} {} {}", rdata.u32()?, rdata.u32()?, rdata.u32()?, rdata.u32()?))
}

/// TXT (RFC 1035 §3.3.14).
fn strings(rdata: &mut Reader<'_>) -> Result<String, Fault> {
    let mut texts = Vec::new();
    while rdata.remaining() > 0 {
        texts.push(quoted(rdata.counted()?));
    }
    if texts.is_empty() { Err(Fault::Form) } else { Ok(texts.join(" ")) }
}

/// NAPTR (RFC 3403 §4.1).
fn naptr(rdata: &mut Reader<'_>) -> Result<String, Fault> {
    let numbers = format!("{} {}", rdata.u16()?, rdata.u16()?);
    let texts = [quoted(rdata.counted()?), quoted(rdata.counted()?), quoted(rdata.counted()?)];
    Ok(format!("{numbers} {} {}", texts.join(" "), rdata.name()?))
}

/// LOC, version 0 (RFC 1876 §2).
fn location(rdata: &mut Reader<'_>) -> Result<String, Fault> {
    /// The lengths that are not printed: 1 m, 10 km, 10 m, in centimetres.
    const USUAL: [u64; 3] = [100, 1_000_000, 1_000];
    if rdata.u8()? != 0 {
        return Err(Fault::Form);
    }
    let mut lengths = [0; 3];
    for length in &mut lengths {
        let octet = rdata.u8()?;
        *length = u64::from(octet >> 4) * 10u64.pow(u32::from(octet & 15));
    }
    let (latitude, longitude, altitude) =
        (angle(rdata.u32()?, ["N", "S"]), angle(rdata.u32()?, ["E", "W"]), rdata.u32()?);
    let mut text = format!("{latitude} {longitude} {:.2}m", (f64::from(altitude) - 10_000_000.0) / 100.0);
    if lengths != USUAL {
        for length in lengths {
            text.push_str(&format!(" {}.{:02}m", length / 100, length % 100));
        }
    }
    Ok(text)
}

/// Degrees, minutes, seconds and side of an angle in thousandths of a second from 2^31.
fn angle(value: u32, sides: [&str; 2]) -> String {
    let side = if value >= 1 << 31 { sides[0] } else { sides[1] };
    let thousandths = value.abs_diff(1 << 31);
    let (seconds, rest) = (thousandths / 1000, thousandths % 1000);
    format!("{} {} {}.{rest:03} {side}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// RRSIG (RFC 4034 §3.2).
fn rrsig(rdata: &mut Reader<'_>) -> Result<String, Fault> {
    let head = format!("{} {} {} {}", type_name(rdata.u16()?), rdata.u8()?, rdata.u8()?, rdata.u32()?);
    let times = format!("{} {}", timestamp(rdata.u32()?), timestamp(rdata.u32()?));
    let (tag, signer) = (rdata.u16()?, rdata.name()?);
    Ok(format!("{head} {times} {tag} {signer} {}", base64_words(rdata.rest()?)))
}

/// A time as `YYYYMMDDHHmmSS` (RFC 4034 §3.2), from seconds since 1970.
fn timestamp(seconds: u32) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // The proleptic Gregorian calendar, counted from 1 March of the year 0, in eras of 400 years.
    let day = days + 719_468;
    let (era, day_of_era) = (day / 146_097, day % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + u32::from(month <= 2);
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    format!("{year:04}{month:02}{day:02}{:02}{:02}{:02}", rest / 3600, rest / 60 % 60, rest % 60)
}

/// The list of types of NSEC and NSEC3, each with a blank before it (RFC 4034 §4.1.2).
fn type_bitmap(rdata: &mut Reader<'_>) -> Result<String, Fault> {
    let mut text = String::new();
    while rdata.remaining() > 0 {
        let window = u16::from(rdata.u8()?) << 8;
        for (number, octet) in (window..).step_by(8).zip(rdata.counted()?) {
            for bit in (0..8).filter(|bit| octet & 0x80 >> bit != 0) {
                text.push_str(&format!(" {}", type_name(number + bit)));
            }
        }
    }
    Ok(text)
}

/// NSEC3 (RFC 5155 §3.2).
fn nsec3(rdata: &mut Reader<'_>) -> Result<String, Fault> {
    let head = format!("{} {} {}", rdata.u8()?, rdata.u8()?, rdata.u16()?);
    let salt = hex(rdata.counted()?);
    let next = base32hex(rdata.counted()?);
    Ok(format!("{head} {} {next}{}", if salt.is_empty() { "-" } else { &salt }, type_bitmap(rdata)?))
}

/// Base32 with the extended hex alphabet in lower case, without padding (RFC 4648 §7).
fn base32hex(octets: &[u8]) -> String {
    let mut text = String::new();
    for group in octets.chunks(5) {
        let bits = group.iter().chain([0; 5].iter()).take(5).fold(0u64, |bits, octet| bits << 8 | u64::from(*octet));
        for place in 0..(group.len() * 8).div_ceil(5) {
            let digit = u32::try_from(bits >> (35 - 5 * place) & 31).unwrap_or(0);
            text.extend(char::from_digit(digit, 32));
        }
    }
    text
}

/// SVCB and HTTPS (RFC 9460 §2.1).
fn service_binding(rdata: &mut Reader<'_>) -> Result<String, Fault> {
    let mut text = format!("{} {}", rdata.u16()?, rdata.name()?);
    while rdata.remaining() > 0 {
        let (key, length) = (rdata.u16()?, rdata.u16()?);
        let name = key_name(key);
        text.push_str(&match service_parameter(key, rdata.part(usize::from(length))?)? {
            Some(value) => format!(" {name}=\"{value}\""),
            None => format!(" {name}"),
        });
    }
    Ok(text)
}

/// The name of a parameter's key.
fn key_name(key: u16) -> String {
    SVCB_KEYS.get(usize::from(key)).map_or_else(|| format!("key{key}"), |name| (*name).to_owned())
}

/// The value of a parameter; none if it is empty.
fn service_parameter(key: u16, mut value: Reader<'_>) -> Result<Option<String>, Fault> {
    let mut items = Vec::new();
    if value.remaining() == 0 {
        return Ok(None);
    }
    while value.remaining() > 0 {
        items.push(match key {
            0 => key_name(value.u16()?),
            1 => escaped(value.counted()?).replace('\\', "\\\\").replace(',', "\\\\,"),
            3 => value.u16()?.to_string(),
            4 => ipv4(&mut value)?,
            5 => STANDARD.encode(value.rest()?),
            6 => ipv6(&mut value)?,
            _ => escaped(value.rest()?),
        });
    }
    Ok(Some(items.join(",")))
}

#[cfg(test)]
mod tests;
