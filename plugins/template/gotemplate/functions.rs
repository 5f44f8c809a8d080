//! The functions of templates: those of `text/template`, and `parseInt`.

use super::data::Data;
use super::printf::printf;
use std::cmp::Ordering;

/// The names.
const NAMES: [&str; 19] = [
    "and", "or", "not", "len", "index", "slice", "print", "println", "printf", "html", "js", "urlquery", "eq", "ne",
    "lt", "le", "gt", "ge", "parseInt",
];

/// Whether there is a function of that name.
pub(super) fn exists(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Calls a function.
pub(super) fn call(name: &str, arguments: &[Data]) -> Result<Data, String> {
    let count = || format!("wrong number of args for {name}: got {}", arguments.len());
    match (name, arguments) {
        ("and" | "or", [.., last]) => Ok(last.clone()),
        ("not", [value]) => Ok(Data::Bool(!value.is_true())),
        ("len", [value]) => length(value),
        ("index", [value, keys @ ..]) => keys.iter().try_fold(value.clone(), |value, key| index(&value, key)),
        ("slice", [value, bounds @ ..]) => slice(value, bounds),
        ("print", values) => Ok(Data::Text(print(values))),
        ("println", values) => {
            let texts: Vec<_> = values.iter().map(ToString::to_string).collect();
            Ok(Data::Text(format!("{}\n", texts.join(" "))))
        }
        ("printf", [Data::Text(format), values @ ..]) => Ok(Data::Text(printf(format, values))),
        ("html", values) => Ok(Data::Text(escape(&print(values), html))),
        ("js", values) => Ok(Data::Text(escape(&print(values), js))),
        ("urlquery", values) => Ok(Data::Text(urlquery(&print(values)))),
        ("eq", [first, others @ ..]) if !others.is_empty() => {
            others.iter().try_fold(false, |found, other| Ok(found || are_equal(first, other)?)).map(Data::Bool)
        }
        ("ne", [one, other]) => are_equal(one, other).map(|equal| Data::Bool(!equal)),
        ("lt", [one, other]) => order(one, other).map(|order| Data::Bool(order.is_lt())),
        ("le", [one, other]) => order(one, other).map(|order| Data::Bool(order.is_le())),
        ("gt", [one, other]) => order(one, other).map(|order| Data::Bool(order.is_gt())),
        ("ge", [one, other]) => order(one, other).map(|order| Data::Bool(order.is_ge())),
        ("parseInt", [Data::Text(text), Data::Int(base), Data::Int(bits)]) => parse_int(text, *base, *bits),
        _ => Err(count()),
    }
}

/// The number of octets of text, or of values.
fn length(value: &Data) -> Result<Data, String> {
    let length = match value {
        Data::Text(text) => text.len(),
        Data::List(values) => values.len(),
        Data::Map(values) => values.len(),
        other => return Err(format!("len of type {}", other.type_name())),
    };
    Ok(Data::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

/// A value of a list, a map or an octet of text.
fn index(value: &Data, key: &Data) -> Result<Data, String> {
    let place = |length: usize| match key {
        Data::Int(place) => {
            let found = usize::try_from(*place).ok().filter(|place| *place < length);
            found.ok_or_else(|| format!("index out of range: {place}"))
        }
        other => Err(format!("cannot index slice/array with type {}", other.type_name())),
    };
    match (value, key) {
        (Data::List(values), _) => Ok(values.get(place(values.len())?).cloned().unwrap_or(Data::Missing)),
        (Data::Text(text), _) => {
            let octet = text.as_bytes().get(place(text.len())?).copied().unwrap_or(0);
            Ok(Data::Int(i64::from(octet)))
        }
        (Data::Map(values), Data::Text(key)) => {
            let is_text = values.values().all(|value| matches!(value, Data::Text(_)));
            let other = || if is_text { Data::Text(String::new()) } else { Data::Missing };
            Ok(values.get(key).cloned().unwrap_or_else(other))
        }
        (Data::Map(_), _) => Err("value has wrong type for key; should be string".to_owned()),
        (Data::Nil | Data::Missing, _) => Err("index of untyped nil".to_owned()),
        (other, _) => Err(format!("can't index item of type {}", other.type_name())),
    }
}

/// A part of text or of a list.
fn slice(value: &Data, bounds: &[Data]) -> Result<Data, String> {
    let length = match value {
        Data::Text(text) => text.len(),
        Data::List(values) => values.len(),
        other => return Err(format!("can't slice item of type {}", other.type_name())),
    };
    let bound = |at: usize, otherwise: usize| match bounds.get(at) {
        None => Ok(otherwise),
        Some(Data::Int(bound)) => {
            let found = usize::try_from(*bound).ok().filter(|bound| *bound <= length);
            found.ok_or_else(|| format!("index out of range: {bound}"))
        }
        Some(other) => Err(format!("cannot index slice/array with type {}", other.type_name())),
    };
    match (bounds.len(), value) {
        (4.., _) => return Err(format!("too many slice indexes: {}", bounds.len())),
        (3, Data::Text(_)) => return Err("cannot 3-index slice a string".to_owned()),
        _ => {}
    }
    let (from, to, capacity) = (bound(0, 0)?, bound(1, length)?, bound(2, length)?);
    if to > capacity {
        return Err(format!("invalid slice index: {to} > {capacity}"));
    }
    let invalid = || format!("invalid slice index: {from} > {to}");
    match value {
        Data::Text(text) => text.get(from..to).map(|part| Data::Text(part.to_owned())).ok_or_else(invalid),
        Data::List(values) => values.get(from..to).map(|part| Data::List(part.to_vec())).ok_or_else(invalid),
        _ => Err(invalid()),
    }
}

/// Values one behind the other, with blanks between two that are no text (`fmt.Sprint`).
fn print(values: &[Data]) -> String {
    let mut out = String::new();
    let mut was_text = true;
    for value in values {
        let is_text = matches!(value, Data::Text(_));
        if !is_text && !was_text {
            out.push(' ');
        }
        out.push_str(&value.to_string());
        was_text = is_text;
    }
    out
}

/// Text with some letters replaced.
fn escape(text: &str, replace: fn(char) -> Option<String>) -> String {
    text.chars().map(|letter| replace(letter).unwrap_or_else(|| letter.to_string())).collect()
}

/// What a letter is in HTML.
fn html(letter: char) -> Option<String> {
    let escaped = match letter {
        '"' => "&#34;",
        '\'' => "&#39;",
        '&' => "&amp;",
        '<' => "&lt;",
        '>' => "&gt;",
        '\0' => "\u{fffd}",
        _ => return None,
    };
    Some(escaped.to_owned())
}

/// What a letter is in JavaScript.
fn js(letter: char) -> Option<String> {
    match letter {
        '\\' => Some("\\\\".to_owned()),
        '\'' => Some("\\'".to_owned()),
        '"' => Some("\\\"".to_owned()),
        '<' | '>' | '&' | '=' | '\0'..=' ' if letter != ' ' => Some(format!("\\u{:04X}", u32::from(letter))),
        _ => None,
    }
}

/// Text as part of a URL's query.
fn urlquery(text: &str) -> String {
    let mut out = String::new();
    for octet in text.bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(octet)),
            b' ' => out.push('+'),
            _ => out.push_str(&format!("%{octet:02X}")),
        }
    }
    out
}

