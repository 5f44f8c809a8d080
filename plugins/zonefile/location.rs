//! LOC records (RFC 1876 §3).

use super::lexer::Word;
use super::rdata::Wrong;

/// The equator and the prime meridian, in thousandths of an arc second.
const MIDDLE: u32 = 1 << 31;
/// Size and precisions that are not written: 1 m, 10,000 m, 10 m.
const DEFAULTS: [u8; 3] = [0x12, 0x16, 0x13];

/// Reads `D [M [S]] N|S D [M [S]] E|W ALTITUDE [SIZE [HORIZONTAL [VERTICAL]]]`.
pub(super) fn read(words: &[Word], out: &mut Vec<u8>) -> Result<(), Wrong> {
    let (latitude, at) = angle(words, 0, ("Latitude", 90, ["N", "S"]))?;
    let (longitude, at) = angle(words, at, ("Longitude", 180, ["E", "W"]))?;
    let text = words.get(at).map_or("", |word| word.text.as_str());
    let metres = text.strip_suffix(['m', 'M']).unwrap_or(text);
    let altitude: f64 = metres.parse().map_err(|_| ("bad LOC Altitude".to_owned(), at))?;
    let mut sizes = DEFAULTS;
    for (index, (size, label)) in sizes.iter_mut().zip(["Size", "HorizPre", "VertPre"]).enumerate() {
        let Some(word) = words.get(at + 1 + index) else { break };
        *size = centimetres(&word.text).ok_or_else(|| (format!("bad LOC {label}"), at + 1 + index))?;
    }
    out.push(0);
    out.extend(sizes);
    out.extend(latitude.to_be_bytes());
    out.extend(longitude.to_be_bytes());
    out.extend(whole(altitude * 100.0 + 10_000_000.5).to_be_bytes());
    Ok(())
}

/// Reads an angle; gives it and the number of the word behind.
fn angle(words: &[Word], at: usize, (label, most, sides): (&str, u32, [&str; 2])) -> Result<(u32, usize), Wrong> {
    let text = |at: usize| words.get(at).map_or("", |word| word.text.as_str());
    let bad = |what: &str, at: usize| (format!("bad LOC {label}{what}"), at);
    let side = |at: usize, angle: u32| match text(at).to_uppercase() {
        word if angle > most * 3_600_000 => Err(word),
        word if word == sides[0] => Ok(MIDDLE + angle),
        word if word == sides[1] => Ok(MIDDLE - angle),
        word => Err(word),
    };
    let degrees: u32 = text(at).parse().ok().filter(|degrees| *degrees <= most).ok_or_else(|| bad("", at))?;
    let mut angle = degrees * 3_600_000;
    if let Ok(angle) = side(at + 1, angle) {
        return Ok((angle, at + 2));
    }
    let minutes: u32 = text(at + 1).parse().ok().filter(|m| *m < 60).ok_or_else(|| bad(" minutes", at + 1))?;
    angle += minutes * 60_000;
    // miekg/dns wants seconds here; RFC 1876 lets them be left out.
    if let Ok(angle) = side(at + 2, angle) {
        return Ok((angle, at + 3));
    }
    let seconds: f64 = text(at + 2).parse().map_err(|_| bad(" seconds", at + 2))?;
    if !(0.0..60.0).contains(&seconds) {
        return Err(bad(" seconds", at + 2));
    }
    angle += whole(seconds * 1000.0);
    let end = if sides[0] == "N" { " North/South" } else { " East/West" };
    side(at + 3, angle).map(|angle| (angle, at + 4)).map_err(|_| bad(end, at + 3))
}

/// A length as mantissa and exponent of ten in centimetres.
fn centimetres(text: &str) -> Option<u8> {
    let text = text.strip_suffix(['m', 'M']).unwrap_or(text);
    let (metres, rest) = text.split_once('.').unwrap_or((text, ""));
    let metres: u32 = if metres.is_empty() { 0 } else { metres.parse().ok()? };
    let rest: u32 = match rest.len() {
        0 => 0,
        1 => rest.parse::<u32>().ok()? * 10,
        2 => rest.parse().ok()?,
        _ => return None,
    };
    if metres > 90_000_000 {
        return None;
    }
    let (mut value, mut exponent) = if metres > 0 { (metres, 2) } else { (rest, 0) };
    while value >= 10 {
        value /= 10;
        exponent += 1;
    }
    u8::try_from(value << 4 | exponent).ok()
}

/// A number without its fraction; 0 below 0, the largest number above it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the fraction is to go, and the cast saturates"
)]
fn whole(number: f64) -> u32 {
    number as u32
}
