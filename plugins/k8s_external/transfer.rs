//! Whole zones for plugin `transfer`, service by service, as they are asked for (CoreDNS: plugin/k8s_external/transfer.go).
//!
//! What CoreDNS does and golden suites `kubernetes/transfer-external*` hold: a load balancer's name is not followed; its CNAME comes
//! twice for each port, and two labels of its name are missing where a port's SRV record leads to it; addresses come once for
//! each port; the SRV at a service's name is there for its first port; SRV records of endpoints come twice.

use super::answer::{share, type_of};
use super::handler::{K8sExternal, Served};
use plugin_api::link::{ExternalEntry, ExternalHost, ExternalPort, ExternalService, Transfer};
use plugin_api::{Class, Name, OwnedRecord, Section, Type};
use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

impl Transfer for K8sExternal {
    fn transfer(&self, zone: &Name, serial: Option<u32>) -> Option<Box<dyn Iterator<Item = Vec<OwnedRecord>> + Send>> {
        let served = self.config.find(zone).filter(|served| served.zone.name() == zone)?;
        let source = self.source.get()?;
        let (zone, ttl, alias_ttl) = (served.zone.name().clone(), self.config.ttl, source.ttl());
        let part = move || Part { zone: zone.clone(), ttl, alias_ttl, records: Vec::new() };
        let current = source.serial();
        let mut first = part();
        first.push_soa(served, current);
        let soa = first.records.clone();
        if serial.is_some_and(|serial| serial >= current) {
            return Some(Box::new(std::iter::once(soa)));
        }
        let name_server = &served.name_server;
        first.push(Some(first.zone.clone()), Type::NS, ttl, name_server.as_wire().to_vec());
        for address in source.name_servers(self.config.headless) {
            first.push_address(Some(name_server.clone()), address);
        }
        let services = source.services(self.config.headless).map(move |service| {
            let mut part = part();
            part.push_service(&service);
            part.records
        });
        Some(Box::new(std::iter::once(first.records).chain(services).chain(std::iter::once(soa))))
    }
}

/// The targets and ports of SRV records of one name.
type Places = Vec<(Name, Option<u16>)>;

/// Some records of a zone.
struct Part {
    /// The zone.
    zone: Name,
    /// TTL of most records, in seconds.
    ttl: u32,
    /// TTL of CNAME and SRV records.
    alias_ttl: u32,
    /// The records.
    records: Vec<OwnedRecord>,
}

/// Two labels less, as CoreDNS cuts targets of ports; a name with no more than two stays whole.
fn stripped(name: &Name) -> Name {
    if name.label_count() > 2 { name.parent().parent() } else { name.clone() }
}

/// The labels `_PORT._PROTOCOL`, in lower case; none if one is too long.
fn port_labels(port: &ExternalPort) -> Option<Vec<u8>> {
    let mut labels = Vec::new();
    for text in [&port.name, &port.protocol] {
        labels.push(u8::try_from(text.len() + 1).ok().filter(|length| *length < 64)?);
        labels.push(b'_');
        labels.extend_from_slice(text.to_ascii_lowercase().as_bytes());
    }
    Some(labels)
}

impl Part {
    /// The name with these labels; none if there are none, or it would be too long.
    fn name(&self, labels: &[&[u8]]) -> Option<Name> {
        let labels = labels.concat();
        if labels.is_empty() { None } else { Name::from_parts(&[&labels, self.zone.as_wire()]).ok() }
    }

    /// Appends a record; nothing without an owner.
    fn push(&mut self, owner: Option<Name>, rtype: Type, ttl: u32, rdata: Vec<u8>) {
        let Some(owner) = owner else { return };
        self.records.push(OwnedRecord { section: Section::Answer, owner, rtype, class: Class::IN, ttl, rdata });
    }

    /// Appends an address.
    fn push_address(&mut self, owner: Option<Name>, address: IpAddr) {
        let rdata = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        self.push(owner, type_of(address), self.ttl, rdata);
    }

    /// Appends where an entry is: its address, or its name twice, once for each family.
    fn push_host(&mut self, owner: Option<&Name>, host: &ExternalHost) {
        match host {
            ExternalHost::Address(address) => self.push_address(owner.cloned(), *address),
            ExternalHost::Name(name) => {
                for _ in [Type::A, Type::AAAA] {
                    self.push(owner.cloned(), Type::CNAME, self.alias_ttl, name.as_wire().to_vec());
                }
            }
        }
    }

