//! Answers the well-known names of class CH.

use plugin_api::{Class, Handler, Next, Reply, ReplyBuilder, Request, Section, Type};
use rand::seq::SliceRandom;

/// The handler. A string is cut at 255 octets when it is sent.
pub(super) struct Chaos {
    /// Said of the program.
    pub(super) version: Box<[u8]>,
    /// Who wrote it, each once.
    pub(super) authors: Box<[Box<[u8]>]>,
    /// The machine's name at set-up.
    pub(super) hostname: Box<[u8]>,
}

impl Handler for Chaos {
    fn name(&self) -> &'static str {
        "chaos"
    }

    fn handle<'a>(&'a self, request: &'a Request, next: Next<'a>) -> Reply<'a> {
        if request.question().class() != Class::CH || request.qtype() != Type::TXT {
            return next.run(request);
        }
        let mut reply = ReplyBuilder::new(request);
        let mut push = |string: &[u8]| {
            let string = string.get(..255).unwrap_or(string);
            let owner = [request.qname().as_wire()];
            reply.push_any(Section::Answer, &owner, (Type::TXT, Class::CH, 0), |out| {
                out.push(u8::try_from(string.len()).unwrap_or(u8::MAX));
                out.extend_from_slice(string);
            });
        };
        match request.question().lower().as_wire() {
            b"\x07authors\x04bind\0" => {
                let mut authors: Vec<&[u8]> = self.authors.iter().map(AsRef::as_ref).collect();
                authors.shuffle(&mut rand::rng());
                authors.into_iter().for_each(push);
            }
            b"\x07version\x04bind\0" | b"\x07version\x06server\0" => push(&self.version),
            b"\x08hostname\x04bind\0" | b"\x02id\x06server\0" => push(&self.hostname),
            _ => return next.run(request),
        }
        Reply::message(reply.finish())
    }
}
