//! An object in octets: the fields that the index gives back, one behind the other, texts with their length before them.
//!
//! Numbers have seven bits in each octet, the lowest first. Reading trusts nothing: whatever stands there, it ends, takes no
//! more memory than some times the octets it reads, and gives an object or none.

use std::net::Ipv4Addr;

use super::super::endpoints::{Endpoint, Endpoints};
use super::super::objects::{
    EndpointPort, EndpointSlice, IMPORT_NAME, Kind, Metadata, Namespace, Object, Pod, PodIp, PodStatus, SERVICE_NAME,
    SOURCE_CLUSTER, Service, ServiceImport, ServiceImportSpec, ServicePort, ServiceSpec,
};

/// Stands before an IPv4 address of four octets.
const V4: u8 = 4;
/// Stands before an address, or a name in its place, that is text.
const TEXT: u8 = 0;

/// Writes a number.
pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while let rest @ 1.. = number >> 7 {
        out.push(0x80 | (number & 0x7f) as u8);
        number = rest;
    }
    out.push((number & 0x7f) as u8);
}

/// Writes a text.
pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Writes how many things follow, and the things.
fn put_all<T>(out: &mut Vec<u8>, things: &[T], put: impl Fn(&mut Vec<u8>, &T)) {
    put_number(out, things.len() as u64);
    things.iter().for_each(|thing| put(out, thing));
}

/// Writes an address.
fn put_host(out: &mut Vec<u8>, text: &str) {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        out.push(V4);
        out.extend_from_slice(&address.octets());
    } else {
        out.push(TEXT);
        put_text(out, text);
    }
}

/// Writes a port; its number may be negative.
fn put_port(out: &mut Vec<u8>, (name, protocol, number): (&str, &str, i32)) {
    put_text(out, name);
    put_text(out, protocol);
    put_number(out, u64::from(number.cast_unsigned()));
}

/// Writes an object without its kind.
pub(super) fn put_object(out: &mut Vec<u8>, object: &Object) {
    let metadata = object.metadata();
    put_text(out, &metadata.namespace);
    put_text(out, &metadata.name);
    let put_service_port =
        |out: &mut Vec<u8>, port: &ServicePort| put_port(out, (&port.name, &port.protocol, port.port));
    match object {
        Object::Namespace(_) => {}
        Object::Service(Service { spec, .. }) => {
            put_text(out, &spec.kind);
            put_text(out, &spec.external_name);
            put_host(out, &spec.cluster_ip);
            put_all(out, &spec.cluster_ips, |out, text| put_host(out, text));
            put_all(out, &spec.external_ips, |out, text| put_text(out, text));
            put_all(out, &spec.ports, put_service_port);
        }
        Object::ServiceImport(ServiceImport { spec, .. }) => {
            put_text(out, &spec.kind);
            put_all(out, &spec.ips, |out, text| put_host(out, text));
            put_all(out, &spec.ports, put_service_port);
        }
        Object::EndpointSlice(slice) => put_slice(out, slice, SERVICE_NAME),
        Object::ImportedSlice(slice) => put_slice(out, slice, IMPORT_NAME),
        Object::Pod(Pod { metadata, status }) => {
            put_host(out, &status.pod_ip);
            put_all(out, &status.pod_ips, |out, ip| put_host(out, &ip.ip));
            put_number(out, metadata.labels.len() as u64);
            metadata.labels.iter().flat_map(|(key, value)| [key, value]).for_each(|text| put_text(out, text));
        }
    }
}

/// Writes what a slice has besides namespace and name; `label` names its service.
fn put_slice(out: &mut Vec<u8>, slice: &EndpointSlice, label: &str) {
    put_text(out, slice.metadata.label(label).unwrap_or_default());
    put_text(out, slice.metadata.label(SOURCE_CLUSTER).unwrap_or_default());
    put_all(out, &slice.ports, |out, port| put_port(out, (&port.name, &port.protocol, port.port.unwrap_or(-1))));
    let endpoints: Vec<Endpoint<'_>> = slice.endpoints.iter().collect();
    // Those that differ in their address only share the rest: fewer octets to write and to read.
    let alike: Vec<_> = endpoints.chunk_by(|a, b| a.hostname == b.hostname && a.zone == b.zone).collect();
    put_all(out, &alike, |out, endpoints| {
        put_all(out, endpoints, |out, endpoint| put_host(out, endpoint.address));
        let Endpoint { hostname, zone, .. } = endpoints.first().copied().unwrap_or_default();
        put_text(out, hostname);
        put_text(out, zone);
    });
}

/// Octets that are read from the front; what does not stand there is none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Input<'a>(pub(super) &'a [u8]);

impl<'a> Input<'a> {
    /// Reads some octets.
    fn octets(&mut self, count: usize) -> Option<&'a [u8]> {
        let (octets, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(octets)
    }

