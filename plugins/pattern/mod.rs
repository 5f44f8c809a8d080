//! Regular expressions as CoreDNS's Corefiles have them: the syntax, the bounds and the error texts of Go's `regexp`.
//!
//! [`parser`] reads Go's syntax, the crate `regex-automata` searches. Both engines follow RE2: leftmost-first, in time
//! linear in the text. Names and almost all other texts are ASCII, so a pattern is compiled for ASCII first, in which
//! `\pL` has 52 characters; the program for all characters is compiled when the first other text is searched.

mod class;
mod parser;
#[cfg(test)]
mod tests;

use parser::{Alphabet, Parsed, parse};
use regex_automata::Span;
use regex_automata::meta;
use regex_automata::util::captures::Captures;
use std::sync::OnceLock;
use std::thread;

/// Octets of a lazy DFA's cache for each direction and thread: some hundred states, which is more than texts of the
/// length of names reach.
const DFA_CACHE_BYTES: usize = 64 << 10;
/// Octets of a one-pass DFA, which finds groups; a larger pattern is searched by the other engines.
const ONE_PASS_BYTES: usize = 64 << 10;
/// Size of a pattern, in states of its program, above which no DFA is kept: it needs a second program that runs backwards.
const MAX_DFA_SIZE: u64 = 2_000;
/// Octets of a program for all characters. One that would be larger is not made, and matches no text that is not ASCII:
/// Go takes as much for some thousand classes like `\pL`.
const UNICODE_BYTES: usize = 32 << 20;
/// Nesting above which a pattern is compiled on a thread with a stack of its own; the compiler recurses.
const MAX_INLINE_HEIGHT: usize = 50;
/// Stack of that thread: Go's bound of 1,000 levels needs below 8 MiB in an unoptimised build.
const COMPILER_STACK_BYTES: usize = 64 << 20;

/// A compiled regular expression.
#[derive(Debug)]
pub(crate) struct Pattern {
    source: String,
    /// Names of the groups; the first, which is the whole match, has none.
    names: Vec<Option<String>>,
    ascii: meta::Regex,
    /// The program for texts with other characters, compiled when the first one is searched; none if that failed.
    unicode: OnceLock<Option<meta::Regex>>,
}

/// The groups of a match.
pub(crate) struct Groups<'t> {
    text: &'t str,
    captures: Captures,
    names: &'t [Option<String>],
}

/// Compiles a pattern in Go's syntax.
///
/// # Errors
/// In the words of Go's `regexp.Compile`.
pub(crate) fn compile(pattern: &str) -> Result<Pattern, String> {
    let parsed = parse(pattern, Alphabet::Ascii).map_err(|error| format!("error parsing regexp: {error}"))?;
    let ascii = build(&parsed, Alphabet::Ascii)?;
    Ok(Pattern { source: pattern.to_owned(), names: parsed.names, ascii, unicode: OnceLock::new() })
}

impl Pattern {
    /// The pattern as it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.source
    }

    /// Whether the text has a match.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        self.engine(text).is_some_and(|engine| engine.is_match(text))
    }

    /// The groups of the leftmost match; none without a match.
    pub(crate) fn captures<'t>(&'t self, text: &'t str) -> Option<Groups<'t>> {
        let engine = self.engine(text)?;
        let mut captures = engine.create_captures();
        engine.captures(text, &mut captures);
        captures.is_match().then(|| Groups { text, captures, names: &self.names })
    }

    /// Number of groups, the whole match among them.
    pub(crate) fn group_count(&self) -> usize {
        self.names.len()
    }

    /// Names of the groups in their order; several groups may have one name.
    pub(crate) fn group_names(&self) -> impl Iterator<Item = Option<&str>> {
        self.names.iter().map(Option::as_deref)
    }

    /// Octets of the compiled programs, the caches of searches apart.
    pub(crate) fn memory_usage(&self) -> usize {
        let unicode = self.unicode.get().and_then(Option::as_ref);
        self.ascii.memory_usage() + unicode.map_or(0, meta::Regex::memory_usage)
    }

    /// The program for a text.
    fn engine(&self, text: &str) -> Option<&meta::Regex> {
        if text.is_ascii() {
            return Some(&self.ascii);
        }
        let compiled =
            || parse(&self.source, Alphabet::Unicode).ok().and_then(|all| build(&all, Alphabet::Unicode).ok());
        self.unicode.get_or_init(compiled).as_ref()
    }
}

