//! What holds for every input: no panic, bounded work, places that exist. Inputs are made of the language's own pieces,
//! so that they get past the lexer.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use proptest::prelude::*;

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

/// Parses, renders what is wrong, and runs every cursor to its end. The same that a fuzzer does.
pub(crate) fn exercise(text: &[u8], imported: &[u8]) {
    let variables = [("A", "value"), ("B", "a\nb"), ("LOOP", "{$LOOP}{$LOOP}")];
    let env: HashMap<String, String> = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let files: BTreeMap<PathBuf, Vec<u8>> =
        ["/etc/coredns/a", "/etc/coredns/bb"].iter().map(|path| (PathBuf::from(path), imported.to_vec())).collect();
    let options = Options { directives: Some(&["errors", "cache", "log"]), hints: &[], env: &env, files: &files };
    let corefile = match parse(Input { name: "Corefile", text }, options) {
        Ok(corefile) => corefile,
        Err(rejected) => {
            assert!(!rejected.diagnostics.is_empty() && !rejected.render().is_empty());
            return;
        }
    };
    if let Err(diagnostics) = keys::inspect(&corefile.blocks, "53", &corefile.sources) {
        assert!(diagnostics.iter().all(|one| render(one, &corefile.sources).contains("error inspecting")));
    }
    for directive in corefile.blocks.iter().flat_map(|block| &block.directives) {
        assert!(corefile.sources.excerpt(directive.name.span).is_some());
        walk(directive.dispenser(&corefile.sources), directive.tokens.len());
    }
}

/// Goes over a directive as set-ups do; it must end after as many steps as there are tokens.
fn walk(mut cursor: Dispenser, tokens: usize) {
    let mut steps = 0;
    while cursor.next() {
        steps += 1 + cursor.remaining_args().len();
        while cursor.next_block() {
            steps += 1 + cursor.remaining_args().len();
            assert!(!render(&cursor.arg_err(), cursor.sources()).is_empty());
        }
    }
    assert!(steps <= tokens);
    assert!(!cursor.next_arg() && !cursor.next_line());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(text in text(), imported in text()) {
        exercise(text.as_bytes(), imported.as_bytes());
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
