//! Numbers as Go's `fmt` writes them.

use super::printf::{Flags, ascii, padded};

/// A whole number.
pub(super) fn integer(verb: char, number: i64, flags: &Flags) -> String {
    let blank_padded = Flags { zero: false, ..*flags };
    let letter = || u32::try_from(number).ok().and_then(char::from_u32).unwrap_or('\u{fffd}');
    match verb {
        'c' => return padded(letter().to_string(), flags),
        'q' => {
            let quoted = quoted(letter());
            return padded(if flags.plus { ascii(&quoted) } else { quoted }, flags);
        }
        'U' => {
            let least = flags.precision.unwrap_or(4).max(4);
            let code = format!("{number:X}");
            let mut text = format!("U+{}{code}", "0".repeat(least.saturating_sub(code.len())));
            if flags.sharp && u32::try_from(number).ok().and_then(char::from_u32).is_some_and(|code| !code.is_control())
            {
                text.push_str(&format!(" '{}'", letter()));
            }
            return padded(text, &blank_padded);
        }
        _ => {}
    }
    let size = number.unsigned_abs();
    if flags.precision == Some(0) && size == 0 {
        return padded(String::new(), &blank_padded);
    }
    let mut digits = match verb {
        'b' => format!("{size:b}"),
        'o' | 'O' => format!("{size:o}"),
        'x' => format!("{size:x}"),
        'X' => format!("{size:X}"),
        _ => size.to_string(),
    };
    let sign = match number {
        ..0 => "-",
        _ if flags.plus => "+",
        _ if flags.blank => " ",
        _ => "",
    };
    let filled = match flags.width {
        Some(width) if flags.zero && !flags.minus => width.saturating_sub(sign.len()),
        _ => 0,
    };
    let least = flags.precision.unwrap_or(filled);
    digits = "0".repeat(least.saturating_sub(digits.len())) + &digits;
    let prefix = match verb {
        'O' if flags.sharp && !digits.starts_with('0') => "0o0",
        'O' => "0o",
        'b' if flags.sharp => "0b",
        'o' if flags.sharp && !digits.starts_with('0') => "0",
        'x' if flags.sharp => "0x",
        'X' if flags.sharp => "0X",
        _ => "",
    };
    padded(format!("{sign}{prefix}{digits}"), &blank_padded)
}

/// A character in single quotation marks.
fn quoted(letter: char) -> String {
    match letter {
        '\'' => "'\\''".to_owned(),
        '"' => "'\"'".to_owned(),
        _ => {
            let quoted = corefile::args::go_quote(&letter.to_string());
            format!("'{}'", quoted.trim_matches('"'))
        }
    }
}

/// A number with a fraction.
pub(super) fn float(verb: char, number: f64, flags: &Flags) -> String {
    if !number.is_finite() {
        let text = if number.is_nan() {
            "NaN"
        } else if number < 0.0 {
            "-Inf"
        } else {
            "+Inf"
        };
        return padded(text.to_owned(), &Flags { zero: false, ..*flags });
    }
    let size = number.abs();
    let digits = match verb {
        'f' | 'F' => format!("{size:.*}", flags.precision.unwrap_or(6)),
        'e' | 'E' => exponent(&format!("{size:.*e}", flags.precision.unwrap_or(6))),
        'b' => binary(size),
        'x' | 'X' => hexadecimal(size, flags.precision),
        _ => general(size, flags.precision),
    };
    let digits = if flags.sharp && verb != 'b' { with_point(&digits, verb, flags.precision) } else { digits };
    let digits = if matches!(verb, 'E' | 'G' | 'X') { digits.to_uppercase() } else { digits };
    let sign = match number.is_sign_negative() {
        true => "-",
        false if flags.plus => "+",
        false if flags.blank => " ",
        false => "",
    };
    let zeros = match flags.width {
        Some(width) if flags.zero && !flags.minus => width.saturating_sub(sign.len() + digits.len()),
        _ => 0,
    };
    padded(format!("{sign}{}{digits}", "0".repeat(zeros)), &Flags { zero: false, ..*flags })
}

