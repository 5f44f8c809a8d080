//! Answers AXFR and IXFR with the records that another plugin of the block has.

use super::{Rule, rule_for};
use plugin_api::link::Transfer;
use plugin_api::wire::read_u32;
use plugin_api::{
    Error, Handler, Message, Next, OwnedRecord, Rcode, Reply, ReplyBuilder, Request, Response, Section, Type,
};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

/// Octets of records after which a message is sent, so that header, question and EDNS fit below 65,535 (CoreDNS).
const MAX_BATCH: usize = 63_000;

/// The handler.
pub(super) struct Transfers {
    /// Who may have which zone.
    pub(super) rules: Arc<[Rule]>,
    /// The plugins that have zones, in the order of the chain; set at link.
    pub(super) sources: OnceLock<Vec<Arc<dyn Transfer>>>,
}

impl Handler for Transfers {
    fn name(&self) -> &'static str {
        "transfer"
    }

    fn handle<'a>(&'a self, request: &'a Request, next: Next<'a>) -> Reply<'a> {
        if !matches!(request.qtype(), Type::AXFR | Type::IXFR) {
            return next.run(request);
        }
        if request.origin().transport.network() != "tcp" {
            return Reply::now(Ok(Response::Unwritten(Rcode::REFUSED)));
        }
        let name = request.question().lower();
        let Some(rule) = rule_for(&self.rules, name) else { return next.run(request) };
        if !is_allowed(rule, request.peer().ip()) {
            let mut reply = ReplyBuilder::new(request);
            reply.set_rcode(Rcode::REFUSED);
            return Reply::message(reply.finish());
        }
        let serial = match known_serial(request) {
            Ok(serial) => serial,
            Err(rcode) => return Reply::now(Ok(Response::Unwritten(rcode))),
        };
        let sources = self.sources.get().into_iter().flatten();
        match sources.filter_map(|source| source.transfer(name, serial)).next() {
            Some(batches) => Reply::now(send(request, batches)),
            None => next.run(request),
        }
    }
}

/// Whether a client may have the zones of a rule.
fn is_allowed(rule: &Rule, client: IpAddr) -> bool {
    rule.is_open || rule.to.iter().any(|to| to.ip() == client.to_canonical())
}

/// The serial that an IXFR says the client has; none for AXFR and for serial 0. There must be one SOA in authority.
fn known_serial(request: &Request) -> Result<Option<u32>, Rcode> {
    if request.qtype() != Type::IXFR {
        return Ok(None);
    }
    let message = Message::read(request.raw()).map_err(|_| Rcode::SERVFAIL)?;
    let mut authority = message.section(Section::Authority);
    match (authority.next(), authority.next()) {
        (Some(soa), None) if soa.rtype == Type::SOA => Ok(serial(soa.rdata).filter(|serial| *serial != 0)),
        _ => Err(Rcode::SERVFAIL),
    }
}

/// The serial in the rdata of a SOA.
fn serial(rdata: &[u8]) -> Option<u32> {
    read_u32(rdata, rdata.len().checked_sub(20)?)
}

/// The messages of a transfer; one without AA where the SOA alone says that the client is up to date.
fn send(request: &Request, batches: Box<dyn Iterator<Item = Vec<OwnedRecord>> + Send>) -> Result<Response, Error> {
    let mut records = batches.flatten().peekable();
    let Some(first) = records.next() else { return Err(Error::new("no SOA")) };
    let serial = if first.rtype == Type::SOA { serial(&first.rdata) } else { None };
    let (zone, client) = (corefile::args::go_quote(&request.qname().to_string()), request.peer().ip().to_canonical());
    if let Some(serial) = serial.filter(|_| records.peek().is_none()) {
        tracing::info!(
            target: "plugin/transfer",
            "Outgoing noop, incremental transfer for up to date zone {zone} to {client} for {serial} SOA serial"
        );
        let mut reply = ReplyBuilder::new(request);
        push(&mut reply, &first);
        return Ok(Response::Message(reply.finish()));
    }
    let mut outgoing = Outgoing { request: request.derive(), first: Some(first), records, sent: 0 };
    let serial = serial.unwrap_or(0);
    Ok(Response::Stream(Box::new(std::iter::from_fn(move || {
        let message = outgoing.next_message();
        if message.is_none() {
            let sent = outgoing.sent;
            tracing::info!(
                target: "plugin/transfer",
                "Outgoing transfer of {sent} records of zone {zone} to {client} for {serial} SOA serial"
            );
        }
        message
    }))))
}

/// A transfer under way.
struct Outgoing<I: Iterator<Item = OwnedRecord>> {
    request: Box<Request>,
    /// A record that has been taken and not been sent.
    first: Option<OwnedRecord>,
    records: I,
    sent: usize,
}

impl<I: Iterator<Item = OwnedRecord>> Outgoing<I> {
    /// The next message; none at the end.
    fn next_message(&mut self) -> Option<Message> {
        let mut record = self.first.take().or_else(|| self.records.next())?;
        let mut reply = ReplyBuilder::new(&self.request).authoritative();
        let mut octets = 0;
        loop {
            octets += size(&record);
            push(&mut reply, &record);
            self.sent += 1;
            match self.records.next() {
                None => break,
                Some(next) if octets + size(&next) > MAX_BATCH => {
                    self.first = Some(next);
                    break;
                }
                Some(next) => record = next,
            }
        }
        Some(reply.finish())
    }
}

/// Octets of a record.
fn size(record: &OwnedRecord) -> usize {
    record.owner.as_wire().len() + 10 + record.rdata.len()
}

/// Appends a record to the answer.
fn push(reply: &mut ReplyBuilder, record: &OwnedRecord) {
    let kind = (record.rtype, record.class, record.ttl);
    reply.push_any(Section::Answer, &[record.owner.as_wire()], kind, |out| out.extend_from_slice(&record.rdata));
}
