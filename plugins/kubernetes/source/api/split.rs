//! Finds the objects in a JSON response while it arrives, so that no response is ever held as a whole.
//!
//! A list is one object whose field `items` holds the objects; a watch is one event after the other. Only the borders
//! are found here; what stands between them is for a real JSON parser. Knows no Kubernetes kind.

use super::carry::Carry;
use super::wire::WireError;

/// The largest object that is taken, in bytes; an API server stores at most about 1.5 MiB.
pub(super) const MAX_PIECE_BYTES: usize = 8 * 1024 * 1024;
/// The longest field name at the top of a list, in bytes.
const MAX_KEY_BYTES: usize = 64;

/// A part of a response, as its JSON text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// An item of a list, or a watch event.
    Item(&'a [u8]),
    /// The metadata of a list.
    Metadata(&'a [u8]),
}

/// Why a response cannot be split.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SplitError {
    /// A character stands where none may.
    #[error("unexpected byte 0x{0:02x} in the response")]
    Unexpected(u8),
    /// An object is larger than any that an API server stores.
    #[error("an object of more than {MAX_PIECE_BYTES} bytes in the response")]
    TooLarge,
    /// A field reaches beyond the message that it is in.
    #[error("a field is longer than its message in the response")]
    Overlong,
    /// What stands before a value cannot be read.
    #[error("{0} in the response")]
    Wire(#[from] WireError),
}

/// Where in the response the splitter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the list.
    ListStart,
    /// Before a field of the list, or its end.
    Field,
    /// In the name of a field.
    Key,
    /// Between a field's name and its value.
    Colon,
    /// Before the value of a field.
    Value,
    /// Before an item, or the end of the items.
    Items,
    /// Before an event.
    Events,
    /// In a value.
    Inside(Role, Nest),
    /// After the list.
    End,
}

/// What the value is that is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// An item.
    Item,
    /// An event.
    Event,
    /// The metadata of the list.
    Metadata,
    /// Some other field: skipped.
    Other,
}

/// How deep in a value, and whether in a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Nest {
    /// How many brackets are open; 0 for a bare string or scalar.
    depth: usize,
    /// Whether a string is open.
    in_string: bool,
    /// Whether the last character in the string was a backslash.
    is_escaped: bool,
}

/// What a byte did to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The value goes on.
    Open,
    /// The byte was the last one of the value.
    Closed,
    /// The value ended before the byte.
    Before,
}

impl Nest {
    /// Takes one byte of a value; `is_first` for the first.
    fn step(&mut self, byte: u8, is_first: bool) -> Step {
        if self.in_string {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return if self.in_string || self.depth > 0 { Step::Open } else { Step::Closed };
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth = self.depth.saturating_add(1),
            b'}' | b']' | b',' if self.depth == 0 => return Step::Before,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                return if self.depth == 0 { Step::Closed } else { Step::Open };
            }
            _ if self.depth == 0 && !is_first && byte.is_ascii_whitespace() => return Step::Before,
            _ => {}
        }
        Step::Open
    }
}

/// Finds the pieces of one response.
#[derive(Debug)]
pub(super) struct Splitter {
    /// Where it is.
    state: State,
    /// The name of the current field.
    key: Vec<u8>,
    /// The part of the current piece that came in earlier chunks.
    carry: Carry,
}

impl Splitter {
    /// Splits a list.
    pub(super) fn list() -> Self {
        Self { state: State::ListStart, key: Vec::new(), carry: Carry::default() }
    }

    /// Splits the events of a watch.
    pub(super) fn events() -> Self {
        Self { state: State::Events, ..Self::list() }
    }

    /// Says whether the response may end here.
    pub(super) fn is_between(&self) -> bool {
        matches!(self.state, State::End | State::Events)
    }

