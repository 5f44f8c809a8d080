//! Reads and runs one text of each language that plugins have, on a thread with a small stack. Shared by the tests here and
//! the fuzz targets in `tests/fuzz`.
//!
//! Whatever the text is, nothing panics, and a thread's stack is not used up. Time and memory are watched by the caller.

use crate::pattern;
use crate::template::gotemplate::{Data, Root, Template};
use crate::view::expression::{Environment, Program, QueryEnvironment, Value};
use crate::zonefile::Reader;
use plugin_api::Name;
use std::path::Path;

/// The stack: an eighth of what the receiving threads have.
const STACK_BYTES: usize = 256 << 10;
/// Most records of a zone file that are looked at; `$GENERATE` makes more of a short line.
const MAX_RECORDS: usize = 10_000;

/// A language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Expressions of `view` and `template`.
    Expression,
    /// Go's templates, of `template`.
    Template,
    /// Go's regular expressions.
    Pattern,
    /// Zone files.
    Zone,
}

/// Names of a query that does not exist.
struct NoQuery;

impl Environment for NoQuery {
    fn variable(&self, _: &str) -> Option<Value> {
        None
    }

    fn call(&self, name: &str, _: &[Value]) -> Result<Value, String> {
        Ok(Value::Text(name.to_owned()))
    }
}

impl Root for NoQuery {
    fn field(&self, name: &str) -> Option<Data> {
        (name == "Match").then(|| Data::List(vec![Data::Text("a".to_owned()), Data::Int(7)]))
    }

    fn method(&self, name: &str, argument: &str) -> Option<String> {
        (name == "Meta").then(|| argument.to_owned())
    }
}

/// Reads a text and runs it where it can be run.
pub fn exercise(language: Language, text: &str) {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        let thread = thread.spawn_scoped(scope, || on_this_thread(language, text));
        assert!(thread.is_ok_and(|thread| thread.join().is_ok()), "{language:?} panics");
    });
}

