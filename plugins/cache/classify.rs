//! What a response is, and so whether and how long it may be kept (CoreDNS: plugin/pkg/response, plugin/cache/cache.go).

use plugin_api::{Class, Message, Name, Opcode, Rcode, Section, Type, flag};

/// Most links of a CNAME chain that are followed. A longer one is treated as broken: nothing that resolves comes near it,
/// and following is quadratic in the records.
const MAX_LINKS: usize = 32;
/// Lifetime in seconds of what has no TTL of its own.
const SHORT_TTL: u32 = 5;

/// What a response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A positive answer.
    NoError,
    /// NXDOMAIN.
    NameError,
    /// SERVFAIL or NOTIMP.
    ServerError,
    /// The name exists, the type does not.
    NoData,
    /// A referral.
    Delegation,
    /// NOTIFY or a transfer.
    Meta,
    /// A dynamic update.
    Update,
    /// Anything else.
    OtherError,
}

impl Kind {
    /// What a response is, at this time in Unix seconds.
    pub(super) fn of(message: &Message, unix_seconds: u64) -> Self {
        let kind = Self::typify(message, unix_seconds);
        if kind == Self::NoError && has_soa(message) && is_unanswered(message) { Self::NoData } else { kind }
    }

    /// What a response is by rcode and sections alone (CoreDNS: response.Typify).
    pub(super) fn typify(message: &Message, unix_seconds: u64) -> Self {
        match message.opcode() {
            Opcode::UPDATE => return Self::Update,
            Opcode::NOTIFY => return Self::Meta,
            _ => (),
        }
        if matches!(message.question(), Some((_, Type::AXFR | Type::IXFR, _))) {
            return Self::Meta;
        }
        let is_signed = message.edns.as_ref().is_some_and(|edns| edns.dnssec_ok());
        if is_signed && has_expired_signature(message, unix_seconds) {
            return Self::OtherError;
        }
        let has_answer = message.count(Section::Answer) > 0;
        match message.rcode() {
            Rcode::NOERROR if has_answer => Self::NoError,
            Rcode::NXDOMAIN if has_answer => Self::OtherError,
            Rcode::NOERROR if has_soa(message) => Self::NoData,
            Rcode::NXDOMAIN => Self::NameError,
            Rcode::SERVFAIL | Rcode::NOTIMP => Self::ServerError,
            Rcode::NOERROR if has_authority(message, Type::NS) => Self::Delegation,
            Rcode::NOERROR => Self::NoError,
            _ => Self::OtherError,
        }
    }

    /// Whether it is a denial or a failure.
    pub(super) const fn is_denial(self) -> bool {
        matches!(self, Self::NameError | Self::NoData | Self::ServerError)
    }
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
    has_authority(message, Type::SOA)
}

/// Whether the authority section has a record of this type.
fn has_authority(message: &Message, rtype: Type) -> bool {
    message.section(Section::Authority).any(|record| record.rtype == rtype)
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

/// Whether any signature is outside its validity (RFC 4034 §3.1.5, serial number arithmetic).
fn has_expired_signature(message: &Message, unix_seconds: u64) -> bool {
    #[expect(clippy::cast_possible_truncation, reason = "the arithmetic is modulo 2^32")]
    let now = unix_seconds as u32;
    message.records().filter(|record| record.rtype == Type::RRSIG).any(|record| {
        let time = |at| plugin_api::wire::read_u32(record.rdata, at);
        let (Some(expiration), Some(inception)) = (time(8), time(12)) else { return true };
        now.wrapping_sub(inception) > i32::MAX.unsigned_abs() || expiration.wrapping_sub(now) > i32::MAX.unsigned_abs()
    })
}
