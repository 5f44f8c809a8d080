//! One record from text in the form of a zone file. Knows no template and no query.

use hickory_proto::rr::{RData, RecordType};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder, NameEncoding};
use hickory_proto::serialize::txt::parse_ttl;
use plugin_api::{Class, Name, OwnedRecord, Section, Type};
use std::net::{Ipv4Addr, Ipv6Addr};

/// The TTL of a record that names none, in seconds, as in CoreDNS.
const DEFAULT_TTL: u32 = 3600;

/// A word, and whether it stood in quotation marks; escapes are kept.
struct Word {
    text: String,
    is_quoted: bool,
}

/// Reads the first record of `text`: owner, TTL and class in any order, type, rdata.
///
/// # Errors
/// When there is none, or rdata does not fit the type.
pub(super) fn read(text: &str, section: Section) -> Result<OwnedRecord, String> {
    let words = words(text)?;
    let mut words = words.iter();
    let owner = name(&words.next().ok_or("dns: no record")?.text)?;
    let (mut ttl, mut class, mut rtype) = (None, None, None);
    for word in words.by_ref() {
        if let Some(found) = number_or(&word.text, "TYPE", Type::from_mnemonic(&word.text.to_uppercase()), Type) {
            rtype = Some(found);
            break;
        }
        match number_or(&word.text, "CLASS", Class::from_mnemonic(&word.text.to_uppercase()), Class) {
            Some(found) if class.is_none() => class = Some(found),
            _ => {
                let found = parse_ttl(&word.text).ok().filter(|_| ttl.is_none());
                ttl = Some(found.ok_or_else(|| format!("dns: not a TTL: {:?}", word.text))?);
            }
        }
    }
    let rtype = rtype.ok_or("dns: missing type")?;
    let rest: Vec<&Word> = words.collect();
    let rdata = rdata(rtype, &rest).ok_or_else(|| {
        let shown: Vec<_> = rest.iter().map(|word| word.text.as_str()).collect();
        format!("dns: bad {rtype} record: {:?}", shown.join(" "))
    })?;
    let (ttl, class) = (ttl.unwrap_or(DEFAULT_TTL), class.unwrap_or(Class::IN));
    Ok(OwnedRecord { section, owner, rtype, class, ttl, rdata })
}

/// A mnemonic, or a number behind a prefix (RFC 3597 §5).
fn number_or<T>(word: &str, prefix: &str, known: Option<T>, make: fn(u16) -> T) -> Option<T> {
    known.or_else(|| {
        let (head, digits) = (word.get(..prefix.len())?, word.get(prefix.len()..)?);
        head.eq_ignore_ascii_case(prefix).then(|| digits.parse().ok().map(make)).flatten()
    })
}

/// The words of the first line; brackets join lines, `;` begins a comment.
fn words(text: &str) -> Result<Vec<Word>, String> {
    let (mut words, mut word, mut depth) = (Vec::new(), String::new(), 0_usize);
    let mut letters = text.chars();
    let end = |word: &mut String, words: &mut Vec<Word>| {
        if !word.is_empty() {
            words.push(Word { text: std::mem::take(word), is_quoted: false });
        }
    };
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => {
                word.push(letter);
                word.extend(letters.next());
            }
            '"' => {
                end(&mut word, &mut words);
                words.push(Word { text: quoted(&mut letters)?, is_quoted: true });
            }
            '(' => {
                end(&mut word, &mut words);
                depth += 1;
            }
            ')' => {
                end(&mut word, &mut words);
                depth = depth.checked_sub(1).ok_or("dns: extra closing brace")?;
            }
            ';' => {
                end(&mut word, &mut words);
                let comment = letters.find(|letter| *letter == '\n');
                if comment.is_none() || (depth == 0 && !words.is_empty()) {
                    break;
                }
            }
            '\n' if depth == 0 => {
                end(&mut word, &mut words);
                if !words.is_empty() {
                    break;
                }
            }
            _ if letter.is_whitespace() => end(&mut word, &mut words),
            _ => word.push(letter),
        }
    }
    end(&mut word, &mut words);
    if depth > 0 { Err("dns: unbalanced brace".to_owned()) } else { Ok(words) }
}

/// The rest of a word in quotation marks.
fn quoted(letters: &mut std::str::Chars<'_>) -> Result<String, String> {
    let mut word = String::new();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => return Ok(word),
            '\\' => {
                word.push(letter);
                word.extend(letters.next());
            }
            _ => word.push(letter),
        }
    }
    Err("dns: unbalanced quote".to_owned())
}

/// A name; `@` is the root, below which names without a dot at their end are too.
fn name(word: &str) -> Result<Name, String> {
    let word = if word == "@" { "." } else { word };
    Name::from_text(word).map_err(|error| format!("dns: bad owner name: {word:?}: {error}"))
}

/// The octets of a word, escapes read.
fn octets(word: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut octets = word.bytes();
    while let Some(octet) = octets.next() {
        if octet != b'\\' {
            out.push(octet);
            continue;
        }
        let first = octets.next()?;
        if !first.is_ascii_digit() {
            out.push(first);
            continue;
        }
        let digits = [first, octets.next()?, octets.next()?];
        out.push(str::from_utf8(&digits).ok()?.parse().ok()?);
    }
    Some(out)
}