    /// Takes bytes from the front of `chunk` until a piece is complete; none if the chunk ends first.
    pub(super) fn next<'s, 'c: 's>(&'s mut self, chunk: &mut &'c [u8]) -> Result<Option<Piece<'s>>, SplitError> {
        loop {
            let State::Inside(role, nest) = self.state else {
                let Some((&byte, rest)) = chunk.split_first() else { return Ok(None) };
                if self.outside(byte)? {
                    *chunk = rest;
                }
                continue;
            };
            let (length, is_whole) = self.inside(role, nest, chunk);
            let (part, rest) = chunk.split_at_checked(length).unwrap_or((chunk, &[]));
            *chunk = rest;
            if role != Role::Other && self.carry.len().saturating_add(part.len()) > MAX_PIECE_BYTES {
                return Err(SplitError::TooLarge);
            }
            if !is_whole {
                if role != Role::Other {
                    self.carry.keep(part);
                }
                return Ok(None);
            }
            if role == Role::Other {
                continue;
            }
            return Ok(Some(self.piece(role, part)));
        }
    }

    /// Hands out a piece whose end is `part`.
    fn piece<'s, 'c: 's>(&'s mut self, role: Role, part: &'c [u8]) -> Piece<'s> {
        let text = self.carry.end(part);
        if role == Role::Metadata { Piece::Metadata(text) } else { Piece::Item(text) }
    }

    /// Reads in a value; returns how much of the chunk belongs to it, and whether it is complete.
    fn inside(&mut self, role: Role, mut nest: Nest, chunk: &[u8]) -> (usize, bool) {
        for (at, &byte) in chunk.iter().enumerate() {
            let is_first = nest == Nest::default() && at == 0;
            let length = match nest.step(byte, is_first) {
                Step::Open => continue,
                Step::Closed => at.saturating_add(1),
                Step::Before => at,
            };
            self.state = match role {
                Role::Item => State::Items,
                Role::Event => State::Events,
                Role::Metadata | Role::Other => State::Field,
            };
            return (length, true);
        }
        self.state = State::Inside(role, nest);
        (chunk.len(), false)
    }

    /// Takes one byte outside of values; false if it is the first byte of one.
    fn outside(&mut self, byte: u8) -> Result<bool, SplitError> {
        if byte.is_ascii_whitespace() && self.state != State::Key {
            return Ok(true);
        }
        self.state = match (self.state, byte) {
            (State::ListStart, b'{') | (State::Field, b',') => State::Field,
            (State::Items, b',') => State::Items,
            (State::Field, b'"') => {
                self.key.clear();
                State::Key
            }
            (State::Field, b'}') => State::End,
            (State::Key, b'"') => State::Colon,
            (State::Key, _) if self.key.len() < MAX_KEY_BYTES => {
                self.key.push(byte);
                State::Key
            }
            (State::Colon, b':') => State::Value,
            (State::Value, b'[') if self.key == b"items" => State::Items,
            (State::Items, b']') => State::Field,
            (State::Value, _) => {
                let role = if self.key == b"metadata" { Role::Metadata } else { Role::Other };
                self.state = State::Inside(role, Nest::default());
                return Ok(false);
            }
            (State::Items, b'{') => {
                self.state = State::Inside(Role::Item, Nest::default());
                return Ok(false);
            }
            (State::Events, b'{') => {
                self.state = State::Inside(Role::Event, Nest::default());
                return Ok(false);
            }
            _ => return Err(SplitError::Unexpected(byte)),
        };
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Splits `text`, given in the chunks that `cuts` make of it, into readable pieces.
    fn split(mut splitter: Splitter, text: &str, cuts: &[usize]) -> Result<(Vec<String>, bool), SplitError> {
        let mut pieces = Vec::new();
        let mut start = 0;
        for end in cuts.iter().copied().chain([text.len()]) {
            let mut chunk = &text.as_bytes()[start..end];
            start = end;
            while let Some(piece) = splitter.next(&mut chunk)? {
                pieces.push(match piece {
                    Piece::Item(text) => String::from_utf8(text.to_vec()).unwrap(),
                    Piece::Metadata(text) => format!("metadata {}", String::from_utf8(text.to_vec()).unwrap()),
                });
            }
        }
        Ok((pieces, splitter.is_between()))
    }

    const LIST: &str = r#" {"kind":"ServiceList","n":[1,{"a":"]}"}],"x":null,"y":12 ,"metadata":{"resourceVersion":"7","continue":"c"},
        "items":[ {"a":{"b":[1,2,{"c":"}\"{\\"}]}} , {} ,{"d":"\u0041é"}],"z":true}
"#;

