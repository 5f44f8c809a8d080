//! The addresses that `bind` leaves behind, and its errors.

use super::setup::{device, text_of};
use crate::trial::{Trial, setup_error};

/// Checks the addresses that a block listens on.
fn check(text: &str, expected: &[&str]) {
    let block = Trial::new(text).block;
    assert!(block.settings.is_bound);
    assert_eq!(block.settings.hosts, expected, "{text}");
}

#[test]
fn gathers_addresses_in_their_order() {
    check("bind 127.0.0.1", &["127.0.0.1"]);
    check("bind ::1 127.0.0.2\nbind 10.0.0.1", &["::1", "127.0.0.2", "10.0.0.1"]);
    check("bind 127.0.0.1 127.0.0.1", &["127.0.0.1", "127.0.0.1"]);
    check("bind 127.0.0.1 127.0.0.2 {\nexcept 127.0.0.1\n}", &["127.0.0.2"]);
    check("bind 127.0.0.1 {\nexcept 127.0.0.1\n}", &[]);
}

#[test]
fn names_the_interface_of_a_link_local_address() {
    assert_eq!(text_of("eth0", "fe80::1".parse().unwrap()), "fe80::1%eth0");
    assert_eq!(text_of("eth0", "2001:db8::1".parse().unwrap()), "2001:db8::1");
    assert_eq!(text_of("eth0", "169.254.0.1".parse().unwrap()), "169.254.0.1");
}

#[test]
fn an_address_with_a_label_belongs_to_its_interface() {
    assert_eq!(["eth0", "eth0:vip"].map(device), ["eth0", "eth0"]);
}

#[test]
fn refuses_in_the_words_of_coredns() {
    for (text, expected) in [
        ("bind", "at least one address or interface name is expected"),
        ("bind 999.1.1.1", "not a valid IP address or interface name: \"999.1.1.1\""),
        ("bind 127.0.0.1:53", "not a valid IP address or interface name: \"127.0.0.1:53\""),
        ("bind fe80::1%eth0", "not a valid IP address or interface name: \"fe80::1%eth0\""),
        ("bind 127.0.0.1 {\nexcept\n}", "at least one address or interface must be given to except subdirective"),
        ("bind 127.0.0.1 {\nbogus\n}", "invalid option \"bogus\""),
    ] {
        assert_eq!(setup_error(text), Some(format!("plugin/bind: {expected}")), "{text}");
    }
}
