//! Answers with two addresses and a small zone, and spoils some replies.

use plugin_api::link::{Ready, SearchPath};
use plugin_api::{
    Handler, Message, Name, Next, Outcome, Rcode, Reply, ReplyBuilder, Request, Response, Section, Soa, Type, flag,
};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The address in answers.
const V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);
/// The address in answers.
const V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x53);
/// How many records a large answer has.
const LARGE: usize = 30;

/// What is spoilt, and how often: every so many queries, 0 for never.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    /// No reply.
    pub(super) drop: u64,
    /// A late reply.
    pub(super) delay: u64,
    /// TC set in the reply. By bits, as in CoreDNS: where number and amount have no bit in common.
    pub(super) truncate: u64,
    /// How late.
    pub(super) duration: Duration,
    /// Answers to A have many records.
    pub(super) is_large: bool,
}

/// The handler.
pub(super) struct Erratic {
    /// Queries so far.
    count: AtomicU64,
    faults: Faults,
}

impl Erratic {
    /// Begins to count at 0, so that the first query is spoilt.
    pub(super) const fn new(faults: Faults) -> Self {
        Self { count: AtomicU64::new(0), faults }
    }

    /// The reply to a query, TC set if asked for.
    fn answer(&self, request: &Request, is_truncated: bool) -> Outcome {
        let owner = [request.qname().as_wire()];
        let mut reply = ReplyBuilder::new(request).authoritative();
        match request.qtype() {
            Type::A => {
                let count = if self.faults.is_large { LARGE } else { 1 };
                (0..count).for_each(|_| reply.push_a(Section::Answer, &owner, 0, V4));
            }
            Type::AAAA => reply.push_aaaa(Section::Answer, &owner, 0, V6),
            Type::AXFR => return Ok(Response::Message(transfer(request, is_truncated))),
            _ => return Ok(Response::Unwritten(Rcode::SERVFAIL)),
        }
        let mut message = reply.finish();
        message.set_flag(flag::TC, is_truncated);
        Ok(Response::Message(message))
    }
}

impl Handler for Erratic {
    fn name(&self) -> &'static str {
        "erratic"
    }

    fn handle<'a>(&'a self, request: &'a Request, _next: Next<'a>) -> Reply<'a> {
        let Faults { drop, delay, truncate, duration, .. } = self.faults;
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let is_truncated = truncate > 0 && number & truncate == 0;
        if drop > 0 && number.is_multiple_of(drop) {
            return Reply::now(Ok(Response::Drop));
        }
        if delay == 0 || !number.is_multiple_of(delay) || duration.is_zero() {
            return Reply::now(self.answer(request, is_truncated));
        }
        Reply::later(async move {
            tokio::time::sleep(duration).await;
            self.answer(request, is_truncated)
        })
    }
}

impl Ready for Erratic {
    /// Only between the third query and the fifth, to try out who asks.
    fn is_ready(&self) -> bool {
        (3..5).contains(&self.count.load(Ordering::Relaxed))
    }
}

impl SearchPath for Erratic {
    fn search_path(&self, _request: &Request) -> Vec<Name> {
        ["a.example.org.", "b.example.org.", "."].iter().filter_map(|name| Name::from_text(name).ok()).collect()
    }
}

/// A small zone of the queried name; without its closing SOA record if truncated.
fn transfer(request: &Request, is_truncated: bool) -> Message {
    let apex = request.qname().as_wire();
    let (a, b): ([&[u8]; 2], [&[u8]; 2]) = ([b"\x01a", apex], [b"\x01b", apex]);
    let mut reply = ReplyBuilder::new(request).authoritative();
    let soa = Soa {
        primary: &[b"\x03sns\x03dns\x05icann\x03org\0"],
        mailbox: &[b"\x03noc\x03dns\x05icann\x03org\0"],
        serial: 2_018_050_825,
        refresh: 7200,
        retry: 3600,
        expire: 1_209_600,
        minimum: 3600,
    };
    reply.push_soa(Section::Answer, &[apex], 0, &soa);
    // Names that would be too long are left out.
    if Name::from_parts(&a).is_ok() {
        reply.push_name(Section::Answer, &[apex], (Type::NS, 0), &b);
        reply.push_name(Section::Answer, &[apex], (Type::NS, 0), &a);
        reply.push_aaaa(Section::Answer, &a, 0, Ipv6Addr::new(0x2001, 0xbd8, 0, 0, 0, 0, 0, 0x53));
        reply.push_aaaa(Section::Answer, &b, 0, Ipv6Addr::new(0x2001, 0x500, 0, 0, 0, 0, 0, 0x54));
    }
    if !is_truncated {
        reply.push_soa(Section::Answer, &[apex], 0, &soa);
    }
    reply.finish()
}
