//! Paths, patterns and the real file system; excerpts of odd places; suggestions.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::files::{absolute, clean, directory};
use super::glob::glob;
use super::*;

#[test]
fn paths_as_go() {
    for (path, expected) in [
        ("", "."),
        ("/", "/"),
        ("//a/./b/", "/a/b"),
        ("a/../..", ".."),
        ("/../a/..", "/"),
        ("../../x", "../../x"),
        ("a/b/../c", "a/c"),
    ] {
        assert_eq!(clean(path), expected, "{path}");
    }
    assert_eq!(absolute("../x", Path::new("/etc/coredns")), "/etc/x");
    assert_eq!((directory("/a"), directory("/a/b"), directory("a")), ("/".into(), "/a".into(), ".".into()));
}

#[test]
fn patterns_as_go() {
    let names = ["/c/a.conf", "/c/b.conf", "/c/.h.conf", "/c/d/a.conf", "/c/x*y"];
    let files: BTreeMap<PathBuf, Vec<u8>> = names.iter().map(|name| (PathBuf::from(name), Vec::new())).collect();
    let found = |pattern: &str| glob(pattern, &files).map(|paths| paths.join(" ")).map_err(|bad| bad.to_string());
    assert_eq!(found("/c/*.conf"), Ok("/c/.h.conf /c/a.conf /c/b.conf".into()));
    assert_eq!(found("/c/?.conf"), Ok("/c/a.conf /c/b.conf".into()));
    assert_eq!(found("/*/a.conf"), Ok("/c/a.conf".into()));
    assert_eq!(found("/c/*/a.conf"), Ok("/c/d/a.conf".into()));
    assert_eq!(found("/c/x\\*y"), Ok("/c/x*y".into()));
    assert_eq!(found("/c/d"), Ok("/c/d".into()));
    assert_eq!(found("/none/*"), Ok(String::new()));
    assert_eq!(found(&"\\a/".repeat(100_000)), Ok(String::new()));
    assert_eq!(found("/c/["), Err("syntax error in pattern".into()));
    assert_eq!(found("/c/a\\"), Err("syntax error in pattern".into()));
}

#[test]
fn real_files() {
    let home = std::env::temp_dir().join(format!("corefile-{}", std::process::id()));
    std::fs::create_dir_all(home.join("d")).expect("a directory");
    std::fs::write(home.join("d/a.conf"), "errors\n").expect("a file");
    let text = ". {\n import d/*.conf\n import d\n}\n";
    let name = home.join("Corefile").display().to_string();
    let options = Options { directives: None, hints: &[], env: &ProcessEnv, files: &DiskFiles };
    let rejected = parse(Input { name: &name, text: text.as_bytes() }, options).expect_err("a directory is no file");
    let expected =
        format!("{name}:3 - Error during parsing: Could not import {}: is a directory", home.join("d").display());
    let missing = DiskFiles.read(&home.join("none")).expect_err("missing");
    let large = std::fs::File::create(home.join("large")).and_then(|file| file.set_len(MAX_FILE_BYTES + 1));
    let too_large = large.and_then(|()| DiskFiles.read(&home.join("large"))).expect_err("too large");
    std::fs::remove_dir_all(&home).expect("cleaned up");
    assert_eq!(rejected.diagnostics[0].to_string(), expected);
    assert_eq!(rejected.sources.iter().count(), 2);
    assert_eq!(os_error_text(&missing), "no such file or directory");
    assert_eq!(os_error_text(&too_large), "file too large");
}

#[test]
fn excerpts_of_odd_places() {
    let mut sources = Sources::default();
    let long = format!("{}bad {}", "x ".repeat(200), "y".repeat(300));
    let file = sources.add("F", &format!("é \"a\nb\" c\r\n{long}\n"));
    let place = |start, end| Location { file: "F".into(), line: 1, span: Some(Span::new(file, start, end)) };
    let shown = |start, end| render(&Diagnostic::parsing(place(start, end), "m").with_help("h"), &sources);
    let first = "F:1 - Error during parsing: m\n";
    assert_eq!(shown(3, 8), format!("{first}  --> F:1:3\n 1 | é \"a\n   |   ^^ h"));
    assert_eq!(shown(9, 10), format!("{first}  --> F:2:4\n 2 | b\" c\n   |    ^ h"));
    let far = shown(412, 415);
    assert!(far.contains("bad yyy") && far.lines().all(|line| line.len() < 200), "{far}");
    assert_eq!(shown(9999, 10_000), format!("{first}  = h"));
    let plain = Diagnostic::plain("p").with_prefix("b").with_prefix("a");
    assert_eq!(render(&plain, &sources), "a: b: p");
    let placed = plain.pointing_at(Span::new(file, 0, 2), &sources);
    assert_eq!(render(&placed, &sources), "a: b: p\n  --> F:1:1\n 1 | é \"a\n   | ^");
}

#[test]
fn suggestions_are_near() {
    let words = ["cache", "log", "loop", "loadbalance"];
    let found = |word| suggest(word, words);
    assert_eq!(
        (found("cahce"), found("cach"), found("loadbalanced")),
        (Some("cache"), Some("cache"), Some("loadbalance"))
    );
    assert_eq!((found("x"), found("proxy"), found(""), found("lop")), (None, None, None, Some("log")));
}
