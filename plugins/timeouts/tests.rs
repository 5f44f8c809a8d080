//! The settings that `timeouts` leaves behind, and its errors.

use crate::trial::{Trial, setup_error};
use std::time::Duration;

#[test]
fn changes_what_is_named() {
    let settings = Trial::new("timeouts {\nread 1s\nwrite 2m\n}").block.settings;
    assert_eq!(settings.read_timeout, Duration::from_secs(1));
    assert_eq!(settings.write_timeout, Duration::from_secs(120));
    assert_eq!(settings.idle_timeout, Duration::from_secs(10));
    assert_eq!(settings.max_tcp_queries, None);
    let settings = Trial::new("timeouts {\nidle 30\nmaxtcpqueries 3\n}").block.settings;
    assert_eq!(settings.idle_timeout, Duration::from_secs(30));
    assert_eq!(settings.max_tcp_queries, Some(3));
    assert_eq!(Trial::new("timeouts {\nmaxtcpqueries -1\n}").block.settings.max_tcp_queries, None);
}

#[test]
fn refuses_in_the_words_of_coredns() {
    for (text, expected) in [
        ("read abc", "failed to parse duration 'abc'"),
        ("read 0s", "timeout provided '0s' needs to be between 1 second and 24 hours"),
        ("read 25h", "timeout provided '25h0m0s' needs to be between 1 second and 24 hours"),
        ("read -5s", "timeout provided '-5s' needs to be between 1 second and 24 hours"),
        ("read", "Wrong argument count or unexpected line ending after 'read'"),
        ("giraffe 30s", "unknown option: 'giraffe'"),
        ("giraffe neck", "failed to parse duration 'neck'"),
        ("maxtcpqueries 0", "maxtcpqueries provided '0' needs to be -1 (unlimited) or a positive integer"),
        ("maxtcpqueries -2", "maxtcpqueries provided '-2' needs to be -1 (unlimited) or a positive integer"),
        (
            "maxtcpqueries snake",
            "invalid value for maxtcpqueries 'snake': strconv.Atoi: parsing \"snake\": invalid syntax",
        ),
    ] {
        let expected = format!("plugin/timeouts: Corefile:3 - Error during parsing: {expected}");
        assert_eq!(setup_error(&format!("timeouts {{\n{text}\n}}")), Some(expected), "{text}");
    }
    let empty = "plugin/timeouts: plugin/timeouts: Corefile:3 - Error during parsing: timeouts block with no timeouts specified";
    assert_eq!(setup_error("timeouts {\n}").as_deref(), Some(empty));
}
