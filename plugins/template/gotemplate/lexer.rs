//! A template's text to text and tokens of actions.

/// Why text is no template.
#[derive(Debug)]
pub(super) struct SyntaxError {
    /// The line, from 1.
    pub(super) line: usize,
    /// What is wrong.
    pub(super) text: String,
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Part {
    /// Text outside actions.
    Text(String),
    /// The tokens of one action, and its line.
    Action(Vec<Token>, usize),
}

/// A token of an action.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A name without dot: a function or a word of the language.
    Word(String),
    /// `.name`
    Field(String),
    /// `$name`
    Variable(String),
    /// `.` alone.
    Dot,
    /// Text in quotation marks.
    Text(String),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// `( ) | , = :=`
    Sign(&'static str),
    /// White space; it ends a chain of fields.
    Space,
}

/// Reads all parts.
pub(super) fn parts(source: &str) -> Result<Vec<Part>, SyntaxError> {
    let mut parts = Vec::new();
    let (mut rest, mut line, mut trims) = (source, 1, false);
    loop {
        let (text, action) = match rest.split_once("{{") {
            Some((text, action)) => (text, Some(action)),
            None => (rest, None),
        };
        let trims_end = action.is_some_and(|action| trim_marker(action, true));
        let mut kept = if trims { text.trim_start() } else { text };
        kept = if trims_end { kept.trim_end() } else { kept };
        if !kept.is_empty() {
            parts.push(Part::Text(kept.to_owned()));
        }
        line += text.matches('\n').count();
        let Some(action) = action else { return Ok(parts) };
        let inner = if trims_end { action.get(1..).unwrap_or_default() } else { action };
        let start = line;
        let err = |text: &str| SyntaxError { line: start, text: text.to_owned() };
        if inner.trim_start().starts_with("/*") {
            let (comment, after) = inner.split_once("*/").ok_or_else(|| err("unclosed comment"))?;
            line += comment.matches('\n').count();
            trims = after.starts_with(" -}}");
            rest = after
                .trim_start_matches(" -")
                .strip_prefix("}}")
                .ok_or_else(|| err("comment ends before closing delimiter"))?;
            continue;
        }
        let (tokens, after, trims_start) = tokens(inner, line)?;
        trims = trims_start;
        parts.push(Part::Action(tokens, line));
        line += inner
            .len()
            .checked_sub(after.len())
            .and_then(|end| inner.get(..end))
            .map_or(0, |text| text.matches('\n').count());
        rest = after;
    }
}

/// Whether an action begins (or what precedes its end is) `- `, which trims white space outside.
fn trim_marker(text: &str, at_start: bool) -> bool {
    at_start && text.starts_with('-') && text.get(1..).is_some_and(|rest| rest.starts_with(char::is_whitespace))
}

/// Tokens, what is behind the action, and whether the text behind is trimmed.
type Action<'a> = (Vec<Token>, &'a str, bool);

/// Reads the tokens of an action.
fn tokens(text: &str, line: usize) -> Result<Action<'_>, SyntaxError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let err = |text: String| SyntaxError { line, text };
    loop {
        if let Some(after) = rest.strip_prefix("}}") {
            return Ok((tokens, after, false));
        }
        let Some(letter) = rest.chars().next() else { return Err(err("unclosed action".to_owned())) };
        if letter.is_whitespace() {
            let after = rest.trim_start();
            if let Some(after) = after.strip_prefix("-}}") {
                return Ok((tokens, after, true));
            }
            tokens.push(Token::Space);
            rest = after;
            continue;
        }
        let (token, after) = token(rest, letter).map_err(err)?;
        tokens.push(token);
        rest = after;
    }
}

/// Reads one token.
fn token(rest: &str, letter: char) -> Result<(Token, &str), String> {
    let tail = rest.get(letter.len_utf8()..).unwrap_or_default();
    let name_of = |text: &str| -> String {
        text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
    };
    let next_is_digit = tail.starts_with(|letter: char| letter.is_ascii_digit());
    for sign in [":=", "(", ")", "|", ",", "="] {
        if let Some(after) = rest.strip_prefix(sign) {
            return Ok((Token::Sign(sign), after));
        }
    }
    match letter {
        '"' => quoted(tail),
        '`' => {
            let (text, after) = tail.split_once('`').ok_or("unterminated raw quoted string")?;
            Ok((Token::Text(text.to_owned()), after))
        }
        '\'' => character(tail),
        '.' if !next_is_digit => {
            let name = name_of(tail);
            let after = tail.get(name.len()..).unwrap_or_default();
            Ok((if name.is_empty() { Token::Dot } else { Token::Field(name) }, after))
        }
        '$' => {
            let name = name_of(tail);
            let after = tail.get(name.len()..).unwrap_or_default();
            Ok((Token::Variable(name), after))
        }
        '0'..='9' | '+' | '-' | '.' => number(rest),
        _ if letter.is_alphabetic() || letter == '_' => {
            let name = name_of(rest);
            let after = rest.get(name.len()..).unwrap_or_default();
            Ok((Token::Word(name), after))
        }
        _ => Err(format!("unexpected {letter:?} in operand")),
    }
}

