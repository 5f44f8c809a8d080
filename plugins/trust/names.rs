//! Distinguished names: who signed and who owns a certificate. Names are compared by their octets, as in Go.

use super::der::{Element, Reader, tag};

/// A distinguished name.
#[derive(Debug)]
pub(super) struct Name {
    /// All octets.
    pub(super) raw: Box<[u8]>,
    /// The last common name.
    pub(super) common_name: Option<String>,
    /// The first organization.
    pub(super) organization: Option<String>,
}

impl Name {
    /// Reads a name; each of its texts must be valid for its type.
    ///
    /// # Errors
    /// In Go's words.
    pub(super) fn read(body: &mut Reader<'_>) -> Result<Self, String> {
        let whole = body.element(tag::SEQUENCE).ok_or("x509: malformed issuer")?;
        let mut name = Self { raw: whole.whole.into(), common_name: None, organization: None };
        let mut sets = Reader(whole.content);
        while !sets.is_empty() {
            let mut set = sets.inside(tag::SET).ok_or("x509: invalid RDNSequence")?;
            while !set.is_empty() {
                name.take(set.inside(tag::SEQUENCE).ok_or("x509: invalid RDNSequence: invalid attribute")?)?;
            }
        }
        Ok(name)
    }

    /// Takes one attribute.
    fn take(&mut self, mut attribute: Reader<'_>) -> Result<(), String> {
        let kind = attribute.oid().ok_or("x509: invalid RDNSequence: invalid attribute type")?;
        let value = attribute.any().ok_or("x509: invalid RDNSequence: invalid attribute value")?;
        let text =
            text(&value).map_err(|error| format!("x509: invalid RDNSequence: invalid attribute value: {error}"))?;
        match kind {
            [0x55, 4, 3] if !text.is_empty() => self.common_name = Some(text),
            [0x55, 4, 3] => self.common_name = None,
            [0x55, 4, 10] if self.organization.is_none() => self.organization = Some(text),
            _ => {}
        }
        Ok(())
    }
}

/// Reads a text of any type that names have.
fn text(value: &Element<'_>) -> Result<String, String> {
    let octets = value.content;
    let checked = |is_valid: fn(&u8) -> bool, what: &str| {
        if octets.iter().all(is_valid) { Ok(latin(octets)) } else { Err(format!("invalid {what}")) }
    };
    match value.tag {
        tag::UTF8_STRING => String::from_utf8(octets.to_vec()).map_err(|_| "invalid UTF-8 string".to_owned()),
        tag::PRINTABLE_STRING => checked(is_printable, "PrintableString"),
        tag::IA5_STRING => checked(u8::is_ascii, "IA5String"),
        tag::NUMERIC_STRING => checked(|octet| matches!(octet, b'0'..=b'9' | b' '), "NumericString"),
        tag::T61_STRING => Ok(latin(octets)),
        tag::BMP_STRING => bmp(octets).ok_or_else(|| "invalid BMPString".to_owned()),
        other => Err(format!("unsupported string type: {other}")),
    }
}

/// Whether an octet may stand in a `PrintableString`; `*` and `&` are too common to be refused.
const fn is_printable(octet: &u8) -> bool {
    matches!(octet, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'\''..=b')' | b'+'..=b'/' | b' ' | b':' | b'=' | b'?' | b'*' | b'&')
}

/// Reads ISO 8859-1.
fn latin(octets: &[u8]) -> String {
    octets.iter().map(|octet| char::from(*octet)).collect()
}

/// Reads UCS-2, without surrogates and characters that are none.
fn bmp(octets: &[u8]) -> Option<String> {
    let octets = octets.strip_suffix(&[0, 0]).unwrap_or(octets);
    if !octets.len().is_multiple_of(2) {
        return None;
    }
    let units = octets.chunks_exact(2).filter_map(|pair| pair.try_into().ok().map(u16::from_be_bytes));
    let read = |unit: u16| {
        let is_none = matches!(unit, 0xfffe | 0xffff | 0xfdd0..=0xfdef);
        char::from_u32(u32::from(unit)).filter(|_| !is_none)
    };
    units.map(read).collect()
}
