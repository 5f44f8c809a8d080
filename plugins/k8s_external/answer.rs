//! Writes replies. Names of load balancers are followed by asking the server from within.

use super::handler::{Config, Served};
use plugin_api::link::{ExternalEntry, ExternalHost, ExternalNames};
use plugin_api::{Message, Name, OwnedRecord, Rcode, ReplyBuilder, Request, Section, Soa, Srv, Type, flag};
use std::collections::HashSet;
use std::net::IpAddr;

/// Weights are shares of this (CoreDNS: plugin/k8s_external/msg_to_dns.go).
const WEIGHT: usize = 100;

/// Everything that answering one query needs.
pub(super) struct Query<'a> {
    /// What the directive says.
    pub(super) config: &'a Config,
    /// The query.
    pub(super) request: &'a Request,
    /// The zone it is in.
    pub(super) served: &'a Served,
    /// Who knows the services.
    pub(super) source: &'a dyn ExternalNames,
}

/// Whether one of the entries leads to a name.
pub(super) fn has_names(entries: &[ExternalEntry]) -> bool {
    entries.iter().any(|entry| matches!(entry.host, ExternalHost::Name(_)))
}

/// The record type of an address.
pub(super) const fn type_of(address: IpAddr) -> Type {
    match address {
        IpAddr::V4(_) => Type::A,
        IpAddr::V6(_) => Type::AAAA,
    }
}

/// The weight of each of this many records, at least 1.
pub(super) fn share(count: usize) -> u16 {
    u16::try_from(WEIGHT / count.max(1)).unwrap_or(u16::MAX).max(1)
}

/// Appends an address.
fn push_address(reply: &mut ReplyBuilder, section: Section, owner: &[&[u8]], ttl: u32, address: IpAddr) {
    match address {
        IpAddr::V4(address) => reply.push_a(section, owner, ttl, address),
        IpAddr::V6(address) => reply.push_aaaa(section, owner, ttl, address),
    }
}

/// Appends a record as it came.
fn push_record(reply: &mut ReplyBuilder, section: Section, record: &OwnedRecord) {
    let kind = (record.rtype, record.class, record.ttl);
    reply.push_any(section, &[record.owner.as_wire()], kind, |out| out.extend_from_slice(&record.rdata));
}

