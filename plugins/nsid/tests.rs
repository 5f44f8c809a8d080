//! The option in replies, as recorded from CoreDNS, and the errors.

use crate::hostname::hostname;
use crate::trial::{Trial, setup_error};
use plugin_api::{Edns, Rcode, ReplyBuilder, Request, Response, Type};

/// A block whose last handler answers A without EDNS, AAAA with EDNS that has options, and nothing else.
fn trial(directives: &str) -> Trial {
    Trial::ending_in(directives, |request: &Request| {
        let mut message = ReplyBuilder::new(request).finish();
        match request.qtype() {
            Type::A => {}
            Type::AAAA => {
                let mut edns = Edns { payload: 4096, ..Edns::default() };
                edns.push_option(15, b"\0\x0f");
                edns.push_option(3, b"upstream");
                message.edns = Some(Box::new(edns));
            }
            _ => return Ok(Response::Unwritten(Rcode::SERVFAIL)),
        }
        Ok(Response::Message(message))
    })
}

#[test]
fn answers_only_who_asks() {
    let trial = trial("nsid node-7");
    assert_eq!(trial.ask("a.test A"), "NOERROR qr rd");
    assert_eq!(trial.ask("a.test A edns"), "NOERROR qr rd");
    assert_eq!(trial.ask("a.test A nsid"), "NOERROR qr rd; edns: 1232 do 3:node-7");
    assert_eq!(trial.ask("a.test A nsid tcp bufsize=4096"), "NOERROR qr rd; edns: 4096 do 3:node-7");
    assert_eq!(trial.ask("a.test TXT nsid"), "unwritten SERVFAIL");
}

#[test]
fn takes_the_place_of_the_name_of_an_upstream() {
    assert_eq!(trial("nsid here").ask("a.test AAAA nsid"), "NOERROR qr rd; edns: 4096 15:\\x00\\x0f 3:here");
}

#[test]
fn joins_words_and_falls_back_to_the_host() {
    assert_eq!(trial("nsid some longer  name").ask("a.test A nsid"), "NOERROR qr rd; edns: 1232 do 3:some longer name");
    assert_eq!(trial("nsid").ask("a.test A nsid"), format!("NOERROR qr rd; edns: 1232 do 3:{}", hostname()));
}

#[test]
fn stands_once_in_a_block() {
    let once = "plugin/nsid: this plugin can only be used once per Server Block";
    assert_eq!(setup_error("nsid a\nnsid b").as_deref(), Some(once));
}
