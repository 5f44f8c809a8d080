//! Whether and how long a response may be kept, by what it is (CoreDNS: plugin/cache/cache.go).

use crate::reply_kind::Kind;
use plugin_api::{Class, Message, Name, Rcode, Section, Type, flag};

/// Most links of a CNAME chain that are followed. A longer one is treated as broken: nothing that resolves comes near it,
/// and following is quadratic in the records.
const MAX_LINKS: usize = 32;
/// Lifetime in seconds of what has no TTL of its own.
const SHORT_TTL: u32 = 5;

/// What a response is to the cache, at this time in Unix seconds: as [`Kind::of`], but an alias that leads nowhere is NODATA
/// if there is a SOA.
pub(super) fn kind_of(message: &Message, unix_seconds: u64) -> Kind {
    let kind = Kind::of(message, unix_seconds);
    if kind == Kind::NoError && has_soa(message) && is_unanswered(message) { Kind::NoData } else { kind }
}

/// Whether a response of this kind may be kept at all.
pub(super) fn is_storable(message: &Message, kind: Kind) -> bool {
    if message.has_flag(flag::TC) {
        return false;
    }
    match kind {
        Kind::OtherError | Kind::Meta | Kind::Update => false,
        // A denial without SOA has no lifetime (RFC 2308 §5).
        Kind::NameError => has_soa(message),
        Kind::NoError => has_soa(message) || !is_unanswered(message),
        Kind::ServerError | Kind::NoData | Kind::Delegation => true,
    }
}

/// The lowest TTL of all records, at most `max` seconds; a short one where there is nothing to go by.
pub(super) fn minimal_ttl(message: &Message, kind: Kind, max: u32) -> u32 {
    let has_ttl = matches!(kind, Kind::NoError | Kind::NameError | Kind::NoData);
    match message.records().map(|record| record.ttl).min() {
        Some(ttl) if has_ttl => ttl.min(max),
        _ => SHORT_TTL,
    }
}

/// Whether a NOERROR response answers its question, CNAME chain followed (RFC 1034 §3.6.2).
pub(super) fn answers_question(message: &Message) -> bool {
    if message.rcode() != Rcode::NOERROR {
        return false;
    }
    let Some((name, qtype, class)) = message.question() else { return false };
    let answer = Answer { message, class };
    match qtype {
        Type::ANY => answer.has(&name, None),
        Type::CNAME => matches!(answer.target(&name), Some(Some(_))),
        _ => answer.end_of_chain(name).is_some_and(|end| answer.has(&end, Some(qtype))),
    }
}

/// Whether there is an answer section that does not answer the question.
fn is_unanswered(message: &Message) -> bool {
    message.count(Section::Answer) > 0 && !answers_question(message)
}

/// Whether the authority section has a SOA.
fn has_soa(message: &Message) -> bool {
    message.section(Section::Authority).any(|record| record.rtype == Type::SOA)
}

/// The answer section, read for one class.
struct Answer<'a> {
    message: &'a Message,
    class: Class,
}

impl Answer<'_> {
    /// Whether the question's class covers a record's.
    fn covers(&self, class: Class) -> bool {
        self.class == Class::ANY || self.class == class
    }

    /// Whether there is a record at `owner`, of this type if one is given.
    fn has(&self, owner: &Name, rtype: Option<Type>) -> bool {
        self.message.section(Section::Answer).any(|record| {
            rtype.is_none_or(|rtype| rtype == record.rtype)
                && self.covers(record.class)
                && record.owner.eq_ignore_ascii_case(owner.as_wire())
        })
    }

    /// The one target that `owner` is an alias of, if any; none if there are several (RFC 2181 §10.1).
    fn target(&self, owner: &Name) -> Option<Option<&[u8]>> {
        let mut target: Option<&[u8]> = None;
        for record in self.message.section(Section::Answer) {
            let is_alias = record.rtype == Type::CNAME && self.covers(record.class);
            if !is_alias || !record.owner.eq_ignore_ascii_case(owner.as_wire()) {
                continue;
            }
            if target.is_some_and(|target| !target.eq_ignore_ascii_case(record.rdata)) {
                return None;
            }
            target = Some(record.rdata);
        }
        Some(target)
    }

    /// Where the chain of aliases from `name` ends; none if it loops, forks or is too long.
    fn end_of_chain(&self, mut name: Name) -> Option<Name> {
        for _ in 0..=MAX_LINKS {
            match self.target(&name)? {
                None => return Some(name),
                Some(target) => name = Name::from_wire(target).ok()?,
            }
        }
        None
    }
}
