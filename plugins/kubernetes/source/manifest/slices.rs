//! What the endpoint slice controller of a cluster would make of a service with a selector and its pods.
//!
//! As there: one slice for each set of resolved ports, at most 100 endpoints in each, the labels of the service on it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::object::{ContainerPort, Labels, TargetPort, WrittenPod, WrittenPort, WrittenService};
use crate::kubernetes::endpoints::Endpoint;
use crate::kubernetes::objects::{EndpointPort, EndpointSlice, Metadata, SERVICE_NAME};

/// How many endpoints a slice holds, as by default in a cluster.
const SLICE_ENDPOINTS: usize = 100;
/// Label that marks slices of a headless service.
const HEADLESS: &str = "service.kubernetes.io/headless";
/// Label of a pod that tells the zone of its node.
const ZONE: &str = "topology.kubernetes.io/zone";

/// A service that chooses pods.
#[derive(Debug)]
pub(super) struct Selecting {
    /// Its namespace.
    pub(super) namespace: Box<str>,
    /// Its name.
    pub(super) name: Box<str>,
    /// Its labels.
    labels: Labels,
    /// The labels of its pods.
    selector: Labels,
    /// Its ports.
    ports: Vec<WrittenPort>,
    /// Whether pods count that are not ready.
    publish_not_ready: bool,
    /// Whether it has no address of its own.
    is_headless: bool,
    /// Which addresses of a pod count.
    families: Families,
}

/// Which addresses of a pod a service has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Families {
    /// The first one: the service does not say.
    First,
    /// Those of version 4, those of version 6.
    Only {
        /// IPv4 addresses count.
        v4: bool,
        /// IPv6 addresses count.
        v6: bool,
    },
}

/// A port with its number on a pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Port {
    /// The service's name for it, or the container's.
    name: Box<str>,
    /// `TCP`, `UDP` or `SCTP`.
    protocol: Box<str>,
    /// Its number.
    number: i32,
}

/// What a slice needs to know of a pod.
#[derive(Debug)]
pub(super) struct PodFacts {
    /// Its name.
    name: Box<str>,
    /// Its labels.
    labels: Labels,
    /// Its addresses.
    addresses: Vec<Box<str>>,
    /// Whether it takes traffic.
    is_ready: bool,
    /// Its own name, below the service `subdomain`.
    hostname: Box<str>,
    /// The service below which it is named.
    subdomain: Box<str>,
    /// The named ports of its containers.
    ports: Vec<Port>,
}

impl Selecting {
    /// Keeps what slices need of a service; none if it chooses no pods.
    pub(super) fn of(service: &WrittenService) -> Option<Self> {
        let spec = &service.spec;
        service.is_selecting().then(|| Self {
            namespace: service.metadata.namespace.clone(),
            name: service.metadata.name.clone(),
            labels: service.metadata.labels.clone(),
            selector: spec.selector.clone(),
            ports: spec.ports.clone(),
            publish_not_ready: spec.publish_not_ready_addresses,
            is_headless: &*spec.cluster_ip == "None" || spec.cluster_ips.iter().any(|ip| &**ip == "None"),
            families: Families::of(service),
        })
    }

    /// Makes the slices of this service from the pods of its namespace.
    pub(super) fn slices(&self, pods: &[PodFacts]) -> Vec<EndpointSlice> {
        let mut by_ports: BTreeMap<Vec<Port>, Vec<Endpoint<'_>>> = BTreeMap::new();
        for pod in pods.iter().filter(|pod| self.chooses(pod)) {
            for address in pod.addresses.iter().filter(|address| self.families.count(address, pod)) {
                by_ports.entry(self.resolve_ports(pod)).or_default().push(self.endpoint(pod, address));
            }
        }
        let mut slices = Vec::new();
        for (ports, mut endpoints) in by_ports {
            endpoints.sort_by_key(|endpoint| (endpoint.pod, endpoint.address));
            for part in endpoints.chunks(SLICE_ENDPOINTS) {
                let name = format!("{}.{}", self.name, slices.len());
                let metadata = Metadata::new(&self.namespace, &name, self.slice_labels());
                let endpoints = part.iter().copied().collect();
                slices.push(EndpointSlice { metadata, endpoints, ports: slice_ports(&ports) });
            }
        }
        slices
    }

    /// Says whether the pod has all labels that are asked for.
    fn chooses(&self, pod: &PodFacts) -> bool {
        self.selector.iter().all(|(key, value)| pod.labels.get(key) == Some(value))
    }

