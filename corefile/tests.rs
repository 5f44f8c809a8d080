//! The language by example: what parses to what, and what is refused in which words.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use super::*;

/// Directives of the examples.
const KNOWN: &[&str] = &["cache", "errors", "forward", "log", "prefetch", "whoami"];

/// Parses with files (`/etc/coredns/...` when relative) and variables.
fn parse_with(text: &str, files: &[(&str, &str)], variables: &[(&str, &str)]) -> Result<Corefile, Rejected> {
    let place = |(path, text): &(&str, &str)| (PathBuf::from("/etc/coredns").join(path), text.as_bytes().to_vec());
    let files: BTreeMap<PathBuf, Vec<u8>> = files.iter().map(place).collect();
    let env: HashMap<String, String> = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let hints = &[("gone", "it was removed")];
    let options = Options { directives: Some(KNOWN), hints, env: &env, files: &files };
    parse(Input { name: "Corefile", text: text.as_bytes() }, options)
}

/// The blocks in one line each: keys, then directives with their tokens.
fn shape(text: &str) -> Vec<String> {
    let corefile = parse_with(text, &[], &[]).unwrap_or_else(|rejected| panic!("{}", rejected.render()));
    corefile.blocks.iter().map(block_shape).collect()
}

/// One block as in [`shape`].
fn block_shape(block: &ServerBlock) -> String {
    let words = |tokens: &[Token]| tokens.iter().map(|token| format!("<{token}>")).collect::<String>();
    let directives: Vec<String> =
        block.directives.iter().map(|one| format!("{}={}", one.name, words(&one.tokens))).collect();
    format!("{} | {}", words(&block.keys), directives.join(" "))
}

/// The first line of what is refused.
fn refusal(text: &str) -> String {
    parse_with(text, &[], &[]).expect_err("should be refused").diagnostics[0].to_string()
}

#[test]
fn ordinary_file() {
    let text = ". example.org:53 {\n errors\n cache 30 {\n  prefetch 10\n }\n errors again\n}\n";
    assert_eq!(
        shape(text),
        ["<.><example.org:53> | errors=<errors><errors><again> cache=<cache><30><{><prefetch><10><}>"]
    );
}

#[test]
fn keys_may_continue_after_a_comma_and_braces_may_be_left_out() {
    assert_eq!(shape("a.org,\nb.org {\n log\n}\n"), ["<a.org><b.org> | log=<log>"]);
    assert_eq!(shape("a.org\nlog\nerrors\n"), ["<a.org> | log=<log> errors=<errors>"]);
    assert_eq!(shape("a.org"), ["<a.org> | "]);
    assert_eq!(shape("{\n log\n}\n"), Vec::<String>::new());
}

