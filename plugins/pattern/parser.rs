//! Go's syntax of regular expressions to a [`Hir`], with the bounds of Go's `regexp/syntax`. Nothing here recurses: open
//! groups stand on a stack of their own.

mod escape;

use super::class;
use regex_syntax::hir::{Capture, Class, ClassUnicode, ClassUnicodeRange, Hir, Look, Repetition};
use std::collections::BTreeMap;
use std::fmt;

/// Most copies that counted repetitions may ask for, one within the other (Go: `repeatIsValid`).
const MAX_REPEAT: u32 = 1_000;
/// Deepest nesting (Go: maxHeight).
const MAX_HEIGHT: usize = 1_000;
/// Most states of a program (Go: maxSize).
const MAX_SIZE: u64 = (128 << 20) / 40;
/// Most ends of ranges in all classes (Go: maxRunes).
const MAX_RANGE_ENDS: usize = (128 << 20) / 4;

/// Which characters texts may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alphabet {
    /// U+0000 to U+007F.
    Ascii,
    /// All.
    Unicode,
}

/// A pattern that has been read.
#[derive(Debug)]
pub(super) struct Parsed {
    /// What it matches.
    pub(super) hir: Hir,
    /// Names of the groups; the first is the whole match.
    pub(super) names: Vec<Option<String>>,
    /// States of its program, roughly.
    pub(super) size: u64,
    /// Levels of nesting.
    pub(super) height: usize,
}

/// Why text is no pattern: Go's words, and the part that they are about.
#[derive(Debug)]
pub(super) struct SyntaxError {
    what: &'static str,
    part: String,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: `{}`", self.what, self.part)
    }
}

/// The flags `i`, `m`, `s`, `U`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Flags {
    ignores_case: bool,
    is_multi_line: bool,
    dot_takes_newline: bool,
    swaps_greed: bool,
}

/// A part of a concatenation.
#[derive(Debug)]
struct Part {
    hir: Hir,
    size: u64,
    height: usize,
    /// Copies that counted repetitions within ask for.
    copies: u32,
    /// One character; several of them side by side count as one level.
    is_character: bool,
}

/// An open group, or the whole pattern.
#[derive(Debug, Default)]
struct Group {
    /// Alternatives that are complete.
    alternatives: Vec<Part>,
    /// Parts of the current alternative.
    parts: Vec<Part>,
    /// Flags before the group.
    outer: Flags,
    /// Its number, if it is captured.
    number: Option<u32>,
}

/// Reads a pattern.
pub(super) fn parse(pattern: &str, alphabet: Alphabet) -> Result<Parsed, SyntaxError> {
    let mut parser = Parser {
        pattern,
        at: 0,
        alphabet,
        flags: Flags::default(),
        open: Vec::new(),
        group: Group::default(),
        names: vec![None],
        sets: BTreeMap::new(),
        range_ends: 0,
    };
    parser.read()?;
    if !parser.open.is_empty() {
        return Err(parser.error("missing closing )", pattern));
    }
    let group = std::mem::take(&mut parser.group);
    let Part { hir, size, height, .. } = parser.checked(alternation(group))?;
    Ok(Parsed { hir, names: parser.names, size, height })
}

/// A cursor over the pattern.
struct Parser<'p> {
    pattern: &'p str,
    at: usize,
    alphabet: Alphabet,
    flags: Flags,
    /// Groups around the current one.
    open: Vec<Group>,
    group: Group,
    names: Vec<Option<String>>,
    /// Sets of `\p{name}` that were looked up, by name and whether case is ignored.
    sets: BTreeMap<(String, bool), ClassUnicode>,
    range_ends: usize,
}

