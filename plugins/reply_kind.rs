//! What kind of reply a message is (CoreDNS: plugin/pkg/response).

use plugin_api::wire::read_u32;
use plugin_api::{Message, Opcode, Rcode, Section, Type};

/// The kind of a reply, under CoreDNS's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Something was found.
    NoError,
    /// The name does not exist.
    NameError,
    /// SERVFAIL or NOTIMP.
    ServerError,
    /// The name exists, the type does not (RFC 2308 §2.2).
    NoData,
    /// Other servers know more.
    Delegation,
    /// A transfer or a notification.
    Meta,
    /// A dynamic update.
    Update,
    /// Anything else, no reply among it.
    OtherError,
}

/// The class of a reply, by which `log` chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Something was found, or somebody else knows it.
    Success,
    /// The name or the type does not exist.
    Denial,
    /// All else.
    Error,
}

impl Kind {
    /// The kind of a message; `now` in Unix seconds tells which signatures have expired.
    pub(crate) fn of(message: &Message, now: u64) -> Self {
        match (message.opcode(), message.question().map(|(_, qtype, _)| qtype)) {
            (Opcode::UPDATE, _) => return Self::Update,
            (Opcode::NOTIFY, _) | (_, Some(Type::AXFR | Type::IXFR)) => return Self::Meta,
            _ => {}
        }
        if message.edns.as_ref().is_some_and(|edns| edns.dnssec_ok()) && has_expired(message, now) {
            return Self::OtherError;
        }
        let has_answer = message.count(Section::Answer) > 0;
        let has_authority = |rtype| message.section(Section::Authority).any(|record| record.rtype == rtype);
        match message.rcode() {
            Rcode::NOERROR if has_answer => Self::NoError,
            Rcode::NXDOMAIN if has_answer => Self::OtherError,
            Rcode::NOERROR if has_authority(Type::SOA) => Self::NoData,
            Rcode::NXDOMAIN => Self::NameError,
            Rcode::SERVFAIL | Rcode::NOTIMP => Self::ServerError,
            Rcode::NOERROR if has_authority(Type::NS) => Self::Delegation,
            Rcode::NOERROR => Self::NoError,
            _ => Self::OtherError,
        }
    }

    /// The name in metadata.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::NoError => "NOERROR",
            Self::NameError => "NXDOMAIN",
            Self::ServerError => "SERVERERROR",
            Self::NoData => "NODATA",
            Self::Delegation => "DELEGATION",
            Self::Meta => "META",
            Self::Update => "UPDATE",
            Self::OtherError => "OTHERERROR",
        }
    }

    /// The class.
    pub(crate) const fn class(self) -> Class {
        match self {
            Self::NoError | Self::Delegation => Class::Success,
            Self::NameError | Self::NoData => Class::Denial,
            _ => Class::Error,
        }
    }
}

impl Class {
    /// The name in metadata and in Corefiles.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Denial => "denial",
            Self::Error => "error",
        }
    }
}

/// Whether a signature is not valid now: times are serial numbers of 32 bits (RFC 4034 §3.1.5).
fn has_expired(message: &Message, now: u64) -> bool {
    let now = u32::try_from(now & u64::from(u32::MAX)).unwrap_or(0);
    let is_past = |from: u32, to: u32| to.wrapping_sub(from) < 1 << 31;
    let mut signatures = message.records().filter(|record| record.rtype == Type::RRSIG);
    signatures.any(|record| match (read_u32(record.rdata, 8), read_u32(record.rdata, 12)) {
        (Some(expiration), Some(inception)) => !is_past(inception, now) || !is_past(now, expiration),
        _ => true,
    })
}
