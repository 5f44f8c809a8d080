//! Go's `fmt.Sprintf`: flags, width, precision, argument indexes, and what it writes where they are wrong.

use super::data::Data;
use super::number;
use corefile::args::go_quote;

/// Largest number for which another digit is read, as in Go.
const MAX_NUMBER: usize = 1_000_000;
/// Octets after which nothing more is formatted, and widest field: no template may grow to so many.
const MAX_TEXT: usize = 1 << 20;

/// What stands between `%` and the verb.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags {
    pub(super) minus: bool,
    pub(super) plus: bool,
    pub(super) zero: bool,
    pub(super) sharp: bool,
    pub(super) blank: bool,
    /// `%#v`: values as Go writes them in a program.
    pub(super) go_syntax: bool,
    pub(super) width: Option<usize>,
    pub(super) precision: Option<usize>,
}

/// Formats values.
pub(super) fn printf(format: &str, values: &[Data]) -> String {
    let mut printer = Printer { rest: format, values, next: 0, is_reordered: false, is_good: true, out: String::new() };
    while let Some((before, rest)) = printer.rest.split_once('%') {
        if printer.out.len() > MAX_TEXT {
            return printer.out;
        }
        printer.out.push_str(before);
        printer.rest = rest;
        printer.verb();
    }
    let Printer { rest, next, is_reordered, mut out, .. } = printer;
    out.push_str(rest);
    let extra = values.get(next..).unwrap_or_default();
    if !is_reordered && !extra.is_empty() {
        let shown: Vec<_> = extra.iter().map(typed).collect();
        out.push_str(&format!("%!(EXTRA {})", shown.join(", ")));
    }
    out
}

/// A value behind its type.
fn typed(value: &Data) -> String {
    match value {
        Data::Nil | Data::Missing => "<nil>".to_owned(),
        _ => format!("{}={}", value.type_name(), shown('v', value, &Flags::default())),
    }
}

/// A cursor over a format.
struct Printer<'a> {
    rest: &'a str,
    values: &'a [Data],
    /// The next argument.
    next: usize,
    /// Whether an index was given anywhere.
    is_reordered: bool,
    /// Whether the indexes of the current verb exist.
    is_good: bool,
    out: String,
}

