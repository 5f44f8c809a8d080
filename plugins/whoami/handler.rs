//! Writes the client's address into the additional section.

use plugin_api::name::MAX_NAME;
use plugin_api::{Handler, Next, Reply, ReplyBuilder, Request, Section, Type};
use std::net::IpAddr;

/// The handler; it has no state.
pub(super) struct Whoami;

impl Handler for Whoami {
    fn name(&self) -> &'static str {
        "whoami"
    }

    fn handle<'a>(&'a self, request: &'a Request, _next: Next<'a>) -> Reply<'a> {
        let mut reply = ReplyBuilder::new(request).authoritative();
        push_address(&mut reply, request);
        push_port(&mut reply, request);
        Reply::message(reply.finish())
    }
}

/// The client's address at the queried name, in the class of the query.
fn push_address(reply: &mut ReplyBuilder, request: &Request) {
    let (qname, class) = (request.qname().as_wire(), request.question().class());
    let mut push = |rtype, octets: &[u8]| {
        reply.push_any(Section::Additional, &[qname], (rtype, class, 0), |out| out.extend_from_slice(octets));
    };
    match request.peer().ip().to_canonical() {
        IpAddr::V4(address) => push(Type::A, &address.octets()),
        IpAddr::V6(address) => push(Type::AAAA, &address.octets()),
    }
}

/// The client's port as a SRV record at `_udp.` or `_tcp.` before the queried name; left out where that is no name any more.
fn push_port(reply: &mut ReplyBuilder, request: &Request) {
    let label: &[u8] = if request.origin().transport.network() == "udp" { b"\x04_udp" } else { b"\x04_tcp" };
    let owner = [label, request.qname().as_wire()];
    if owner.iter().map(|part| part.len()).sum::<usize>() > MAX_NAME {
        return;
    }
    let class = request.question().class();
    reply.push_any(Section::Additional, &owner, (Type::SRV, class, 0), |out| {
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&request.peer().port().to_be_bytes());
        out.push(0);
    });
}
