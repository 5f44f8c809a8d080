//! The grammar of label selectors, with the error texts of Kubernetes' `labels.Parse`.

use std::collections::BTreeSet;

use super::{Want, check};

/// What a requirement asks, operators included that DNS refuses.
pub(super) enum Parsed {
    /// Something that can be selected by.
    Want(Want),
    /// `key != value`.
    NotEquals,
    /// `key > number`.
    Greater,
    /// `key < number`.
    Less,
}

/// The binary operators as they are listed in errors.
const OPERATORS: &str = "in, notin, =, ==, !=, gt, lt";

/// A piece of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    /// A key, a value, or the words `in` and `notin`.
    Word(&'a str),
    /// One of `= == != ! ( ) , < >`.
    Sign(&'a str),
    /// A run of signs that means nothing, with its error text's start.
    Error(&'a str),
    /// Nothing is left.
    End,
}

impl<'a> Token<'a> {
    /// Returns the text that an error shows for this token.
    fn text(self) -> String {
        match self {
            Self::Word(text) | Self::Sign(text) => text.to_owned(),
            Self::Error(text) => format!("error expected: keyword found '{text}'"),
            Self::End => String::new(),
        }
    }

    /// Says whether this token is `sign`.
    fn is(self, sign: &str) -> bool {
        self == Token::Sign(sign)
    }

    /// Says whether a requirement may begin here.
    fn begins_requirement(self) -> bool {
        matches!(self, Token::Word(_)) || self.is("!")
    }
}

/// Parses all requirements of `text`.
pub(super) fn requirements(text: &str) -> Result<Vec<(Box<str>, Parsed)>, String> {
    let mut tokens = Tokens { rest: text };
    let mut found = Vec::new();
    loop {
        let next = tokens.peek();
        if next == Token::End {
            return Ok(found);
        }
        if !next.begins_requirement() {
            return Err(format!("found '{}', expected: !, identifier, or 'end of string'", next.text()));
        }
        found.push(requirement(&mut tokens).map_err(|why| format!("unable to parse requirement: {why}"))?);
        match tokens.next() {
            Token::End => return Ok(found),
            comma if comma.is(",") => {
                let after = tokens.peek();
                if !after.begins_requirement() {
                    return Err(format!("found '{}', expected: identifier after ','", after.text()));
                }
            }
            other => return Err(format!("found '{}', expected: ',' or 'end of string'", other.text())),
        }
    }
}

/// Parses one requirement.
fn requirement(tokens: &mut Tokens<'_>) -> Result<(Box<str>, Parsed), String> {
    let mut token = tokens.next();
    let negated = token.is("!");
    if negated {
        token = tokens.next();
    }
    let Token::Word(key) = token else { return Err(format!("found '{}', expected: identifier", token.text())) };
    check::key(key)?;
    if negated {
        return Ok((key.into(), Parsed::Want(Want::Absent)));
    }
    let next = tokens.peek();
    if next == Token::End || next.is(",") {
        return Ok((key.into(), Parsed::Want(Want::Exists)));
    }
    let parsed = match tokens.next() {
        Token::Word("in") => Parsed::Want(Want::In(values(tokens, key)?)),
        Token::Word("notin") => Parsed::Want(Want::NotIn(values(tokens, key)?)),
        Token::Sign("=" | "==") => Parsed::Want(Want::Equals(value(tokens, key)?.into())),
        Token::Sign("!=") => value(tokens, key).map(|_| Parsed::NotEquals)?,
        Token::Sign(">") => number(tokens, key).map(|()| Parsed::Greater)?,
        Token::Sign("<") => number(tokens, key).map(|()| Parsed::Less)?,
        other => return Err(format!("found '{}', expected: {OPERATORS}", other.text())),
    };
    Ok((key.into(), parsed))
}

/// Parses one value, empty before a comma and at the end.
fn exact<'a>(tokens: &mut Tokens<'a>) -> Result<&'a str, String> {
    let next = tokens.peek();
    if next == Token::End || next.is(",") {
        return Ok("");
    }
    match tokens.next() {
        Token::Word(value) => Ok(value),
        other => Err(format!("found '{}', expected: identifier", other.text())),
    }
}

