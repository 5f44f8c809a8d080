//! Tests of the directive and the board.

use super::Board;
use crate::trial::setup_error;
use plugin_api::link::Ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Ready when told.
struct Switch(AtomicBool);

impl Ready for Switch {
    fn is_ready(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[test]
fn errors_are_coredns_words() {
    for (text, expected) in [
        ("ready abc", "plugin/ready: address abc: missing port in address"),
        ("ready\nready", "plugin/ready: this plugin can only be used once per Server Block"),
        (
            "ready {\n monitor never\n}",
            "plugin/ready: Corefile:3 - Error during parsing: monitor type 'never' not supported",
        ),
    ] {
        assert_eq!(setup_error(text).as_deref(), Some(expected));
    }
    assert_eq!(setup_error("ready :8181 {\n monitor until-ready\n monitor continuously\n}"), None);
}

#[test]
fn once_ready_is_remembered_unless_told() {
    let board = Board::default();
    let switch = Arc::new(Switch(AtomicBool::new(false)));
    board.add("kubernetes", Arc::clone(&switch) as Arc<dyn Ready>);
    board.add("kubernetes", Arc::clone(&switch) as Arc<dyn Ready>);
    assert_eq!(board.missing(), ["kubernetes"]);
    switch.0.store(true, Ordering::Relaxed);
    assert!(board.missing().is_empty());
    switch.0.store(false, Ordering::Relaxed);
    assert!(board.missing().is_empty());
    board.asks_again.store(true, Ordering::Relaxed);
    assert_eq!(board.missing(), ["kubernetes"]);
}
