//! Asks for AAAA, and where there is none for A.

use super::metrics::Translated;
use super::prefix::Prefix;
use crate::reply_kind::Kind;
use plugin_api::{
    Class, Clock, Error, Handler, Message, Next, Outcome, Record, Reply, ReplyBuilder, Request, Response, Section,
    Type, flag,
};

/// The TTL in seconds that made addresses get at most if the reply without AAAA had no SOA (RFC 6147 §5.1.7).
const MAX_TTL: u32 = 600;

/// The handler.
pub(super) struct Dns64 {
    /// What addresses are put into.
    pub(super) prefix: Prefix,
    /// Addresses are made even if there is an AAAA record.
    pub(super) translates_all: bool,
    /// Queries that come over IPv4 are translated too.
    pub(super) allows_ipv4: bool,
    /// How many were translated.
    pub(super) translated: Translated,
    /// The time, for signatures.
    pub(super) clock: Clock,
}

impl Handler for Dns64 {
    fn name(&self) -> &'static str {
        "dns64"
    }

    fn handle<'a>(&'a self, request: &'a Request, next: Next<'a>) -> Reply<'a> {
        if !self.is_for(request) {
            return next.run(request);
        }
        match next.run(request) {
            Reply::Now(Some(outcome)) if !self.is_to_translate(&outcome) => Reply::now(outcome),
            reply => Reply::later(async move {
                let outcome = reply.await;
                if self.is_to_translate(&outcome) { self.translate(request, outcome).await } else { outcome }
            }),
        }
    }
}

impl Dns64 {
    /// Whether a query may be translated at all.
    fn is_for(&self, request: &Request) -> bool {
        let question = request.question();
        let is_ipv4 = request.peer().ip().to_canonical().is_ipv4();
        question.qtype() == Type::AAAA && question.class() == Class::IN && (self.allows_ipv4 || !is_ipv4)
    }

    /// Whether a reply has no address, so that one is to be made. A name that is not there stays so (RFC 6147 §5.1.2).
    fn is_to_translate(&self, outcome: &Outcome) -> bool {
        let Ok(Response::Message(message)) = outcome else { return false };
        let has_address = || message.section(Section::Answer).any(|record| record.rtype == Type::AAAA);
        Kind::of(message, self.clock.unix_seconds()) != Kind::NameError && (self.translates_all || !has_address())
    }

    /// Asks the server for A, and makes addresses.
    async fn translate(&self, request: &Request, outcome: Outcome) -> Outcome {
        let ttl = outcome.as_ref().ok().and_then(Response::message).map_or(MAX_TTL, soa_ttl);
        let Some(found) = request.lookup(request.question().lower().clone(), Type::A).await else {
            return Err(Error::new("the query for A got no reply"));
        };
        self.translated.count(&request.origin().site.server);
        let mut reply = ReplyBuilder::new(request);
        // CoreDNS always answers NOERROR here (golden suite plugins/dns64, loose.json: the rcode found is right).
        reply.set_rcode(found.rcode());
        found.records().for_each(|record| self.push(&mut reply, &record, ttl));
        let mut message = reply.finish();
        message.set_flag(flag::TC, found.has_flag(flag::TC));
        message.live = found.live;
        message.edns = found.edns;
        Ok(Response::Message(message))
    }

    /// Appends a record; in the answer an A record becomes an AAAA record.
    fn push(&self, reply: &mut ReplyBuilder, record: &Record<'_>, most: u32) {
        let Record { section, owner, rtype, class, ttl, rdata, .. } = *record;
        match <[u8; 4]>::try_from(rdata) {
            Ok(address) if section == Section::Answer && rtype == Type::A => {
                let kind = (Type::AAAA, class, ttl.min(most));
                reply.push_any(section, &[owner], kind, |out| out.extend_from_slice(&self.prefix.embed(address)));
            }
            _ => reply.push_any(section, &[owner], (rtype, class, ttl), |out| out.extend_from_slice(rdata)),
        }
    }
}

/// The TTL of the last SOA in authority.
fn soa_ttl(message: &Message) -> u32 {
    let soa = message.section(Section::Authority).filter(|record| record.rtype == Type::SOA).last();
    soa.map_or(MAX_TTL, |soa| soa.ttl)
}
