//! Regular expressions as CoreDNS's Corefiles write them: Go's syntax, Go's words for what is none.
//!
//! Both Go and the crate `regex` follow RE2, so matching takes linear time. What differs in syntax is translated: a `{`
//! that repeats nothing, `\Q...\E`, brackets and doubled signs inside a class.

use regex::Regex;
use regex_syntax::ast::{Error, ErrorKind, parse::Parser};

/// Compiles a pattern in Go's syntax.
///
/// # Errors
/// In the words of Go's `regexp.Compile`.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    let translated = translate(pattern);
    Parser::new().parse(&translated).map_err(|error| format!("error parsing regexp: {}", words(&error, pattern)))?;
    Regex::new(&translated).map_err(|error| {
        let text = error.to_string();
        format!("error parsing regexp: {}", text.lines().last().unwrap_or_default().trim_start_matches("error: "))
    })
}

/// Go's words for an error.
fn words(error: &Error, pattern: &str) -> String {
    let translated = error.pattern();
    let span = error.span();
    let found = translated.get(span.start.offset..span.end.offset).unwrap_or_default();
    let rest = translated.get(span.start.offset..).unwrap_or_default();
    match error.kind() {
        ErrorKind::GroupUnclosed => format!("missing closing ): `{pattern}`"),
        ErrorKind::GroupUnopened => format!("unexpected ): `{pattern}`"),
        ErrorKind::ClassUnclosed => format!("missing closing ]: `{rest}`"),
        ErrorKind::ClassRangeInvalid => format!("invalid character class range: `{found}`"),
        ErrorKind::RepetitionMissing => {
            let operator = rest.chars().next().map(String::from).unwrap_or_default();
            format!("missing argument to repetition operator: `{operator}`")
        }
        ErrorKind::RepetitionCountInvalid | ErrorKind::DecimalInvalid => format!("invalid repeat count: `{found}`"),
        ErrorKind::EscapeUnrecognized | ErrorKind::UnsupportedBackreference => {
            format!("invalid escape sequence: `{found}`")
        }
        ErrorKind::EscapeUnexpectedEof => "trailing backslash at end of expression: ``".to_owned(),
        ErrorKind::GroupNameDuplicate { .. } => format!("duplicate capture group name: `{found}`"),
        ErrorKind::GroupNameEmpty | ErrorKind::GroupNameInvalid | ErrorKind::GroupNameUnexpectedEof => {
            format!("invalid named capture: `{pattern}`")
        }
        ErrorKind::FlagUnrecognized | ErrorKind::UnsupportedLookAround => {
            format!("invalid or unsupported Perl syntax: `{found}`")
        }
        other => format!("{other}: `{pattern}`"),
    }
}

/// Rewrites what Go reads in another way than the crate `regex`.
fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    while let Some(letter) = rest.chars().next() {
        let taken = match letter {
            '\\' => escape(rest, &mut out),
            '[' => class(rest, &mut out),
            '{' if !is_repetition(rest) => {
                out.push_str("\\{");
                1
            }
            _ => {
                out.push(letter);
                letter.len_utf8()
            }
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    out
}

/// Takes an escape; gives its length.
fn escape(rest: &str, out: &mut String) -> usize {
    let after = rest.get(1..).unwrap_or_default();
    if let Some(quoted) = after.strip_prefix('Q') {
        let text = quoted.split("\\E").next().unwrap_or_default();
        out.push_str(&regex::escape(text));
        return rest.len().min(2 + text.len() + 2);
    }
    let Some(letter) = after.chars().next() else {
        out.push('\\');
        return 1;
    };
    // The crate takes `\<` and `\>` for word boundaries; in Go they are the letters.
    if !matches!(letter, '<' | '>') {
        out.push('\\');
    }
    out.push(letter);
    1 + letter.len_utf8()
}

/// Takes a class up to its closing bracket; gives its length. Brackets and doubled signs within are letters in Go.
fn class(rest: &str, out: &mut String) -> usize {
    let start = if rest.starts_with("[^") { 2 } else { 1 };
    out.push_str(rest.get(..start).unwrap_or_default());
    let mut at = start;
    while let Some(letter) = rest.get(at..).and_then(|tail| tail.chars().next()) {
        let tail = rest.get(at..).unwrap_or_default();
        if letter == '\\' {
            at += escape(tail, out);
            continue;
        }
        if let Some(length) = tail.strip_prefix("[:").and_then(|named| named.find(":]")) {
            out.push_str(tail.get(..length + 4).unwrap_or_default());
            at += length + 4;
            continue;
        }
        let is_first = at == start;
        if (letter == ']' && is_first) || matches!(letter, '[' | '&' | '~') {
            out.push('\\');
        }
        out.push(letter);
        at += letter.len_utf8();
        if letter == ']' && !is_first {
            break;
        }
    }
    at
}

/// Whether `rest` begins with `{n}`, `{n,}` or `{n,m}`.
fn is_repetition(rest: &str) -> bool {
    let Some((inner, _)) = rest.strip_prefix('{').and_then(|tail| tail.split_once('}')) else { return false };
    let (least, most) = inner.split_once(',').unwrap_or((inner, ""));
    let is_number = |text: &str| text.bytes().all(|octet| octet.is_ascii_digit());
    !least.is_empty() && is_number(least) && is_number(most)
}

#[cfg(test)]
mod tests {
    use super::compile;

    #[test]
    fn refuses_in_the_words_of_go() {
        for (pattern, expected) in [
            ("(", "missing closing ): `(`"),
            ("())", "unexpected ): `())`"),
            ("a[b", "missing closing ]: `[b`"),
            ("*", "missing argument to repetition operator: `*`"),
            ("a\\y", "invalid escape sequence: `\\y`"),
            ("[z-a]", "invalid character class range: `z-a`"),
            ("a\\", "trailing backslash at end of expression: ``"),
        ] {
            assert_eq!(compile(pattern).unwrap_err(), format!("error parsing regexp: {expected}"), "{pattern}");
        }
    }

    #[test]
    fn reads_what_only_go_reads() {
        for (pattern, text) in [
            ("^{x}$", "{x}"),
            ("^a{,2}$", "a{,2}"),
            ("^a{2}$", "aa"),
            ("^\\Qa.b(\\E$", "a.b("),
            ("^[[a]+$", "[a["),
            ("^[]a]+$", "]a"),
            ("^[[:alpha:]&&]+$", "a&"),
            ("^\\<a\\>$", "<a>"),
            ("^(?P<n>a)(?<m>b)$", "ab"),
        ] {
            assert!(compile(pattern).expect(pattern).is_match(text), "{pattern}");
        }
        assert!(!compile("^a{2}$").unwrap().is_match("a{2}"));
    }
}
