//! Go's `fmt.Sprintf`, as far as templates need it.

use super::data::Data;
use corefile::args::go_quote;

/// Widest field; Go's own limit is a million.
const MAX_WIDTH: usize = 1000;

/// What stands between `%` and the verb.
#[derive(Default)]
struct Flags {
    minus: bool,
    plus: bool,
    zero: bool,
    sharp: bool,
    blank: bool,
    width: usize,
    precision: Option<usize>,
}

/// Formats values.
pub(super) fn printf(format: &str, values: &[Data]) -> String {
    let mut out = String::new();
    let mut values = values.iter();
    let mut letters = format.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        let flags = flags(&mut letters);
        match letters.next() {
            None => out.push_str("%!(NOVERB)"),
            Some('%') => out.push('%'),
            Some(verb) => match values.next() {
                None => out.push_str(&format!("%!{verb}(MISSING)")),
                Some(value) => out.push_str(&padded(&field(verb, value, &flags), &flags)),
            },
        }
    }
    let extra: Vec<_> = values.map(|value| format!("{}={value}", value.type_name())).collect();
    if !extra.is_empty() {
        out.push_str(&format!("%!(EXTRA {})", extra.join(", ")));
    }
    out
}

/// Reads flags, width and precision.
fn flags(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Flags {
    let mut flags = Flags::default();
    while let Some(letter) = letters.next_if(|letter| matches!(letter, '-' | '+' | '0' | '#' | ' ')) {
        match letter {
            '-' => flags.minus = true,
            '+' => flags.plus = true,
            '0' => flags.zero = true,
            '#' => flags.sharp = true,
            _ => flags.blank = true,
        }
    }
    flags.width = number(letters);
    if letters.next_if_eq(&'.').is_some() {
        flags.precision = Some(number(letters));
    }
    flags
}

/// Reads a number, at most [`MAX_WIDTH`]; 0 where none stands.
fn number(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> usize {
    let mut number = 0_usize;
    while let Some(digit) = letters.next_if(char::is_ascii_digit) {
        let digit = digit.to_digit(10).and_then(|digit| usize::try_from(digit).ok()).unwrap_or(0);
        number = (number * 10 + digit).min(MAX_WIDTH);
    }
    number
}

/// A value in the form that the verb asks for.
fn field(verb: char, value: &Data, flags: &Flags) -> String {
    let cut = |text: &str| match flags.precision {
        Some(most) => text.chars().take(most).collect(),
        None => text.to_owned(),
    };
    match (verb, value) {
        ('v' | 's', Data::Text(text)) => cut(text),
        ('q', Data::Text(text)) => go_quote(&cut(text)),
        ('x', Data::Text(text)) => text.bytes().map(|octet| format!("{octet:02x}")).collect(),
        ('X', Data::Text(text)) => text.bytes().map(|octet| format!("{octet:02X}")).collect(),
        ('d' | 'v', Data::Int(number)) => signed(*number, format!("{}", number.unsigned_abs()), flags),
        ('x', Data::Int(number)) => {
            signed(*number, prefixed("0x", format!("{:x}", number.unsigned_abs()), flags), flags)
        }
        ('X', Data::Int(number)) => {
            signed(*number, prefixed("0X", format!("{:X}", number.unsigned_abs()), flags), flags)
        }
        ('o', Data::Int(number)) => {
            signed(*number, prefixed("0", format!("{:o}", number.unsigned_abs()), flags), flags)
        }
        ('b', Data::Int(number)) => {
            signed(*number, prefixed("0b", format!("{:b}", number.unsigned_abs()), flags), flags)
        }
        ('c', Data::Int(number)) => {
            u32::try_from(*number).ok().and_then(char::from_u32).unwrap_or('\u{fffd}').to_string()
        }
        ('q', Data::Int(number)) => {
            format!("'{}'", u32::try_from(*number).ok().and_then(char::from_u32).unwrap_or('\u{fffd}'))
        }
        ('U', Data::Int(number)) => format!("U+{number:04X}"),
        ('f' | 'F', Data::Float(number)) => format!("{number:.*}", flags.precision.unwrap_or(6)),
        ('g' | 'v', Data::Float(number)) => number.to_string(),
        ('e', Data::Float(number)) => format!("{number:.*e}", flags.precision.unwrap_or(6)),
        ('t', Data::Bool(value)) => value.to_string(),
        ('v', Data::Missing) => "<nil>".to_owned(),
        ('v', value) => value.to_string(),
        ('s', Data::List(_) | Data::Map(_)) => value.to_string(),
        (verb, Data::Nil | Data::Missing) => format!("%!{verb}(<nil>)"),
        (verb, value) => format!("%!{verb}({}={value})", value.type_name()),
    }
}

/// Digits behind the prefix of their base, if `#` asks for it.
fn prefixed(prefix: &str, digits: String, flags: &Flags) -> String {
    if flags.sharp { format!("{prefix}{digits}") } else { digits }
}

/// Digits behind their sign, filled with zeros if asked for.
fn signed(number: i64, digits: String, flags: &Flags) -> String {
    let sign = match number {
        ..0 => "-",
        _ if flags.plus => "+",
        _ if flags.blank => " ",
        _ => "",
    };
    let filled = if flags.zero && !flags.minus { flags.width.saturating_sub(sign.len()) } else { 0 };
    let least = flags.precision.unwrap_or(filled);
    format!("{sign}{}{digits}", "0".repeat(least.saturating_sub(digits.len())))
}

/// Text with blanks up to the width.
fn padded(text: &str, flags: &Flags) -> String {
    let blanks = " ".repeat(flags.width.saturating_sub(text.chars().count()));
    if flags.minus { format!("{text}{blanks}") } else { format!("{blanks}{text}") }
}
