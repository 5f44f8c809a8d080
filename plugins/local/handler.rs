//! Answers local names.

use plugin_api::{Handler, Name, Next, Rcode, Reply, ReplyBuilder, Request, Section, Soa, Type, Zone, Zones};
use prometheus_client::metrics::counter::Counter;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The TTL of all records in seconds: a week.
const TTL: u32 = 604_800;
/// `localhost.` in wire form.
const LOCALHOST: &[u8] = b"\x09localhost\0";
/// The first label of `localhost.`.
const PREFIX: &[u8] = b"\x09localhost";
/// The mailbox in SOA records.
const MAILBOX: &[u8] = b"\x04root\x09localhost\0";
/// The name of 127.0.0.1.
const REVERSE: &[u8] = b"\x011\x010\x010\x03127\x07in-addr\x04arpa\0";
/// The zones that are answered for.
const ZONES: [&str; 4] = ["localhost.", "0.in-addr.arpa.", "127.in-addr.arpa.", "255.in-addr.arpa."];

/// The handler.
pub(super) struct Local {
    /// Whether names that begin with `localhost.` are local, wherever they end.
    has_prefix: bool,
    zones: Zones,
    requests: Counter,
}

impl Local {
    /// Answers for [`ZONES`], names below `localhost.`, and with `has_prefix` names that begin so.
    pub(super) fn new(has_prefix: bool, requests: Counter) -> Self {
        let zones = ZONES.iter().filter_map(|zone| Zone::from_text(zone).ok()).collect();
        Self { has_prefix, zones: Zones::new(zones), requests }
    }

    /// Whether a lower-case name is one of the machine itself other than `localhost.`.
    fn is_special(&self, lower: &Name) -> bool {
        let wire = lower.as_wire();
        let is_below = wire.len() > LOCALHOST.len() && wire.ends_with(LOCALHOST);
        let begins_so = self.has_prefix && wire.starts_with(PREFIX);
        wire != LOCALHOST && ((is_below && lower.labels().last() == Some(b"localhost")) || begins_so)
    }
}

impl Handler for Local {
    fn name(&self) -> &'static str {
        "local"
    }

    fn handle<'a>(&'a self, request: &'a Request, next: Next<'a>) -> Reply<'a> {
        let (name, lower) = (request.qname(), request.question().lower());
        let mut reply = ReplyBuilder::new(request);
        if self.is_special(lower) {
            tracing::debug!(
                target: "plugin/local",
                "Intercepting localhost query for \"{lower}\" {}, from {}",
                request.qtype(),
                request.peer().ip().to_canonical()
            );
            self.requests.inc();
            push_loopback(&mut reply, request);
            return Reply::message(reply.finish());
        }
        let Some(zone) = self.zones.find(lower) else { return next.run(request) };
        let zone = zone.name().as_wire();
        // The zone in the client's letters.
        let apex = name.as_wire().get(name.as_wire().len() - zone.len()..).unwrap_or(zone);
        match (lower.as_wire(), request.qtype()) {
            (LOCALHOST, Type::A | Type::AAAA) => push_loopback(&mut reply, request),
            (lower, Type::SOA) if lower == zone => push_soa(&mut reply, Section::Answer, apex),
            (lower, Type::NS) if lower == zone => {
                reply.push_name(Section::Answer, &[apex], (Type::NS, TTL), &[LOCALHOST]);
            }
            (REVERSE, Type::PTR) => {
                reply.push_name(Section::Answer, &[name.as_wire()], (Type::PTR, TTL), &[LOCALHOST]);
            }
            (lower, _) => {
                if lower != zone && lower != REVERSE {
                    reply.set_rcode(Rcode::NXDOMAIN);
                }
                push_soa(&mut reply, Section::Authority, apex);
            }
        }
        Reply::message(reply.finish())
    }
}

/// The machine's own address for A and AAAA; an SOA record of the name itself for other types.
fn push_loopback(reply: &mut ReplyBuilder, request: &Request) {
    let owner = request.qname().as_wire();
    match request.qtype() {
        Type::A => reply.push_a(Section::Answer, &[owner], TTL, Ipv4Addr::LOCALHOST),
        Type::AAAA => reply.push_aaaa(Section::Answer, &[owner], TTL, Ipv6Addr::LOCALHOST),
        _ => push_soa(reply, Section::Authority, owner),
    }
}

/// The SOA record of a local zone.
fn push_soa(reply: &mut ReplyBuilder, section: Section, owner: &[u8]) {
    let soa =
        Soa { primary: &[LOCALHOST], mailbox: &[MAILBOX], serial: 1, refresh: 0, retry: 0, expire: 0, minimum: TTL };
    reply.push_soa(section, &[owner], TTL, &soa);
}
