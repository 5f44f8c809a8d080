//! Escapes, and classes in brackets.

use super::{Parser, SyntaxError, class};
use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange, Look};

impl Parser<'_> {
    /// A backslash outside brackets.
    pub(super) fn escape(&mut self) -> Result<(), SyntaxError> {
        let start = self.at;
        let letter = self.rest().chars().nth(1);
        let look = match letter {
            Some('A') => Some(Look::Start),
            Some('z') => Some(Look::End),
            Some('b') => Some(Look::WordAscii),
            Some('B') => Some(Look::WordAsciiNegate),
            _ => None,
        };
        if let Some(look) = look {
            self.at += 2;
            return self.look(look);
        }
        if self.accept("\\C") {
            return Err(self.error("invalid escape sequence", self.since(start)));
        }
        if self.accept("\\Q") {
            let quoted = self.rest().split("\\E").next().unwrap_or_default();
            self.at += quoted.len();
            let _ = self.accept("\\E");
            return quoted.chars().try_for_each(|letter| self.literal(letter));
        }
        if let Some(set) = self.class_escape()? {
            return self.one_of(set);
        }
        let code = self.character_escape()?;
        self.code_point(code)
    }

    /// `\d`, `\pL` and their like; none if something else stands here.
    fn class_escape(&mut self) -> Result<Option<ClassUnicode>, SyntaxError> {
        let mut letters = self.rest().chars();
        let (Some('\\'), Some(letter)) = (letters.next(), letters.next()) else { return Ok(None) };
        if matches!(letter, 'p' | 'P') {
            return self.unicode_class(letter == 'P').map(Some);
        }
        let Some(mut set) = class::perl(letter.to_ascii_lowercase()) else { return Ok(None) };
        self.at += 2;
        if self.flags.ignores_case {
            set.case_fold_simple();
        }
        if letter.is_ascii_uppercase() {
            set.negate();
        }
        Ok(Some(set))
    }

    /// `\pL`, `\p{Name}`, `\p{^Name}`.
    fn unicode_class(&mut self, mut is_negated: bool) -> Result<ClassUnicode, SyntaxError> {
        let start = self.at;
        self.at += 2;
        let name = match self.take() {
            None => return Err(self.error("invalid character class range", self.since(start))),
            Some('{') => {
                let Some((name, _)) = self.rest().split_once('}') else {
                    return Err(
                        self.error("invalid character class range", self.pattern.get(start..).unwrap_or_default())
                    );
                };
                self.at += name.len() + 1;
                name
            }
            Some(_) => self.since(start + 2),
        };
        let plain = name.strip_prefix('^').unwrap_or(name);
        is_negated ^= plain.len() != name.len();
        let key = (plain.to_owned(), self.flags.ignores_case);
        let mut set = match self.sets.get(&key) {
            Some(set) => set.clone(),
            None => {
                let found = class::unicode(plain);
                let mut set = found.ok_or_else(|| self.error("invalid character class range", self.since(start)))?;
                if self.flags.ignores_case {
                    set.case_fold_simple();
                }
                self.sets.insert(key, set.clone());
                set
            }
        };
        if is_negated {
            set.negate();
        }
        Ok(set)
    }

    /// An escape that stands for one character; gives its code point.
    fn character_escape(&mut self) -> Result<u32, SyntaxError> {
        let start = self.at;
        self.at += 1;
        let Some(letter) = self.take() else { return Err(self.error("trailing backslash at end of expression", "")) };
        let next_is_octal = matches!(self.peek(), Some('0'..='7'));
        let code = match letter {
            '1'..='7' if !next_is_octal => None,
            '0'..='7' => {
                let mut code = letter.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    let Some(digit) = self.peek().and_then(|digit| digit.to_digit(8)) else { break };
                    self.at += 1;
                    code = code * 8 + digit;
                }
                Some(code)
            }
            'x' => self.hexadecimal(),
            'a' => Some(7),
            'f' => Some(12),
            'n' => Some(10),
            'r' => Some(13),
            't' => Some(9),
            'v' => Some(11),
            _ if letter.is_ascii() && !letter.is_ascii_alphanumeric() => Some(u32::from(letter)),
            _ => None,
        };
        code.ok_or_else(|| self.error("invalid escape sequence", self.since(start)))
    }

    /// The digits of `\x41` and `\x{41}`; none if they are wrong.
    fn hexadecimal(&mut self) -> Option<u32> {
        let first = self.take()?;
        if first != '{' {
            let second = self.take();
            return Some(first.to_digit(16)? * 16 + second?.to_digit(16)?);
        }
        let (mut code, mut has_digit) = (0_u32, false);
        loop {
            let letter = self.take()?;
            if letter == '}' {
                return has_digit.then_some(code);
            }
            code = code * 16 + letter.to_digit(16)?;
            has_digit = true;
            if code > u32::from(char::MAX) {
                return None;
            }
        }
    }

    /// A class in brackets.
    pub(super) fn bracket(&mut self) -> Result<(), SyntaxError> {
        let start = self.at;
        self.at += 1;
        let is_negated = self.accept("^");
        let mut ranges: Vec<ClassUnicodeRange> = Vec::new();
        let mut is_first = true;
        while is_first || !self.rest().starts_with(']') {
            is_first = false;
            if let Some(set) = self.named_class()? {
                ranges.extend(set.ranges());
            } else if let Some(set) = self.class_escape()? {
                ranges.extend(set.ranges());
            } else {
                let (low, high) = self.range(start)?;
                ranges.extend(characters(low, high));
            }
        }
        self.at += 1;
        let mut set = ClassUnicode::new(ranges);
        if self.flags.ignores_case {
            set.case_fold_simple();
        }
        if is_negated {
            set.negate();
        }
        self.one_of(set)
    }

    /// `[:name:]` and `[:^name:]`; none if something else stands here.
    fn named_class(&mut self) -> Result<Option<ClassUnicode>, SyntaxError> {
        let Some((name, _)) = self.rest().strip_prefix("[:").and_then(|tail| tail.split_once(":]")) else {
            return Ok(None);
        };
        let start = self.at;
        self.at += name.len() + 4;
        let plain = name.strip_prefix('^').unwrap_or(name);
        let Some(mut set) = class::posix(plain) else {
            return Err(self.error("invalid character class range", self.since(start)));
        };
        if self.flags.ignores_case {
            set.case_fold_simple();
        }
        if plain.len() != name.len() {
            set.negate();
        }
        Ok(Some(set))
    }

    /// A character or a range within brackets that begin at `bracket`.
    fn range(&mut self, bracket: usize) -> Result<(u32, u32), SyntaxError> {
        let start = self.at;
        let low = self.class_character(bracket)?;
        let mut next = self.rest().chars();
        if next.next() != Some('-') || matches!(next.next(), None | Some(']')) {
            return Ok((low, low));
        }
        self.at += 1;
        let high = self.class_character(bracket)?;
        if high < low {
            return Err(self.error("invalid character class range", self.since(start)));
        }
        Ok((low, high))
    }

    /// A character within brackets that begin at `bracket`.
    fn class_character(&mut self, bracket: usize) -> Result<u32, SyntaxError> {
        match self.peek() {
            None => Err(self.error("missing closing ]", self.pattern.get(bracket..).unwrap_or_default())),
            Some('\\') => self.character_escape(),
            Some(letter) => {
                self.at += letter.len_utf8();
                Ok(u32::from(letter))
            }
        }
    }
}

/// The characters from one code point to another; surrogates are none.
fn characters(low: u32, high: u32) -> Option<ClassUnicodeRange> {
    let low = char::from_u32(low).unwrap_or('\u{e000}');
    let high = char::from_u32(high).unwrap_or('\u{d7ff}');
    (low <= high).then(|| ClassUnicodeRange::new(low, high))
}