    /// Returns each port with its number on this pod; a named port that the pod lacks is left out.
    fn resolve_ports(&self, pod: &PodFacts) -> Vec<Port> {
        let resolve = |port: &WrittenPort| {
            let number = match &port.target_port {
                None | Some(TargetPort::Number(0)) => port.port,
                Some(TargetPort::Number(number)) => *number,
                Some(TargetPort::Name(wanted)) => {
                    pod.ports.iter().find(|one| one.name == *wanted && one.protocol == port.protocol)?.number
                }
            };
            Some(Port { name: port.name.clone(), protocol: port.protocol.clone(), number })
        };
        self.ports.iter().filter_map(resolve).collect()
    }

    /// Makes the endpoint for one address of a pod.
    fn endpoint<'a>(&self, pod: &'a PodFacts, address: &'a str) -> Endpoint<'a> {
        let is_named = !pod.hostname.is_empty() && pod.subdomain == self.name;
        Endpoint {
            address,
            hostname: if is_named { &pod.hostname } else { "" },
            pod: &pod.name,
            zone: pod.labels.get(ZONE).map_or("", AsRef::as_ref),
            is_ready: pod.is_ready || self.publish_not_ready,
        }
    }

    /// Returns the labels of this service's slices: its own, and those that lead to it.
    fn slice_labels(&self) -> Labels {
        let mut labels = self.labels.clone();
        labels.insert(SERVICE_NAME.into(), self.name.clone());
        if self.is_headless {
            labels.insert(HEADLESS.into(), Box::default());
        }
        labels
    }
}

/// Returns the ports as a slice has them.
fn slice_ports(ports: &[Port]) -> Vec<EndpointPort> {
    let port = |Port { name, protocol, number }: &Port| EndpointPort {
        name: name.clone(),
        protocol: protocol.clone(),
        port: Some(*number),
    };
    ports.iter().map(port).collect()
}

impl Families {
    /// Returns the families of a service: those it names, else those of its addresses, else unknown.
    fn of(service: &WrittenService) -> Self {
        let spec = &service.spec;
        if spec.ip_families.is_empty() && spec.ip_family_policy.ends_with("DualStack") {
            return Self::Only { v4: true, v6: true };
        }
        let is_v6 = |ip: &str| ip.parse::<IpAddr>().ok().map(|ip| ip.is_ipv6());
        let named = spec.ip_families.iter().map(|family| Some(&**family == "IPv6"));
        let own = spec.cluster_ips.iter().chain([&spec.cluster_ip]).map(|ip| is_v6(ip));
        let mut families = named.chain(own.filter(|_| spec.ip_families.is_empty())).flatten().peekable();
        if families.peek().is_none() {
            return Self::First;
        }
        let (v6, v4): (Vec<bool>, Vec<bool>) = families.partition(|is_v6| *is_v6);
        Self::Only { v4: !v4.is_empty(), v6: !v6.is_empty() }
    }

    /// Says whether this address of the pod counts.
    fn count(self, address: &str, pod: &PodFacts) -> bool {
        match self {
            Self::First => pod.addresses.first().is_some_and(|first| &**first == address),
            Self::Only { v4, v6 } => match address.parse() {
                Ok(IpAddr::V4(_)) => v4,
                Ok(IpAddr::V6(_)) => v6,
                Err(_) => false,
            },
        }
    }
}

impl PodFacts {
    /// Keeps what slices need of a pod; none if it is no endpoint of anything.
    pub(super) fn of(pod: &WrittenPod) -> Option<Self> {
        let addresses: Vec<Box<str>> = pod.status.pod_ips.iter().map(|ip| ip.ip.clone()).collect();
        if addresses.is_empty() || matches!(&*pod.status.phase, "Succeeded" | "Failed") {
            return None;
        }
        let ports = pod.spec.containers.iter().flat_map(|container| &container.ports);
        let port = |port: &ContainerPort| Port {
            name: port.name.clone(),
            protocol: port.protocol.clone(),
            number: port.container_port,
        };
        Some(Self {
            name: pod.metadata.name.clone(),
            labels: pod.metadata.labels.clone(),
            addresses,
            is_ready: is_ready(pod),
            hostname: pod.spec.hostname.clone(),
            subdomain: pod.spec.subdomain.clone(),
            ports: ports.filter(|port| !port.name.is_empty()).map(port).collect(),
        })
    }
}

/// Says whether a pod with an address takes traffic: its condition says so, or it has none and is not being deleted.
fn is_ready(pod: &WrittenPod) -> bool {
    let is_true = match &pod.status.conditions {
        None => true,
        Some(conditions) => conditions.iter().any(|one| &*one.kind == "Ready" && &*one.status == "True"),
    };
    is_true && !pod.metadata.is_deleting
}
