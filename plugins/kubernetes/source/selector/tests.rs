//! Label selectors: what they choose, how they are written, and the words for what is wrong.

use super::Selector;

/// Parses `text` and writes it again.
fn canonical(text: &str) -> String {
    Selector::parse(text).unwrap().to_string()
}

/// Returns the error of `text`.
fn error(text: &str) -> String {
    Selector::parse(text).unwrap_err()
}

#[test]
fn forms_are_written_as_the_api_takes_them() {
    let cases = [
        ("", ""),
        ("a=b", "a=b"),
        ("a==b", "a=b"),
        (" b , a = c ", "a=c,b"),
        ("!a", "!a"),
        ("! a", "!a"),
        ("a=", "a="),
        ("a=,b", "a=,b"),
        ("a in (y,x)", "a in (x,y)"),
        ("a in ()", "a in ()"),
        ("a in (,)", "a in ()"),
        ("a in (x,,y)", "a in (,x,y)"),
        ("env in (production, staging),team notin (ops)", "env in (production,staging),team notin (ops)"),
        ("in in (in)", "in in (in)"),
        ("notin", "notin"),
        ("a=1,a=2", "a=2"),
        ("kubernetes.io/name=X", "kubernetes.io/name=X"),
    ];
    for (text, expected) in cases {
        assert_eq!(canonical(text), expected, "{text}");
    }
}

#[test]
fn labels_are_matched() {
    let labels = [("app", "web"), ("tier", "front"), ("empty", "")];
    let matches = |text: &str| {
        let look = |key: &str| labels.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
        Selector::parse(text).unwrap().matches(look)
    };
    for yes in ["", "app", "app=web", "app in (web,db)", "app notin (db)", "x notin (y)", "!x", "empty=", "app,tier"] {
        assert!(matches(yes), "{yes}");
    }
    for no in ["x", "app=db", "app in (db)", "app notin (web)", "!app", "x=", "x in ()", "app=web,tier=back"] {
        assert!(!matches(no), "{no}");
    }
}

/// The texts are those of CoreDNS 1.14.7, as run.
#[test]
fn errors_have_the_words_of_coredns() {
    let requirement = [
        ("a in (x y)", "found 'y', expected: ',' or ')'"),
        ("a in x", "found 'x' expected: '('"),
        ("a notin (b,c", "found '', expected: ',' or ')'"),
        ("a b", "found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a===b", "found '=', expected: identifier"),
        ("a=!b", "found '!', expected: identifier"),
        ("!!", "found '!', expected: identifier"),
        ("a(b)", "found '(', expected: in, notin, =, ==, !=, gt, lt"),
        ("a in (b,", "found '', expected: ',', or identifier"),
        ("a in (!", "found '!', expected: ',', ')' or identifier"),
        ("a in (b!c)", "found '!', expected: ',' or ')'"),
        ("a>x", "values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer"),
        ("/a=b", "<nil>: Invalid value: \"/a\": prefix part must be non-empty"),
    ];
    for (text, why) in requirement {
        let expected = format!("couldn't parse the selector string \"{text}\": unable to parse requirement: {why}");
        assert_eq!(error(text), expected);
    }
    let others = [
        ("a,,b", "found ',', expected: identifier after ','"),
        (",a", "found ',', expected: !, identifier, or 'end of string'"),
        ("=", "found '=', expected: !, identifier, or 'end of string'"),
        ("a=b=c", "found '=', expected: ',' or 'end of string'"),
        ("!a=b", "found '=', expected: ',' or 'end of string'"),
        ("a in (b))", "found ')', expected: ',' or 'end of string'"),
        ("a in (b) c", "found 'c', expected: ',' or 'end of string'"),
    ];
    for (text, why) in others {
        assert_eq!(error(text), format!("couldn't parse the selector string \"{text}\": {why}"));
    }
    assert_eq!(error("a!=b"), "\"!=\" is not a valid label selector operator");
    assert_eq!(error("a>1"), "\"gt\" isn't supported in label selectors");
    assert_eq!(error("a<3"), "\"lt\" isn't supported in label selectors");
}

#[test]
fn keys_and_values_are_checked() {
    let long = "a".repeat(80);
    for bad in ["-a=b", "a=-b", "a&b", "é=b", "Foo/a=b", "a/b/c=d", "a in (-b,c,-d)", &long, &format!("a={long}")] {
        assert!(error(bad).contains("Invalid value: "), "{bad}");
    }
    assert!(error("a/b/c=d").contains("a valid label key must consist of"));
    assert!(error(&long).ends_with("name part must be no more than 63 bytes"));
    assert!(error("a in (-b,c,-d)").contains("[values[0][a]: Invalid value: \"-b\": a valid label must be"));
    assert!(error("a in (-b,c,-d)").contains("), values[1][a]: Invalid value: \"-d\": "));
}

#[test]
fn a_label_can_be_demanded_besides() {
    assert_eq!(Selector::parse("b=1").unwrap().and_exists("a/b").to_string(), "a/b,b=1");
    assert!(Selector::default().is_everything());
    assert!(!Selector::default().and_exists("x").is_everything());
}
