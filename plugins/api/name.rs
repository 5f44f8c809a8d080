//! Domain names in wire form. Knows labels, letters and escapes; knows no zone, no record and no server.

use std::fmt;

/// Most octets a name may have in wire form, the closing zero included (RFC 1035 §2.3.4).
pub const MAX_NAME: usize = 255;
/// Most octets a label may have (RFC 1035 §2.3.4).
pub const MAX_LABEL: usize = 63;

/// An absolute domain name in wire form, inline, with the letters it was written in.
///
/// Equality and hashing ignore the case of ASCII letters (RFC 4343); [`Name::as_wire`] shows the letters.
#[derive(Clone)]
pub struct Name {
    len: u8,
    octets: [u8; MAX_NAME],
}

/// Why text or octets are no domain name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A label of more than 63 octets, or an empty one inside the name.
    #[error("bad label length")]
    Label,
    /// More than 255 octets.
    #[error("name too long")]
    TooLong,
    /// The octets end before the name does.
    #[error("name is cut short")]
    Short,
    /// A compression pointer that does not point backwards, or a reserved label type.
    #[error("bad compression pointer")]
    Pointer,
    /// An escape in the text that is not `\DDD` or `\X`.
    #[error("bad escape")]
    Escape,
}

impl Name {
    /// The root, one zero octet.
    #[must_use]
    pub const fn root() -> Self {
        Self { len: 1, octets: [0; MAX_NAME] }
    }

    /// Takes an uncompressed name that fills `wire` exactly.
    ///
    /// # Errors
    /// When `wire` is not exactly one name of at most 255 octets.
    pub fn from_wire(wire: &[u8]) -> Result<Self, NameError> {
        let length = wire_len(wire)?;
        if length != wire.len() {
            return Err(NameError::Label);
        }
        let mut name = Self::root();
        name.assign(wire);
        Ok(name)
    }

    /// Joins `parts` of labels (each without a closing zero, but for the last) into a name.
    ///
    /// # Errors
    /// When the result is not a name of at most 255 octets.
    pub fn from_parts(parts: &[&[u8]]) -> Result<Self, NameError> {
        let mut name = Self::root();
        let mut end = 0;
        for part in parts {
            let room = name.octets.get_mut(end..end + part.len()).ok_or(NameError::TooLong)?;
            room.copy_from_slice(part);
            end += part.len();
        }
        name.len = u8::try_from(end).map_err(|_| NameError::TooLong)?;
        if wire_len(name.as_wire())? == end { Ok(name) } else { Err(NameError::Label) }
    }

    /// Reads a possibly compressed name at `at` of `message`; gives it and the offset behind it in the message.
    ///
    /// # Errors
    /// When the name is cut, too long, or has a pointer that does not go backwards (RFC 1035 §4.1.4).
    pub fn read(message: &[u8], at: usize) -> Result<(Self, usize), NameError> {
        let mut name = Self::root();
        let end = name.read_into(message, at)?;
        Ok((name, end))
    }

    /// As [`Name::read`], into a name that exists already; after an error it is the root.
    ///
    /// # Errors
    /// As [`Name::read`].
    pub fn read_into(&mut self, message: &[u8], at: usize) -> Result<usize, NameError> {
        // Without a pointer the name stands there as a whole: questions always, and most of what clients send.
        match message.get(at..).and_then(|rest| rest.get(..wire_len(rest).ok()?)) {
            Some(wire) => {
                self.assign(wire);
                Ok(at + wire.len())
            }
            None => self.read_compressed(message, at),
        }
    }

    /// As [`Name::read_into`], label by label.
    fn read_compressed(&mut self, message: &[u8], at: usize) -> Result<usize, NameError> {
        let read = self.read_labels(message, at);
        if read.is_err() {
            // What was read so far may be no name.
            (self.len, self.octets[0]) = (1, 0);
        }
        read
    }

    /// Reads labels and follows pointers; after an error the name is not valid.
    fn read_labels(&mut self, message: &[u8], at: usize) -> Result<usize, NameError> {
        let mut len = 0_usize;
        let (mut position, mut end, mut floor) = (at, None, at);
        loop {
            let octet = *message.get(position).ok_or(NameError::Short)?;
            match octet {
                0 => break,
                1..=0x3f => {
                    let next = position + 1 + usize::from(octet);
                    let label = message.get(position..next).ok_or(NameError::Short)?;
                    let room = self.octets.get_mut(len..len + label.len()).ok_or(NameError::TooLong)?;
                    room.copy_from_slice(label);
                    len += label.len();
                    position = next;
                }
                0xc0..=0xff => {
                    let low = *message.get(position + 1).ok_or(NameError::Short)?;
                    let target = usize::from(octet & 0x3f) << 8 | usize::from(low);
                    end = end.or(Some(position + 2));
                    if target >= floor {
                        // One behind the end is as a name that is cut (miekg/dns: UnpackDomainName).
                        let is_behind = target >= message.len();
                        return Err(if is_behind { NameError::Short } else { NameError::Pointer });
                    }
                    floor = target;
                    position = target;
                }
                _ => return Err(NameError::Pointer),
            }
        }
        *self.octets.get_mut(len).ok_or(NameError::TooLong)? = 0;
        self.len = u8::try_from(len + 1).map_err(|_| NameError::TooLong)?;
        Ok(end.unwrap_or(position + 1))
    }

