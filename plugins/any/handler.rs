//! Answers ANY with a HINFO record.

use plugin_api::{Handler, Next, Reply, ReplyBuilder, Request, Section, Type};

/// The TTL of the record in seconds, the number of the RFC.
const TTL: u32 = 8482;

/// The rdata: two character strings.
const HINFO: &[u8] = b"\x0dANY obsoleted\x0cSee RFC 8482";

/// The handler; it has no state.
pub(super) struct Any;

impl Handler for Any {
    fn name(&self) -> &'static str {
        "any"
    }

    fn handle<'a>(&'a self, request: &'a Request, next: Next<'a>) -> Reply<'a> {
        if request.qtype() != Type::ANY {
            return next.run(request);
        }
        let mut reply = ReplyBuilder::new(request);
        reply.push(Section::Answer, &[request.qname().as_wire()], (Type::HINFO, TTL), |out| {
            out.extend_from_slice(HINFO);
        });
        Reply::message(reply.finish())
    }
}
