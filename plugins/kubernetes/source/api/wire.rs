//! Protocol Buffers on the wire: a message as its fields, where they stand. Knows no message.
//!
//! (<https://protobuf.dev/programming-guides/encoding/>.) Unknown fields are for the caller to skip; groups, which nothing here has,
//! are refused.

use std::borrow::Cow;

/// The most octets of a varint: 64 bits, seven in each.
const MAX_VARINT: usize = 10;

/// Why a message cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum WireError {
    /// It ends within a field.
    #[error("a message ends in the middle of a field")]
    Short,
    /// A number has more bits than any has.
    #[error("a number of more than {MAX_VARINT} octets")]
    LongNumber,
    /// A field has no form that we know.
    #[error("a field of the unknown wire type {0}")]
    WireType(u8),
    /// A field has another form than its number says.
    #[error("a field of another wire type than its own")]
    OtherType,
}

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// A number, of whatever width.
    Number(u64),
    /// A text, octets or a message.
    Octets(&'a [u8]),
}

impl<'a> Value<'a> {
    /// Returns octets, or a message.
    pub(super) const fn octets(self) -> Result<&'a [u8], WireError> {
        match self {
            Self::Octets(octets) => Ok(octets),
            Self::Number(_) => Err(WireError::OtherType),
        }
    }

    /// Returns the fields of a message.
    pub(super) fn fields(self) -> Result<Fields<'a>, WireError> {
        self.octets().map(Fields)
    }

    /// Returns a text; what is no UTF-8 is replaced.
    pub(super) fn text(self) -> Result<Cow<'a, str>, WireError> {
        self.octets().map(text)
    }

    /// Returns a text of its own.
    pub(super) fn boxed(self) -> Result<Box<str>, WireError> {
        self.text().map(Into::into)
    }

    /// Returns an `int32`; what is larger is no such number.
    pub(super) fn int32(self) -> Result<i32, WireError> {
        match self {
            Self::Number(number) => i32::try_from(number.cast_signed()).map_err(|_| WireError::OtherType),
            Self::Octets(_) => Err(WireError::OtherType),
        }
    }

    /// Returns a truth value.
    pub(super) const fn bool(self) -> Result<bool, WireError> {
        match self {
            Self::Number(number) => Ok(number != 0),
            Self::Octets(_) => Err(WireError::OtherType),
        }
    }
}

/// Returns octets as text; what is no UTF-8 is replaced, as Go does.
pub(super) fn text(octets: &[u8]) -> Cow<'_, str> {
    // Checked as a whole, which costs less than piece by piece.
    std::str::from_utf8(octets).map_or_else(|_| String::from_utf8_lossy(octets), Cow::Borrowed)
}

/// The fields of a message, with their numbers; after an error there are no more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), WireError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    /// Reads the next field.
    fn field(&mut self) -> Result<(u64, Value<'a>), WireError> {
        let (number, form) = Form::of_tag(self.number()?)?;
        let value = match form {
            Form::Varint => Value::Number(self.number()?),
            Form::Fixed(width) => Value::Octets(self.take(width)?),
            Form::Octets => {
                let length = usize::try_from(self.number()?).map_err(|_| WireError::Short)?;
                Value::Octets(self.take(length)?)
            }
        };
        Ok((number, value))
    }

    /// Reads a varint, of which most have one octet.
    #[inline]
    fn number(&mut self) -> Result<u64, WireError> {
        if let [octet @ ..0x80, rest @ ..] = self.0 {
            self.0 = rest;
            return Ok(u64::from(*octet));
        }
        self.long_number()
    }

    /// Reads a varint of several octets.
    fn long_number(&mut self) -> Result<u64, WireError> {
        let (number, length) = varint(self.0)?.ok_or(WireError::Short)?;
        self.take(length)?;
        Ok(number)
    }

    /// Takes some octets.
    fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(WireError::Short)?;
        self.0 = rest;
        Ok(taken)
    }
}

/// How the value of a field is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A varint.
    Varint,
    /// So many octets.
    Fixed(usize),
    /// A varint that says how many octets follow.
    Octets,
}

impl Form {
    /// Reads the number of a field and its form from the tag before it.
    pub(super) fn of_tag(tag: u64) -> Result<(u64, Self), WireError> {
        let form = match tag & 7 {
            0 => Self::Varint,
            1 => Self::Fixed(8),
            2 => Self::Octets,
            5 => Self::Fixed(4),
            other => return Err(WireError::WireType(u8::try_from(other).unwrap_or(u8::MAX))),
        };
        Ok((tag >> 3, form))
    }
}

/// Reads a varint from the start of some octets, and how many it takes; none if they end before it does.
pub(super) fn varint(octets: &[u8]) -> Result<Option<(u64, usize)>, WireError> {
    let mut number = 0;
    for (at, octet) in octets.iter().take(MAX_VARINT).enumerate() {
        // The tenth octet has one bit that counts; what is above is lost, as in all readers.
        number |= u64::from(octet & 0x7f) << (7 * at);
        if octet & 0x80 == 0 {
            return Ok(Some((number, at + 1)));
        }
    }
    if octets.len() < MAX_VARINT { Ok(None) } else { Err(WireError::LongNumber) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads all fields.
    fn read(octets: &[u8]) -> Result<Vec<(u64, Value<'_>)>, WireError> {
        Fields(octets).collect()
    }

    #[test]
    fn fields_of_every_form_are_read() {
        let message = b"\x08\x96\x01\x12\x02ab\x19\x01\x02\x03\x04\x05\x06\x07\x08\x25\x01\x02\x03\x04\x82\x7d\x00";
        let expected = [
            (1, Value::Number(150)),
            (2, Value::Octets(b"ab")),
            (3, Value::Octets(&[1, 2, 3, 4, 5, 6, 7, 8])),
            (4, Value::Octets(&[1, 2, 3, 4])),
            (2000, Value::Octets(b"")),
        ];
        assert_eq!(read(message), Ok(expected.to_vec()));
        for cut in (1..message.len()).filter(|cut| ![3, 7, 16, 21].contains(cut)) {
            assert_eq!(read(&message[..cut]), Err(WireError::Short), "cut at {cut}");
        }
        assert_eq!(read(b""), Ok(Vec::new()));
    }

    #[test]
    fn numbers_have_their_bounds() {
        let minus_one = Value::Number(u64::MAX);
        assert_eq!(read(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), Ok(vec![(1, minus_one)]));
        assert_eq!(minus_one.int32(), Ok(-1));
        assert_eq!(Value::Number(65_535).int32(), Ok(65_535));
        assert_eq!(Value::Number(1 << 40).int32(), Err(WireError::OtherType));
        assert_eq!(read(&[0x80; 12]), Err(WireError::LongNumber));
        assert_eq!(read(&[0x08, 0xff, 0xff]), Err(WireError::Short));
    }

    #[test]
    fn other_types_and_texts_are_met() {
        assert_eq!(Value::Number(1).text(), Err(WireError::OtherType));
        assert_eq!(Value::Octets(b"").bool(), Err(WireError::OtherType));
        assert_eq!(Value::Octets(b"a\xffb").text(), Ok("a\u{fffd}b".into()));
        assert_eq!(read(b"\x0b"), Err(WireError::WireType(3)));
        let mut fields = Fields(b"\x0b\x08\x01");
        assert_eq!((fields.next().is_some_and(|field| field.is_err()), fields.next()), (true, None));
    }
}