impl<'t> Groups<'t> {
    /// Start and end of a group in octets; none if it took no part in the match.
    pub(crate) fn span(&self, group: usize) -> Option<Span> {
        self.captures.get_group(group)
    }

    /// The text of a group; none if it took no part in the match.
    pub(crate) fn get(&self, group: usize) -> Option<&'t str> {
        let span = self.span(group)?;
        self.text.get(span.start..span.end)
    }

    /// The texts of all groups in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Option<&'t str>> {
        (0..self.names.len()).map(|group| self.get(group))
    }

    /// Puts groups into `$name`, `$1`, `${name}` and `${1}` of a template; `$$` is a dollar sign (Go: `Regexp.Expand`).
    pub(crate) fn expand(&self, template: &str) -> String {
        let mut out = String::new();
        let mut rest = template;
        while let Some((before, tail)) = rest.split_once('$') {
            out.push_str(before);
            if let Some(tail) = tail.strip_prefix('$') {
                out.push('$');
                rest = tail;
                continue;
            }
            match reference(tail) {
                Some((name, tail)) => {
                    out.push_str(self.referred(name).unwrap_or(""));
                    rest = tail;
                }
                None => {
                    out.push('$');
                    rest = tail;
                }
            }
        }
        out + rest
    }

    /// The text of the group that a reference names: by number, or the first of that name that took part.
    fn referred(&self, name: &str) -> Option<&'t str> {
        let is_number = name.bytes().all(|digit| digit.is_ascii_digit()) && (name.len() == 1 || !name.starts_with('0'));
        if is_number {
            return self.get(name.parse().ok()?);
        }
        let named = self.names.iter().enumerate().filter(|(_, known)| known.as_deref() == Some(name));
        named.map(|(group, _)| group).find_map(|group| self.get(group))
    }
}

/// The name of a reference and what follows it; none if the text behind a dollar sign is no reference.
fn reference(text: &str) -> Option<(&str, &str)> {
    let is_braced = text.starts_with('{');
    let inner = if is_braced { text.get(1..)? } else { text };
    let end = inner.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(inner.len());
    let (name, tail) = inner.split_at_checked(end)?;
    let tail = if is_braced { tail.strip_prefix('}')? } else { tail };
    (!name.is_empty()).then_some((name, tail))
}

/// Compiles the program of a pattern.
fn build(parsed: &Parsed, alphabet: Alphabet) -> Result<meta::Regex, String> {
    let config = meta::Config::new()
        .utf8_empty(alphabet == Alphabet::Unicode)
        // For ASCII the parser has bounded it as Go does.
        .nfa_size_limit((alphabet == Alphabet::Unicode).then_some(UNICODE_BYTES))
        .hybrid(parsed.size <= MAX_DFA_SIZE)
        .hybrid_cache_capacity(DFA_CACHE_BYTES)
        .onepass_size_limit(Some(ONE_PASS_BYTES));
    let compiled =
        || meta::Builder::new().configure(config).build_from_hir(&parsed.hir).map_err(|error| error.to_string());
    if parsed.height <= MAX_INLINE_HEIGHT {
        return compiled();
    }
    thread::scope(|scope| {
        let builder = thread::Builder::new().stack_size(COMPILER_STACK_BYTES);
        let worker =
            builder.spawn_scoped(scope, compiled).map_err(|error| format!("no thread to compile on: {error}"))?;
        worker.join().unwrap_or_else(|_| Err("the compiler failed".to_owned()))
    })
}
