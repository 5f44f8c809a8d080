//! What is left of replies, as recorded from CoreDNS, and the errors.

use crate::trial::{Trial, setup_error};
use plugin_api::{Edns, Rcode, ReplyBuilder, Request, Response, Section, Type};
use std::net::Ipv4Addr;

/// A block whose last handler answers with records in every section; the first letter of the name chooses what is left out.
fn ask(query: &str) -> String {
    let trial = Trial::ending_in("minimal", |request: &Request| {
        let mut reply = ReplyBuilder::new(request);
        let owner = [request.qname().as_wire()];
        let kind = request.qname().to_string();
        if kind.starts_with("full") || kind.starts_with("bad") {
            reply.push_a(Section::Answer, &owner, 60, Ipv4Addr::LOCALHOST);
        }
        if kind.starts_with("bad") || kind.starts_with("nx") {
            reply.set_rcode(Rcode::NXDOMAIN);
        }
        if !kind.starts_with("extra") {
            reply.push_name(Section::Authority, &owner, (Type::NS, 60), &owner);
        }
        reply.push_a(Section::Additional, &owner, 60, Ipv4Addr::LOCALHOST);
        let mut message = reply.finish();
        message.edns = Some(Box::new(Edns { payload: 512, ..Edns::default() }));
        Ok(Response::Message(message))
    });
    trial.ask(query)
}

#[test]
fn cuts_positive_replies() {
    assert_eq!(ask("full A"), "NOERROR qr rd; answer: full. 60 IN A 127.0.0.1");
    assert_eq!(ask("extra A"), "NOERROR qr rd");
}

#[test]
fn leaves_denials_referrals_and_errors() {
    let rest =
        |name: &str| format!("authority: {name}. 60 IN NS {name}.; additional: {name}. 60 IN A 127.0.0.1; edns: 512");
    assert_eq!(ask("referral A"), format!("NOERROR qr rd; {}", rest("referral")));
    assert_eq!(ask("nx A"), format!("NXDOMAIN qr rd; {}", rest("nx")));
    assert_eq!(ask("bad A"), format!("NXDOMAIN qr rd; answer: bad. 60 IN A 127.0.0.1; {}", rest("bad")));
}

#[test]
fn hands_on_what_is_no_message() {
    assert_eq!(Trial::new("minimal").ask("a A"), "error SERVFAIL: plugin/minimal: no next plugin found");
}

#[test]
fn takes_no_argument() {
    let place = "plugin/minimal: Corefile:2 - Error during parsing: ";
    let expected = format!("{place}Wrong argument count or unexpected line ending after 'x'");
    assert_eq!(setup_error("minimal x"), Some(expected));
}
