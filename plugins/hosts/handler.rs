//! Answers a query from the tables.

use super::file::Hosts;
use super::table::{Table, address_of_reverse};
use plugin_api::{
    Fallthrough, Handler, Name, Next, Rcode, Reply, ReplyBuilder, Request, Response, Section, Type, Zones,
};
use std::sync::Arc;

/// The handler.
pub(super) struct HostsHandler {
    /// The tables.
    pub(super) hosts: Arc<Hosts>,
    /// The zones that are answered for; reverse names need none.
    pub(super) zones: Zones,
    /// Where a name that is unknown goes to the next plugin.
    pub(super) fallthrough: Fallthrough,
    /// Whether other types than A, AAAA and PTR go there too.
    pub(super) passes_other_types: bool,
    /// The TTL of all records, in seconds.
    pub(super) ttl: u32,
}

impl Handler for HostsHandler {
    fn name(&self) -> &'static str {
        "hosts"
    }

    fn handle<'a>(&'a self, request: &'a Request, next: Next<'a>) -> Reply<'a> {
        let (qname, qtype) = (request.question().lower(), request.qtype());
        if qtype != Type::PTR && self.zones.find(qname).is_none() {
            return next.run(request);
        }
        let (file, inline) = self.hosts.tables();
        let tables = [&**file, inline];
        let mut reply = ReplyBuilder::new(request).authoritative();
        match qtype {
            Type::A => self.push_v4(&mut reply, qname, tables),
            Type::AAAA => self.push_v6(&mut reply, qname, tables),
            Type::PTR => self.push_names(&mut reply, qname, tables),
            _ if self.passes_other_types && self.fallthrough.covers(qname) => return next.run(request),
            _ => {}
        }
        if reply.count(Section::Answer) > 0 {
            return Reply::message(reply.finish());
        }
        let exists = tables.iter().any(|table| !table.v4(qname).is_empty() || !table.v6(qname).is_empty());
        match qtype {
            Type::PTR => next.run(request),
            _ if exists => Reply::message(reply.finish()),
            _ if self.fallthrough.covers(qname) => next.run(request),
            // NXDOMAIN is meant, but there is no SOA to say for how long (CoreDNS: plugin/hosts/hosts.go).
            _ => Reply::now(Ok(Response::Unwritten(Rcode::SERVFAIL))),
        }
    }
}

impl HostsHandler {
    /// The IPv4 addresses of a name, those of the file first.
    fn push_v4(&self, reply: &mut ReplyBuilder, qname: &Name, tables: [&Table; 2]) {
        for address in tables.iter().flat_map(|table| table.v4(qname)) {
            reply.push_a(Section::Answer, &[qname.as_wire()], self.ttl, *address);
        }
    }

    /// The IPv6 addresses of a name, those of the file first.
    fn push_v6(&self, reply: &mut ReplyBuilder, qname: &Name, tables: [&Table; 2]) {
        for address in tables.iter().flat_map(|table| table.v6(qname)) {
            reply.push_aaaa(Section::Answer, &[qname.as_wire()], self.ttl, *address);
        }
    }

    /// The names of an address, those of the file first.
    fn push_names(&self, reply: &mut ReplyBuilder, qname: &Name, tables: [&Table; 2]) {
        let Some(address) = address_of_reverse(qname) else { return };
        for name in tables.iter().flat_map(|table| table.names(address)) {
            reply.push_name(Section::Answer, &[qname.as_wire()], (Type::PTR, self.ttl), &[name]);
        }
    }
}
