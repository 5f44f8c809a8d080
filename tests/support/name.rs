//! A domain name: labels, presentation form, wire form.
//!
//! Knows nothing of compression (see `reader.rs` and `upstream/compose.rs`).

use std::fmt;
use std::str::FromStr;

/// The longest label, in octets (RFC 1035 §2.3.4).
const MAX_LABEL: usize = 63;

/// The longest name on the wire, in octets, root label included (RFC 1035 §2.3.4).
pub(crate) const MAX_NAME: usize = 255;

/// An absolute name; its letters are kept as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name {
    /// The labels from left to right, without the root label.
    pub(crate) labels: Vec<Vec<u8>>,
}

/// What is wrong with a name in presentation form.
#[derive(Debug, thiserror::Error)]
#[error("not a domain name: {0:?}")]
pub struct BadName(String);

impl Name {
    /// The same name in lower-case letters.
    #[must_use]
    pub fn to_lower(&self) -> Self {
        Self { labels: self.labels.iter().map(|label| label.to_ascii_lowercase()).collect() }
    }

    /// The uncompressed wire form, root label included.
    #[must_use]
    pub fn to_wire(&self) -> Vec<u8> {
        let mut wire = Vec::new();
        for label in &self.labels {
            wire.push(u8::try_from(label.len()).unwrap_or(0));
            wire.extend_from_slice(label);
        }
        wire.push(0);
        wire
    }

    /// The length of the wire form in octets.
    pub(crate) fn wire_len(&self) -> usize {
        self.labels.iter().map(|label| label.len() + 1).sum::<usize>() + 1
    }
}

impl fmt::Display for Name {
    /// Writes the presentation form: octets that are special or not printable are escaped, the final dot is there.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.labels.is_empty() {
            return out.write_str(".");
        }
        for label in &self.labels {
            for &octet in label {
                match octet {
                    b'"' | b'(' | b')' | b'.' | b';' | b'\\' | b'@' | b'$' => write!(out, "\\{}", char::from(octet))?,
                    0x21..=0x7e => write!(out, "{}", char::from(octet))?,
                    _ => write!(out, "\\{octet:03}")?,
                }
            }
            out.write_str(".")?;
        }
        Ok(())
    }
}

impl FromStr for Name {
    type Err = BadName;

    /// Reads the presentation form with `\.` and `\DDD` escapes; the final dot may be missing.
    fn from_str(text: &str) -> Result<Self, BadName> {
        let bad = || BadName(text.to_owned());
        let mut name = Self::default();
        let mut label = Vec::new();
        let mut octets = if text == "." { &[] } else { text.as_bytes() };
        while let [first, rest @ ..] = octets {
            octets = rest;
            match (first, octets) {
                (b'.', _) => name.labels.push(std::mem::take(&mut label)),
                (b'\\', [a, b, c, rest @ ..]) if a.is_ascii_digit() && b.is_ascii_digit() && c.is_ascii_digit() => {
                    let number = [a, b, c].iter().fold(0u16, |sum, digit| sum * 10 + u16::from(**digit - b'0'));
                    label.push(u8::try_from(number).map_err(|_| bad())?);
                    octets = rest;
                }
                (b'\\', [other, rest @ ..]) => {
                    label.push(*other);
                    octets = rest;
                }
                (b'\\', []) => return Err(bad()),
                (other, _) => label.push(*other),
            }
        }
        if !label.is_empty() {
            name.labels.push(label);
        }
        let fits = name.labels.iter().all(|label| (1..=MAX_LABEL).contains(&label.len()));
        if fits && name.wire_len() <= MAX_NAME { Ok(name) } else { Err(bad()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_read_and_written() {
        for text in [".", "www.Example.com.", r#"a\.b.\000\032\".x\(\)."#, r"\@\$\;\\."] {
            assert_eq!(text.parse::<Name>().unwrap().to_string(), text);
        }
        assert_eq!(r"\065\-b.c".parse::<Name>().unwrap().to_string(), "A-b.c.");
    }

    #[test]
    fn a_name_may_not_be_too_long_nor_have_empty_labels() {
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}.", "a".repeat(61));
        assert_eq!(longest.parse::<Name>().unwrap().to_wire().len(), 255);
        for bad in [&longest.replacen('a', "aa", 1), &format!("{label}a."), "a..b", r"a\256", r"a\"] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
        assert!(format!("a.{longest}").parse::<Name>().is_err());
    }
}
