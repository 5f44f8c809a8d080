//! Everything that happens to octets from a client, and what must hold then. Shared by the property test here and the fuzz
//! target in `tests/fuzz`, which is why it names this crate from outside.

use ferrodns::server::admit::Verdict;
use ferrodns::server::route::Router;
use ferrodns::server::{Limits, Parts, Server};
use plugin_api::{Clock, Message, OwnedRecord, Transport};
use prometheus_client::metrics::counter::Counter;
use std::sync::Arc;

/// A server without blocks.
fn server() -> Arc<Server> {
    Server::new(Parts {
        name: "dns://:53".into(),
        router: Router::default(),
        any_class: true,
        debug: false,
        stacktrace: false,
        echoed: Vec::new(),
        limits: Limits::default(),
        clock: Clock::system(),
        panics: Counter::default(),
        dropped: None,
    })
}

/// Admits `input` as a query over UDP and TCP; what is a query is answered with itself, as a reply of any shape.
pub(crate) fn exercise(input: &[u8]) {
    let server = server();
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut request = server.request(transport);
        let mut out = Vec::new();
        match server.admit(input, &mut request, &mut out) {
            Verdict::Ignore => assert!(out.is_empty()),
            Verdict::Refused => {
                assert_eq!(out.get(..2), input.get(..2));
                assert!(Message::read(&out).is_ok());
                // A refusal is no amplifier: header, question and OPT at most.
                assert!(out.len() <= input.len() + 11);
            }
            Verdict::Query => {
                let Ok(message) = Message::read(input) else { continue };
                server.write(&message, &request, &mut out);
                compare(&message, &out);
            }
        }
    }
}

/// What was sent must read as the beginning of what was meant.
fn compare(meant: &Message, sent: &[u8]) {
    let Ok(read) = Message::read(sent) else { panic!("{sent:02x?} cannot be read") };
    let wanted: Vec<OwnedRecord> = meant.records().map(OwnedRecord::from).collect();
    let got: Vec<OwnedRecord> = read.records().map(OwnedRecord::from).collect();
    assert_eq!(wanted.get(..got.len()), Some(&got[..]));
    assert!(sent.len() <= 65_535);
}
