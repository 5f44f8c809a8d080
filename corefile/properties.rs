//! What holds for every input: no panic, bounded work, places that exist. Inputs are made of the language's own pieces,
//! so that they get past the lexer.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use proptest::prelude::*;

use super::exercise::exercise;
use super::*;

/// Pieces that Corefiles are made of, and some that they should not be made of.
const PIECES: &[&str] = &[
    " ",
    "\n",
    "\t",
    "\r\n",
    "{",
    "}",
    "\"",
    "\\",
    "\\\"",
    "#",
    ",",
    "(s)",
    "(t)",
    "import",
    "import s",
    "import t",
    "import a",
    "import *",
    "import ?b*",
    "import [",
    "errors",
    "cache",
    "log x",
    ".:53",
    "example.org",
    "10.0.0.0/9",
    "tls://",
    ":",
    "{$A}",
    "{%B%}",
    "{$",
    "{%",
    "%}",
    "{$LOOP}",
    "é",
    "\u{feff}",
    "\0",
    "\u{85}",
    " {\n",
    "\n}\n",
];

/// Text made of pieces.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![9 => proptest::sample::select(PIECES).prop_map(str::to_owned), 1 => any::<String>()];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

/// The Corefiles of the recorded language cases, as seeds.
fn seeds() -> Vec<String> {
    let cases = include_str!("testdata/language.jsonl").lines();
    let text =
        |line: &str| serde_json::from_str::<serde_json::Value>(line).ok()?["corefile"].as_str().map(str::to_owned);
    cases.filter_map(text).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(text in text(), imported in text()) {
        exercise(text.as_bytes(), imported.as_bytes());
    }

    #[test]
    fn no_changed_seed_panics(seed in proptest::sample::select(seeds()), at: proptest::sample::Index, cut in 0_usize..9,
                              piece in proptest::sample::select(PIECES)) {
        let mut text: Vec<u8> = seed.clone().into_bytes();
        let start = at.index(text.len() + 1);
        let end = (start + cut).min(text.len());
        text.splice(start..end, piece.bytes());
        exercise(&text, seed.as_bytes());
    }

    #[test]
    fn no_bytes_panic(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        exercise(&text, &text);
    }

    #[test]
    fn no_argument_panics(text in "[-+.0-9a-zµ_:/\\\\]{0,24}") {
        let durations = (args::go_signed_duration(&text).map(|one| one.to_string()), args::go_float(&text));
        let numbers = (args::go_int(&text), args::go_uint_any_base(&text, 16), args::go_uint(&text, 8));
        prop_assert!(args::go_quote(&text).len() >= text.len() + 2, "{durations:?} {numbers:?}");
        prop_assert!(keys::zones(&text).len() <= 128);
    }

    #[test]
    fn a_quoted_word_comes_back(word in "[^\"\\\\]{1,20}") {
        let text = format!(". {{\n log \"{word}\"\n}}\n");
        let (env, files) = (HashMap::new(), BTreeMap::<PathBuf, Vec<u8>>::new());
        let options = Options { directives: None, hints: &[], env: &env, files: &files };
        prop_assume!(!["{", "}"].contains(&word.as_str()) && !word.contains("{$") && !word.contains("{%"));
        let corefile = parse(Input { name: "Corefile", text: text.as_bytes() }, options).expect("accepted");
        prop_assert_eq!(corefile.blocks[0].directives[0].tokens[1].as_str(), word);
    }
}
