//! Text to tokens: blanks, comments, quotation marks. Knows neither braces nor imports, which are words to it.
//!
//! The rules are those of CoreDNS's `caddyfile/lexer.go`, kept where they are odd: carriage returns vanish outside
//! quotation marks, a `#` inside a word hides the rest of that word only, a quotation mark opens only at the start of
//! a word, and a text that ends inside quotation marks ends the word.

use std::sync::Arc;

use nom::branch::alt;
use nom::bytes::complete::{tag, take_till, take_while1};
use nom::character::complete::{char, none_of};
use nom::combinator::{opt, recognize, value};
use nom::multi::fold_many0;
use nom::sequence::preceded;
use nom::{IResult, Parser};

use crate::span::{FileId, Span};
use crate::token::Token;

/// What a parser gives: the rest and what it read. The error carries nothing: no text is wrong for the lexer.
type Lexed<'a, T> = IResult<&'a str, T, ()>;

/// Reads all tokens of a text, at most `limit` and one more (so that the caller sees that there are too many).
pub(crate) fn tokens(file: FileId, text: &str, limit: usize) -> Vec<Token> {
    let mut list = Vec::new();
    let mut place = Place { rest: text, offset: 0, line: 1 };
    while list.len() <= limit {
        place.skip(gap);
        let (start, line) = (place.offset, place.line);
        let Some(word) = place.take(token) else { break };
        let Some(word) = word else { continue };
        list.push(Token {
            text: Arc::from(word),
            line,
            file,
            span: Span::new(file, start, place.word_end(start, text)),
        });
    }
    list
}

/// Where the lexer stands.
struct Place<'a> {
    /// What is left to read.
    rest: &'a str,
    /// The bytes read so far.
    offset: usize,
    /// The line of the next character, from 1.
    line: u32,
}

impl<'a> Place<'a> {
    /// Runs a parser and moves on behind what it read; `None` when it does not match or nothing is left.
    fn take<T>(&mut self, parser: impl Fn(&'a str) -> Lexed<'a, T>) -> Option<T> {
        if self.rest.is_empty() {
            return None;
        }
        let (rest, parsed) = parser(self.rest).ok()?;
        let read = self.rest.len().saturating_sub(rest.len());
        let breaks = self.rest.bytes().take(read).filter(|byte| *byte == b'\n').count();
        self.line = self.line.saturating_add(u32::try_from(breaks).unwrap_or(u32::MAX));
        self.offset += read;
        self.rest = rest;
        Some(parsed)
    }

    /// Moves behind what a parser matches.
    fn skip<T>(&mut self, parser: impl Fn(&'a str) -> Lexed<'a, T>) {
        let _skipped = self.take(parser);
    }

    /// The end of the word that began at `start`: without carriage returns and hidden text behind it.
    fn word_end(&self, start: usize, text: &str) -> usize {
        let written = text.get(start..self.offset).unwrap_or_default();
        if written.starts_with('"') {
            return self.offset;
        }
        let visible = written.split('#').next().unwrap_or_default();
        start + visible.trim_end_matches('\r').len()
    }
}

/// Blanks and comments, as many as there are.
fn gap(input: &str) -> Lexed<'_, ()> {
    let comment = preceded(char('#'), take_till(|c| c == '\n'));
    fold_many0(alt((take_while1(char::is_whitespace), comment)), || (), |(), _| ()).parse(input)
}

/// One token. `None` stands for a lone quotation mark at the end of the text, which is no token at all.
fn token(input: &str) -> Lexed<'_, Option<String>> {
    alt((quoted, word.map(Some))).parse(input)
}

/// A token in quotation marks: `\"` is a quotation mark, any other backslash stays as written.
fn quoted(input: &str) -> Lexed<'_, Option<String>> {
    let escaped_quote = value("\"", tag("\\\""));
    let escaped_other = recognize((char('\\'), none_of("\"")));
    let lone_backslash = value("", char('\\'));
    let plain = take_while1(|c| c != '"' && c != '\\');
    let piece = alt((plain, escaped_quote, escaped_other, lone_backslash));
    let text = fold_many0(piece, String::new, |mut text: String, piece: &str| {
        text.push_str(piece);
        text
    });
    let (rest, (_, text, close)) = (char('"'), text, opt(char('"'))).parse(input)?;
    Ok((rest, (close.is_some() || !text.is_empty()).then_some(text)))
}

/// A bare word: up to the next blank, without carriage returns, and without what follows a `#` in it.
fn word(input: &str) -> Lexed<'_, String> {
    let (rest, written) = take_while1(|c: char| c == '\r' || !c.is_whitespace()).parse(input)?;
    let (_, visible) = take_till(|c| c == '#').parse(written)?;
    Ok((rest, visible.chars().filter(|c| *c != '\r').collect()))
}