    const EVENTS: &str = "{\"type\":\"ADDED\",\"object\":{\"a\":\"}{\"}}\n\n{\"type\":\"X\"} \r\n{}";

    #[test]
    fn a_list_is_split_at_every_offset() {
        let expected = [
            r#"metadata {"resourceVersion":"7","continue":"c"}"#,
            r#"{"a":{"b":[1,2,{"c":"}\"{\\"}]}}"#,
            "{}",
            r#"{"d":"\u0041é"}"#,
        ]
        .map(str::to_owned);
        for cut in 0..=LIST.len() {
            assert_eq!(split(Splitter::list(), LIST, &[cut]).unwrap(), (expected.to_vec(), true), "cut at {cut}");
        }
        let every: Vec<usize> = (1..LIST.len()).collect();
        assert_eq!(split(Splitter::list(), LIST, &every).unwrap(), (expected.to_vec(), true));
    }

    #[test]
    fn events_are_split_at_every_offset() {
        let expected = ["{\"type\":\"ADDED\",\"object\":{\"a\":\"}{\"}}", "{\"type\":\"X\"}", "{}"].map(str::to_owned);
        for cut in 0..=EVENTS.len() {
            assert_eq!(split(Splitter::events(), EVENTS, &[cut]).unwrap(), (expected.to_vec(), true), "cut at {cut}");
        }
        let every: Vec<usize> = (1..EVENTS.len()).collect();
        assert_eq!(split(Splitter::events(), EVENTS, &every).unwrap(), (expected.to_vec(), true));
    }

    #[test]
    fn an_end_in_the_middle_is_noticed() {
        let end = LIST.trim_end().len();
        for cut in 0..end {
            if let Some(text) = LIST.get(..cut) {
                assert!(!split(Splitter::list(), text, &[]).unwrap().1, "cut at {cut}");
            }
        }
        assert!(!split(Splitter::events(), "{\"type\":", &[]).unwrap().1);
        assert!(split(Splitter::events(), "", &[]).unwrap().1);
    }

    #[test]
    fn empty_lists_have_no_items() {
        for list in [r#"{"items":[]}"#, r#"{"items":null}"#, r#"{"items":null,"a":"b"}"#, "{}", r#"{"a":1}"#] {
            assert_eq!(split(Splitter::list(), list, &[]).unwrap(), (Vec::new(), true), "{list}");
        }
    }

    #[test]
    fn garbage_is_an_error() {
        for text in ["garbage\n", "{} garbage", "[]", "\u{0}"] {
            assert!(matches!(split(Splitter::events(), text, &[]), Err(SplitError::Unexpected(_))), "{text:?}");
        }
        for text in ["[]", "{items}", r#"{"items":[1]}"#, r#"{"items" 1}"#, r#"{}x"#, r#"{"items":[{}}"#] {
            assert!(matches!(split(Splitter::list(), text, &[]), Err(SplitError::Unexpected(_))), "{text:?}");
        }
        let key = format!("{{\"{}\":1}}", "k".repeat(100));
        assert!(split(Splitter::list(), &key, &[]).is_err());
    }

    #[test]
    fn an_object_without_end_is_too_large() {
        let mut splitter = Splitter::events();
        let mut chunk: &[u8] = b"{\"a\":\"";
        assert_eq!(splitter.next(&mut chunk), Ok(None));
        let block = vec![b'x'; 1024 * 1024];
        let error = (0..9).find_map(|_| splitter.next(&mut block.as_slice()).err());
        assert_eq!(error, Some(SplitError::TooLarge));
    }
}
