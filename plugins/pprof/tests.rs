//! Tests of the directive and the pages.

use super::page;
use crate::trial::setup_error;
use http::StatusCode;

#[test]
fn errors_are_coredns_words() {
    for (text, expected) in [
        ("pprof abc", "plugin/pprof: Corefile:2 - Error during parsing: address abc: missing port in address"),
        ("pprof\npprof", "plugin/pprof: this plugin can only be used once per Server Block"),
        (
            "pprof {\n block x\n}",
            "plugin/pprof: Corefile:3 - Error during parsing: property 'block' invalid integer value 'x'",
        ),
        ("pprof {\n bogus\n}", "plugin/pprof: Corefile:3 - Error during parsing: unknown property 'bogus'"),
    ] {
        assert_eq!(setup_error(text).as_deref(), Some(expected));
    }
    assert_eq!(setup_error("pprof :6060 {\n block 5\n}"), None);
}

#[test]
fn pages_are_listed_and_served() {
    for name in ["", "cmdline", "heap", "threadcreate"] {
        assert_eq!(page(&format!("/debug/pprof/{name}")).status(), StatusCode::OK, "{name}");
    }
    assert_eq!(page("/debug/pprof/goroutine").status(), StatusCode::NOT_FOUND);
}