    /// Reads presentation form (RFC 1035 §5.1, `\DDD` and `\X`); the final dot may be missing.
    ///
    /// # Errors
    /// On an empty label, a label or name that is too long, or a bad escape.
    pub fn from_text(text: &str) -> Result<Self, NameError> {
        if text == "." {
            return Ok(Self::root());
        }
        let mut name = Self::root();
        let (mut start, mut end) = (0_usize, 1_usize);
        let mut octets = text.bytes();
        let mut close = |name: &mut Self, end: &mut usize| {
            let length = *end - start - 1;
            if length == 0 || length > MAX_LABEL {
                return Err(NameError::Label);
            }
            name.octets[start] = u8::try_from(length).map_err(|_| NameError::Label)?;
            start = *end;
            *end += 1;
            if *end > MAX_NAME { Err(NameError::TooLong) } else { Ok(()) }
        };
        let mut dotted = false;
        while let Some(octet) = octets.next() {
            dotted = octet == b'.';
            if dotted {
                close(&mut name, &mut end)?;
                continue;
            }
            let octet = if octet == b'\\' { unescape(&mut octets)? } else { octet };
            *name.octets.get_mut(end).ok_or(NameError::TooLong)? = octet;
            end += 1;
        }
        if !dotted {
            close(&mut name, &mut end)?;
        }
        let last = name.octets.get_mut(end - 1).ok_or(NameError::TooLong)?;
        *last = 0;
        name.len = u8::try_from(end).map_err(|_| NameError::TooLong)?;
        Ok(name)
    }

    /// The wire form, letters as written, closing zero included.
    #[must_use]
    pub fn as_wire(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or(&[0])
    }

    /// Takes over octets that are known to be one valid name.
    pub(crate) fn assign(&mut self, wire: &[u8]) {
        if let (Some(room), Ok(len)) = (self.octets.get_mut(..wire.len()), u8::try_from(wire.len())) {
            room.copy_from_slice(wire);
            self.len = len;
        }
    }

    /// Whether all its letters are in lower case.
    #[must_use]
    pub fn is_lower(&self) -> bool {
        // Length octets are at most 63 and so below `A`: all octets are looked at alike, 16 at a time, as machines like it. What
        // stands behind the name may seem to be a letter of it; then it is looked at octet by octet.
        let (whole, rest) = self.octets.as_chunks::<16>();
        let uppers = |octets: &[u8; 16]| octets.map(|octet| u8::from(octet.wrapping_sub(b'A') < 26));
        let any = |octets: &[u8; 16]| u128::from_ne_bytes(uppers(octets)) != 0;
        let seems_upper = whole.iter().take(usize::from(self.len).div_ceil(16)).any(any)
            || usize::from(self.len) > MAX_NAME - rest.len();
        !seems_upper || !self.as_wire().iter().any(u8::is_ascii_uppercase)
    }

    /// Becomes the lower-case form of `other`.
    pub fn assign_lower(&mut self, other: &Self) {
        self.len = other.len;
        // All octets may be mapped alike, as in `is_lower`; what stands behind the name does not matter.
        let (to, to_rest) = self.octets.as_chunks_mut::<16>();
        let (from, from_rest) = other.octets.as_chunks::<16>();
        for (to, from) in to.iter_mut().zip(from).take(usize::from(other.len).div_ceil(16)) {
            *to = from.map(|octet| octet | u8::from(octet.wrapping_sub(b'A') < 26) << 5);
        }
        if usize::from(other.len) > MAX_NAME - from_rest.len() {
            for (to, from) in to_rest.iter_mut().zip(from_rest) {
                *to = from.to_ascii_lowercase();
            }
        }
    }

    /// The same name in lower case.
    #[must_use]
    pub fn to_lower(&self) -> Self {
        let mut lower = Self::root();
        lower.assign_lower(self);
        lower
    }

    /// Whether this is the root.
    #[must_use]
    pub const fn is_root(&self) -> bool {
        self.len == 1
    }

