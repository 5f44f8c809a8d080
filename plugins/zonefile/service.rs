//! SVCB and HTTPS records (RFC 9460 §2, appendix A).

use super::fields::{base64, ipv4, ipv6, name, octets};
use super::lexer::Word;
use super::rdata::Wrong;
use plugin_api::Name;

/// The parameters by name, in the order of their numbers (RFC 9460 §14.3.2, RFC 9461, RFC 9540).
const KEYS: [&str; 9] =
    ["mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath", "ohttp"];

/// Reads `PRIORITY TARGET [KEY[=VALUE] ...]`.
pub(super) fn read(words: &[Word], origin: &Name, out: &mut Vec<u8>) -> Result<(), Wrong> {
    let text = |index: usize| words.get(index).map_or("", |word| word.text.as_str());
    let priority: u16 = text(0).parse().map_err(|_| ("bad SVCB priority".to_owned(), 0))?;
    let target = name(text(1), origin).ok_or_else(|| ("bad SVCB Target".to_owned(), 1))?;
    out.extend(priority.to_be_bytes());
    out.extend_from_slice(target.as_wire());
    let mut parameters: Vec<(u16, Vec<u8>)> = Vec::new();
    let mut at = 2;
    while let Some(word) = words.get(at) {
        if word.is_quoted {
            return Err(("SVCB key can't contain double quotes".to_owned(), at));
        }
        let (key, mut value) = word.text.split_once('=').unwrap_or((&word.text, ""));
        if word.text.ends_with('=')
            && value.is_empty()
            && let Some(quoted) = words.get(at + 1).filter(|next| next.is_quoted)
        {
            value = &quoted.text;
            at += 1;
        }
        let key = number(key).ok_or_else(|| ("bad SVCB key".to_owned(), at))?;
        let value = encode(key, value).ok_or_else(|| ("bad SVCB value".to_owned(), at))?;
        if parameters.iter().any(|(known, _)| *known == key) {
            return Err(("repeated SVCB keys are not allowed".to_owned(), at));
        }
        parameters.push((key, value));
        at += 1;
    }
    parameters.sort_unstable_by_key(|(key, _)| *key);
    for (key, value) in parameters {
        let length = u16::try_from(value.len()).map_err(|_| ("bad SVCB value".to_owned(), 2))?;
        out.extend(key.to_be_bytes());
        out.extend(length.to_be_bytes());
        out.extend(value);
    }
    Ok(())
}

/// The number of a parameter; `key65535` is no parameter.
fn number(key: &str) -> Option<u16> {
    if let Some(place) = KEYS.iter().position(|known| *known == key) {
        return u16::try_from(place).ok();
    }
    let digits = key.strip_prefix("key")?;
    let is_canonical = digits == "0" || !digits.starts_with('0');
    digits.parse().ok().filter(|number| is_canonical && *number != u16::MAX)
}

/// The value of a parameter on the wire.
fn encode(key: u16, value: &str) -> Option<Vec<u8>> {
    let parts = || value.split(',');
    match key {
        0 => {
            let mut keys: Vec<u16> = parts().map(number).collect::<Option<_>>()?;
            keys.sort_unstable();
            Some(keys.into_iter().flat_map(u16::to_be_bytes).collect())
        }
        1 => protocols(value),
        2 | 8 => value.is_empty().then(Vec::new),
        3 => value.parse::<u16>().ok().map(|port| port.to_be_bytes().to_vec()),
        4 => parts().map(ipv4).collect::<Option<Vec<_>>>().map(|all| all.concat()),
        5 => base64(value),
        6 => parts().map(ipv6).collect::<Option<Vec<_>>>().map(|all| all.concat()),
        _ => octets(value),
    }
}

/// Protocol names between commas, each with its length octet; `\,` is a comma in a name, twice escaped in the file.
fn protocols(value: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut one = Vec::new();
    let mut close = |one: &mut Vec<u8>| {
        let length = u8::try_from(one.len()).ok().filter(|length| *length > 0)?;
        out.push(length);
        out.append(one);
        Some(())
    };
    let mut rest = octets(value)?.into_iter();
    while let Some(octet) = rest.next() {
        match octet {
            b'\\' => one.push(rest.next()?),
            b',' => close(&mut one)?,
            _ => one.push(octet),
        }
    }
    if !value.is_empty() {
        close(&mut one)?;
    }
    Some(out)
}
