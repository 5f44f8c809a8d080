//! Some endpoints of a service, packed: one list of addresses, and labels and zones only where there are any.

use std::net::{IpAddr, Ipv4Addr};

use super::few::Few;
use super::group::{NO_PORT, Port, Ports};
use super::host::{Host, LabelText};
use crate::kubernetes::{endpoints, objects};

/// Texts one behind the other, some of them empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Texts {
    /// All texts.
    text: Box<str>,
    /// Where each ends.
    ends: Box<[u32]>,
}

impl Texts {
    /// Packs texts; none if all are empty.
    fn pack<'a>(texts: impl Iterator<Item = &'a str> + Clone) -> Option<Self> {
        if texts.clone().all(str::is_empty) {
            return None;
        }
        let mut all = String::new();
        let ends = texts.map(|text| {
            all.push_str(text);
            u32::try_from(all.len()).unwrap_or(u32::MAX)
        });
        let ends = ends.collect();
        Some(Self { text: all.into(), ends })
    }

    /// Returns the texts in lower case.
    fn into_lower(mut self) -> Self {
        self.text.make_ascii_lowercase();
        self
    }

    /// Returns one text.
    fn get(&self, at: usize) -> &str {
        let end = self.ends.get(at).copied().unwrap_or(0);
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.text.get(start as usize..end as usize).unwrap_or_default()
    }
}

/// The addresses of a slice, one for each address of each ready endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    /// All IPv4 in its only form: the usual case, four octets each.
    V4(Few<Ipv4Addr>),
    /// Any.
    Mixed(Box<[Host]>),
}

/// Some endpoints of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slice {
    /// Its name, unique in its namespace.
    pub(super) name: Box<str>,
    /// The group it belongs to.
    pub(super) group: u32,
    /// The ports of each endpoint.
    pub(crate) ports: Ports,
    /// The addresses.
    hosts: Hosts,
    /// What few slices have.
    extra: Option<Box<Extra>>,
}

/// What few slices have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Extra {
    /// The label of the cluster it came from; empty for our own.
    cluster: Box<str>,
    /// Labels that do not come from the address.
    labels: Option<Texts>,
    /// Topology zones, in lower case.
    zones: Option<Texts>,
}

/// One endpoint: an address of a slice.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint<'a> {
    /// Where it is.
    pub(crate) host: Host,
    /// Its label where that does not come from the address; empty otherwise.
    pub(crate) label: &'a str,
    /// Its topology zone, in lower case; empty if it has none.
    pub(crate) zone: &'a str,
}

impl Endpoint<'_> {
    /// Makes an endpoint whose label comes from its address.
    pub(super) const fn bare(host: Host) -> Self {
        Self { host, label: "", zone: "" }
    }

    /// Returns its label below the service's name.
    pub(crate) fn label(&self) -> LabelText {
        if self.label.is_empty() {
            return self.host.label();
        }
        let mut label = LabelText::new();
        label.push(self.label.as_bytes());
        label
    }
}

/// What of a slice is kept besides addresses and ports.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keep {
    /// Pod names are labels of endpoints without hostname.
    pub(super) pod_names: bool,
    /// Topology zones.
    pub(super) zones: bool,
    /// The label of the cluster that the slice came from: part of the names of imported endpoints, and of no others, whoever wrote the
    /// label (a cluster mesh labels slices of the cluster's own zone, too).
    pub(super) source_cluster: bool,
}

impl Keep {
    /// Returns the label of an endpoint where that does not come from the address.
    fn label<'a>(self, endpoint: &endpoints::Endpoint<'a>) -> &'a str {
        let is_pod = endpoint.hostname.is_empty() && self.pod_names && endpoint.pod.len() < 64;
        if is_pod { endpoint.pod } else { endpoint.hostname }
    }
}

impl Slice {
    /// Takes from an EndpointSlice what DNS needs.
    pub(super) fn new(object: &objects::EndpointSlice, group: u32, ports: Ports, keep: Keep) -> Self {
        // Who has an empty address has none.
        let each = || object.endpoints.iter().filter(|endpoint| endpoint.is_ready && !endpoint.address.is_empty());
        let source_cluster = object.metadata.label(objects::SOURCE_CLUSTER).filter(|_| keep.source_cluster);
        let zones = keep.zones.then(|| Texts::pack(each().map(|endpoint| endpoint.zone))).flatten();
        let extra = Extra {
            cluster: source_cluster.unwrap_or_default().into(),
            labels: Texts::pack(each().map(|endpoint| keep.label(&endpoint))),
            zones: zones.map(Texts::into_lower),
        };
        Self {
            name: object.metadata.name.clone(),
            group,
            ports,
            hosts: pack_hosts(each().filter_map(|endpoint| Host::read(endpoint.address)), object.endpoints.len()),
            extra: (extra != Extra::default()).then(|| Box::new(extra)),
        }
    }

    /// Returns the label of the cluster it came from; empty for our own.
    pub(crate) fn cluster(&self) -> &str {
        self.extra.as_deref().map_or("", |extra| &extra.cluster)
    }

