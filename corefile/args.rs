//! Numbers, truth values and durations in arguments, refused in the words of Go's `strconv` and `time`, which CoreDNS
//! prints.

use std::num::IntErrorKind;

pub use crate::duration::{GoDuration, go_duration, go_signed_duration};

/// Text in quotation marks as Go's `%q` writes it: what cannot be seen becomes an escape.
pub fn go_quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            _ if is_visible(letter) => quoted.push(letter),
            _ => quoted.push_str(&escape(letter)),
        }
    }
    quoted.push('"');
    quoted
}

/// The escape of a letter that cannot be seen.
fn escape(letter: char) -> String {
    match u32::from(letter) {
        code @ ..0x80 => format!("\\x{code:02x}"),
        code @ ..0x1_0000 => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    }
}

/// Whether Go prints a letter as it is: the standard library's own choice, behind a letter so that accents count.
fn is_visible(letter: char) -> bool {
    if letter.is_control() {
        return false;
    }
    let behind_letter: String = ['a', letter].iter().collect();
    !behind_letter.escape_debug().any(|written| written == '{') || letter == '{'
}

/// The message of a `strconv` function.
fn message(function: &str, text: &str, reason: &str) -> String {
    format!("strconv.{function}: parsing {}: {reason}", go_quote(text))
}

/// No number at all.
const SYNTAX: &str = "invalid syntax";

/// A number, but not one of those.
const RANGE: &str = "value out of range";

/// A whole number of 64 bits with an optional sign (`strconv.Atoi`).
pub fn go_int(text: &str) -> Result<i64, String> {
    signed("Atoi", text, 64)
}

/// A whole number with an optional sign that fits into `bits` bits (`strconv.ParseInt`, base 10).
pub fn go_int_of(text: &str, bits: u32) -> Result<i64, String> {
    signed("ParseInt", text, bits)
}

/// A whole number without sign that fits into `bits` bits (`strconv.ParseUint`, base 10).
pub fn go_uint(text: &str, bits: u32) -> Result<u64, String> {
    let number = if text.starts_with('+') { Err(SYNTAX) } else { text.parse().map_err(|error| reason(&error)) };
    let number = number.and_then(|number| within(number, bits));
    number.map_err(|reason| message("ParseUint", text, reason))
}

/// A whole number without sign in Go's notation: `0x`, `0o`, `0b`, a leading `0` for octal, `_` between digits
/// (`strconv.ParseUint`, base 0).
pub fn go_uint_any_base(text: &str, bits: u32) -> Result<u64, String> {
    let number = any_base(text).and_then(|number| within(number, bits));
    number.map_err(|reason| message("ParseUint", text, reason))
}

/// A signed number for `function`.
fn signed(function: &str, text: &str, bits: u32) -> Result<i64, String> {
    let number = text.parse::<i64>().map_err(|error| reason(&error));
    let limit = i64::MAX.checked_shr(64_u32.saturating_sub(bits)).unwrap_or(0);
    let number = number.and_then(|number| if (!limit..=limit).contains(&number) { Ok(number) } else { Err(RANGE) });
    number.map_err(|reason| message(function, text, reason))
}

/// Go's reason for what the standard library refuses.
fn reason(error: &std::num::ParseIntError) -> &'static str {
    match error.kind() {
        IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => RANGE,
        _ => SYNTAX,
    }
}

/// The number if it has at most `bits` bits.
fn within(number: u64, bits: u32) -> Result<u64, &'static str> {
    let limit = u64::MAX.checked_shr(64_u32.saturating_sub(bits)).unwrap_or(0);
    if number <= limit { Ok(number) } else { Err(RANGE) }
}

/// A number whose base is in its first letters.
fn any_base(text: &str) -> Result<u64, &'static str> {
    let lower = text.to_ascii_lowercase();
    let bases = [("0x", 16), ("0o", 8), ("0b", 2)];
    let prefixed = bases.iter().find_map(|(prefix, base)| Some((lower.strip_prefix(prefix)?, *base)));
    let octal = || lower.strip_prefix('0').filter(|rest| !rest.is_empty()).map(|rest| (rest, 8));
    let has_prefix = prefixed.is_some() || lower.starts_with('0');
    let (digits, base) = prefixed.or_else(octal).unwrap_or((&lower, 10));
    let is_spaced_badly = digits.ends_with('_') || digits.contains("__") || (!has_prefix && digits.starts_with('_'));
    if is_spaced_badly || digits.starts_with('+') {
        return Err(SYNTAX);
    }
    u64::from_str_radix(&digits.replace('_', ""), base).map_err(|error| reason(&error))
}

/// A number with a fraction (`strconv.ParseFloat`, 64 bits). Hexadecimal notation is not known here.
pub fn go_float(text: &str) -> Result<f64, String> {
    let is_signed_nan = text.starts_with(['+', '-']) && text.to_ascii_lowercase().ends_with("nan");
    let plain = if is_signed_nan { None } else { without_separators(text) };
    let number: Option<f64> = plain.and_then(|plain| plain.parse().ok());
    let number = number.ok_or_else(|| message("ParseFloat", text, SYNTAX))?;
    let is_overflow = number.is_infinite() && text.contains(|letter: char| letter.is_ascii_digit());
    if is_overflow { Err(message("ParseFloat", text, RANGE)) } else { Ok(number) }
}

/// The number without the `_` that may stand between two digits.
fn without_separators(text: &str) -> Option<String> {
    let is_digit = |part: Option<char>| part.is_some_and(|letter| letter.is_ascii_digit());
    let mut parts = text.split('_');
    let mut plain = parts.next()?.to_owned();
    for part in parts {
        if !is_digit(plain.chars().next_back()) || !is_digit(part.chars().next()) {
            return None;
        }
        plain.push_str(part);
    }
    Some(plain)
}

/// A truth value (`strconv.ParseBool`).
pub fn go_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(message("ParseBool", text, SYNTAX)),
    }
}
