//! The lines of `errors`, as recorded from CoreDNS, and its errors.

use crate::trial::{Logged, Trial, setup_error};
use plugin_api::{Error, Rcode};

/// A block whose chain always fails.
fn failing(directives: &str) -> Trial {
    Trial::ending_in(directives, |_| Err(Error::new("dial tcp: refused").with_rcode(Rcode::SERVFAIL)))
}

/// What is logged while `queries` run through a block with these directives.
fn lines(directives: &str, queries: &[&str]) -> Vec<String> {
    let trial = failing(directives);
    Logged::during(|| queries.iter().for_each(|query| drop(trial.ask(query))))
}

#[test]
fn logs_rcode_name_type_and_error() {
    let expected = ["[ERROR] plugin/errors: 2 drop.example.com. AAAA: dial tcp: refused"];
    assert_eq!(lines("errors", &["Drop.Example.COM AAAA"]), expected);
    assert_eq!(lines("errors stdout", &["drop.example.com AAAA"]), expected);
}

#[test]
fn names_what_was_asked_behind_a_rewrite() {
    for (rule, expected) in [
        ("rewrite name a.test b.test", "0 b.test. A"),
        ("rewrite continue name a.test b.test", "0 b.test. A"),
        ("rewrite name c.test b.test", "2 a.test. A"),
        ("rewrite type A TXT", "0 a.test. TXT"),
        ("rewrite continue type A TXT", "2 a.test. TXT"),
    ] {
        let line = format!("[ERROR] plugin/errors: {expected}: dial tcp: refused");
        assert_eq!(lines(&format!("errors\n{rule}"), &["a.test A"]), [line], "{rule}");
    }
}

#[test]
fn passes_the_error_on() {
    assert_eq!(failing("errors").ask("a.test A"), "error SERVFAIL: dial tcp: refused");
    assert_eq!(Trial::new("errors").ask("a.test A"), "error SERVFAIL: plugin/errors: no next plugin found");
}

#[test]
fn logs_nothing_without_error() {
    let trial = Trial::new("errors\nwhoami");
    assert_eq!(Logged::during(|| drop(trial.ask("a.test A"))), [""; 0]);
}

#[test]
fn shows_the_first_at_the_level_of_its_pattern() {
    let expected = ["[WARN] plugin/errors: 2 a.test. A: dial tcp: refused"];
    let text = "errors {\nconsolidate 2s nothing\nconsolidate 2s ^dial warning show_first\nconsolidate 2s tcp\n}";
    assert_eq!(lines(text, &["a.test A", "b.test A"]), expected);
}

/// What is logged for a number of errors: up to `expected` lines, and by the stop.
async fn summary(options: &str, errors: usize, expected: usize) -> [Vec<String>; 2] {
    let trial = failing(&format!("errors {{\nconsolidate {options}\n}}"));
    let (_, patterns) = &trial.block.managed[0];
    let logged = Logged::default();
    let _guard = tracing::subscriber::set_default(logged.clone());
    patterns.start().await.expect("started");
    (0..errors).for_each(|_| drop(trial.ask("a.test A")));
    let mut lines = logged.take();
    while lines.len() < expected {
        tokio::task::yield_now().await;
        lines.extend(logged.take());
    }
    patterns.stop().await;
    [lines, logged.take()]
}

#[tokio::test]
async fn counts_until_the_period_ends() {
    let five = "[ERROR] plugin/errors: 5 errors like '^dial' occurred in last 1ms".to_owned();
    assert_eq!(summary("1ms ^dial", 5, 1).await, [vec![five.clone()], vec![]]);
    assert_eq!(summary("1ms ^dial", 1, 1).await, [vec![five.replace('5', "1")], vec![]]);
    let first = "[INFO] plugin/errors: 2 a.test. A: dial tcp: refused".to_owned();
    let three = "[INFO] plugin/errors: 3 errors like '^dial' occurred in last 1ms".to_owned();
    assert_eq!(summary("1ms ^dial info show_first", 3, 2).await, [vec![first, three], vec![]]);
}

#[tokio::test]
async fn a_stop_logs_what_was_counted() {
    let four = "[DEBUG] plugin/errors: 4 errors like '^dial' occurred in last 1h0m0s".to_owned();
    assert_eq!(summary("1h ^dial debug", 4, 0).await, [vec![], vec![four]]);
    assert_eq!(summary("1h ^dial debug", 0, 0).await, [const { Vec::<String>::new() }; 2]);
    let first = "[INFO] plugin/errors: 2 a.test. A: dial tcp: refused".to_owned();
    assert_eq!(summary("1h ^dial info show_first", 1, 1).await, [vec![first], vec![]]);
}

#[test]
fn sets_the_stack_trace() {
    assert!(Trial::new("errors {\nstacktrace\n}").block.settings.stacktrace);
}

#[test]
fn refuses_in_the_words_of_coredns() {
    let parsing = "Error during parsing: ";
    let syntax = "Syntax error: Unexpected token ";
    let count = "Wrong argument count or unexpected line ending after ";
    for (text, line, expected) in [
        ("errors a b", 2, format!("{parsing}{count}'b'")),
        ("errors file", 2, format!("{parsing}invalid log file: file")),
        ("errors {\nbogus\n}", 3, format!("{syntax}'bogus', expecting 'Unknown field bogus'")),
        ("errors {\nstacktrace now\n}", 3, format!("{syntax}'now', expecting 'Unknown field now'")),
        ("errors {\nconsolidate\n}", 3, format!("{parsing}{count}'consolidate'")),
        ("errors {\nconsolidate 5m\n}", 3, format!("{parsing}{count}'5m'")),
        ("errors {\nconsolidate 5 x\n}", 3, format!("{parsing}time: missing unit in duration \"5\"")),
        ("errors {\nconsolidate 5m \"(\"\n}", 3, format!("{parsing}error parsing regexp: missing closing ): `(`")),
        (
            "errors {\nconsolidate 5m x warning error\n}",
            3,
            format!("{parsing}multiple log levels specified in consolidate"),
        ),
        (
            "errors {\nconsolidate 5m x show_first warning\n}",
            3,
            format!("{parsing}log level must come before show_first in consolidate"),
        ),
        ("errors {\nconsolidate 5m x fatal\n}", 3, format!("{parsing}unknown option in consolidate: fatal")),
    ] {
        assert_eq!(setup_error(text), Some(format!("plugin/errors: Corefile:{line} - {expected}")), "{text}");
    }
    let once = "plugin/errors: this plugin can only be used once per Server Block";
    assert_eq!(setup_error("errors\nerrors").as_deref(), Some(once));
}