    /// Returns how many endpoints there are.
    pub(crate) fn len(&self) -> usize {
        match &self.hosts {
            Hosts::V4(hosts) => hosts.len(),
            Hosts::Mixed(hosts) => hosts.len(),
        }
    }

    /// Returns the addresses in the order of the API, if all are IPv4.
    pub(crate) fn fours(&self) -> Option<&[Ipv4Addr]> {
        if let Hosts::V4(hosts) = &self.hosts { Some(hosts) } else { None }
    }

    /// Returns the addresses where nothing else tells two endpoints apart: all are IPv4, and all labels come from them.
    pub(super) fn bare_fours(&self) -> Option<&[Ipv4Addr]> {
        self.fours().filter(|_| self.extra.as_deref().is_none_or(|extra| extra.labels.is_none()))
    }

    /// Says whether its endpoints have neither labels of their own, nor zones, nor a cluster.
    pub(crate) const fn is_plain(&self) -> bool {
        self.extra.is_none()
    }

    /// Returns the endpoints in the order of the API.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = Endpoint<'_>> {
        self.endpoints_where(|_, _| true, |_, _| true)
    }

    /// Returns the endpoints with this label, given in lower case.
    pub(crate) fn labelled<'a>(&'a self, label: &'a [u8]) -> impl Iterator<Item = Endpoint<'a>> + 'a {
        let address = parse_dashed(label);
        self.endpoints_where(
            move |at, host| match self.label_at(at) {
                "" => address == Some(*host),
                own => own.as_bytes().eq_ignore_ascii_case(label),
            },
            move |at, host| match self.label_at(at) {
                "" => host.label().as_bytes().eq_ignore_ascii_case(label),
                own => own.as_bytes().eq_ignore_ascii_case(label),
            },
        )
    }

    /// Returns the endpoints that have this address in its canonical form.
    pub(crate) fn at(&self, address: IpAddr) -> impl Iterator<Item = Endpoint<'_>> {
        self.endpoints_where(move |_, host| address == *host, move |_, host| host.canonical() == Some(address))
    }

    /// Returns some endpoints, chosen before they are put together.
    fn endpoints_where<'a>(
        &'a self,
        v4: impl Fn(usize, &Ipv4Addr) -> bool + 'a,
        mixed: impl Fn(usize, &Host) -> bool + 'a,
    ) -> impl Iterator<Item = Endpoint<'a>> {
        let (fours, others): (&[Ipv4Addr], &[Host]) = match &self.hosts {
            Hosts::V4(hosts) => (hosts, &[]),
            Hosts::Mixed(hosts) => (&[], hosts),
        };
        let fours = fours.iter().enumerate().filter(move |(at, host)| v4(*at, host));
        let others = others.iter().enumerate().filter(move |(at, host)| mixed(*at, host));
        let fours = fours.map(|(at, host)| self.endpoint(at, Host::V4(*host)));
        fours.chain(others.map(|(at, host)| self.endpoint(at, host.clone())))
    }

    /// Returns the label of an endpoint where that does not come from the address; empty otherwise.
    fn label_at(&self, at: usize) -> &str {
        self.extra.as_deref().and_then(|extra| extra.labels.as_ref()).map_or("", |texts| texts.get(at))
    }

    /// Returns one endpoint.
    fn endpoint(&self, at: usize, host: Host) -> Endpoint<'_> {
        let zones = self.extra.as_deref().and_then(|extra| extra.zones.as_ref());
        Endpoint { host, label: self.label_at(at), zone: zones.map_or("", |texts| texts.get(at)) }
    }
}

/// Reads `10-0-0-1` as the only label that an IPv4 address has.
fn parse_dashed(label: &[u8]) -> Option<Ipv4Addr> {
    let mut octets = [0; 15];
    let text = octets.get_mut(..label.len())?;
    text.copy_from_slice(label);
    text.iter_mut().filter(|octet| **octet == b'-').for_each(|dash| *dash = b'.');
    let dots = !label.contains(&b'.');
    std::str::from_utf8(text).ok()?.parse().ok().filter(|_| dots)
}

/// Packs addresses, at most so many, as tightly as they allow.
fn pack_hosts(mut hosts: impl Iterator<Item = Host>, most: usize) -> Hosts {
    let mut fours = Vec::with_capacity(most);
    for host in hosts.by_ref() {
        let Host::V4(address) = host else {
            let fours = fours.into_iter().map(Host::V4);
            return Hosts::Mixed(fours.chain([host]).chain(hosts).collect());
        };
        fours.push(address);
    }
    Hosts::V4(fours.into())
}

/// Returns the ports of a slice; one that says "none" if there are none.
pub(super) fn slice_ports(ports: &[objects::EndpointPort]) -> Vec<Port> {
    if ports.is_empty() {
        return vec![Port { name: "".into(), protocol: "".into(), number: NO_PORT }];
    }
    let port = |port: &objects::EndpointPort| Port {
        name: port.name.clone(),
        protocol: port.protocol.clone(),
        number: port.port.unwrap_or(NO_PORT),
    };
    ports.iter().map(port).collect()
}
