//! Finds the objects in a response in Protocol Buffers while it arrives, so that no response is ever held as a whole.
//!
//! A list is a magic number, the envelope (`runtime.Unknown`) and in it the list: metadata and items. A watch is one event after
//! the other, each behind its length. Only the borders are found here. Knows no Kubernetes kind.
//!
//! (`apimachinery/pkg/runtime/serializer/protobuf` and `pkg/util/framer`.)

use super::carry::Carry;
use super::split::{MAX_PIECE_BYTES, Piece, SplitError};
use super::wire::{Form, WireError, varint};

/// What stands before every object.
pub(super) const MAGIC: &[u8] = b"k8s\0";
/// The field of the envelope that holds the object.
pub(super) const ENVELOPE_RAW: u64 = 2;
/// The field of a list that holds its metadata.
const LIST_METADATA: u64 = 1;
/// The field of a list that holds an item.
const LIST_ITEM: u64 = 2;
/// How many octets the length of a frame has.
const LENGTH_BYTES: usize = 4;

/// Where in the response the splitter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the magic number of a list, or in it.
    Magic,
    /// Before a field of the envelope, or of the list, or in its tag and length.
    Field,
    /// Before the length of a frame, or in it.
    Length,
    /// In a value that is handed out: so many octets are to come.
    Inside(Role, usize),
    /// In a value that is skipped.
    Skipped(u64),
}

/// What the value is that is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// An item.
    Item,
    /// The metadata of the list.
    Metadata,
    /// An event.
    Event,
}

/// Finds the pieces of one response.
#[derive(Debug)]
pub(super) struct Frames {
    /// Where it is.
    state: State,
    /// How many octets of the list are to come; none outside of it.
    list: Option<u64>,
    /// Whether there was a list.
    has_list: bool,
    /// What has come of a magic number, of a tag with its length, or of the length of a frame.
    head: Vec<u8>,
    /// The part of the current piece that came in earlier chunks.
    carry: Carry,
}

impl Frames {
    /// Splits a list.
    pub(super) fn list() -> Self {
        Self { state: State::Magic, list: None, has_list: false, head: Vec::new(), carry: Carry::default() }
    }

    /// Splits the events of a watch.
    pub(super) fn events() -> Self {
        Self { state: State::Length, ..Self::list() }
    }

    /// Says whether the response may end here.
    pub(super) const fn is_between(&self) -> bool {
        match self.state {
            State::Length => self.head.is_empty(),
            State::Field => self.head.is_empty() && self.has_list && self.list.is_none(),
            State::Magic | State::Inside(..) | State::Skipped(_) => false,
        }
    }

    /// Takes bytes from the front of `chunk` until a piece is complete; none if the chunk ends first.
    pub(super) fn next<'s, 'c: 's>(&'s mut self, chunk: &mut &'c [u8]) -> Result<Option<Piece<'s>>, SplitError> {
        loop {
            match self.state {
                State::Inside(role, left) => {
                    let Some((part, rest)) = chunk.split_at_checked(left) else {
                        self.carry.keep(chunk);
                        self.state = State::Inside(role, left.saturating_sub(chunk.len()));
                        *chunk = &[];
                        return Ok(None);
                    };
                    *chunk = rest;
                    return Ok(Some(self.piece(role, part)));
                }
                State::Skipped(left) => {
                    let length = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
                    *chunk = chunk.get(length..).unwrap_or_default();
                    let left = left.saturating_sub(length as u64);
                    self.state = if left == 0 { State::Field } else { State::Skipped(left) };
                    if left > 0 {
                        return Ok(None);
                    }
                }
                State::Magic | State::Length | State::Field => {
                    let Some((&octet, rest)) = chunk.split_first() else { return Ok(None) };
                    *chunk = rest;
                    self.outside(octet)?;
                }
            }
        }
    }

    /// Hands out a piece whose end is `part`.
    fn piece<'s, 'c: 's>(&'s mut self, role: Role, part: &'c [u8]) -> Piece<'s> {
        self.state = if role == Role::Event { State::Length } else { State::Field };
        let octets = self.carry.end(part);
        if role == Role::Metadata { Piece::Metadata(octets) } else { Piece::Item(octets) }
    }

    /// Takes one octet outside of values.
    fn outside(&mut self, octet: u8) -> Result<(), SplitError> {
        self.head.push(octet);
        match self.state {
            State::Magic if !MAGIC.starts_with(&self.head) => return Err(SplitError::Unexpected(octet)),
            State::Magic if self.head.len() == MAGIC.len() => self.state = State::Field,
            State::Magic => return Ok(()),
            State::Length => {
                let Ok(length) = <[u8; LENGTH_BYTES]>::try_from(&*self.head) else { return Ok(()) };
                self.state = inside(Role::Event, u64::from(u32::from_be_bytes(length)))?;
            }
            _ => {
                let Some(head) = Head::read(&self.head)? else { return Ok(()) };
                self.begin(head)?;
            }
        }
        self.head.clear();
        Ok(())
    }

    /// Begins the field behind this head.
    fn begin(&mut self, head: Head) -> Result<(), SplitError> {
        let Some(left) = &mut self.list else {
            self.state = if head.number == ENVELOPE_RAW && head.is_octets {
                (self.list, self.has_list) = ((head.value > 0).then_some(head.value), true);
                State::Field
            } else {
                skipped(head.value)
            };
            return Ok(());
        };
        *left =
            left.checked_sub(head.length).and_then(|left| left.checked_sub(head.value)).ok_or(SplitError::Overlong)?;
        if *left == 0 {
            self.list = None;
        }
        self.state = match head.number {
            LIST_METADATA if head.is_octets => inside(Role::Metadata, head.value)?,
            LIST_ITEM if head.is_octets => inside(Role::Item, head.value)?,
            _ => skipped(head.value),
        };
        Ok(())
    }
}

/// The state at the start of a value of this length.
fn inside(role: Role, length: u64) -> Result<State, SplitError> {
    let length = usize::try_from(length).ok().filter(|length| *length <= MAX_PIECE_BYTES);
    length.map(|length| State::Inside(role, length)).ok_or(SplitError::TooLarge)
}

/// The state at the start of a value of this length that nobody wants.
const fn skipped(length: u64) -> State {
    if length == 0 { State::Field } else { State::Skipped(length) }
}

/// What stands before the value of a field.
#[derive(Debug, Clone, Copy)]
struct Head {
    /// The field's number.
    number: u64,
    /// Whether the value is octets.
    is_octets: bool,
    /// How many octets the value has, besides what has been read.
    value: u64,
    /// How many octets have been read.
    length: u64,
}

impl Head {
    /// Reads a head; none if it is not whole.
    fn read(octets: &[u8]) -> Result<Option<Self>, WireError> {
        let Some((tag, tag_length)) = varint(octets)? else { return Ok(None) };
        let (number, form) = Form::of_tag(tag)?;
        let is_octets = form == Form::Octets;
        let (value, length) = match form {
            Form::Fixed(width) => (width as u64, tag_length),
            Form::Varint | Form::Octets => {
                let Some((value, length)) = varint(octets.get(tag_length..).unwrap_or_default())? else {
                    return Ok(None);
                };
                (if is_octets { value } else { 0 }, tag_length + length)
            }
        };
        Ok(Some(Self { number, is_octets, value, length: length as u64 }))
    }
}