impl Query<'_> {
    /// Begins a reply.
    fn reply(&self) -> ReplyBuilder {
        ReplyBuilder::new(self.request).authoritative()
    }

    /// The finished reply; without an answer it gets the zone's SOA.
    fn finish(&self, mut reply: ReplyBuilder) -> Message {
        if reply.count(Section::Answer) == 0 {
            self.push_soa(&mut reply, Section::Authority);
        }
        let mut message = reply.finish();
        message.live = true;
        message
    }

    /// A reply without answer, with the zone's SOA.
    pub(super) fn negative(&self, rcode: Rcode) -> Message {
        let mut reply = self.reply();
        reply.set_rcode(rcode);
        self.finish(reply)
    }

    /// Appends the zone's SOA.
    fn push_soa(&self, reply: &mut ReplyBuilder, section: Section) {
        let soa = Soa {
            primary: &[self.served.name_server.as_wire()],
            mailbox: &[b"\x0ahostmaster", self.served.apex.as_wire()],
            serial: self.source.serial(),
            refresh: 7200,
            retry: 1800,
            expire: 86_400,
            minimum: self.config.ttl,
        };
        reply.push_soa(section, &[self.served.zone.name().as_wire()], self.config.ttl, &soa);
    }

    /// The zone itself: SOA and NS.
    pub(super) fn apex(&self) -> Message {
        let mut reply = self.reply();
        match self.request.qtype() {
            Type::SOA => self.push_soa(&mut reply, Section::Answer),
            Type::NS => {
                let (zone, target) = (self.served.zone.name().as_wire(), self.served.name_server.as_wire());
                reply.push_name(Section::Answer, &[zone], (Type::NS, self.config.ttl), &[target]);
                // The addresses' owner has the letters of the query in the zone's part.
                let offset = self.served.name_server.offset_of(self.served.zone.name()).unwrap_or(0);
                let owner = [target.get(..offset).unwrap_or_default(), self.request.qname().as_wire()];
                for address in self.source.name_servers(self.config.headless) {
                    push_address(&mut reply, Section::Additional, &owner, self.config.ttl, address);
                }
            }
            _ => {}
        }
        self.finish(reply)
    }

    /// Names at and below `APEX.ZONE`, of which one has records: `ns1`, with the server's own addresses.
    pub(super) fn below_apex(&self) -> Message {
        let lower = self.request.question().lower();
        match lower.label_count().saturating_sub(self.served.zone.name().label_count()) {
            1 => return self.negative(Rcode::NOERROR),
            2 if lower.labels().next() == Some(b"ns1") => {}
            _ => return self.negative(Rcode::NXDOMAIN),
        }
        let mut reply = self.reply();
        for address in self.source.name_servers(self.config.headless) {
            if type_of(address) == self.request.qtype() {
                push_address(&mut reply, Section::Answer, &[self.request.qname().as_wire()], self.config.ttl, address);
            }
        }
        self.finish(reply)
    }

    /// PTR records to services, in the first zone.
    pub(super) fn pointers(&self, services: &[Box<[u8]>]) -> Message {
        let mut reply = self.reply();
        let Some(first) = self.config.zones.first() else { return self.finish(reply) };
        let owner = self.request.qname().as_wire();
        for (at, labels) in services.iter().enumerate() {
            let target: [&[u8]; 2] = [labels, first.zone.name().as_wire()];
            if !services.iter().take(at).any(|other| other == labels) && Name::from_parts(&target).is_ok() {
                reply.push_name(Section::Answer, &[owner], (Type::PTR, self.config.ttl), &target);
            }
        }
        self.finish(reply)
    }

    /// What a service's name leads to, by the type of the question.
    pub(super) async fn services(&self, entries: &[ExternalEntry]) -> Message {
        match self.request.qtype() {
            Type::A | Type::AAAA => self.addresses(entries).await,
            Type::SRV => self.ports(entries).await,
            _ => self.negative(Rcode::NOERROR),
        }
    }

    /// A and AAAA: each address once, each name as often as CoreDNS gives it, once for each port.
    async fn addresses(&self, entries: &[ExternalEntry]) -> Message {
        let (qtype, owner) = (self.request.qtype(), self.request.qname().as_wire());
        let mut reply = self.reply();
        let mut seen = HashSet::new();
        let mut is_truncated = false;
        for entry in entries {
            match &entry.host {
                ExternalHost::Address(address) => {
                    if type_of(*address) == qtype && seen.insert(*address) {
                        push_address(&mut reply, Section::Answer, &[owner], self.config.ttl, *address);
                    }
                }
                ExternalHost::Name(name) => {
                    reply.push_name(Section::Answer, &[owner], (Type::CNAME, self.source.ttl()), &[name.as_wire()]);
                    let Some(found) = self.request.lookup(Name::clone(name), qtype).await else { continue };
                    is_truncated |= found.has_flag(flag::TC);
                    let records = found.section(Section::Answer).map(OwnedRecord::from);
                    records.for_each(|record| push_record(&mut reply, Section::Answer, &record));
                }
            }
        }
        let mut message = self.finish(reply);
        message.set_flag(flag::TC, is_truncated);
        message
    }

    /// SRV: each target and port once, and behind them the addresses of the targets.
    async fn ports(&self, entries: &[ExternalEntry]) -> Message {
        let weight = share(entries.len());
        let mut reply = self.reply();
        let mut addresses = Vec::new();
        let (mut records, mut hosts) = (HashSet::new(), HashSet::new());
        for entry in entries {
            let (Some(port), Some(target)) = (entry.port, self.target(entry)) else { continue };
            if records.insert((target.as_wire().to_vec(), port)) {
                let srv = Srv { priority: 0, weight, port, target: &[target.as_wire()] };
                reply.push_srv(Section::Answer, &[self.request.qname().as_wire()], self.source.ttl(), &srv);
            }
            match &entry.host {
                ExternalHost::Address(address) if hosts.insert((target.as_wire().to_vec(), Some(*address))) => {
                    addresses.push(Additional::Address(target, *address));
                }
                ExternalHost::Name(name) if hosts.insert((target.as_wire().to_vec(), None)) => {
                    for qtype in [Type::A, Type::AAAA] {
                        let found = self.request.lookup(Name::clone(name), qtype).await;
                        let answers = found.iter().flat_map(|found| found.section(Section::Answer));
                        addresses.extend(answers.map(|record| Additional::Record(OwnedRecord::from(record))));
                    }
                }
                _ => {}
            }
        }
        for additional in &addresses {
            match additional {
                Additional::Address(owner, address) => {
                    push_address(&mut reply, Section::Additional, &[owner.as_wire()], self.config.ttl, *address);
                }
                Additional::Record(record) => push_record(&mut reply, Section::Additional, record),
            }
        }
        self.finish(reply)
    }

    /// Where a SRV record of an entry leads to; nowhere if that cannot have a name.
    fn target(&self, entry: &ExternalEntry) -> Option<Name> {
        match &entry.host {
            ExternalHost::Name(name) => Some(Name::clone(name)),
            ExternalHost::Address(_) if entry.labels.is_empty() => None,
            ExternalHost::Address(_) => Name::from_parts(&[&entry.labels, self.served.zone.name().as_wire()]).ok(),
        }
    }
}

/// What stands behind the answer.
enum Additional {
    /// An address of a target.
    Address(Name, IpAddr),
    /// A record that another name has.
    Record(OwnedRecord),
}