impl<'p> Parser<'p> {
    /// What is left.
    fn rest(&self) -> &'p str {
        self.pattern.get(self.at..).unwrap_or_default()
    }

    /// The text from a place to here.
    fn since(&self, start: usize) -> &'p str {
        self.pattern.get(start..self.at).unwrap_or_default()
    }

    /// The next character.
    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Takes the next character.
    fn take(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.at += letter.len_utf8();
        Some(letter)
    }

    /// Takes a text, if it is next.
    fn accept(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        self.at += if found { text.len() } else { 0 };
        found
    }

    /// An error about a part of the pattern.
    fn error(&self, what: &'static str, part: &str) -> SyntaxError {
        SyntaxError { what, part: part.to_owned() }
    }

    /// Reads all of the pattern.
    fn read(&mut self) -> Result<(), SyntaxError> {
        // Where the repetition begins that ends here, if one does.
        let mut last_repetition = None;
        while let Some(letter) = self.peek() {
            let start = self.at;
            let mut repetition = None;
            match letter {
                '(' => self.open_group()?,
                '|' => {
                    self.at += 1;
                    let parts = std::mem::take(&mut self.group.parts);
                    let part = self.checked(concatenation(parts))?;
                    self.group.alternatives.push(part);
                }
                ')' => self.close_group()?,
                '^' | '$' | '.' => self.sign()?,
                '[' => self.bracket()?,
                '*' | '+' | '?' | '{' => {
                    if let Some((least, most)) = self.repetition(letter)? {
                        self.repeat(start, last_repetition, (least, most))?;
                        repetition = Some(start);
                    } else {
                        self.at += 1;
                        self.literal('{')?;
                    }
                }
                '\\' => self.escape()?,
                _ => {
                    self.at += letter.len_utf8();
                    self.literal(letter)?;
                }
            }
            last_repetition = repetition;
        }
        Ok(())
    }

    /// Checks the bounds of a part.
    fn checked(&self, part: Part) -> Result<Part, SyntaxError> {
        if self.range_ends > MAX_RANGE_ENDS || part.size > MAX_SIZE {
            return Err(self.error("expression too large", self.pattern));
        }
        if part.height > MAX_HEIGHT {
            return Err(self.error("expression nests too deeply", self.pattern));
        }
        Ok(part)
    }

    /// Appends a part to the current alternative.
    fn push(&mut self, part: Part) -> Result<(), SyntaxError> {
        let part = self.checked(part)?;
        self.group.parts.push(part);
        Ok(())
    }

    /// Appends an assertion.
    fn look(&mut self, look: Look) -> Result<(), SyntaxError> {
        self.push(Part { hir: Hir::look(look), size: 1, height: 1, copies: 1, is_character: false })
    }

    /// Appends one character of a set.
    fn one_of(&mut self, mut set: ClassUnicode) -> Result<(), SyntaxError> {
        self.range_ends += 2 * set.ranges().len();
        if self.alphabet == Alphabet::Ascii {
            set.intersect(&class::ranges("\0\x7f"));
        }
        let hir = Hir::class(Class::Unicode(set));
        self.push(Part { hir, size: 1, height: 1, copies: 1, is_character: true })
    }

    /// Appends a character.
    fn literal(&mut self, letter: char) -> Result<(), SyntaxError> {
        let mut set = ClassUnicode::new([ClassUnicodeRange::new(letter, letter)]);
        if self.flags.ignores_case {
            set.case_fold_simple();
        }
        self.one_of(set)
    }

    /// Appends the character of a code point; one that is none matches nothing.
    fn code_point(&mut self, code: u32) -> Result<(), SyntaxError> {
        match char::from_u32(code) {
            Some(letter) => self.literal(letter),
            None => self.one_of(ClassUnicode::empty()),
        }
    }

    /// `^`, `$` and `.`.
    fn sign(&mut self) -> Result<(), SyntaxError> {
        let Flags { is_multi_line, dot_takes_newline, .. } = self.flags;
        match self.take() {
            Some('^') => self.look(if is_multi_line { Look::StartLF } else { Look::Start }),
            Some('$') => self.look(if is_multi_line { Look::EndLF } else { Look::End }),
            _ if dot_takes_newline => self.one_of(class::any()),
            _ => self.one_of(class::ranges("\0\t\x0b\u{10ffff}")),
        }
    }

    /// `(`, with what may stand behind it.
    fn open_group(&mut self) -> Result<(), SyntaxError> {
        let start = self.at;
        if !self.rest().starts_with("(?") {
            self.at += 1;
            self.names.push(None);
            return self.begin(true);
        }
        let prefix = if self.rest().len() > 4 && self.rest().starts_with("(?P<") {
            "(?P<"
        } else if self.rest().len() > 3 && self.rest().starts_with("(?<") {
            "(?<"
        } else {
            self.at += 2;
            return self.flags(start);
        };
        let Some((name, _)) = self.rest().get(prefix.len()..).unwrap_or_default().split_once('>') else {
            return Err(self.error("invalid named capture", self.rest()));
        };
        self.at += prefix.len() + name.len() + 1;
        if name.is_empty() || !name.bytes().all(|octet| octet == b'_' || octet.is_ascii_alphanumeric()) {
            return Err(self.error("invalid named capture", self.since(start)));
        }
        self.names.push(Some(name.to_owned()));
        self.begin(true)
    }

    /// Begins a group; one that is captured has its name already.
    fn begin(&mut self, is_captured: bool) -> Result<(), SyntaxError> {
        let number = if is_captured { u32::try_from(self.names.len() - 1).ok() } else { None };
        let group = Group { outer: self.flags, number, ..Group::default() };
        self.open.push(std::mem::replace(&mut self.group, group));
        Ok(())
    }

    /// Flags behind `(?`, up to `)` or `:`.
    fn flags(&mut self, start: usize) -> Result<(), SyntaxError> {
        let mut flags = self.flags;
        let (mut value, mut has_flag) = (true, false);
        while let Some(letter) = self.take() {
            match letter {
                'i' => flags.ignores_case = value,
                'm' => flags.is_multi_line = value,
                's' => flags.dot_takes_newline = value,
                'U' => flags.swaps_greed = value,
                '-' if value => (value, has_flag) = (false, false),
                ':' | ')' if value || has_flag => {
                    if letter == ':' {
                        self.begin(false)?;
                    }
                    self.flags = flags;
                    return Ok(());
                }
                _ => break,
            }
            has_flag |= letter != '-';
        }
        Err(self.error("invalid or unsupported Perl syntax", self.since(start)))
    }

    /// `)`.
    fn close_group(&mut self) -> Result<(), SyntaxError> {
        let Some(outer) = self.open.pop() else { return Err(self.error("unexpected )", self.pattern)) };
        self.at += 1;
        let group = std::mem::replace(&mut self.group, outer);
        self.flags = group.outer;
        let number = group.number;
        let Part { hir, size, height, copies, is_character } = self.checked(alternation(group))?;
        let Some(index) = number else { return self.push(Part { hir, size, height, copies, is_character }) };
        let hir = Hir::capture(Capture { index, name: None, sub: Box::new(hir) });
        self.push(Part { hir, size: size + 2, height: height + 1, copies, is_character: false })
    }

    /// Least and most of a repetition that stands here; none for a brace that is a character.
    fn repetition(&mut self, letter: char) -> Result<Option<(u32, Option<u32>)>, SyntaxError> {
        let simple = match letter {
            '*' => Some((0, None)),
            '+' => Some((1, None)),
            '?' => Some((0, Some(1))),
            _ => None,
        };
        if simple.is_some() {
            self.at += 1;
            return Ok(simple);
        }
        let Some((inner, _)) = self.rest().get(1..).and_then(|tail| tail.split_once('}')) else { return Ok(None) };
        let is_number = |text: &str| {
            text.bytes().all(|digit| digit.is_ascii_digit())
                && (text.len() == 1 || !text.starts_with('0'))
                && !text.is_empty()
        };
        let (least, most) = match inner.split_once(',') {
            None => (inner, Some(inner)),
            Some((least, "")) => (least, None),
            Some((least, most)) => (least, Some(most)),
        };
        if !is_number(least) || !most.is_none_or(is_number) {
            return Ok(None);
        }
        let start = self.at;
        self.at += inner.len() + 2;
        let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number <= MAX_REPEAT);
        let invalid = || self.error("invalid repeat count", self.since(start));
        let least = number(least).ok_or_else(invalid)?;
        let most = most.map(|most| number(most).filter(|most| *most >= least).ok_or_else(invalid)).transpose()?;
        Ok(Some((least, most)))
    }

    /// Repeats the last part.
    fn repeat(
        &mut self,
        start: usize,
        last: Option<usize>,
        (least, most): (u32, Option<u32>),
    ) -> Result<(), SyntaxError> {
        let is_greedy = self.accept("?") == self.flags.swaps_greed;
        if let Some(last) = last {
            return Err(self.error("invalid nested repetition operator", self.since(last)));
        }
        let Some(Part { hir, size, height, copies, .. }) = self.group.parts.pop() else {
            return Err(self.error("missing argument to repetition operator", self.since(start)));
        };
        let copies = if most == Some(0) { 1 } else { most.unwrap_or(least).max(1).saturating_mul(copies) };
        let size = match (least, most) {
            (0, None) => size + 2,
            (least, None) => 1 + u64::from(least) * size,
            (least, Some(most)) => (u64::from(most) * size + u64::from(most - least)).max(1),
        };
        let hir = Hir::repetition(Repetition { min: least, max: most, greedy: is_greedy, sub: Box::new(hir) });
        self.push(Part { hir, size, height: height + 1, copies, is_character: false })?;
        if copies > MAX_REPEAT {
            return Err(self.error("invalid repeat count", self.since(start)));
        }
        Ok(())
    }
}

