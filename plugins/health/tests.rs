//! Tests of the directive; the endpoint itself is tested with the running program.

use crate::trial::setup_error;

#[test]
fn errors_are_coredns_words() {
    for (text, expected) in [
        ("health abc", "plugin/health: address abc: missing port in address"),
        (
            "health :1 x",
            "plugin/health: Corefile:2 - Error during parsing: Wrong argument count or unexpected line ending after 'x'",
        ),
        (
            "health {\n lameduck 5\n}",
            "plugin/health: unable to parse lameduck duration value: '5' : time: missing unit in duration \"5\"",
        ),
        ("health {\n bogus\n}", "plugin/health: Corefile:3 - Error during parsing: unknown property 'bogus'"),
    ] {
        assert_eq!(setup_error(text).as_deref(), Some(expected));
    }
    assert_eq!(setup_error("health\nhealth :8081 {\n lameduck -5s\n}"), None);
}

#[test]
fn the_port_is_a_number() {
    assert_eq!(super::check_port("[::1]:8080"), Ok(()));
    assert_eq!(super::check_port(":"), Ok(()));
    let expected = "parse \"http://bla:a\": invalid port \":a\" after host";
    assert_eq!(super::check_port("bla:a").unwrap_err(), expected);
}
