//! From a question to a reply, out of one zone: RFC 1034 §4.3.2 as CoreDNS does it (plugin/file/lookup.go).
//!
//! What is found is copied from the zone's octets straight into the reply. Knows no file and no chain.

use super::alias::{self, External};
use super::zone::{Id, Labels, Rrset, Zone};
use plugin_api::wire::{read_u16, read_u32};
use plugin_api::{Class, Message, Name, Rcode, ReplyBuilder, Request, Section, Type};

/// Deepest nesting of lookups through the server before a chain of aliases is given up (CoreDNS: dnsserver.LoopKey).
const MAX_NESTING: u8 = 8;
/// The label of wildcards.
const ASTERISK: &[u8] = b"\x01*";

/// Where a name is in a zone.
pub(super) enum Place {
    /// This node has it.
    Exact(Id),
    /// This node is the source of synthesis (RFC 4592 §3.3.1); it may have no records.
    Wildcard(Id),
    /// It is below this cut.
    Referral(Id),
    /// It is below this DNAME.
    Dname(Id),
    /// Nothing has it; names below it may exist.
    Nothing {
        /// They do: the name is an empty non-terminal.
        has_below: bool,
    },
}

/// What a zone has to say.
pub(super) enum Answer {
    /// This.
    Message(Message),
    /// Nothing is there; this is said unless somebody else may say more.
    Nothing(Message),
    /// Nothing that could be said.
    Failed,
    /// An alias leads out of the zone.
    External(Box<External>),
}

/// Looks for a name in and below the apex; lower case. With `for_parent` a cut at the name itself is no cut (DS).
pub(super) fn locate(zone: &Zone, name: &[u8], for_parent: bool) -> Place {
    let labels = Labels::of(name);
    let mut left = labels.count.saturating_sub(Labels::of(zone.origin.as_wire()).count);
    let (mut node, mut parent) = (zone.apex_node, None);
    loop {
        let has_records = zone.has_records(node);
        if has_records && left > 0 && zone.rrset(node, Type::DNAME).is_some() {
            return Place::Dname(node);
        }
        if has_records && !(for_parent && left == 0) && zone.rrset(node, Type::NS).is_some() {
            return Place::Referral(node);
        }
        if left == 0 && has_records {
            return Place::Exact(node);
        }
        if left == 0 {
            // Against RFC 4592 §2.2.2 CoreDNS gives an empty non-terminal the records of the wildcard beside it.
            let beside = parent.and_then(|parent| zone.child(parent, ASTERISK));
            // An apex with SOA and NS alone is no name to CoreDNS: NXDOMAIN, unless there are names below.
            let has_below = zone.node(node).is_some_and(|node| node.has_children);
            return beside.map_or(Place::Nothing { has_below }, Place::Wildcard);
        }
        left -= 1;
        match zone.child(node, labels.get(left)) {
            Some(child) => (node, parent) = (child, Some(node)),
            None => {
                return zone.child(node, ASTERISK).map_or(Place::Nothing { has_below: false }, Place::Wildcard);
            }
        }
    }
}

/// The reply of a zone to a query.
pub(super) fn answer(zone: &Zone, request: &Request) -> Answer {
    let (qname, qtype) = (request.question().lower(), request.qtype());
    let reply = Writer::new(zone, request);
    if qname == &zone.origin && matches!(qtype, Type::SOA | Type::NS) {
        return reply.apex(qtype);
    }
    if request.depth() > MAX_NESTING {
        return Answer::Failed;
    }
    match locate(zone, qname.as_wire(), qtype == Type::DS) {
        Place::Exact(node) => reply.exact(node),
        Place::Wildcard(node) if !zone.has_records(node) => reply.no_data(None),
        Place::Wildcard(node) => {
            request.set_metadata("zone/wildcard", &shown(zone.name(node)));
            reply.wildcard(node)
        }
        Place::Referral(node) => {
            let mut reply = Writer { builder: ReplyBuilder::new(request), ..reply };
            reply.referral(node);
            reply.finish()
        }
        Place::Dname(node) => alias::dname(reply, node),
        Place::Nothing { has_below } => reply.nothing(has_below),
    }
}

/// A name in presentation form.
fn shown(name: &[u8]) -> String {
    Name::from_wire(name).map(|name| name.to_string()).unwrap_or_default()
}

/// Writes the reply.
pub(super) struct Writer<'a> {
    /// The zone.
    pub(super) zone: &'a Zone,
    /// The query.
    pub(super) request: &'a Request,
    /// The reply so far.
    pub(super) builder: ReplyBuilder,
}

impl<'a> Writer<'a> {
    /// A reply with nothing in it yet.
    fn new(zone: &'a Zone, request: &'a Request) -> Self {
        Self { zone, request, builder: ReplyBuilder::new(request).authoritative() }
    }

