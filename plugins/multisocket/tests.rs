//! The number that `multisocket` leaves behind, and its errors.

use crate::trial::{Trial, setup_error};

#[test]
fn sets_the_number() {
    assert_eq!(Trial::new("multisocket 3").block.settings.sockets, 3);
    assert!(Trial::new("multisocket").block.settings.sockets > 0);
}

#[test]
fn refuses_in_the_words_of_coredns() {
    for (text, expected) in [
        ("multisocket -1", "num sockets can not be zero or negative: -1"),
        ("multisocket 0", "num sockets can not be zero or negative: 0"),
        ("multisocket 1025", "num sockets exceeds maximum (1024): 1025"),
        ("multisocket abc", "invalid num sockets: strconv.Atoi: parsing \"abc\": invalid syntax"),
        (
            "multisocket 2\nmultisocket 2",
            "Corefile:3 - Error during parsing: Wrong argument count or unexpected line ending after 'multisocket'",
        ),
    ] {
        assert_eq!(setup_error(text), Some(format!("plugin/multisocket: {expected}")), "{text}");
    }
}