/// Reads text in quotation marks, behind the first.
fn quoted(tail: &str) -> Result<(Token, &str), String> {
    let mut text = Vec::new();
    let mut letters = tail.chars();
    loop {
        match letters.next() {
            Some('"') => return Ok((Token::Text(String::from_utf8_lossy(&text).into_owned()), letters.as_str())),
            Some('\\') => escape(&mut letters, '"', &mut text)?,
            None | Some('\n') => return Err("unterminated quoted string".to_owned()),
            Some(letter) => text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// Reads a character in single quotation marks, behind the first.
fn character(tail: &str) -> Result<(Token, &str), String> {
    let mut letters = tail.chars();
    let unterminated = || "unterminated character constant".to_owned();
    let code = match letters.next() {
        Some('\'') => return Err("invalid syntax".to_owned()),
        Some('\\') => {
            let mut octets = Vec::new();
            let start = letters.as_str();
            escape(&mut letters, '\'', &mut octets)?;
            let is_octet = start.starts_with(['x', '0', '1', '2', '3']) && octets.len() == 1;
            let text = String::from_utf8_lossy(&octets);
            let letter = text.chars().next().map_or(0, u32::from);
            if is_octet { octets.first().copied().map_or(0, u32::from) } else { letter }
        }
        None | Some('\n') => return Err(unterminated()),
        Some(letter) => u32::from(letter),
    };
    match letters.next() {
        Some('\'') => Ok((Token::Int(i64::from(code)), letters.as_str())),
        _ if letters.as_str().contains('\'') => Err("malformed character constant".to_owned()),
        _ => Err(unterminated()),
    }
}

/// Reads an escape behind its backslash; gives its octets.
fn escape(letters: &mut std::str::Chars<'_>, mark: char, octets: &mut Vec<u8>) -> Result<(), String> {
    let malformed = || "malformed string".to_owned();
    let letter = letters.next().ok_or("unterminated quoted string")?;
    let (base, length) = match letter {
        'x' => (16, 2),
        'u' => (16, 4),
        'U' => (16, 8),
        '0'..='7' => (8, 2),
        _ => {
            let octet = match letter {
                'n' => b'\n',
                't' => b'\t',
                'r' => b'\r',
                'a' => 7,
                'b' => 8,
                'f' => 12,
                'v' => 11,
                '\\' => b'\\',
                _ if letter == mark => u8::try_from(mark).map_err(|_| malformed())?,
                _ => return Err(malformed()),
            };
            octets.push(octet);
            return Ok(());
        }
    };
    let mut code = if base == 8 { letter.to_digit(8).unwrap_or(0) } else { 0 };
    for _ in 0..length {
        let digit = letters.next().and_then(|digit| digit.to_digit(base)).ok_or_else(malformed)?;
        code = code.checked_mul(base).and_then(|code| code.checked_add(digit)).ok_or_else(malformed)?;
    }
    if matches!(letter, 'u' | 'U') {
        let letter = char::from_u32(code).ok_or_else(malformed)?;
        octets.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
    } else {
        octets.push(u8::try_from(code).map_err(|_| malformed())?);
    }
    Ok(())
}

/// Reads a number with an optional sign.
fn number(rest: &str) -> Result<(Token, &str), String> {
    let is_part = |letter: char| letter.is_alphanumeric() || matches!(letter, '.' | '_' | '+' | '-');
    let length = rest.find(|letter| !is_part(letter)).unwrap_or(rest.len());
    let (text, after) = rest.split_at(length);
    let bad = || format!("bad number syntax: {text:?}");
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let sign = if text.starts_with('-') { -1 } else { 1 };
    if let Some(number) =
        corefile::args::go_uint_any_base(digits, 63).ok().and_then(|number| i64::try_from(number).ok())
    {
        return Ok((Token::Int(sign * number), after));
    }
    let number: f64 = text.parse().map_err(|_| bad())?;
    Ok((Token::Float(number), after))
}