    /// The finished reply.
    pub(super) fn finish(self) -> Answer {
        Answer::Message(self.builder.finish())
    }

    /// Appends an rrset.
    pub(super) fn push(&mut self, section: Section, rrset: Option<Rrset<'_>>) {
        if let Some(rrset) = rrset {
            self.builder.push_records(section, rrset.octets, rrset.count);
        }
    }

    /// Appends an rrset of a node, and its signatures if they are wanted.
    pub(super) fn push_signed(&mut self, section: Section, node: Id, rtype: Type) {
        self.push(section, self.zone.rrset(node, rtype));
        self.push_signatures(section, node, rtype);
    }

    /// Appends the signatures of an rrset if they are wanted.
    pub(super) fn push_signatures(&mut self, section: Section, node: Id, rtype: Type) {
        if self.request.dnssec_ok() {
            self.push(section, self.zone.signatures(node, rtype));
        }
    }

    /// Appends an rrset under another owner.
    pub(super) fn push_as(&mut self, section: Section, rrset: Option<Rrset<'_>>, owner: &[u8]) {
        for record in rrset.iter().flat_map(|rrset| records(*rrset)) {
            let Record { rtype, class, ttl, rdata, .. } = record;
            self.builder.push_any(section, &[owner], (rtype, class, ttl), |out| out.extend_from_slice(rdata));
        }
    }

    /// Appends the zone's SOA, and its signatures if they are wanted.
    pub(super) fn push_soa(&mut self, section: Section) {
        let apex = &self.zone.apex;
        let wanted = [apex.soa.as_ref(), apex.soa_signatures.as_ref().filter(|_| self.request.dnssec_ok())];
        wanted.into_iter().flatten().for_each(|entry| self.push(section, self.zone.view(entry)));
    }

    /// Appends the zone's NS, and their signatures if they are wanted.
    pub(super) fn push_ns(&mut self, section: Section) {
        let apex = &self.zone.apex;
        let wanted = [apex.ns.as_ref(), apex.ns_signatures.as_ref().filter(|_| self.request.dnssec_ok())];
        wanted.into_iter().flatten().for_each(|entry| self.push(section, self.zone.view(entry)));
    }

    /// SOA or NS of the zone.
    fn apex(mut self, qtype: Type) -> Answer {
        if qtype == Type::SOA {
            self.push_soa(Section::Answer);
            self.push_ns(Section::Authority);
        } else {
            self.push_ns(Section::Answer);
            let ns = self.zone.apex.ns.as_ref().and_then(|entry| self.zone.view(entry));
            self.push_glue(ns);
        }
        self.finish()
    }

    /// A name that has records.
    fn exact(mut self, node: Id) -> Answer {
        let qtype = self.request.qtype();
        if qtype != Type::CNAME
            && let Some(cname) = self.zone.rrset(node, Type::CNAME)
        {
            self.push(Section::Answer, Some(cname));
            self.push_signatures(Section::Answer, node, Type::CNAME);
            return alias::follow(self, cname);
        }
        let Some(rrset) = self.zone.rrset(node, qtype) else { return self.no_data(Some(node)) };
        self.push(Section::Answer, Some(rrset));
        self.push_signatures(Section::Answer, node, qtype);
        self.push_ns(Section::Authority);
        self.push_additional(records(rrset).map(|record| record.rdata));
        self.finish()
    }

    /// A name that a wildcard with records stands for.
    fn wildcard(mut self, node: Id) -> Answer {
        let (zone, request) = (self.zone, self.request);
        let (qname, qtype) = (request.question().lower().as_wire(), request.qtype());
        if qtype != Type::CNAME
            && let Some(cname) = zone.rrset(node, Type::CNAME)
        {
            self.push_as(Section::Answer, Some(cname), qname);
            // CoreDNS leaves the signature at the wildcard's own name (golden case file-signed, x.wildc).
            self.push_signatures(Section::Answer, node, Type::CNAME);
            return alias::follow(self, cname);
        }
        let Some(rrset) = zone.rrset(node, qtype) else { return self.no_data(Some(node)) };
        self.push_as(Section::Answer, Some(rrset), qname);
        if request.dnssec_ok() {
            self.push_as(Section::Answer, zone.signatures(node, qtype), qname);
        }
        self.push_ns(Section::Authority);
        if request.dnssec_ok()
            && let Some(before) = zone.previous(qname)
        {
            self.push_signed(Section::Authority, before, Type::NSEC);
        }
        self.push_additional(records(rrset).map(|record| record.rdata));
        self.finish()
    }