    /// The labels from left to right, without the root.
    #[must_use]
    pub fn labels(&self) -> Labels<'_> {
        Labels { rest: self.as_wire() }
    }

    /// How many labels there are, the root not counted.
    #[must_use]
    pub fn label_count(&self) -> usize {
        self.labels().count()
    }

    /// The name without its first label; the root for the root.
    #[must_use]
    pub fn parent(&self) -> Self {
        let wire = self.as_wire();
        let skip = if self.is_root() { 0 } else { 1 + usize::from(wire[0]) };
        let mut parent = Self::root();
        parent.assign(wire.get(skip..).unwrap_or(&[0]));
        parent
    }

    /// Whether this name equals `zone` or lies below it, ignoring case.
    #[must_use]
    pub fn is_within(&self, zone: &Self) -> bool {
        self.offset_of(zone).is_some()
    }

    /// Where in [`Name::as_wire`] the suffix `zone` begins, if the name equals it or lies below it.
    #[must_use]
    pub fn offset_of(&self, zone: &Self) -> Option<usize> {
        let (name, zone) = (self.as_wire(), zone.as_wire());
        let offset = name.len().checked_sub(zone.len())?;
        let mut position = 0;
        while position < offset {
            position += 1 + usize::from(*name.get(position)?);
        }
        let tail = name.get(offset..).filter(|_| position == offset)?;
        is_same(tail, zone).then_some(offset)
    }

    /// The longest of `zones` that this name equals or lies below, ignoring case; of equal ones the first. Gives where it
    /// stands among them, and where in [`Name::as_wire`] it begins.
    #[must_use]
    pub fn longest_zone<'z>(&self, zones: impl Iterator<Item = &'z Self> + Clone) -> Option<(usize, usize)> {
        let wire = self.as_wire();
        let mut offset = 0;
        loop {
            let tail = wire.get(offset..)?;
            let is_it = |zone: &Self| usize::from(zone.len) == tail.len() && is_same(tail, zone.as_wire());
            if let Some(index) = zones.clone().position(is_it) {
                return Some((index, offset));
            }
            match *tail.first()? {
                0 => return None,
                length => offset += 1 + usize::from(length),
            }
        }
    }
}

/// Whether octets of the same number are equal but for the case of letters; nearly always they are equal as they stand.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    one == other || one.eq_ignore_ascii_case(other)
}

/// Length of the uncompressed name at the start of `wire`, closing zero included.
///
/// # Errors
/// When it is cut, compressed or longer than 255 octets.
pub fn wire_len(wire: &[u8]) -> Result<usize, NameError> {
    let mut position = 0;
    loop {
        let octet = usize::from(*wire.get(position).ok_or(NameError::Short)?);
        if octet > MAX_LABEL {
            return Err(NameError::Pointer);
        }
        position += 1 + octet;
        if position > MAX_NAME {
            return Err(NameError::TooLong);
        }
        if octet == 0 {
            return Ok(position);
        }
    }
}

/// What a backslash stands for: three digits or one character.
fn unescape(octets: &mut std::str::Bytes<'_>) -> Result<u8, NameError> {
    let first = octets.next().ok_or(NameError::Escape)?;
    if !first.is_ascii_digit() {
        return Ok(first);
    }
    let mut value = u16::from(first - b'0');
    for _ in 0..2 {
        let digit = octets.next().filter(u8::is_ascii_digit).ok_or(NameError::Escape)?;
        value = value * 10 + u16::from(digit - b'0');
    }
    u8::try_from(value).map_err(|_| NameError::Escape)
}

/// The labels of a name, from left to right.
#[derive(Clone)]
pub struct Labels<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Labels<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (&length, rest) = self.rest.split_first()?;
        if length == 0 || usize::from(length) > rest.len() {
            return None;
        }
        let (label, rest) = rest.split_at(usize::from(length));
        self.rest = rest;
        Some(label)
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.as_wire().eq_ignore_ascii_case(other.as_wire())
    }
}

impl Eq for Name {}

impl std::hash::Hash for Name {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write(self.to_lower().as_wire());
    }
}

/// Writes one label as CoreDNS does: `\X` for the characters with a meaning in zone files, `\DDD` for what is not printable.
fn write_label(label: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    use fmt::Write as _;
    for &octet in label {
        match octet {
            b'.' | b'(' | b')' | b';' | b' ' | b'@' | b'"' | b'\\' => write!(f, "\\{}", char::from(octet))?,
            0x21..=0x7e => f.write_char(char::from(octet))?,
            _ => write!(f, "\\{octet:03}")?,
        }
    }
    Ok(())
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str(".");
        }
        for label in self.labels() {
            write_label(label, f)?;
            f.write_str(".")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}
