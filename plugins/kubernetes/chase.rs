//! Follows a CNAME to its addresses: inside the zone by looking again, outside by asking the server from within.
//!
//! (CoreDNS: plugin/backend_lookup.go, functions A and AAAA)

use std::net::IpAddr;

use plugin_api::{BoxFuture, Class, Name, OwnedRecord, Request, Section, Type};

use super::answer::type_of;
use super::config::Config;
use super::index::Snapshot;
use super::lookup::{Hit, Place, look_up};
use super::nameserver::name_servers;

/// The most CNAME records before a name that may still lead to another.
const MAX_CHAIN: usize = 10;

/// What all steps of a chase share.
pub(super) struct Chase<'a> {
    /// The query.
    pub(super) request: &'a Request,
    /// The plugin's configuration.
    pub(super) config: &'a Config,
    /// The picture of the cluster.
    pub(super) snapshot: &'a Snapshot,
    /// The machine's addresses.
    pub(super) local: &'a [IpAddr],
    /// The zone that the query is in.
    pub(super) place: Place<'a>,
}

/// What a chase brought.
#[derive(Default)]
pub(super) struct Gathered {
    /// CNAME and address records in order.
    pub(super) records: Vec<OwnedRecord>,
    /// A reply on the way was cut.
    pub(super) is_truncated: bool,
}

/// What a name leads to, in order.
enum Target {
    /// To an address.
    Address(IpAddr),
    /// To another name.
    Name(Box<Name>),
}

impl Chase<'_> {
    /// Gathers the records of `owner`, a name in the zone; `chain` are the targets of the CNAME records before it.
    pub(super) fn gather<'b>(&'b self, owner: &'b Name, chain: &'b [Name]) -> BoxFuture<'b, Gathered> {
        Box::pin(async move {
            let mut gathered = Gathered::default();
            for target in self.targets(owner) {
                match target {
                    Target::Address(address) => self.add_address(owner, address, &mut gathered),
                    Target::Name(name) => self.follow(owner, *name, chain, &mut gathered).await,
                }
            }
            gathered
        })
    }

    /// Returns what a name leads to; nothing for a name that does not exist.
    fn targets(&self, owner: &Name) -> Vec<Target> {
        let lower = owner.to_lower();
        let Some(offset) = lower.offset_of(self.place.zone.zone.name()) else { return Vec::new() };
        // Names inside the zone are looked up in the letters of the query's zone.
        let mut spelt = lower.as_wire().get(..offset).unwrap_or_default().to_vec();
        spelt.extend_from_slice(self.place.apex());
        let place = Place { zone: self.place.zone, name: &spelt, lower: lower.as_wire(), offset };
        if place.is_name_server() {
            let servers = name_servers(self.snapshot, self.local);
            return servers.into_iter().map(|server| Target::Address(server.address)).collect();
        }
        let asked = place.ask(self.config);
        let mut targets = Vec::new();
        match look_up(self.config, self.snapshot, &place, &asked) {
            Hit::NxDomain | Hit::NoData => {}
            Hit::External(name) => targets.push(Target::Name(Box::new(name.clone()))),
            Hit::Pod(address, _) => targets.push(Target::Address(address)),
            Hit::Records(records) => records.each(|entry| match (entry.host.address(), entry.host.name()) {
                (Some(address), _) => targets.push(Target::Address(address)),
                (None, name) => targets
                    .extend(name.and_then(|name| Name::from_text(name).ok()).map(|name| Target::Name(Box::new(name)))),
            }),
        }
        targets
    }

    /// Adds an address of the family that is asked for, once.
    fn add_address(&self, owner: &Name, address: IpAddr, gathered: &mut Gathered) {
        let rdata = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let record = self.record(owner, type_of(address), rdata);
        let is_known = |other: &OwnedRecord| {
            other.owner == record.owner && other.rtype == record.rtype && other.rdata == record.rdata
        };
        if record.rtype == self.request.qtype() && !gathered.records.iter().any(is_known) {
            gathered.records.push(record);
        }
    }

    /// Follows `owner` to `target`. What leads nowhere inside the zone, or where nothing is to be had, leaves no CNAME.
    async fn follow(&self, owner: &Name, target: Name, chain: &[Name], gathered: &mut Gathered) {
        if target.is_within(owner) || chain.len() > MAX_CHAIN || chain.contains(&target) {
            return;
        }
        let alias = self.record(owner, Type::CNAME, target.as_wire().to_vec());
        if target.is_within(self.place.zone.zone.name()) {
            let chain = [chain, std::slice::from_ref(&target)].concat();
            let inner = self.gather(&target, &chain).await;
            gathered.is_truncated |= inner.is_truncated;
            if !inner.records.is_empty() {
                gathered.records.push(alias);
                gathered.records.extend(inner.records);
            }
            return;
        }
        if let Some(reply) = self.request.lookup(target, self.request.qtype()).await {
            gathered.is_truncated |= reply.has_flag(plugin_api::flag::TC);
            gathered.records.push(alias);
            gathered.records.extend(reply.section(Section::Answer).map(OwnedRecord::from));
        }
    }

    /// Makes a record of the answer section.
    fn record(&self, owner: &Name, rtype: Type, rdata: Vec<u8>) -> OwnedRecord {
        OwnedRecord {
            section: Section::Answer,
            owner: owner.clone(),
            rtype,
            class: Class::IN,
            ttl: self.config.ttl,
            rdata,
        }
    }
}