/// Parses one value that may be a label's.
fn value<'a>(tokens: &mut Tokens<'a>, key: &str) -> Result<&'a str, String> {
    let value = exact(tokens)?;
    check::values(key, std::iter::once(value))?;
    Ok(value)
}

/// Parses the number behind `<` or `>`.
fn number(tokens: &mut Tokens<'_>, key: &str) -> Result<(), String> {
    let value = exact(tokens)?;
    if value.parse::<i64>().is_err() {
        return Err(format!(
            "values[0]: Invalid value: \"{value}\": for 'Gt', 'Lt' operators, the value must be an integer"
        ));
    }
    check::values(key, std::iter::once(value))
}

/// Parses the values in parentheses behind `in` and `notin`.
fn values(tokens: &mut Tokens<'_>, key: &str) -> Result<BTreeSet<Box<str>>, String> {
    let open = tokens.next();
    if !open.is("(") {
        return Err(format!("found '{}' expected: '('", open.text()));
    }
    let first = tokens.peek();
    let found = if first.is(")") {
        BTreeSet::from([""])
    } else if first.is(",") || matches!(first, Token::Word(_)) {
        identifiers(tokens)?
    } else {
        return Err(format!("found '{}', expected: ',', ')' or identifier", first.text()));
    };
    tokens.next();
    check::values(key, found.iter().copied())?;
    Ok(found.into_iter().map(Box::from).collect())
}

/// Parses values up to the closing parenthesis, which stays; nothing between two commas is the empty value.
fn identifiers<'a>(tokens: &mut Tokens<'a>) -> Result<BTreeSet<&'a str>, String> {
    let mut found = BTreeSet::new();
    loop {
        match tokens.next() {
            Token::Word(value) => {
                found.insert(value);
                let after = tokens.peek();
                if after.is(")") {
                    return Ok(found);
                }
                if !after.is(",") {
                    return Err(format!("found '{}', expected: ',' or ')'", after.text()));
                }
            }
            comma if comma.is(",") => {
                let after = tokens.peek();
                if found.is_empty() || after.is(")") || after.is(",") {
                    found.insert("");
                }
                if after.is(")") {
                    return Ok(found);
                }
                if after.is(",") {
                    tokens.next();
                }
            }
            other => return Err(format!("found '{}', expected: ',', or identifier", other.text())),
        }
    }
}

/// The tokens of a text, one after the other.
#[derive(Clone, Copy)]
struct Tokens<'a> {
    /// What has not been read.
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    /// Returns the next token and leaves it.
    fn peek(&self) -> Token<'a> {
        let mut ahead = *self;
        ahead.next()
    }

    /// Takes the next token.
    fn next(&mut self) -> Token<'a> {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let Some(first) = self.rest.chars().next() else { return Token::End };
        if is_sign(first) {
            return self.sign();
        }
        let end = self.rest.find(|c| is_sign(c) || matches!(c, ' ' | '\t' | '\r' | '\n')).unwrap_or(self.rest.len());
        Token::Word(self.take(end))
    }

    /// Takes the longest sign at the front.
    fn sign(&mut self) -> Token<'a> {
        let longest = ["==", "!=", "=", "!", "(", ")", ",", "<", ">"].into_iter().find(|s| self.rest.starts_with(s));
        match longest {
            Some(sign) => Token::Sign(self.take(sign.len())),
            None => Token::Error(self.take(self.rest.len())),
        }
    }

    /// Takes `length` bytes.
    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }
}

/// Says whether a character is part of the language rather than of a word.
fn is_sign(c: char) -> bool {
    matches!(c, '=' | '!' | '(' | ')' | ',' | '<' | '>')
}