impl Printer<'_> {
    /// Takes a sign, if it is next.
    fn accept(&mut self, sign: char) -> bool {
        let rest = self.rest.strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// One verb with all that stands before it.
    fn verb(&mut self) {
        self.is_good = true;
        let mut flags = Flags::default();
        while let Some(letter) = self.rest.chars().next().filter(|letter| "-+0# ".contains(*letter)) {
            match letter {
                '-' => flags.minus = true,
                '+' => flags.plus = true,
                '0' => flags.zero = true,
                '#' => flags.sharp = true,
                _ => flags.blank = true,
            }
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
        let mut has_index = self.index();
        if self.accept('*') {
            self.width(&mut flags);
            has_index = false;
        } else {
            flags.width = self.number().map(|width| width.min(MAX_TEXT));
            self.is_good &= !(has_index && flags.width.is_some());
        }
        if self.accept('.') {
            self.is_good &= !has_index;
            has_index = self.index();
            if self.accept('*') {
                self.precision(&mut flags);
                has_index = false;
            } else {
                flags.precision = Some(self.number().unwrap_or(0).min(MAX_TEXT));
            }
        }
        if !has_index {
            self.index();
        }
        let Some(verb) = self.rest.chars().next() else { return self.out.push_str("%!(NOVERB)") };
        self.rest = self.rest.get(verb.len_utf8()..).unwrap_or_default();
        if verb == 'v' {
            flags = Flags { go_syntax: flags.sharp, sharp: false, plus: false, ..flags };
        }
        let text = match self.values.get(self.next) {
            _ if verb == '%' => return self.out.push('%'),
            _ if !self.is_good => format!("%!{verb}(BADINDEX)"),
            None => format!("%!{verb}(MISSING)"),
            Some(value) => {
                self.next += 1;
                shown(verb, value, &flags)
            }
        };
        self.out.push_str(&text);
    }

    /// `[n]`; whether it stands here and is well written.
    fn index(&mut self) -> bool {
        let Some(tail) = self.rest.strip_prefix('[') else { return false };
        self.is_reordered = true;
        let Some((digits, rest)) = tail.split_once(']') else {
            self.is_good = false;
            self.rest = tail;
            return false;
        };
        self.rest = rest;
        let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        let number = digits.parse::<usize>().ok().filter(|number| is_number && *number / 10 <= MAX_NUMBER);
        match number.and_then(|number| number.checked_sub(1)).filter(|index| *index < self.values.len()) {
            Some(index) => self.next = index,
            None => self.is_good = false,
        }
        number.is_some()
    }

    /// A number; one that is too large takes the rest of the format with it.
    fn number(&mut self) -> Option<usize> {
        let end = self.rest.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at_checked(end)?;
        if digits.is_empty() {
            return None;
        }
        let number = digits.parse::<usize>().ok().filter(|number| *number / 10 <= MAX_NUMBER);
        self.rest = if number.is_some() { rest } else { "" };
        number
    }

    /// The next argument as a number.
    fn argument(&mut self) -> Option<i64> {
        let value = self.values.get(self.next)?;
        self.next += 1;
        match value {
            Data::Int(number) if number.unsigned_abs() <= 1_000_000 => Some(*number),
            _ => None,
        }
    }

    /// A width from the arguments.
    fn width(&mut self, flags: &mut Flags) {
        match self.argument() {
            None => self.out.push_str("%!(BADWIDTH)"),
            Some(number) => {
                flags.minus |= number < 0;
                flags.zero &= number >= 0;
                flags.width = usize::try_from(number.unsigned_abs()).ok();
            }
        }
    }

    /// A precision from the arguments.
    fn precision(&mut self, flags: &mut Flags) {
        match self.argument() {
            None => self.out.push_str("%!(BADPREC)"),
            Some(number) => {
                flags.precision = usize::try_from(number).ok();
                if flags.precision.is_none() {
                    self.out.push_str("%!(BADPREC)");
                }
            }
        }
    }
}

/// A value in the form that a verb asks for.
fn shown(verb: char, value: &Data, flags: &Flags) -> String {
    let is_go_syntax = flags.go_syntax;
    match (verb, value) {
        ('T', _) => padded(cut(value.type_name(), flags), flags),
        ('v', Data::Nil | Data::Missing) => padded("<nil>".to_owned(), flags),
        ('v' | 't', Data::Bool(value)) => padded(value.to_string(), flags),
        ('v', Data::Text(text)) if is_go_syntax => quoted(text, flags),
        ('v' | 's', Data::Text(text)) => padded(cut(text, flags), flags),
        ('q', Data::Text(text)) => quoted(text, flags),
        ('x' | 'X', Data::Text(text)) => hexadecimal(text, verb, flags),
        ('v' | 'd' | 'b' | 'o' | 'O' | 'x' | 'X' | 'c' | 'q' | 'U', Data::Int(number)) => {
            number::integer(verb, *number, flags)
        }
        ('v' | 'g' | 'G' | 'e' | 'E' | 'f' | 'F' | 'b' | 'x' | 'X', Data::Float(number)) => {
            number::float(verb, *number, flags)
        }
        ('p', _) => wrong(verb, value, flags),
        (_, Data::List(values)) => {
            let parts = bounded(values.iter().map(|value| shown(verb, value, flags)));
            match is_go_syntax {
                true => format!("{}{{{}}}", value.type_name(), parts.join(", ")),
                false => format!("[{}]", parts.join(" ")),
            }
        }
        (_, Data::Map(map)) => {
            let key = |key: &str| shown(verb, &Data::Text(key.to_owned()), flags);
            let parts = bounded(map.iter().map(|(name, value)| key(name) + ":" + &shown(verb, value, flags)));
            match is_go_syntax {
                true => format!("{}{{{}}}", value.type_name(), parts.join(", ")),
                false => format!("map[{}]", parts.join(" ")),
            }
        }
        (_, Data::Struct(fields)) => {
            let parts = bounded(fields.values().map(|value| shown(verb, value, flags)));
            format!("{{{}}}", parts.join(" "))
        }
        ('v', Data::Root) => value.to_string(),
        _ => wrong(verb, value, flags),
    }
}

/// Parts up to the bound.
fn bounded(parts: impl Iterator<Item = String>) -> Vec<String> {
    let mut length = 0;
    let is_within = |part: &String| {
        length += part.len();
        length <= MAX_TEXT
    };
    parts.take_while(is_within).collect()
}

/// What a verb that does not go with a value becomes.
fn wrong(verb: char, value: &Data, flags: &Flags) -> String {
    match value {
        Data::Nil | Data::Missing => format!("%!{verb}(<nil>)"),
        _ => format!("%!{verb}({}={})", value.type_name(), shown('v', value, flags)),
    }
}

/// The first characters of a text, as many as the precision allows.
fn cut(text: &str, flags: &Flags) -> String {
    flags.precision.map_or_else(|| text.to_owned(), |most| text.chars().take(most).collect())
}

/// A text in quotation marks.
fn quoted(text: &str, flags: &Flags) -> String {
    let text = cut(text, flags);
    let has_raw =
        !text.contains(|letter: char| letter == '`' || letter == '\u{feff}' || (letter.is_control() && letter != '\t'));
    if flags.sharp && has_raw {
        return padded(format!("`{text}`"), flags);
    }
    let quoted = go_quote(&text);
    padded(if flags.plus { ascii(&quoted) } else { quoted }, flags)
}

/// A text with escapes for all that is not ASCII.
pub(super) fn ascii(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        let code = u32::from(letter);
        match code {
            0..=0x7f => out.push(letter),
            0x80..=0xffff => out.push_str(&format!("\\u{code:04x}")),
            _ => out.push_str(&format!("\\U{code:08x}")),
        }
    }
    out
}

/// The octets of a text in hexadecimal digits.
fn hexadecimal(text: &str, verb: char, flags: &Flags) -> String {
    let most = flags.precision.unwrap_or(text.len());
    let digits =
        text.bytes().take(most).map(|octet| if verb == 'x' { format!("{octet:02x}") } else { format!("{octet:02X}") });
    let prefix = if flags.sharp { format!("0{verb}") } else { String::new() };
    let text = match digits.collect::<Vec<_>>() {
        digits if digits.is_empty() => String::new(),
        digits if flags.blank => digits.iter().map(|pair| format!("{prefix}{pair}")).collect::<Vec<_>>().join(" "),
        digits => prefix + &digits.concat(),
    };
    padded(text, flags)
}

/// A text filled up to the width, with zeros if they are asked for.
pub(super) fn padded(text: String, flags: &Flags) -> String {
    let missing = flags.width.unwrap_or(0).saturating_sub(text.chars().count());
    if missing == 0 {
        return text;
    }
    if flags.minus {
        return text + &" ".repeat(missing);
    }
    let fill = if flags.zero { "0" } else { " " };
    fill.repeat(missing) + &text
}