/// The rdata of a type.
fn rdata(rtype: Type, words: &[&Word]) -> Option<Vec<u8>> {
    let text = |at: usize| words.get(at).map(|word| word.text.as_str());
    let number = |at: usize| text(at)?.parse::<u16>().ok().map(u16::to_be_bytes);
    let wire = |at: usize| name(text(at)?).ok();
    if text(0) == Some("\\#") && words.first().is_some_and(|word| !word.is_quoted) {
        return generic(words);
    }
    let one = |rdata: Vec<u8>| (words.len() == 1).then_some(rdata);
    match rtype {
        Type::A => one(text(0)?.parse::<Ipv4Addr>().ok()?.octets().to_vec()),
        Type::AAAA => one(text(0)?.parse::<Ipv6Addr>().ok()?.octets().to_vec()),
        Type::NS | Type::CNAME | Type::PTR | Type::DNAME => one(wire(0)?.as_wire().to_vec()),
        Type::MX if words.len() == 2 => Some([&number(0)?, wire(1)?.as_wire()].concat()),
        Type::SRV if words.len() == 4 => Some([&number(0)?, &number(1)?, &number(2)?, wire(3)?.as_wire()].concat()),
        Type::SOA if words.len() == 7 => {
            let mut rdata = [wire(0)?.as_wire(), wire(1)?.as_wire()].concat();
            rdata.extend(text(2)?.parse::<u32>().ok()?.to_be_bytes());
            for timer in 3..7 {
                rdata.extend(parse_ttl(text(timer)?).ok()?.to_be_bytes());
            }
            Some(rdata)
        }
        Type::TXT | Type::SPF | Type::HINFO if !words.is_empty() => strings(words),
        Type::MX | Type::SRV | Type::SOA | Type::TXT | Type::SPF | Type::HINFO => None,
        _ => other(rtype, words),
    }
}

/// Character strings; a long one becomes several.
fn strings(words: &[&Word]) -> Option<Vec<u8>> {
    let mut rdata = Vec::new();
    for word in words {
        let octets = octets(&word.text)?;
        if octets.is_empty() {
            rdata.push(0);
        }
        for chunk in octets.chunks(255) {
            rdata.push(u8::try_from(chunk.len()).ok()?);
            rdata.extend_from_slice(chunk);
        }
    }
    Some(rdata)
}

/// Rdata in hexadecimal: `\# LENGTH DIGITS...` (RFC 3597 §5).
fn generic(words: &[&Word]) -> Option<Vec<u8>> {
    let length: usize = words.get(1)?.text.parse().ok()?;
    let digits: Vec<u8> = words.get(2..)?.iter().flat_map(|word| word.text.bytes()).collect();
    let octet = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    let rdata: Vec<u8> = digits.chunks(2).map(octet).collect::<Option<_>>()?;
    (rdata.len() == length && digits.len() == 2 * length).then_some(rdata)
}

/// Rdata of the types that are left to hickory-proto.
fn other(rtype: Type, words: &[&Word]) -> Option<Vec<u8>> {
    let quoted = |word: &&Word| if word.is_quoted { format!("\"{}\"", word.text) } else { word.text.clone() };
    let text: Vec<String> = words.iter().map(quoted).collect();
    let rdata = RData::try_from_str(RecordType::from(rtype.0), &text.join(" ")).ok()?;
    let mut octets = Vec::new();
    let mut encoder = BinEncoder::new(&mut octets);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    rdata.emit(&mut encoder).ok()?;
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The record as owner, TTL, class, type and rdata in hexadecimal; or the error.
    fn check(text: &str, expected: &str) {
        let shown = match read(text, Section::Answer) {
            Ok(OwnedRecord { owner, ttl, class, rtype, rdata, .. }) => {
                let digits: String = rdata.iter().map(|octet| format!("{octet:02x}")).collect();
                format!("{owner} {ttl} {class} {rtype} {digits}")
            }
            Err(error) => error,
        };
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn reads_records() {
        check("a.test. 60 IN A 192.0.2.1", "a.test. 60 IN A c0000201");
        check("a.test IN 1h A 192.0.2.1 ; comment", "a.test. 3600 IN A c0000201");
        check("a.test. A 192.0.2.1", "a.test. 3600 IN A c0000201");
        check("@ 60 IN A 192.0.2.1\nb. A 1.2.3.4", ". 60 IN A c0000201");
        check("a. 0 CH TXT \"a b\" c\\065\\\"", "a. 0 CH TXT 0361206203634122");
        check("a. 1 IN MX 10 mx", "a. 1 IN MX 000a026d7800");
        check("a. 1 IN SRV 1 2 3 .", "a. 1 IN SRV 00010002000300");
        check("a. 1 IN SOA n. h. (1 2\n3 1m 1d)", "a. 1 IN SOA 016e000168000000000100000002000000030000003c00015180");
        check("a. 1 IN TYPE10 \\# 2 abcd", "a. 1 IN NULL abcd");
        check("a. 1 IN TYPE65400 \\# 0", "a. 1 IN TYPE65400 ");
        check("a. 1 IN CAA 0 issue \"ca.test\"", "a. 1 IN CAA 0005697373756563612e74657374");
    }

    #[test]
    fn refuses_what_is_no_record() {
        check("", "dns: no record");
        check("a. 60 IN", "dns: missing type");
        check("a. sixty IN A 192.0.2.1", "dns: not a TTL: \"sixty\"");
        check("a. IN A nowhere", "dns: bad A record: \"nowhere\"");
        check("a. IN A 192.0.2.1 extra", "dns: bad A record: \"192.0.2.1 extra\"");
        check("a. IN TXT", "dns: bad TXT record: \"\"");
        check("a. IN TXT \"x", "dns: unbalanced quote");
        check("a. IN SOA (1", "dns: unbalanced brace");
        check("a..b. IN A 192.0.2.1", "dns: bad owner name: \"a..b.\": bad label length");
    }
}