/// The same on the current thread.
pub fn on_this_thread(language: Language, text: &str) {
    match language {
        Language::Expression => match Program::compile(text, &QueryEnvironment::scope(true)) {
            Ok(program) => drop((program.run(&NoQuery), format!("{program:?}"))),
            Err(error) => drop(error.to_string()),
        },
        Language::Template => drop(Template::parse("answer", text).map(|template| template.execute(&NoQuery))),
        Language::Pattern => {
            if let Ok(pattern) = pattern::compile(text) {
                drop((pattern.captures("a.b"), pattern.is_match("a\u{e9}.b")));
            }
        }
        // Other files are not for this.
        Language::Zone if text.to_uppercase().contains("$INCLUDE") => {}
        Language::Zone => {
            let reader = Reader::new(text.to_owned(), Name::root(), Path::new("zone"));
            reader.take(MAX_RECORDS).for_each(drop);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Octets that one text may cost beyond 2,000 for each of its own.
    const MAX_BYTES: u64 = 192 << 20;

    /// Pieces of expressions.
    const EXPRESSION: &[&str] = &[
        "1",
        "name()",
        "'a'",
        "true",
        " + ",
        " || ",
        " && ",
        " == ",
        " < ",
        "(",
        ")",
        "[",
        "]",
        "[0]",
        "[0:1]",
        "{",
        "}",
        "{a: 1}",
        ".a",
        "?.a",
        " ? ",
        " : ",
        " ?: ",
        " ?? ",
        "!",
        "-",
        "not ",
        " | trim()",
        " in ",
        " not in ",
        " matches ",
        "let x = ",
        "; ",
        "x",
        "if true {",
        "} else {",
        "map(",
        "1..9, ",
        "reduce(",
        "#",
        "#acc",
        "any(",
        ",",
        "..",
        "99999",
        "'",
        "\"",
        "\\",
        "é",
        "/*",
        "flatten(",
        "uniq(",
        "repeat('a', 999)",
        " ** ",
    ];
    /// Pieces of templates.
    const TEMPLATE: &[&str] = &[
        "{{",
        "}}",
        "{{ if true }}",
        "{{ else }}",
        "{{ else if .Match }}",
        "{{ end }}",
        "{{ with .Match }}",
        "{{ else with 1 }}",
        "{{ range .Match }}",
        "{{ range 99999 }}",
        "{{ break }}",
        "{{ continue }}",
        "{{ $x := 1 }}",
        "{{ $x = print $x $x }}",
        "$x",
        "(",
        ")",
        "|",
        " ",
        "print ",
        "and ",
        "or ",
        "printf ",
        "\"%[1]*d\"",
        "\"%99999s\"",
        "1",
        ".",
        ".Match",
        ".a",
        "$",
        "`",
        "\"",
        "'",
        "{{-",
        "-}}",
        "{{/*",
        "*/}}",
        "x\n",
        "é",
        ",",
        ":=",
        "=",
        "1e9",
        "index ",
        "len ",
    ];
    /// Pieces of regular expressions.
    const PATTERN: &[&str] = &[
        "a",
        "(",
        ")",
        "(?:",
        "(?i)",
        "(?P<n>",
        "|",
        "*",
        "+",
        "?",
        "{2}",
        "{1000}",
        "{0}",
        "[",
        "]",
        "[^",
        "-",
        "\\w",
        "\\pL",
        "\\p{Greek}",
        "\\b",
        "^",
        "$",
        "\\Q",
        "\\E",
        "\\x{41}",
        "\\",
        "é",
        "k",
        ".",
        "{",
        "}",
        "[:alpha:]",
        "\\z",
    ];
    /// Pieces of zone files.
    const ZONE: &[&str] = &[
        "a ",
        "@ ",
        "IN ",
        "3600 ",
        "A 192.0.2.1",
        "TXT ",
        "\"",
        "\n",
        " ",
        "(",
        ")",
        ";",
        "\\",
        "\\065",
        "$ORIGIN ",
        "$TTL ",
        "$GENERATE 0-9 ",
        "${0,255,d}",
        "$",
        "SOA ns hm 1 2 3 4 5\n",
        "MX 10 mx\n",
        "TYPE65400 \\# 3 abcdef",
        "é",
        ".",
        "*",
        "SVCB 1 . alpn=h2",
        "LOC 1 N 1 E 1m",
        "\t",
    ];

    /// The languages with their pieces.
    const LANGUAGES: [(Language, &[&str]); 4] = [
        (Language::Expression, EXPRESSION),
        (Language::Template, TEMPLATE),
        (Language::Pattern, PATTERN),
        (Language::Zone, ZONE),
    ];

    /// Exercises a text and checks the memory that it takes.
    fn check(language: Language, text: &str) {
        let measured = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
            let measure = || allocation_counter::measure(|| on_this_thread(language, text));
            thread.spawn_scoped(scope, measure).expect("a thread").join().expect("no panic")
        });
        let bound = MAX_BYTES + 2000 * u64::try_from(text.len()).expect("a length");
        assert!(measured.bytes_max <= bound, "{language:?}: {} octets for {text:.100}", measured.bytes_max);
    }

    #[test]
    fn chains_and_nests_need_no_stack() {
        for (language, pieces) in LANGUAGES {
            for piece in pieces {
                // A class of Unicode is some hundred states.
                let count = if language == Language::Pattern { 500 } else { 20_000 };
                check(language, &piece.repeat(count));
                check(language, &format!("1{}", piece.repeat(count / 8)));
                check(language, &format!("{}1", piece.repeat(count / 8)));
            }
            for (open, close) in [
                ("(", ")"),
                ("[", "]"),
                ("{{ if 1 }}", "{{ end }}"),
                ("(?:a|", ")*"),
                ("any([1], ", ")"),
                ("if 1 {", "}"),
            ] {
                check(language, &format!("{}1{}", open.repeat(4_000), close.repeat(4_000)));
                check(language, &format!("{{{{ {}1{} }}}}", open.repeat(900), close.repeat(900)));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn made_up_texts_are_read_in_bounds(
            which in 0..4_usize,
            picks in proptest::collection::vec((any::<proptest::sample::Index>(), prop_oneof![9 => Just(1), 1 => 1..400_usize]), 0..40),
        ) {
            let (language, pieces) = LANGUAGES[which];
            let text: String = picks.iter().map(|(index, count)| index.get(pieces).repeat(*count)).collect();
            check(language, &text);
        }
    }
}
