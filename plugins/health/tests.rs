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
fn the_address_has_a_place_in_a_url() {
    for address in ["[::1]:8080", ":", "localhost:8080", "[fe80::1%25eth0]:8080"] {
        assert_eq!(super::check_url(address), Ok(()), "{address}");
    }
    for (address, expected) in [
        ("bla:a", "invalid port \":a\" after host"),
        ("127.0.0.1:+1", "invalid port \":+1\" after host"),
        ("[]:1", "invalid host: ParseAddr(\"\"): unable to parse IP"),
        ("[x]:1", "invalid host: ParseAddr(\"x\"): unable to parse IP"),
        ("[fe80::1%nope]:1", "invalid URL escape \"%no\""),
        ("127.0.0.1%lo:1", "invalid URL escape \"%lo\""),
    ] {
        assert_eq!(super::check_url(address), Err(format!("parse \"http://{address}\": {expected}")));
    }
}

#[test]
fn an_unspecified_address_is_asked_at_this_machine() {
    let both = ["127.0.0.1:8080", "[::1]:8080"].map(|address| address.parse().unwrap());
    for address in [":8080", "0.0.0.0:8080", "[::]:8080", "[::ffff:0.0.0.0]:8080"] {
        assert_eq!(super::loopbacks(address), Some(both), "{address}");
    }
    for address in ["127.0.0.1:8080", "localhost:8080", "[::1]:8080"] {
        assert_eq!(super::loopbacks(address), None, "{address}");
    }
}