    /// Reads an octet.
    pub(super) fn octet(&mut self) -> Option<u8> {
        self.octets(1)?.first().copied()
    }

    /// Reads a number.
    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let octet = self.octet()?;
            let bits = u64::from(octet & 0x7f);
            number |= (bits << shift >> shift == bits).then(|| bits << shift)?;
            if octet & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// Reads a text.
    pub(super) fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.number()?).ok()?;
        std::str::from_utf8(self.octets(length)?).ok()
    }

    /// Reads a text that is kept.
    fn owned(&mut self) -> Option<Box<str>> {
        self.text().map(Into::into)
    }

    /// Reads things, as many as it says.
    fn all<T>(&mut self, take: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = usize::try_from(self.number()?).ok()?;
        // Each takes an octet at least, so a wrong number cannot ask for more than there is.
        let mut things = Vec::with_capacity(count.min(self.0.len()).min(1024));
        for _ in 0..count {
            things.push(take(self)?);
        }
        Some(things)
    }

    /// Reads an address.
    fn host(&mut self) -> Option<Box<str>> {
        match self.octet()? {
            V4 => {
                let octets = self.octets(4)?.first_chunk::<4>()?;
                Some(Ipv4Addr::from(*octets).to_string().into())
            }
            TEXT => self.owned(),
            _ => None,
        }
    }

    /// Reads name, protocol and number of a port.
    fn port(&mut self) -> Option<(Box<str>, Box<str>, i32)> {
        Some((self.owned()?, self.owned()?, u32::try_from(self.number()?).ok()?.cast_signed()))
    }

    /// Reads the port of a service.
    fn service_port(&mut self) -> Option<ServicePort> {
        let (name, protocol, port) = self.port()?;
        Some(ServicePort { name, protocol, port })
    }

    /// Reads an object of a kind.
    pub(super) fn object(&mut self, kind: Kind) -> Option<Object> {
        let (namespace, name) = (self.owned()?, self.owned()?);
        let metadata = Metadata { namespace, name, ..Metadata::default() };
        Some(match kind {
            Kind::Namespace => Object::Namespace(Namespace { metadata }),
            Kind::Service => Object::Service(Service { metadata, spec: self.service_spec()?, ..Service::default() }),
            Kind::ServiceImport => {
                let spec = ServiceImportSpec {
                    kind: self.owned()?,
                    ips: self.all(Self::host)?,
                    ports: self.all(Self::service_port)?,
                };
                Object::ServiceImport(ServiceImport { metadata, spec })
            }
            Kind::EndpointSlice => Object::EndpointSlice(self.slice(metadata, SERVICE_NAME)?),
            Kind::ImportedSlice => Object::ImportedSlice(self.slice(metadata, IMPORT_NAME)?),
            Kind::Pod => Object::Pod(self.pod(metadata)?),
        })
    }

    /// Reads what a service's owner wants.
    fn service_spec(&mut self) -> Option<ServiceSpec> {
        Some(ServiceSpec {
            kind: self.owned()?,
            external_name: self.owned()?,
            cluster_ip: self.host()?,
            cluster_ips: self.all(Self::host)?,
            external_ips: self.all(Self::owned)?,
            ports: self.all(Self::service_port)?,
        })
    }

    /// Reads what a slice has besides namespace and name; `label` names its service.
    fn slice(&mut self, mut metadata: Metadata, label: &str) -> Option<EndpointSlice> {
        metadata.labels.insert(label.into(), self.owned()?);
        let cluster = self.owned()?;
        if !cluster.is_empty() {
            metadata.labels.insert(SOURCE_CLUSTER.into(), cluster);
        }
        let ports = self.all(|input| {
            let (name, protocol, port) = input.port()?;
            Some(EndpointPort { name, protocol, port: Some(port) })
        })?;
        let mut endpoints = Endpoints::default();
        for _ in 0..self.number()? {
            let addresses = self.all(Self::host)?;
            let (hostname, zone) = (self.text()?, self.text()?);
            for address in &addresses {
                endpoints.push(Endpoint { address, hostname, zone, pod: "", is_ready: true });
            }
        }
        Some(EndpointSlice { metadata, endpoints, ports })
    }

    /// Reads what a pod has besides namespace and name.
    fn pod(&mut self, mut metadata: Metadata) -> Option<Pod> {
        let pod_ip = self.host()?;
        let pod_ips = self.all(|input| Some(PodIp { ip: input.host()? }))?;
        let labels = self.all(|input| Some((input.owned()?, input.owned()?)))?;
        metadata.labels = labels.into_iter().collect();
        Some(Pod { metadata, status: PodStatus { pod_ip, pod_ips, ..PodStatus::default() } })
    }
}
