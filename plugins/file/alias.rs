//! CNAMEs and DNAMEs followed: in the zone at once, out of it through the server (RFC 1034 §3.6.2, RFC 6672).

use super::lookup::{Answer, Place, Writer, locate, records};
use super::zone::{Id, Rrset, Zone};
use plugin_api::{Message, Name, Rcode, ReplyBuilder, Request, Response, Section, Type};

/// Most CNAMEs that are followed within the zone behind the first (CoreDNS: 8).
const MAX_HOPS: usize = 8;

/// A reply that waits for what the server finds for a target.
pub(super) struct External {
    /// The reply so far: the aliases.
    builder: ReplyBuilder,
    /// What is to be looked up.
    pub(super) target: Name,
}

impl External {
    /// The reply, with what was found.
    pub(super) fn complete(self, zone: &Zone, request: &Request, found: Option<&Message>) -> Response {
        let mut reply = Writer { zone, request, builder: self.builder };
        let rcode = found.map_or(Rcode::NOERROR, Message::rcode);
        let answers = || found.iter().flat_map(|message| message.section(Section::Answer));
        for record in answers() {
            let kind = (record.rtype, record.class, record.ttl);
            reply.builder.push_any(Section::Answer, &[record.owner], kind, |out| out.extend_from_slice(record.rdata));
        }
        let is_empty = found.is_some() && answers().next().is_none();
        match rcode {
            Rcode::NXDOMAIN | Rcode::SERVFAIL => reply.builder.set_rcode(rcode),
            _ => {}
        }
        if rcode == Rcode::NXDOMAIN || (rcode == Rcode::NOERROR && is_empty) {
            reply.push_soa(Section::Authority);
        } else {
            reply.push_ns(Section::Authority);
        }
        let qtype = request.qtype();
        reply.push_additional(answers().filter(|record| record.rtype == qtype).map(|record| record.rdata));
        Response::Message(reply.builder.finish())
    }
}

/// Follows a CNAME that is in the reply already.
pub(super) fn follow<'a>(reply: Writer<'a>, cname: Rrset<'a>) -> Answer {
    match target(cname) {
        Some(target) => chase(reply, target),
        None => Answer::Failed,
    }
}

/// The name that a CNAME leads to; of several the first's.
fn target(cname: Rrset<'_>) -> Option<Name> {
    Name::from_wire(records(cname).next()?.rdata).ok()
}

/// Follows a chain of aliases from `target` on.
fn chase(mut reply: Writer<'_>, mut target: Name) -> Answer {
    let (zone, qtype) = (reply.zone, reply.request.qtype());
    for hop in 0.. {
        let lower = target.to_lower();
        if lower.is_within(&zone.origin)
            && let Some(cut) = cut(zone, lower.as_wire(), qtype)
        {
            reply.referral(cut);
            return reply.finish();
        }
        let node = zone.find_records(lower.as_wire());
        let is_elsewhere = qtype == Type::NS || (qtype == Type::SOA && lower == zone.origin);
        let Some(node) = node.filter(|_| !is_elsewhere) else {
            return Answer::External(Box::new(External { builder: reply.builder, target }));
        };
        if hop > MAX_HOPS {
            break;
        }
        let Some(cname) = zone.rrset(node, Type::CNAME) else {
            reply.push_signed(Section::Answer, node, qtype);
            break;
        };
        reply.push(Section::Answer, Some(cname));
        reply.push_signatures(Section::Answer, node, Type::CNAME);
        match self::target(cname) {
            Some(next) => target = next,
            None => return Answer::Failed,
        }
    }
    reply.push_ns(Section::Authority);
    if let Some(rrset) = zone.find_records(target.to_lower().as_wire()).and_then(|node| zone.rrset(node, qtype)) {
        reply.push_additional(records(rrset).map(|record| record.rdata));
    }
    reply.finish()
}

/// The cut that a name in the zone lies below, DNAMEs not looked at.
fn cut(zone: &Zone, name: &[u8], qtype: Type) -> Option<Id> {
    match locate(zone, name, qtype == Type::DS) {
        Place::Referral(node) => Some(node),
        _ => None,
    }
}

/// A name below a DNAME: the DNAME itself, a CNAME made from it, and what that leads to.
pub(super) fn dname(mut reply: Writer<'_>, node: Id) -> Answer {
    let (zone, request) = (reply.zone, reply.request);
    let qname = request.question().lower();
    let Some(rrset) = zone.rrset(node, Type::DNAME) else { return Answer::Failed };
    let Some(dname) = records(rrset).next() else { return Answer::Failed };
    reply.push(Section::Answer, Some(rrset));
    reply.push_signatures(Section::Answer, node, Type::DNAME);
    let kept = qname.as_wire().len().saturating_sub(zone.name(node).len());
    let prefix = qname.as_wire().get(..kept).unwrap_or_default();
    let Ok(target) = Name::from_parts(&[prefix, dname.rdata]) else {
        // RFC 6672 §2.2; CoreDNS cannot pack such a reply and sends none.
        reply.builder.set_rcode(Rcode::YXDOMAIN);
        return reply.finish();
    };
    if target == *qname {
        return Answer::Failed;
    }
    reply.builder.push_name(Section::Answer, &[qname.as_wire()], (Type::CNAME, dname.ttl), &[target.as_wire()]);
    if request.qtype() == Type::CNAME {
        reply.push_ns(Section::Authority);
        return reply.finish();
    }
    chase(reply, target)
}