/// Whether two simple values are equal.
fn are_equal(one: &Data, other: &Data) -> Result<bool, String> {
    match (one, other) {
        (Data::Bool(_), Data::Bool(_))
        | (Data::Int(_), Data::Int(_))
        | (Data::Float(_), Data::Float(_))
        | (Data::Text(_), Data::Text(_)) => Ok(one == other),
        (Data::Nil | Data::Missing, _) | (_, Data::Nil | Data::Missing) => Ok(one == other),
        _ => Err("incompatible types for comparison".to_owned()),
    }
}

/// The order of two simple values.
fn order(one: &Data, other: &Data) -> Result<Ordering, String> {
    match (one, other) {
        (Data::Int(one), Data::Int(other)) => Ok(one.cmp(other)),
        (Data::Float(one), Data::Float(other)) => Ok(one.total_cmp(other)),
        (Data::Text(one), Data::Text(other)) => Ok(one.cmp(other)),
        _ => Err("incompatible types for comparison".to_owned()),
    }
}

/// A whole number without sign of a base and a number of bits (`strconv.ParseUint`).
fn parse_int(text: &str, base: i64, bits: i64) -> Result<Data, String> {
    let bits = u32::try_from(bits).ok().filter(|bits| (1..=63).contains(bits)).unwrap_or(63);
    let number = match base {
        0 => corefile::args::go_uint_any_base(text, bits)?,
        2..=36 => {
            let base = u32::try_from(base).unwrap_or(10);
            let number =
                u64::from_str_radix(text, base).ok().filter(|number| *number < 1 << bits && !text.starts_with('+'));
            number.ok_or_else(|| format!("strconv.ParseUint: parsing {text:?}: invalid syntax"))?
        }
        _ => return Err(format!("strconv.ParseUint: parsing {text:?}: invalid base {base}")),
    };
    Ok(Data::Int(i64::try_from(number).unwrap_or(i64::MAX)))
}
