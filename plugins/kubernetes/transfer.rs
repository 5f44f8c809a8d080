//! Whole zones for plugin `transfer`, service by service, as they are asked for (CoreDNS: plugin/kubernetes/xfr.go).
//!
//! What CoreDNS does and golden suites `kubernetes/transfer*` hold: a name below a zone is transferred as if it were one; weights of
//! services with addresses of their own are 100; the addresses of name servers have TTL 0; endpoints keep their letters; imports
//! lack the label of their cluster, and their zone has the serial of our own services.

use std::net::IpAddr;
use std::sync::Arc;

use plugin_api::link::Transfer;
use plugin_api::{Class, Name, OwnedRecord, Section, Type};

use super::answer::{MAX_SOA_TTL, share, type_of};
use super::handler::Kubernetes;
use super::index::{Group, Host, Realm, ServiceKind, Snapshot};
use super::nameserver::name_servers;

/// The share of a service with addresses of its own.
const WHOLE: u16 = 100;

/// Hands out the zones of the plugin.
pub(super) struct WholeZones(pub(super) Arc<Kubernetes>);

impl Transfer for WholeZones {
    fn transfer(&self, zone: &Name, serial: Option<u32>) -> Option<Box<dyn Iterator<Item = Vec<OwnedRecord>> + Send>> {
        let zone = zone.to_lower();
        let (served, _) = self.0.config.zone_of(&zone)?;
        let realm = if served.is_multicluster { Realm::Imported } else { Realm::Own };
        let snapshot = self.0.picture.load_full();
        let mut first = Part::new(&zone, self.0.config.ttl);
        first.push_soa(snapshot.serials.own);
        let soa = first.records.clone();
        if serial == Some(snapshot.serials.own) {
            return Some(Box::new(std::iter::once(soa)));
        }
        first.push_name_servers(&snapshot, self.0.local());
        let head = first.records;
        let (config, ids) = (Arc::clone(&self.0.config), snapshot.sorted_groups(realm).into_iter());
        let services = ids.filter_map(move |id| {
            let group = snapshot.group_at(realm, id).filter(|group| config.exposes(&snapshot, group.namespace()))?;
            let mut part = Part::new(&zone, config.ttl);
            part.push_group(&snapshot, realm, group);
            Some(part.records)
        });
        Some(Box::new(std::iter::once(head).chain(services).chain(std::iter::once(soa))))
    }
}

/// Some records of a zone.
struct Part<'a> {
    /// The zone, in lower case.
    zone: &'a Name,
    /// TTL of the records, in seconds.
    ttl: u32,
    /// The records.
    records: Vec<OwnedRecord>,
}

impl<'a> Part<'a> {
    /// Nothing yet.
    const fn new(zone: &'a Name, ttl: u32) -> Self {
        Self { zone, ttl, records: Vec::new() }
    }

    /// The name with these labels below the zone; none if it would be too long, or a label is.
    fn name(&self, labels: &[&[u8]]) -> Option<Name> {
        Name::from_parts(&[&labels.concat(), self.zone.as_wire()]).ok()
    }

    /// Appends a record; nothing without an owner (CoreDNS then cannot send the zone at all).
    fn push(&mut self, owner: Option<Name>, rtype: Type, ttl: u32, rdata: Vec<u8>) {
        let Some(owner) = owner else { return };
        self.records.push(OwnedRecord { section: Section::Answer, owner, rtype, class: Class::IN, ttl, rdata });
    }

    /// Appends an address.
    fn push_address(&mut self, owner: Option<Name>, ttl: u32, address: IpAddr) {
        let rdata = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        self.push(owner, type_of(address), ttl, rdata);
    }

    /// Appends a SRV record.
    fn push_srv(&mut self, owner: Option<Name>, weight: u16, number: i32, target: &Name) {
        // CoreDNS writes the lower 16 bits whatever the number is, 65535 where there is none.
        let [_, _, high, low] = number.to_be_bytes();
        let [weight_high, weight_low] = weight.to_be_bytes();
        let rdata = [&[0, 0, weight_high, weight_low, high, low], target.as_wire()].concat();
        self.push(owner, Type::SRV, self.ttl, rdata);
    }

