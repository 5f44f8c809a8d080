//! Everything that can be done with one text, and what must hold then. Shared by the property tests here and the fuzz
//! target in `tests/fuzz`, which is why it names this crate from outside.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use corefile::{Dispenser, Input, Options, keys, parse, render};

/// Parses, renders what is wrong, and runs every cursor to its end. What a fuzzer and the property tests share.
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