/// Parts one behind the other.
fn concatenation(mut parts: Vec<Part>) -> Part {
    match parts.len() {
        0 => Part { hir: Hir::empty(), size: 1, height: 1, copies: 1, is_character: false },
        1 => parts.swap_remove(0),
        _ => joined(parts, Hir::concat, 0),
    }
}

/// What a group matches: one of its alternatives.
fn alternation(mut group: Group) -> Part {
    group.alternatives.push(concatenation(group.parts));
    let mut parts = group.alternatives;
    match parts.len() {
        1 => parts.swap_remove(0),
        count => joined(parts, Hir::alternation, u64::try_from(count).unwrap_or(u64::MAX) - 1),
    }
}

/// Several parts as one; `extra` states join them.
fn joined(parts: Vec<Part>, join: fn(Vec<Hir>) -> Hir, extra: u64) -> Part {
    let are_characters = parts.iter().all(|part| part.is_character);
    let highest = parts.iter().map(|part| part.height).max().unwrap_or(0);
    let size = parts.iter().map(|part| part.size).fold(extra, u64::saturating_add);
    let copies = parts.iter().map(|part| part.copies).max().unwrap_or(1);
    let hir = join(parts.into_iter().map(|part| part.hir).collect());
    Part { hir, size, height: if are_characters { 1 } else { highest + 1 }, copies, is_character: false }
}