    /// Appends the SOA.
    fn push_soa(&mut self, serial: u32) {
        let zone = self.zone.as_wire();
        let mut rdata = [b"\x02ns\x03dns", zone, b"\x0ahostmaster", zone].concat();
        for timer in [serial, 7200, 1800, 86_400, self.ttl] {
            rdata.extend_from_slice(&timer.to_be_bytes());
        }
        self.push(Some(self.zone.clone()), Type::SOA, self.ttl.min(MAX_SOA_TTL), rdata);
    }

    /// Appends the name servers, each once, and their addresses.
    fn push_name_servers(&mut self, snapshot: &Snapshot, local: &[IpAddr]) {
        let servers = name_servers(snapshot, local);
        for (at, server) in servers.iter().enumerate() {
            let is_first = !servers.iter().take(at).any(|other| other.labels == server.labels);
            if let Some(name) = self.name(&[&server.labels]).filter(|_| is_first) {
                self.push(Some(self.zone.clone()), Type::NS, self.ttl, name.as_wire().to_vec());
            }
        }
        for server in &servers {
            self.push_address(self.name(&[&server.labels]), 0, server.address);
        }
    }

    /// Appends what stands under a service's name.
    fn push_group(&mut self, snapshot: &Snapshot, realm: Realm, group: &Group) {
        let Some(service) = &group.service else { return };
        let Some(own) = self.name(&[group.key(), b"\x03svc"]) else { return };
        if service.kind == ServiceKind::External {
            if let Some(target) = &service.target {
                self.push(Some(own), Type::CNAME, self.ttl, target.as_wire().to_vec());
            }
            return;
        }
        if service.addresses.first().and_then(Host::address).is_none() {
            self.push_endpoints(snapshot, realm, group);
            return;
        }
        for address in service.addresses.iter().filter_map(Host::address) {
            self.push_address(Some(own.clone()), self.ttl, address);
        }
        for port in service.ports.iter() {
            self.push_srv(Some(own.clone()), WHOLE, port.number, &own);
            if !port.name.is_empty() {
                self.push_srv(self.port_name(group, &port.name, &port.protocol), WHOLE, port.number, &own);
            }
        }
    }

    /// Appends the endpoints of a service.
    fn push_endpoints(&mut self, snapshot: &Snapshot, realm: Realm, group: &Group) {
        let own = self.name(&[group.key(), b"\x03svc"]);
        for slice in snapshot.slices_of(realm, group) {
            let weight = share(slice.len());
            for endpoint in slice.endpoints() {
                let mut label = endpoint.label();
                let name = label.as_wire().and_then(|label| self.name(&[label, group.key(), b"\x03svc"]));
                let address = endpoint.host.address();
                if let Some(address) = address {
                    self.push_address(own.clone(), self.ttl, address);
                    self.push_address(name.clone(), self.ttl, address);
                }
                // An endpoint that is no address has no name here, and its ports lead to the root.
                let target = if address.is_some() { name } else { Some(Name::root()) };
                let Some(target) = target else { continue };
                for port in slice.ports.iter().filter(|port| !port.name.is_empty()) {
                    self.push_srv(self.port_name(group, &port.name, &port.protocol), weight, port.number, &target);
                }
            }
        }
    }

    /// The name of a port, in lower case.
    fn port_name(&self, group: &Group, port: &str, protocol: &str) -> Option<Name> {
        let mut labels = Vec::new();
        for text in [port, protocol] {
            labels.push(u8::try_from(text.len() + 1).ok()?);
            labels.push(b'_');
            labels.extend_from_slice(text.to_ascii_lowercase().as_bytes());
        }
        self.name(&[&labels, group.key(), b"\x03svc"])
    }
}