/// The shortest form, or the one with so many digits: with an exponent where that is short (`%g`).
pub(super) fn general(size: f64, precision: Option<usize>) -> String {
    let scientific = match precision {
        None => format!("{size:e}"),
        Some(digits) => format!("{size:.*e}", digits.max(1) - 1),
    };
    let Some((mantissa, power)) = scientific.split_once('e') else { return scientific };
    let power: i32 = power.parse().unwrap_or(0);
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_end_matches('0');
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let most = match precision {
        None => 6,
        Some(precision) => {
            let most = i32::try_from(precision.max(1)).unwrap_or(i32::MAX);
            if most > count && count > power { count } else { most }
        }
    };
    if power < -4 || power >= most {
        let (first, rest) = digits.split_at_checked(1).unwrap_or(("0", ""));
        let mantissa = if rest.is_empty() { first.to_owned() } else { format!("{first}.{rest}") };
        return exponent(&format!("{mantissa}e{power}"));
    }
    let decimals = usize::try_from((count - 1 - power).max(0)).unwrap_or(0);
    format!("{size:.decimals$}")
}

/// Mantissa and exponent of the machine's form (`%b`).
fn binary(size: f64) -> String {
    let (mantissa, power) = parts(size);
    format!("{mantissa}p{}{}", if power < 0 { '-' } else { '+' }, power.unsigned_abs())
}

/// Mantissa and power of two of a number.
fn parts(size: f64) -> (u64, i64) {
    let bits = size.to_bits();
    let (fraction, power) = (bits & ((1 << 52) - 1), i64::try_from(bits >> 52 & 0x7ff).unwrap_or(0));
    if power == 0 { (fraction, -1074) } else { (fraction | 1 << 52, power - 1075) }
}

/// A number in hexadecimal digits with a power of two (`%x`).
fn hexadecimal(size: f64, precision: Option<usize>) -> String {
    let (mut mantissa, mut power) = parts(size);
    if mantissa == 0 {
        let zeros = "0".repeat(precision.unwrap_or(0));
        return format!("0x0{}{zeros}p+00", if zeros.is_empty() { "" } else { "." });
    }
    // One bit before the point, 52 behind it.
    let shift = mantissa.leading_zeros() - 11;
    mantissa <<= shift;
    power += 52 - i64::from(shift);
    if let Some(places) = precision.filter(|places| *places < 13) {
        let drop = 52 - 4 * u32::try_from(places).unwrap_or(13);
        let half = 1_u64 << (drop - 1);
        let is_odd = mantissa >> drop & 1 == 1;
        let rest = mantissa & ((1 << drop) - 1);
        mantissa = (mantissa >> drop) + u64::from(rest > half || (rest == half && is_odd));
        mantissa <<= drop;
        if mantissa >> 53 == 1 {
            mantissa >>= 1;
            power += 1;
        }
    }
    let digits = format!("{:013x}", mantissa & ((1 << 52) - 1));
    let fraction = match precision {
        None => digits.trim_end_matches('0').to_owned(),
        Some(places) => format!("{digits:0<places$}").chars().take(places).collect(),
    };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("0x{}{point}{fraction}p{}{:02}", mantissa >> 52, if power < 0 { '-' } else { '+' }, power.unsigned_abs())
}

/// Digits with a point, and for `%#g` with all digits that the precision asks for.
fn with_point(text: &str, verb: char, precision: Option<usize>) -> String {
    let mark = if matches!(verb, 'x' | 'X') { 'p' } else { 'e' };
    let (mantissa, power) = text.split_once(mark).map_or((text, String::new()), |(m, p)| (m, format!("{mark}{p}")));
    let wanted = if matches!(verb, 'v' | 'g' | 'G' | 'x' | 'X') { precision.unwrap_or(6) } else { 0 };
    let significant = mantissa.trim_start_matches("0x").trim_start_matches(['0', '.']);
    let digits = significant.chars().filter(|letter| *letter != '.').count();
    let digits = if digits == 0 { 1 } else { digits };
    let point = if mantissa.contains('.') { "" } else { "." };
    format!("{mantissa}{point}{}{power}", "0".repeat(wanted.saturating_sub(digits)))
}

/// An exponent with a sign and two digits at least.
fn exponent(text: &str) -> String {
    let Some((mantissa, power)) = text.split_once('e') else { return text.to_owned() };
    let (sign, digits) = power.strip_prefix('-').map_or(('+', power), |digits| ('-', digits));
    format!("{mantissa}e{sign}{digits:0>2}")
}
