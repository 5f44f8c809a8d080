//! Rdata by type, as a table of fields (RFC 1035 §3.3 and the RFCs of the types).

use super::fields::{self, algorithm, base64, hexadecimal, ipv4, ipv6, moment, name};
use super::header;
use super::lexer::Word;
use super::{location, service};
use plugin_api::{Name, Type, wire};

/// What is wrong, and the number of the word at which it was seen; may be one past the last.
pub(super) type Wrong = (String, usize);

/// A field of rdata; the text is its name in errors.
#[derive(Clone, Copy)]
enum Field {
    /// A domain name.
    Name(&'static str),
    /// A number of one octet.
    U8(&'static str),
    /// A number of two octets.
    U16(&'static str),
    /// A number of four octets.
    U32(&'static str),
    /// A number of four octets that may have units of time.
    Ttl(&'static str),
    /// A moment.
    Moment(&'static str),
    /// A type.
    Type(&'static str),
    /// A type of certificate, by number or mnemonic.
    Certificate(&'static str),
    /// A DNSSEC algorithm.
    Algorithm(&'static str),
    /// An IPv4 address.
    V4(&'static str),
    /// An IPv6 address.
    V6(&'static str),
    /// One character string.
    Text(&'static str),
    /// All that is left as character strings.
    Texts(&'static str),
    /// The one string that is left, without a length octet.
    Bare(&'static str),
    /// All that is left in hexadecimal.
    Hex(&'static str),
    /// All that is left in base 64.
    Base64(&'static str),
    /// All that is left as a bit map of types.
    Types(&'static str),
    /// A salt in hexadecimal behind its length, `-` for none.
    Salt(&'static str),
    /// A hash of 20 octets in base 32 behind its length.
    Hashed(&'static str),
    /// Four groups of four hexadecimal digits between colons.
    Groups(&'static str),
    /// Octets in hexadecimal between hyphens, so many.
    Hyphens(&'static str, usize),
}

/// The fields of a type; none if it has no presentation of its own here.
fn layout(rtype: Type) -> Option<&'static [Field]> {
    use Field::{Bare, Name, Text, Texts, Ttl, U8, U16, U32, V4, V6};
    Some(match rtype {
        Type::A => &[V4("A")],
        Type::AAAA => &[V6("AAAA")],
        Type::NS => &[Name("Ns")],
        Type::CNAME | Type::DNAME => &[Name("Target")],
        Type::PTR | Type::NSAP_PTR => &[Name("Ptr")],
        Type::MB | Type::MD | Type::MF | Type::MG | Type::MR => &[Name("Name")],
        Type::SOA => &[
            Name("Ns"),
            Name("Mbox"),
            U32("zone parameter"),
            Ttl("zone parameter"),
            Ttl("zone parameter"),
            Ttl("zone parameter"),
            Ttl("zone parameter"),
        ],
        Type::MX => &[U16("Pref"), Name("Mx")],
        Type::AFSDB => &[U16("Subtype"), Name("Hostname")],
        Type::RT => &[U16("Preference"), Name("Host")],
        Type::KX => &[U16("Pref"), Name("Exchanger")],
        Type::LP => &[U16("Preference"), Name("Fqdn")],
        Type::PX => &[U16("Preference"), Name("Map822"), Name("Mapx400")],
        Type::RP => &[Name("Mbox"), Name("Txt")],
        Type::MINFO => &[Name("Rmail"), Name("Email")],
        Type::TALINK => &[Name("PreviousName"), Name("NextName")],
        Type::SRV => &[U16("Priority"), U16("Weight"), U16("Port"), Name("Target")],
        Type::NAPTR => {
            &[U16("Order"), U16("Preference"), Text("Flags"), Text("Service"), Text("Regexp"), Name("Replacement")]
        }
        Type::TXT | Type::SPF | Type::AVC | Type::RESINFO => &[Texts("Txt")],
        Type::NINFO => &[Texts("ZSData")],
        Type::GPOS => &[Text("Longitude"), Text("Latitude"), Text("Altitude")],
        Type::X25 => &[Text("PSDNAddress")],
        Type::UINFO => &[Text("Uinfo")],
        Type::UID => &[U32("Uid")],
        Type::GID => &[U32("Gid")],
        Type::CAA => &[U8("Flag"), Text("Tag"), Bare("Value")],
        Type::URI => &[U16("Priority"), U16("Weight"), Bare("Target")],
        _ => return cryptographic(rtype),
    })
}

/// The fields of types that hold keys, digests and signatures, and of identifiers.
fn cryptographic(rtype: Type) -> Option<&'static [Field]> {
    use Field::{
        Algorithm, Base64, Certificate, Groups, Hashed, Hex, Hyphens, Moment, Name, Salt, Types, U8, U16, U32, V4,
    };
    Some(match rtype {
        Type::DS | Type::DLV | Type::CDS | Type::TA => {
            &[U16("KeyTag"), Algorithm("Algorithm"), U8("DigestType"), Hex("Digest")]
        }
        Type::DNSKEY | Type::CDNSKEY | Type::KEY | Type::RKEY => {
            &[U16("Flags"), U8("Protocol"), Algorithm("Algorithm"), Base64("PublicKey")]
        }
        Type::RRSIG | Type::SIG => &[
            Field::Type("Typecovered"),
            Algorithm("Algorithm"),
            U8("Labels"),
            U32("OrigTtl"),
            Moment("Expiration"),
            Moment("Inception"),
            U16("KeyTag"),
            Name("SignerName"),
            Base64("Signature"),
        ],
        Type::NSEC | Type::NXT => &[Name("NextDomain"), Types("TypeBitMap")],
        Type::NSEC3 => {
            &[U8("Hash"), U8("Flags"), U16("Iterations"), Salt("Salt"), Hashed("NextDomain"), Types("TypeBitMap")]
        }
        Type::NSEC3PARAM => &[U8("Hash"), U8("Flags"), U16("Iterations"), Salt("Salt")],
        Type::CSYNC => &[U32("serial"), U16("flags"), Types("TypeBitMap")],
        Type::TLSA | Type::SMIMEA => &[U8("Usage"), U8("Selector"), U8("MatchingType"), Hex("Certificate")],
        Type::SSHFP => &[U8("Algorithm"), U8("Type"), Hex("Fingerprint")],
        Type::ZONEMD => &[U32("Serial"), U8("Scheme"), U8("Hash Algorithm"), Hex("Digest")],
        Type::CERT => &[Certificate("Type"), U16("KeyTag"), Algorithm("Algorithm"), Base64("Certificate")],
        Type::DHCID => &[Base64("Digest")],
        Type::OPENPGPKEY => &[Base64("PublicKey")],
        Type::EID => &[Hex("Endpoint")],
        Type::NIMLOC => &[Hex("Locator")],
        Type::NID | Type::L64 => &[U16("Preference"), Groups("NodeID")],
        Type::L32 => &[U16("Preference"), V4("Locator")],
        Type::EUI48 => &[Hyphens("Address", 6)],
        Type::EUI64 => &[Hyphens("Address", 8)],
        _ => return None,
    })
}

/// The rdata that the words of an entry are.
///
/// # Errors
/// In miekg/dns's words.
pub(super) fn read(rtype: Type, words: &[Word], origin: &Name) -> Result<Vec<u8>, Wrong> {
    let mut out = Vec::new();
    if words.first().is_some_and(|word| word.text == "\\#" && !word.is_quoted) {
        unknown(words, &mut out)?;
        return wire::read_rdata(rtype, &out).map_err(|_| ("bad RFC3597 Rdata".to_owned(), 1));
    }
    match rtype {
        Type::ISDN => isdn(words, &mut out).ok_or_else(|| ("bad ISDN Fields".to_owned(), 0))?,
        Type::HINFO => hinfo(words, &mut out).ok_or_else(|| ("bad HINFO Fields".to_owned(), 0))?,
        Type::LOC => location::read(words, &mut out)?,
        Type::SVCB | Type::HTTPS => service::read(words, origin, &mut out)?,
        Type::APL => prefixes(words, &mut out)?,
        Type::IPSECKEY | Type::AMTRELAY => gateway(rtype, words, origin, &mut out)?,
        Type::HIP => identity(words, origin, &mut out)?,
        _ => {
            let Some(layout) = layout(rtype) else { return Err(("bad RFC3597 Rdata".to_owned(), 0)) };
            fill(rtype, layout, words, (origin, &mut out))?;
        }
    }
    if out.len() > usize::from(u16::MAX) {
        return Err((format!("bad {rtype} rdata: too long"), 0));
    }
    Ok(out)
}

/// Reads the fields of a layout.
fn fill(rtype: Type, layout: &[Field], words: &[Word], (origin, out): (&Name, &mut Vec<u8>)) -> Result<(), Wrong> {
    let mut at = 0;
    for field in layout {
        let taken = take(*field, words.get(at..).unwrap_or_default(), origin, out);
        at += taken.map_err(|label| (format!("bad {rtype} {label}"), at))?;
    }
    if at < words.len() {
        return Err(("garbage after rdata".to_owned(), at));
    }
    Ok(())
}

/// Reads one field; gives how many words it took, or its name.
fn take(field: Field, words: &[Word], origin: &Name, out: &mut Vec<u8>) -> Result<usize, &'static str> {
    use Field::{Bare, Base64, Hex, Texts, Types};
    let done = match field {
        Texts(label) => {
            return words
                .iter()
                .try_for_each(|w| fields::push_strings(&w.text, out))
                .ok_or(label)
                .map(|()| words.len());
        }
        Hex(label) | Base64(label) => {
            let text: String = words.iter().map(|word| word.text.as_str()).collect();
            let octets = if matches!(field, Hex(_)) { hexadecimal(&text) } else { base64(&text) };
            out.extend(octets.ok_or(label)?);
            return Ok(words.len());
        }
        Types(label) => return types(words, out).ok_or(label).map(|()| words.len()),
        Bare(label) => match words {
            [word] => fields::octets(&word.text).map(|octets| out.extend(octets)).ok_or(label),
            _ => Err(label),
        },
        one => single(one, words.first().map_or("", |word| word.text.as_str()), origin, out),
    };
    done.map(|()| 1)
}

/// Reads a field of one word.
fn single(field: Field, text: &str, origin: &Name, out: &mut Vec<u8>) -> Result<(), &'static str> {
    let (octets, label): (Option<Vec<u8>>, _) = match field {
        Field::Name(label) => (name(text, origin).map(|name| name.as_wire().to_vec()), label),
        Field::U8(label) => (text.parse::<u8>().ok().map(|number| vec![number]), label),
        Field::U16(label) => (text.parse::<u16>().ok().map(|number| number.to_be_bytes().to_vec()), label),
        Field::U32(label) => (text.parse::<u32>().ok().map(|number| number.to_be_bytes().to_vec()), label),
        Field::Ttl(label) => (fields::ttl(text).filter(|_| !text.is_empty()).map(|n| n.to_be_bytes().to_vec()), label),
        Field::Moment(label) => (moment(text).map(|number| number.to_be_bytes().to_vec()), label),
        Field::Type(label) => (header::rtype(&text.to_uppercase()).map(|rtype| rtype.0.to_be_bytes().to_vec()), label),
        Field::Certificate(label) => (certificate(text).map(|number| number.to_be_bytes().to_vec()), label),
        Field::Algorithm(label) => (algorithm(text).map(|number| vec![number]), label),
        Field::V4(label) => (ipv4(text).map(Vec::from), label),
        Field::V6(label) => (ipv6(text).map(Vec::from), label),
        Field::Salt(label) => (salt(text), label),
        Field::Hashed(label) => (hashed(text), label),
        Field::Groups(label) => (groups(text), label),
        Field::Hyphens(label, count) => (hyphens(text, count), label),
        Field::Text(label) => return fields::push_string(text, out).ok_or(label),
        Field::Texts(label) | Field::Bare(label) | Field::Hex(label) | Field::Base64(label) | Field::Types(label) => {
            return Err(label);
        }
    };
    out.extend(octets.ok_or(label)?);
    Ok(())
}

/// `\# LENGTH HEX...` (RFC 3597 §5).
fn unknown(words: &[Word], out: &mut Vec<u8>) -> Result<(), Wrong> {
    let length: Option<u16> = words.get(1).and_then(|word| word.text.parse().ok());
    let Some(length) = length else { return Err(("bad RFC3597 Rdata ".to_owned(), 1)) };
    let text: String = words.iter().skip(2).map(|word| word.text.as_str()).collect();
    let octets = hexadecimal(&text).filter(|octets| octets.len() == usize::from(length));
    out.extend(octets.ok_or_else(|| ("bad RFC3597 Rdata".to_owned(), 1))?);
    Ok(())
}

/// Processor and system; one string that has blanks is both (miekg/dns: HINFO.parse).
fn hinfo(words: &[Word], out: &mut Vec<u8>) -> Option<()> {
    let texts: Vec<&str> = match words {
        [one] if one.text.split_whitespace().count() > 1 => one.text.split_whitespace().collect(),
        _ => words.iter().map(|word| word.text.as_str()).collect(),
    };
    let (first, rest) = texts.split_first()?;
    fields::push_string(first, out)?;
    fields::push_string(&rest.join(" "), out)
}

/// Address and subaddress (RFC 1183 §3.2); miekg/dns writes the second even if there is none.
fn isdn(words: &[Word], out: &mut Vec<u8>) -> Option<()> {
    let (first, rest) = words.split_first()?;
    fields::push_string(&first.text, out)?;
    match rest {
        [] => fields::push_string("", out),
        _ => rest.iter().try_for_each(|word| fields::push_string(&word.text, out)),
    }
}

/// The salt of a hash (RFC 5155 §3.3).
fn salt(text: &str) -> Option<Vec<u8>> {
    let salt = if text == "-" { Vec::new() } else { hexadecimal(text).filter(|salt| !salt.is_empty())? };
    Some([vec![u8::try_from(salt.len()).ok()?], salt].concat())
}

/// A hashed owner: 32 digits of base 32 with the extended hexadecimal alphabet (RFC 5155 §3.3, RFC 4648 §7).
fn hashed(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u64>> = text.chars().map(|letter| letter.to_digit(32).map(u64::from)).collect();
    let digits = digits.filter(|digits| digits.len() == 32)?;
    let mut out = vec![20];
    for group in digits.chunks(8) {
        let bits = group.iter().fold(0, |bits, digit| bits << 5 | digit);
        out.extend_from_slice(bits.to_be_bytes().get(3..)?);
    }
    Some(out)
}

/// A bit map of types (RFC 4034 §4.1.2).
fn types(words: &[Word], out: &mut Vec<u8>) -> Option<()> {
    let found: Option<Vec<u16>> = words.iter().map(|word| Some(header::rtype(&word.text.to_uppercase())?.0)).collect();
    let mut found = found?;
    found.sort_unstable();
    found.dedup();
    for window in found.chunk_by(|one, other| one >> 8 == other >> 8) {
        let [first, ..] = window else { continue };
        let mut bits = [0_u8; 32];
        let mut length = 0;
        for rtype in window {
            let place = usize::from(rtype & 0xff);
            if let Some(octet) = bits.get_mut(place / 8) {
                *octet |= 0x80 >> (place % 8);
            }
            length = place / 8 + 1;
        }
        out.extend([u8::try_from(first >> 8).ok()?, u8::try_from(length).ok()?]);
        out.extend_from_slice(bits.get(..length)?);
    }
    Some(())
}

/// A type of certificate (RFC 4398 §2.1).
fn certificate(text: &str) -> Option<u16> {
    Some(match text {
        "PKIX" => 1,
        "SPKI" => 2,
        "PGP" => 3,
        "IPIX" => 4,
        "ISPKI" => 5,
        "IPGP" => 6,
        "ACPKIX" => 7,
        "IACPKIX" => 8,
        "URI" => 253,
        "OID" => 254,
        _ => return text.parse().ok(),
    })
}

/// Four groups of four hexadecimal digits (RFC 6742 §2.1.2).
fn groups(text: &str) -> Option<Vec<u8>> {
    let parts: Vec<&str> = text.split(':').collect();
    let is_good = parts.len() == 4 && parts.iter().all(|part| part.len() == 4);
    if is_good { hexadecimal(&parts.concat()) } else { None }
}

/// Octets between hyphens (RFC 7043 §3.2).
fn hyphens(text: &str, count: usize) -> Option<Vec<u8>> {
    let parts: Vec<&str> = text.split('-').collect();
    let is_good = parts.len() == count && parts.iter().all(|part| part.len() == 2);
    if is_good { hexadecimal(&parts.concat()) } else { None }
}

/// Address prefixes `[!]FAMILY:ADDRESS/BITS` (RFC 3123 §5).
fn prefixes(words: &[Word], out: &mut Vec<u8>) -> Result<(), Wrong> {
    for (index, word) in words.iter().enumerate() {
        prefix(&word.text, out).ok_or_else(|| ("bad APL prefix".to_owned(), index))?;
    }
    Ok(())
}

/// One address prefix; trailing zero octets are left out.
fn prefix(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let positive = text.strip_prefix('!');
    let (family, rest) = positive.unwrap_or(text).split_once(':')?;
    let (address, bits) = rest.split_once('/')?;
    let (mut octets, family) = match family {
        "1" => (ipv4(address)?.to_vec(), 1_u16),
        "2" => (ipv6(address)?.to_vec(), 2),
        _ => return None,
    };
    let bits: u8 = bits.parse().ok().filter(|bits| usize::from(*bits) <= octets.len() * 8)?;
    while octets.last() == Some(&0) {
        octets.pop();
    }
    out.extend(family.to_be_bytes());
    out.push(bits);
    out.push(u8::try_from(octets.len()).ok()? | if positive.is_some() { 0x80 } else { 0 });
    out.extend(octets);
    Some(())
}

/// IPSECKEY (RFC 4025 §2) and AMTRELAY (RFC 8777 §4): two or three numbers, then a gateway of a kind.
fn gateway(rtype: Type, words: &[Word], origin: &Name, out: &mut Vec<u8>) -> Result<(), Wrong> {
    let bad = |index: usize| (format!("bad {rtype} value"), index);
    let number =
        |index: usize| words.get(index).and_then(|word| word.text.parse::<u8>().ok()).ok_or_else(|| bad(index));
    let is_key = rtype == Type::IPSECKEY;
    let numbers = [number(0)?, number(1)?, number(2)?];
    let kind = if is_key { numbers[1] } else { numbers[2] };
    if is_key {
        out.extend(numbers);
    } else if numbers[1] > 1 || kind > 0x7f {
        return Err(bad(1));
    } else {
        out.extend([numbers[0], numbers[1] << 7 | kind]);
    }
    let text = words.get(3).map_or("", |word| word.text.as_str());
    let octets = match kind {
        0 if text == "." => Some(Vec::new()),
        1 => ipv4(text).map(Vec::from),
        2 => ipv6(text).map(Vec::from),
        3 => name(text, origin).map(|name| name.as_wire().to_vec()),
        _ => None,
    };
    out.extend(octets.ok_or_else(|| bad(3))?);
    let rest: String = words.iter().skip(4).map(|word| word.text.as_str()).collect();
    match is_key {
        true => out.extend(base64(&rest).ok_or_else(|| bad(4))?),
        false if !rest.is_empty() => return Err(("garbage after rdata".to_owned(), 4)),
        false => {}
    }
    Ok(())
}

/// HIP (RFC 8005 §5): algorithm, tag in hexadecimal, key in base 64, rendezvous servers.
fn identity(words: &[Word], origin: &Name, out: &mut Vec<u8>) -> Result<(), Wrong> {
    let text = |index: usize| words.get(index).map_or("", |word| word.text.as_str());
    let bad = |label: &str, index: usize| (format!("bad HIP {label}"), index);
    let algorithm: u8 = text(0).parse().map_err(|_| bad("PublicKeyAlgorithm", 0))?;
    let tag = hexadecimal(text(1)).filter(|tag| !tag.is_empty()).ok_or_else(|| bad("Hit", 1))?;
    let key = base64(text(2)).filter(|key| !key.is_empty()).ok_or_else(|| bad("PublicKey", 2))?;
    out.extend([u8::try_from(tag.len()).map_err(|_| bad("Hit", 1))?, algorithm]);
    out.extend(u16::try_from(key.len()).map_err(|_| bad("PublicKey", 2))?.to_be_bytes());
    out.extend(tag);
    out.extend(key);
    for (index, word) in words.iter().enumerate().skip(3) {
        let server = name(&word.text, origin).ok_or_else(|| bad("RendezvousServers", index))?;
        out.extend_from_slice(server.as_wire());
    }
    Ok(())
}
