//! Tests of the directive; reloads themselves are tested with the running program.

use super::setup::spread;
use crate::trial::setup_error;
use std::time::Duration;

#[test]
fn errors_are_coredns_words() {
    for (text, expected) in [
        ("reload 1s", "plugin/reload: interval value must be greater or equal to 2s"),
        ("reload -5s", "plugin/reload: interval value must be greater or equal to 2s"),
        ("reload 10s abc", "plugin/reload: time: invalid duration \"abc\""),
        ("reload 10", "plugin/reload: time: missing unit in duration \"10\""),
        ("reload 10s 500ms", "plugin/reload: jitter value must be 0 or greater or equal to 1s"),
        ("reload 10s -1s", "plugin/reload: jitter value must be 0 or greater or equal to 1s"),
        (
            "reload 1m 1s 1s",
            "plugin/reload: Corefile:2 - Error during parsing: Wrong argument count or unexpected line ending after '1s'",
        ),
    ] {
        assert_eq!(setup_error(text).as_deref(), Some(expected));
    }
    assert_eq!(setup_error("reload\nreload 5s"), None);
}

#[test]
fn jitter_spreads_both_ways() {
    let seconds = |value: f64| Duration::from_secs_f64(value);
    assert_eq!(spread(seconds(30.0), seconds(15.0), 0.0), seconds(22.5));
    assert_eq!(spread(seconds(30.0), seconds(15.0), 1.0), seconds(37.5));
    assert_eq!(spread(seconds(30.0), Duration::ZERO, 0.7), seconds(30.0));
}