#[test]
fn words_quotes_and_comments() {
    let args = |text: &str| shape(&format!(". {{\n log {text}\n}}\n"))[0].replace("<.> | log=<log>", "");
    assert_eq!(args(r#""a b" c"d "e\"f" "g\h" "i\\" """#), r#"<a b><c"d><e"f><g\h><i\\><>"#);
    assert_eq!(args("foo#bar baz"), "<foo><baz>");
    assert_eq!(args("foo # bar baz"), "<foo>");
    assert_eq!(args("a\rb\u{a0}c\u{2003}d"), "<ab><c><d>");
    assert_eq!(args("\"a\nb\""), "<a\nb>");
}

#[test]
fn refusals_in_the_words_of_coredns() {
    assert_eq!(refusal(". {\n nope\n}\n"), "Corefile:2 - Error during parsing: Unknown directive 'nope'");
    assert_eq!(
        refusal(". { log }\n"),
        "Corefile:1 - Error during parsing: Unexpected '}' because no matching opening brace"
    );
    assert_eq!(refusal(". {\n log\n"), "Corefile:2 - Syntax error: Unexpected token 'log', expecting '}'");
    assert_eq!(refusal(". {\n log {\n"), "Corefile:2 - Error during parsing: Unexpected EOF");
    assert_eq!(refusal("a,"), "Corefile:1 - Error during parsing: Unexpected EOF");
    assert_eq!(
        refusal("a, {\n}"),
        "Corefile:1 - Error during parsing: Expected another address but had '{' - check for extra comma"
    );
}

#[test]
fn all_unknown_directives_are_reported_with_place_and_suggestion() {
    let rejected = parse_with(". {\n\tcahce 30\n    gone x\n}\n", &[], &[]).expect_err("refused");
    assert_eq!(
        rejected.render(),
        "Corefile:2 - Error during parsing: Unknown directive 'cahce'\n  --> Corefile:2:2\n 2 | \tcahce 30\n   | \t^^^^^ did you mean 'cache'?\n\
         Corefile:3 - Error during parsing: Unknown directive 'gone'\n  --> Corefile:3:5\n 3 |     gone x\n   |     ^^^^ it was removed"
    );
}

#[test]
fn snippets_and_files_are_imported() {
    let files = [("d/a.conf", "log a\nimport b.conf\n"), ("d/b.conf", "errors"), ("d/.hid", "")];
    let text = "(s) {\n whoami\n}\n. {\n import s\n import d/a*.conf\n import none/*\n}\n";
    let corefile = parse_with(text, &files, &[]).expect("accepted");
    assert_eq!(block_shape(&corefile.blocks[0]), "<.> | whoami=<whoami> log=<log><a> errors=<errors>");
    let warnings: Vec<String> = corefile.warnings.iter().map(Diagnostic::to_string).collect();
    assert_eq!(warnings, ["No files matching import glob pattern: none/*"]);
    let path = |path: &str| PathBuf::from("/etc/coredns").join(path);
    assert_eq!(
        corefile.imports,
        [
            Import::Glob("/etc/coredns/d/a*.conf".into()),
            Import::File(path("d/a.conf")),
            Import::File(path("d/b.conf")),
            Import::Glob("/etc/coredns/none/*".into())
        ]
    );
    let errors = &corefile.blocks[0].directives[2].tokens[0];
    assert_eq!(&*corefile.sources.name(errors.file), "/etc/coredns/d/b.conf");
}

#[test]
fn variables_are_replaced_inside_tokens() {
    let variables = [("Z", "example.org"), ("REC", "{$Z}"), ("NL", "a\nb"), ("LOOP", "{$LOOP}")];
    let text = "{$REC}:5{%UNSET%}3 {\n log {$NL} {$} {$Z {%Z}\n errors {$LOOP}\n}\n";
    let corefile = parse_with(text, &[], &variables).expect("accepted");
    let expected = "<example.org:53> | log=<log><a\nb><{$}><{$Z><{%Z}> errors=<errors><{$LOOP}>";
    assert_eq!(block_shape(&corefile.blocks[0]), expected);
}

#[test]
fn dispenser_walks_lines_and_blocks() {
    let corefile =
        parse_with(". {\n cache 30 x {\n  prefetch 1 2\n  log\n }\n cache\n}\n", &[], &[]).expect("accepted");
    let mut cursor = corefile.blocks[0].directive("cache").expect("cache").dispenser(&corefile.sources);
    assert_eq!((cursor.val(), cursor.line(), &*cursor.file()), ("", 0, "Corefile"));
    assert!(cursor.next());
    let texts = |tokens: Vec<Token>| tokens.iter().map(|token| Arc::clone(&token.text)).collect::<Vec<_>>().join(" ");
    assert_eq!(texts(cursor.remaining_args()), "30 x");
    assert!(cursor.next_block());
    assert_eq!((cursor.val(), cursor.line()), ("prefetch", 3));
    assert_eq!(texts(cursor.remaining_args()), "1 2");
    let wrong = cursor.arg_err();
    assert_eq!(
        wrong.to_string(),
        "Corefile:3 - Error during parsing: Wrong argument count or unexpected line ending after '2'"
    );
    assert!(cursor.next_block());
    assert!(!cursor.next_block());
    assert_eq!(cursor.val(), "}");
    assert!(cursor.next());
    assert_eq!((cursor.val(), cursor.line()), ("cache", 6));
    assert!(!cursor.next_arg() && !cursor.next_block() && !cursor.next());
}

#[test]
fn oddities_are_taken_with_a_warning() {
    let text = "{$NONE} {\n log\n}\n. {\n log 10.0.0.1#53 #x\n log \"a\"#b\n errors {\n  x\n}\n";
    let corefile = parse_with(text, &[], &[]).expect("accepted");
    let warnings: Vec<String> = corefile.warnings.iter().map(ToString::to_string).collect();
    let hash = "Corefile:5 - a '#' within a word hides the rest of this word only; what counts is '10.0.0.1'";
    assert_eq!(
        warnings,
        ["Corefile:1 - a server block without a zone is left out", "Corefile:4 - this brace is never closed", hash]
    );
    let corefile = parse_with(". {\n log\n}\n}\n", &[], &[]).expect("accepted");
    assert_eq!(corefile.warnings[0].to_string(), "Corefile:4 - this '}' closes nothing and is served as a zone");
}

#[test]
fn what_was_meant_is_said() {
    let shown = |text: &str| parse_with(text, &[], &[("SET", "x y")]).expect_err("should be refused").render();
    for (text, expected) in [
        (". {\n cahce\n}\n", "did you mean 'cache'?"),
        (". {\n cache \"30\n}\n", "a closing quotation mark is missing"),
        (". {\n cache \"30\"\n", "a closing brace is missing"),
        ("apiVersion: v1\nkind: ConfigMap\n", "a Corefile has no fields with colons; is this YAML?"),
        (". {\n {$SET} 1\n}\n", "the value of SET comes from the environment; is it set?"),
    ] {
        let rendered = shown(text);
        assert!(rendered.contains(expected), "{text}: {rendered}");
    }
}
