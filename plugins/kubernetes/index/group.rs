//! What stands under one service name: the service, or the import, and the slices of its endpoints.

use std::sync::Arc;

use plugin_api::Name;

use super::few::Few;
use super::host::Host;
use crate::kubernetes::objects;

/// The number of a port that stands for "no ports", so that a service without ports still has addresses.
pub(crate) const NO_PORT: i32 = -1;

/// A port of a service or of a slice.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Port {
    /// Its name, as the API writes it; often empty.
    pub(crate) name: Box<str>,
    /// Its protocol, as the API writes it.
    pub(crate) protocol: Box<str>,
    /// Its number, or [`NO_PORT`].
    pub(crate) number: i32,
}

/// Ports, shared by all who have the same.
pub(crate) type Ports = Arc<[Port]>;

/// How a service is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// By addresses of its own.
    Cluster,
    /// By the addresses of its endpoints.
    Headless,
    /// By another name.
    External,
}

/// A service or an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Service {
    /// How it is reached.
    pub(crate) kind: Kind,
    /// Its own addresses.
    pub(crate) addresses: Few<Host>,
    /// Its ports.
    pub(crate) ports: Ports,
    /// The other name; none for an address in its place, and for what cannot be a name.
    pub(crate) target: Option<Box<Name>>,
    /// Addresses and names outside the cluster, if they are kept.
    pub(crate) external: Option<Arc<[Box<str>]>>,
}

/// What stands under one service name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    /// Labels of service and namespace.
    pub(super) key: Key,
    /// The service or import, if there is one.
    pub(crate) service: Option<Service>,
    /// Ids of the slices.
    pub(super) slices: Few<u32>,
    /// How often an endpoint's label or address stands in it once more; 0 if all are different. May count too much.
    pub(super) repeats: u32,
}

/// Octets that stand where they are: with the counts of their holders they fill a line of the machine's cache, so that a name
/// is compared without going anywhere else.
const SHORT: usize = 46;

/// Labels in wire form, nearly always short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    /// Some octets, so many of them used; the others are 0.
    Short(u8, [u8; SHORT]),
    /// More.
    Long(Box<[u8]>),
}

impl Key {
    /// Takes a copy.
    fn new(key: &[u8]) -> Self {
        let mut octets = [0; SHORT];
        match (octets.get_mut(..key.len()), u8::try_from(key.len())) {
            (Some(room), Ok(length)) => {
                room.copy_from_slice(key);
                Self::Short(length, octets)
            }
            _ => Self::Long(key.into()),
        }
    }
}

impl Group {
    /// An empty group.
    pub(super) fn new(key: &[u8]) -> Self {
        Self { key: Key::new(key), service: None, slices: Few::default(), repeats: 0 }
    }

    /// Returns the labels of service and namespace in wire form, without the closing zero.
    pub(crate) fn key(&self) -> &[u8] {
        match &self.key {
            Key::Short(length, octets) => octets.get(..usize::from(*length)).unwrap_or_default(),
            Key::Long(octets) => octets,
        }
    }

    /// Returns the namespace's label in wire form.
    pub(crate) fn namespace(&self) -> &[u8] {
        let service = self.key().first().map_or(0, |length| usize::from(*length) + 1);
        self.key().get(service..).unwrap_or_default()
    }
}

/// Returns labels in wire form, without the closing zero; none if one is empty or longer than 63 octets.
pub(super) fn wire_labels(labels: &[&str]) -> Option<Box<[u8]>> {
    let mut wire = Vec::with_capacity(labels.iter().map(|label| label.len() + 1).sum());
    for label in labels {
        wire.push(u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?);
        wire.extend_from_slice(label.as_bytes());
    }
    Some(wire.into())
}

/// Returns the ports of a service; one that says "none" if there are none.
pub(super) fn service_ports(ports: &[objects::ServicePort]) -> Vec<Port> {
    if ports.is_empty() {
        return vec![Port { name: "".into(), protocol: "".into(), number: NO_PORT }];
    }
    import_ports(ports)
}

/// Returns the ports of an import, which may have none.
pub(super) fn import_ports(ports: &[objects::ServicePort]) -> Vec<Port> {
    let port = |port: &objects::ServicePort| Port {
        name: port.name.clone(),
        protocol: port.protocol.clone(),
        number: port.port,
    };
    ports.iter().map(port).collect()
}

impl Service {
    /// Takes from a Service what DNS needs, external addresses only if they are wanted.
    pub(super) fn from_service(object: &objects::Service, ports: Ports, keep_external: bool) -> Self {
        let spec = &object.spec;
        let single = std::slice::from_ref(&spec.cluster_ip);
        let texts = if spec.cluster_ips.is_empty() { single } else { &spec.cluster_ips };
        let kind = match texts.first().map(AsRef::as_ref) {
            _ if spec.kind.as_ref() == "ExternalName" => Kind::External,
            Some("None") => Kind::Headless,
            _ => Kind::Cluster,
        };
        let addresses = match kind {
            Kind::Cluster => distinct_hosts(texts),
            Kind::Headless | Kind::External => Few::default(),
        };
        let target = (kind == Kind::External).then(|| external_target(&spec.external_name)).flatten();
        let external = keep_external.then(|| external_addresses(object)).filter(|list| !list.is_empty());
        Self { kind, addresses, ports, target, external }
    }

    /// Takes from a ServiceImport what DNS needs.
    pub(super) fn from_import(object: &objects::ServiceImport, ports: Ports) -> Self {
        let headless = object.spec.kind.as_ref() == "Headless";
        let addresses = distinct_hosts(&object.spec.ips);
        let kind = if headless { Kind::Headless } else { Kind::Cluster };
        Self { kind, addresses, ports, target: None, external: None }
    }
}

/// Reads addresses, each once.
fn distinct_hosts(texts: &[Box<str>]) -> Few<Host> {
    let mut hosts = Vec::with_capacity(texts.len());
    for host in texts.iter().filter_map(|text| Host::read(text)) {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    hosts.into()
}

/// Returns the name that an ExternalName service leads to; none for an address (CoreDNS: no such name) and for what is
/// no name.
fn external_target(text: &str) -> Option<Box<Name>> {
    if matches!(Host::read(text), Some(host) if host.name().is_some()) {
        return Name::from_text(text).ok().map(Box::new);
    }
    None
}

/// Returns addresses and names outside the cluster: the owner's, then the load balancers'.
fn external_addresses(object: &objects::Service) -> Arc<[Box<str>]> {
    let ingress = object.status.load_balancer.ingress.iter();
    let balancers = ingress.map(|way| if way.ip.is_empty() { way.hostname.clone() } else { way.ip.clone() });
    object.spec.external_ips.iter().cloned().chain(balancers).collect()
}
