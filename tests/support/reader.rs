//! A cursor over a message: numbers, octets, names with compression (RFC 1035 §4.1.4).

use crate::name::{MAX_NAME, Name};

/// Why a message cannot be read; the recorded answers name the same kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Fewer than twelve octets.
    #[error("ShortHeader")]
    ShortHeader,
    /// The message ends too early, or something in it has an impossible form.
    #[error("FormError")]
    Form,
    /// A label length with the bits 01 or 10.
    #[error("BadLabelType")]
    LabelType,
    /// A compression pointer that does not point back.
    #[error("BadPointer")]
    Pointer,
    /// A name of more than 255 octets.
    #[error("NameTooLong")]
    NameTooLong,
    /// An OPT record that is not alone, not in the additional section, or not at the root.
    #[error("BadEDNS")]
    Edns,
    /// A TSIG record that is not the last one.
    #[error("BadTSIG")]
    Tsig,
    /// Octets after the last record.
    #[error("TrailingJunk")]
    Trailing,
}

/// A position in a message, and where reading has to end.
#[derive(Clone)]
pub(crate) struct Reader<'a> {
    /// The whole message: pointers lead anywhere in it.
    message: &'a [u8],
    /// The next octet to read.
    at: usize,
    /// The first octet that is out of bounds.
    end: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first octet.
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self { message, at: 0, end: message.len() }
    }

    /// How many octets are left.
    pub(crate) fn remaining(&self) -> usize {
        self.end - self.at
    }

    /// Takes the next `count` octets.
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        if count > self.remaining() {
            return Err(Fault::Form);
        }
        let taken = self.message.get(self.at..self.at + count).ok_or(Fault::Form)?;
        self.at += count;
        Ok(taken)
    }

    /// Takes everything that is left.
    pub(crate) fn rest(&mut self) -> Result<&'a [u8], Fault> {
        self.take(self.remaining())
    }

    /// Takes a length octet and that many octets.
    pub(crate) fn counted(&mut self) -> Result<&'a [u8], Fault> {
        let count = self.u8()?;
        self.take(usize::from(count))
    }

    /// Cuts out a reader of the next `count` octets and goes on behind them.
    pub(crate) fn part(&mut self, count: usize) -> Result<Self, Fault> {
        let at = self.at;
        self.take(count)?;
        Ok(Self { message: self.message, at, end: at + count })
    }

    /// Takes a number of `N` octets.
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        self.take(N)?.try_into().map_err(|_| Fault::Form)
    }

    /// Takes a number of one octet.
    pub(crate) fn u8(&mut self) -> Result<u8, Fault> {
        self.array().map(u8::from_be_bytes)
    }

    /// Takes a number of two octets.
    pub(crate) fn u16(&mut self) -> Result<u16, Fault> {
        self.array().map(u16::from_be_bytes)
    }

    /// Takes a number of four octets.
    pub(crate) fn u32(&mut self) -> Result<u32, Fault> {
        self.array().map(u32::from_be_bytes)
    }

    /// Takes a name; each pointer must lead further back than the one before.
    pub(crate) fn name(&mut self) -> Result<Name, Fault> {
        let mut name = Name::default();
        let mut lowest = self.at;
        let mut jumped: Option<Self> = None;
        loop {
            let reader = jumped.as_mut().unwrap_or(self);
            match reader.u8()? {
                0 => break,
                length @ 1..=63 => name.labels.push(reader.take(usize::from(length))?.to_vec()),
                high @ 192.. => {
                    let target = usize::from(high & 0x3f) << 8 | usize::from(reader.u8()?);
                    if target >= lowest {
                        return Err(Fault::Pointer);
                    }
                    lowest = target;
                    jumped = Some(Reader { message: self.message, at: target, end: self.message.len() });
                }
                _ => return Err(Fault::LabelType),
            }
            if name.wire_len() > MAX_NAME {
                return Err(Fault::NameTooLong);
            }
        }
        Ok(name)
    }
}