    /// The name is there and the type is not; `node` proves it.
    fn no_data(mut self, node: Option<Id>) -> Answer {
        self.push_soa(Section::Authority);
        if let Some(node) = node.filter(|_| self.request.dnssec_ok()) {
            self.push_signed(Section::Authority, node, Type::NSEC);
        }
        self.finish()
    }

    /// The name is not there, or only as an empty non-terminal.
    fn nothing(mut self, has_below: bool) -> Answer {
        if !has_below {
            self.builder.set_rcode(Rcode::NXDOMAIN);
        }
        self.push_soa(Section::Authority);
        if self.request.dnssec_ok() {
            self.deny(has_below);
        }
        Answer::Nothing(self.builder.finish())
    }

    /// Proves that a name is not there, and no wildcard for it (RFC 4035 §3.1.3.2).
    fn deny(&mut self, has_below: bool) {
        let qname = self.request.question().lower();
        let Some(before) = self.zone.previous(qname.as_wire()) else { return };
        self.push_signed(Section::Authority, before, Type::NSEC);
        if has_below {
            return;
        }
        let labels = Labels::of(qname.as_wire());
        let names = (0..labels.count).map(|index| labels.suffix(index));
        let Some(encloser) = names.filter_map(|name| self.zone.find_records(name)).next() else { return };
        let Ok(wildcard) = Name::from_parts(&[ASTERISK, self.zone.name(encloser)]) else { return };
        if let Some(other) = self.zone.previous(wildcard.as_wire()).filter(|other| *other != before) {
            self.push_signed(Section::Authority, other, Type::NSEC);
        }
    }

    /// Leads to the servers below a cut.
    pub(super) fn referral(&mut self, node: Id) {
        let servers = self.zone.rrset(node, Type::NS);
        self.push(Section::Authority, servers);
        if self.request.dnssec_ok() {
            self.push_signed(Section::Authority, node, Type::DS);
        }
        self.push_glue(servers);
    }

    /// Appends the addresses of servers that lie at or below the owner of their NS records.
    fn push_glue(&mut self, servers: Option<Rrset<'_>>) {
        for record in servers.iter().flat_map(|rrset| records(*rrset)) {
            let (Ok(owner), Ok(server)) = (Name::from_wire(record.owner), Name::from_wire(record.rdata)) else {
                continue;
            };
            if server.is_within(&owner) {
                self.push_addresses(server.to_lower().as_wire());
            }
        }
    }

    /// Appends the addresses of targets that lie in the zone, each target once, for the types that have such.
    pub(super) fn push_additional<'r>(&mut self, rdatas: impl Iterator<Item = &'r [u8]>) {
        let skip = match self.request.qtype() {
            Type::MX | Type::SVCB | Type::HTTPS => 2,
            Type::SRV => 6,
            _ => return,
        };
        let mut seen: Vec<&[u8]> = Vec::new();
        for rdata in rdatas {
            let Ok((target, end)) = Name::read(rdata, skip) else { continue };
            let octets = rdata.get(skip..end).unwrap_or_default();
            if target.is_within(&self.zone.origin) && !seen.iter().any(|other| other.eq_ignore_ascii_case(octets)) {
                seen.push(octets);
                self.push_addresses(target.to_lower().as_wire());
            }
        }
    }

    /// Appends the addresses of a name in lower case.
    fn push_addresses(&mut self, name: &[u8]) {
        let Some(node) = self.zone.find_records(name) else { return };
        for rtype in [Type::A, Type::AAAA] {
            self.push_signed(Section::Additional, node, rtype);
        }
    }
}

/// A record of an rrset.
#[derive(Clone, Copy)]
pub(super) struct Record<'a> {
    /// Its owner in wire form.
    pub(super) owner: &'a [u8],
    /// Its type.
    pub(super) rtype: Type,
    /// Its class.
    pub(super) class: Class,
    /// Its TTL in seconds.
    pub(super) ttl: u32,
    /// Its rdata.
    pub(super) rdata: &'a [u8],
}

/// The records of an rrset.
pub(super) fn records(rrset: Rrset<'_>) -> impl Iterator<Item = Record<'_>> {
    let mut rest = rrset.octets;
    std::iter::from_fn(move || {
        let owner = plugin_api::name::wire_len(rest).ok()?;
        let length = usize::from(read_u16(rest, owner + 8)?);
        let (record, behind) = rest.split_at_checked(owner + 10 + length)?;
        rest = behind;
        Some(Record {
            owner: record.get(..owner)?,
            rtype: Type(read_u16(record, owner)?),
            class: Class(read_u16(record, owner + 2)?),
            ttl: read_u32(record, owner + 4)?,
            rdata: record.get(owner + 10..)?,
        })
    })
}