    /// Appends a SRV record.
    fn push_srv(&mut self, owner: Option<Name>, weight: u16, port: u16, target: &Name) {
        let [weight, port] = [weight, port].map(u16::to_be_bytes);
        let rdata = [&[0, 0], &weight[..], &port, target.as_wire()].concat();
        self.push(owner, Type::SRV, self.alias_ttl, rdata);
    }

    /// Appends the SOA.
    fn push_soa(&mut self, served: &Served, serial: u32) {
        let mut rdata = [served.name_server.as_wire(), b"\x0ahostmaster", served.apex.as_wire()].concat();
        for timer in [serial, 7200, 1800, 86_400, self.ttl] {
            rdata.extend_from_slice(&timer.to_be_bytes());
        }
        self.push(Some(self.zone.clone()), Type::SOA, self.ttl, rdata);
    }

    /// Appends a service.
    fn push_service(&mut self, service: &ExternalService) {
        if service.is_headless { self.push_endpoints(service) } else { self.push_balanced(service) }
    }

    /// Appends a service with external addresses.
    fn push_balanced(&mut self, service: &ExternalService) {
        let Some(own) = self.name(&[&service.labels]) else { return };
        let mut seen = HashSet::new();
        for (entry, port) in &service.entries {
            self.push_host(Some(&own), &entry.host);
            let Some(number) = entry.port else { continue };
            let (target, port_target) = match &entry.host {
                ExternalHost::Address(_) => (own.clone(), own.clone()),
                ExternalHost::Name(name) => (Name::clone(name), stripped(name)),
            };
            if seen.insert(None) {
                self.push_srv(Some(own.clone()), share(1), number, &target);
            }
            let labels = port_labels(port);
            if let Some(labels) = labels.filter(|labels| seen.insert(Some(labels.clone()))) {
                self.push_srv(self.name(&[&labels, &service.labels]), share(1), number, &port_target);
            }
        }
    }

    /// Appends a service by its endpoints.
    fn push_endpoints(&mut self, service: &ExternalService) {
        let own = self.name(&[&service.labels]);
        let mut seen = HashSet::new();
        for (entry, _) in &service.entries {
            let is_name = matches!(entry.host, ExternalHost::Name(_));
            if is_name || seen.insert(entry.host.clone()) {
                self.push_host(own.as_ref(), &entry.host);
            }
        }
        self.push_twice(own.as_ref(), service.entries.iter().map(|(entry, _)| entry));
        for (entry, _) in &service.entries {
            let name = self.name(&[&entry.labels]);
            self.push_host(name.as_ref(), &entry.host);
            self.push_twice(name.as_ref(), std::iter::once(entry));
        }
        self.push_ports(service);
    }

    /// Appends the SRV records of some entries, twice.
    fn push_twice<'a>(&mut self, owner: Option<&Name>, entries: impl Iterator<Item = &'a ExternalEntry> + Clone) {
        let weight = share(entries.clone().count());
        for _ in 0..2 {
            let mut seen = HashSet::new();
            for entry in entries.clone() {
                let target = match &entry.host {
                    ExternalHost::Address(_) => self.name(&[&entry.labels]),
                    ExternalHost::Name(name) => Some(Name::clone(name)),
                };
                let (Some(number), Some(target)) = (entry.port, target) else { continue };
                if seen.insert((target.as_wire().to_vec(), number)) {
                    self.push_srv(owner.cloned(), weight, number, &target);
                }
            }
        }
    }

    /// Appends the SRV records of named ports, each leading to its endpoint.
    fn push_ports(&mut self, service: &ExternalService) {
        let mut groups: BTreeMap<Vec<u8>, Places> = BTreeMap::new();
        for (entry, port) in service.entries.iter().filter(|(_, port)| !port.name.is_empty()) {
            if let (Some(labels), Some(target)) = (port_labels(port), self.name(&[&entry.labels])) {
                groups.entry(labels).or_default().push((target, entry.port));
            }
        }
        for (labels, places) in groups {
            let owner = self.name(&[&labels, &service.labels]);
            let weight = share(places.len());
            let mut seen = HashSet::new();
            for (target, number) in places {
                let Some(number) = number else { continue };
                if seen.insert((target.as_wire().to_vec(), number)) {
                    self.push_srv(owner.clone(), weight, number, &target);
                }
            }
        }
    }
}
