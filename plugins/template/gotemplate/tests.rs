//! Templates and what they are filled to.

use super::*;
use std::collections::BTreeMap;

/// Data of a query.
struct Query;

impl Root for Query {
    fn field(&self, name: &str) -> Option<Data> {
        let text = |text: &str| Data::Text(text.to_owned());
        Some(match name {
            "Name" => text("a.test."),
            "Match" => Data::List(vec![text("ab"), text("b")]),
            "Group" => Data::Map(BTreeMap::from([("0".to_owned(), text("ab")), ("n".to_owned(), text("0x1f"))])),
            "Question" => Data::Struct(BTreeMap::from([("Qtype", Data::Int(16))])),
            _ => return None,
        })
    }

    fn method(&self, name: &str, argument: &str) -> Option<String> {
        (name == "Meta").then(|| format!("<{argument}>"))
    }
}

/// Checks what templates are filled to; an error begins with `template:`.
fn check(cases: &[(&str, &str)]) {
    for (source, expected) in cases {
        let filled = Template::parse("answer", source).and_then(|template| template.execute(&Query));
        assert_eq!(filled.unwrap_or_else(|error| error), *expected, "{source}");
    }
}

#[test]
fn prints_fields() {
    check(&[
        ("plain } text", "plain } text"),
        ("{{ .Name }} 60 IN A {{.Group.n}}", "a.test. 60 IN A 0x1f"),
        ("{{ .Group.none }}|{{ index .Group \"none\" }}", "<no value>|"),
        ("{{ .Question.Qtype }} {{ $.Name }} {{ .Match }}", "16 a.test. [ab b]"),
        ("{{ .Meta \"x/y\" }} {{ \"z\" | .Meta }}", "<x/y> <z>"),
        ("a {{- 1 -}} b{{/* no */}}c", "a1bc"),
        ("{{ \"q\\\"\\n\" }}{{ `r\\` }}{{ 'a' }}{{ true }}{{ -0x10 }}{{ 1.5 }}", "q\"\nr\\97true-161.5"),
    ]);
}

#[test]
fn chooses_and_repeats() {
    check(&[
        ("{{ if .Group.x }}a{{ else if eq .Name \"a.test.\" }}b{{ else }}c{{ end }}", "b"),
        ("{{ with .Group.n }}{{ . }}{{ end }}{{ with .Group.x }}x{{ else }}{{ .Name }}{{ end }}", "0x1fa.test."),
        ("{{ range $i, $e := .Match }}{{ $i }}{{ $e }};{{ end }}", "0ab;1b;"),
        ("{{ range .Match }}{{ if eq . \"b\" }}{{ break }}{{ end }}{{ . }}{{ end }}", "ab"),
        ("{{ range $k, $v := .Group }}{{ $k }}={{ $v }} {{ end }}", "0=ab n=0x1f "),
        ("{{ range 3 }}{{ . }}{{ else }}none{{ end }}{{ range 0 }}{{ else }}none{{ end }}", "012none"),
        ("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}", "2"),
        ("{{ if and .Name (not .Group.x) }}y{{ end }}{{ or .Group.x \"d\" }}", "yd"),
    ]);
}

#[test]
fn calls_functions() {
    check(&[
        ("{{ len .Match }} {{ .Name | len }} {{ index .Match 1 }} {{ slice .Name 0 1 }}", "2 7 b a"),
        ("{{ parseInt .Group.n 0 8 }} {{ parseInt \"ff\" 16 64 }}", "31 255"),
        (
            "{{ .Name | printf \"%q|%5s|%-4d|%03d|%x|%v|%t|%%\" \"s\" \"ab\" 7 5 255 }}",
            "\"s\"|   ab|7   |005|ff|a.test.|%!t(MISSING)|%",
        ),
        ("{{ print 1 2 \"x\" 3 }} {{ html \"<a>\" }} {{ urlquery \"a b&\" }}", "1 2x3 &lt;a&gt; a+b%26"),
        ("{{ eq 1 2 1 }} {{ ne 1 2 }} {{ lt \"a\" \"b\" }} {{ ge 2 2 }}", "true true true true"),
        ("{{ (index .Match 0) | printf \"%s%s\" (len .Match | printf \"%d\") }}", "2ab"),
    ]);
}

#[test]
fn refuses_what_is_no_template() {
    check(&[
        ("{{", "template: answer:1: unclosed action"),
        ("{{ .Bogus", "template: answer:1: unclosed action"),
        ("a\n{{ bogus }}", "template: answer:2: function \"bogus\" not defined"),
        ("{{ if true }}", "template: answer:1: unexpected EOF"),
        ("{{ end }}", "template: answer:1: unexpected {{end}}"),
        ("{{ }}", "template: answer:1: missing value for command"),
        ("{{ $x }}", "template: answer:1: undefined variable \"$x\""),
        ("{{ \"a }}", "template: answer:1: unterminated quoted string"),
        ("{{ template \"x\" }}", "template: answer:1: named templates (template) are not supported"),
        ("{{ break }}", "template: answer:1: {{break}} outside {{range}}"),
    ]);
}

#[test]
fn filling_fails_and_ends() {
    let executing = "template: answer: executing \"answer\": ";
    check(&[
        ("{{ .Bogus }}", &format!("{executing}can't evaluate field Bogus in type *template.templateData")),
        ("{{ .Question.Bogus }}", &format!("{executing}can't evaluate field Bogus in type struct")),
        ("{{ index .Match 7 }}", &format!("{executing}error calling index: index out of range: 7")),
        ("{{ eq 1 \"1\" }}", &format!("{executing}error calling eq: incompatible types for comparison")),
        (
            "{{ parseInt \"300\" 0 8 }}",
            &format!("{executing}error calling parseInt: strconv.ParseUint: parsing \"300\": value out of range"),
        ),
        ("{{ range 1000 }}{{ range 1000 }}x{{ end }}{{ end }}", &format!("{executing}template takes too long")),
    ]);
    let deep = "{{ if true }}".repeat(20_000) + "x" + &"{{ end }}".repeat(20_000);
    check(&[(deep.as_str(), "x")]);
    let doubled = "{{ $x := `aaaaaaaaaa` }}".to_owned() + &"{{ $x = printf `%s%s` $x $x }}".repeat(40);
    check(&[(doubled.as_str(), &format!("{executing}template takes too long"))]);
}
