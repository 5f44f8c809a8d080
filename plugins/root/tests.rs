//! The setting that `root` leaves behind, and its errors.

use crate::trial::{Logged, Trial, setup_error};
use std::path::Path;

#[test]
fn keeps_the_path() {
    let block = Trial::new("root /").block;
    assert_eq!(block.settings.root.as_deref(), Some(Path::new("/")));
}

#[test]
fn warns_of_a_missing_path() {
    let log = Logged::during(|| assert_eq!(setup_error("root /nonexistent"), None));
    assert_eq!(log, ["[WARN] plugin/root: Root path does not exist: /nonexistent"]);
}

#[test]
fn refuses_a_wrong_number_of_arguments() {
    for (text, word) in [("root", "root"), ("root /etc extra", "extra")] {
        let expected = format!(
            "plugin/root: Corefile:2 - Error during parsing: Wrong argument count or unexpected line ending after '{word}'"
        );
        assert_eq!(setup_error(text), Some(expected));
    }
}
