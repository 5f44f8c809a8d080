//! The replies of `whoami`, as recorded from CoreDNS, and its errors.

use crate::trial::{Trial, setup_error};

/// Checks the reply to a query.
fn check(query: &str, expected: &str) {
    assert_eq!(Trial::new("whoami").ask(query), expected, "{query}");
}

#[test]
fn tells_address_port_and_transport() {
    check(
        "who.test A sport=40001",
        "NOERROR qr aa rd; additional: who.test. 0 IN A 127.0.0.1, _udp.who.test. 0 IN SRV 0 0 40001 .",
    );
    check(
        "A.Who.TEST AAAA sport=40003",
        "NOERROR qr aa rd; additional: A.Who.TEST. 0 IN A 127.0.0.1, _udp.A.Who.TEST. 0 IN SRV 0 0 40003 .",
    );
    check(
        "who.test TXT sport=7 tcp from=2001:db8::1",
        "NOERROR qr aa rd; additional: who.test. 0 IN AAAA 2001:db8::1, _tcp.who.test. 0 IN SRV 0 0 7 .",
    );
    check(". A sport=9", "NOERROR qr aa rd; additional: . 0 IN A 127.0.0.1, _udp. 0 IN SRV 0 0 9 .");
    check(
        "who.test A CH sport=9",
        "NOERROR qr aa rd; additional: who.test. 0 CH A 127.0.0.1, _udp.who.test. 0 CH SRV 0 0 9 .",
    );
}

#[test]
fn leaves_out_an_owner_that_would_be_too_long() {
    let label = "a".repeat(62);
    let name = format!("{label}.{label}.{label}.{label}.");
    check(&format!("{name} A"), &format!("NOERROR qr aa rd; additional: {name} 0 IN A 127.0.0.1"));
}

#[test]
fn takes_no_argument() {
    let place = "plugin/whoami: Corefile:2 - Error during parsing: ";
    let word = format!("{place}Wrong argument count or unexpected line ending after 'x'");
    assert_eq!(setup_error("whoami x"), Some(word));
    let block = format!("{place}Unexpected token '{{', expecting argument");
    assert_eq!(setup_error("whoami {\n}"), Some(block));
}
