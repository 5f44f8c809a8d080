//! The switch that `debug` leaves behind, and its errors.

use crate::trial::{Trial, setup_error};

#[test]
fn sets_the_switch() {
    assert!(Trial::new("debug").block.settings.debug);
}

#[test]
fn takes_no_argument() {
    let place = "plugin/debug: Corefile:2 - Error during parsing: ";
    let off = format!("{place}Wrong argument count or unexpected line ending after 'off'");
    assert_eq!(setup_error("debug off"), Some(off));
    let block = format!("{place}Unexpected token '{{', expecting argument");
    assert_eq!(setup_error("debug {\n}"), Some(block));
}
