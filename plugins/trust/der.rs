//! Elements of DER (X.690 §10), cut apart without a copy. Takes what Go's `cryptobyte` takes: tags of one octet, shortest lengths.
//! Knows no type of X.509.

/// A tag of a universal type.
pub(super) mod tag {
    pub(in crate::trust) const BOOLEAN: u8 = 0x01;
    pub(in crate::trust) const INTEGER: u8 = 0x02;
    pub(in crate::trust) const BIT_STRING: u8 = 0x03;
    pub(in crate::trust) const OCTET_STRING: u8 = 0x04;
    pub(in crate::trust) const OID: u8 = 0x06;
    pub(in crate::trust) const UTF8_STRING: u8 = 0x0c;
    pub(in crate::trust) const NUMERIC_STRING: u8 = 0x12;
    pub(in crate::trust) const PRINTABLE_STRING: u8 = 0x13;
    pub(in crate::trust) const T61_STRING: u8 = 0x14;
    pub(in crate::trust) const IA5_STRING: u8 = 0x16;
    pub(in crate::trust) const UTC_TIME: u8 = 0x17;
    pub(in crate::trust) const GENERALIZED_TIME: u8 = 0x18;
    pub(in crate::trust) const BMP_STRING: u8 = 0x1e;
    pub(in crate::trust) const SEQUENCE: u8 = 0x30;
    pub(in crate::trust) const SET: u8 = 0x31;

    /// Returns the tag of a field in brackets that holds octets.
    pub(in crate::trust) const fn context(number: u8) -> u8 {
        0x80 | number
    }

    /// Returns the tag of a field in brackets that holds elements.
    pub(in crate::trust) const fn constructed(number: u8) -> u8 {
        0xa0 | number
    }
}

/// One element.
#[derive(Clone, Copy)]
pub(super) struct Element<'a> {
    /// Its tag.
    pub(super) tag: u8,
    /// All its octets.
    pub(super) whole: &'a [u8],
    /// Its octets without tag and length.
    pub(super) content: &'a [u8],
}

/// What is left to be read. A method that gives none has found something else, or nothing.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// Whether nothing is left.
    pub(super) const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Whether the next element has this tag.
    pub(super) fn is_next(self, tag: u8) -> bool {
        self.0.first() == Some(&tag)
    }

    /// Takes the next element.
    pub(super) fn any(&mut self) -> Option<Element<'a>> {
        let (tag, rest) = self.0.split_first()?;
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (first, rest) = rest.split_first()?;
        let (length, rest) = if *first < 0x80 { (usize::from(*first), rest) } else { long_length(*first, rest)? };
        let content = rest.get(..length)?;
        let after = rest.get(length..)?;
        let whole = self.0.get(..self.0.len().checked_sub(after.len())?)?;
        self.0 = after;
        Some(Element { tag: *tag, whole, content })
    }

    /// Takes the next element, which must have this tag.
    pub(super) fn element(&mut self, tag: u8) -> Option<Element<'a>> {
        if self.is_next(tag) { self.any() } else { None }
    }

    /// Takes the content of the next element, which must have this tag.
    pub(super) fn content(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.element(tag).map(|element| element.content)
    }

    /// Goes into the next element, which must have this tag.
    pub(super) fn inside(&mut self, tag: u8) -> Option<Self> {
        self.content(tag).map(Reader)
    }

    /// Takes an object identifier, as encoded.
    pub(super) fn oid(&mut self) -> Option<&'a [u8]> {
        self.content(tag::OID).filter(|octets| is_oid(octets))
    }

    /// Takes an integer, as encoded.
    pub(super) fn integer(&mut self) -> Option<&'a [u8]> {
        self.content(tag::INTEGER).filter(|octets| is_integer(octets))
    }

    /// Takes a boolean.
    pub(super) fn boolean(&mut self) -> Option<bool> {
        match self.content(tag::BOOLEAN)? {
            [0] => Some(false),
            [0xff] => Some(true),
            _ => None,
        }
    }

    /// Takes a string of bits: the number of bits that do not count, and the octets.
    pub(super) fn bits(&mut self) -> Option<(u8, &'a [u8])> {
        let (unused, octets) = self.content(tag::BIT_STRING)?.split_first()?;
        let is_valid = match octets.last() {
            _ if *unused > 7 => false,
            None => *unused == 0,
            Some(last) => last & ((1 << unused) - 1) == 0,
        };
        is_valid.then_some((*unused, octets))
    }

    /// Takes a string of whole octets.
    pub(super) fn bit_octets(&mut self) -> Option<&'a [u8]> {
        self.bits().filter(|(unused, _)| *unused == 0).map(|(_, octets)| octets)
    }
}

/// Reads a length of several octets, behind the octet that says how many.
fn long_length(first: u8, rest: &[u8]) -> Option<(usize, &[u8])> {
    let count = usize::from(first & 0x7f);
    if !(1..=4).contains(&count) {
        return None;
    }
    let (octets, rest) = (rest.get(..count)?, rest.get(count..)?);
    let length = octets.iter().fold(0_usize, |length, octet| length << 8 | usize::from(*octet));
    let is_shortest = length >= 0x80 && octets.first() != Some(&0);
    is_shortest.then_some((length, rest))
}

/// Whether the octets are an integer in its shortest form.
pub(super) fn is_integer(octets: &[u8]) -> bool {
    match octets {
        [] => false,
        [_] => true,
        [first, second, ..] => !(*first == 0 && second & 0x80 == 0 || *first == 0xff && second & 0x80 != 0),
    }
}

/// Returns an integer that is not negative and fits.
pub(super) fn unsigned(octets: &[u8]) -> Option<u64> {
    if octets.first().is_none_or(|first| first & 0x80 != 0) {
        return None;
    }
    let significant = octets.strip_prefix(&[0]).unwrap_or(octets);
    (significant.len() <= 8).then(|| significant.iter().fold(0, |number, octet| number << 8 | u64::from(*octet)))
}

/// Whether the octets are numbers of 31 bits at most, each in its shortest form.
fn is_oid(octets: &[u8]) -> bool {
    let (mut number, mut is_inside) = (0_u64, false);
    for octet in octets {
        if !is_inside && *octet == 0x80 {
            return false;
        }
        number = number << 7 | u64::from(octet & 0x7f);
        if number > u64::from(u32::MAX >> 1) {
            return false;
        }
        is_inside = octet & 0x80 != 0;
        if !is_inside {
            number = 0;
        }
    }
    !octets.is_empty() && !is_inside
}
