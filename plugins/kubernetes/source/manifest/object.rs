//! Objects as people write them: more fields than DNS needs, so that slices can be made, and the API's defaults.

use std::collections::BTreeMap;

use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, de};

use crate::kubernetes::objects::{
    EndpointSlice, Metadata, Namespace, Pod, PodIp, PodStatus, Service, ServiceImport, ServicePort, ServiceSpec,
    ServiceStatus, nullable,
};

/// The namespace of an object that names none, as for `kubectl`.
const DEFAULT_NAMESPACE: &str = "default";
/// The protocol of a port that names none.
const DEFAULT_PROTOCOL: &str = "TCP";

/// Labels, or the labels that a service asks of its pods.
pub(super) type Labels = BTreeMap<Box<str>, Box<str>>;

/// An object of a manifest.
#[derive(Debug)]
pub(super) enum Written {
    /// A namespace.
    Namespace(Namespace),
    /// A service, with its selector.
    Service(Box<WrittenService>),
    /// A slice that stands in the manifest itself.
    EndpointSlice(EndpointSlice),
    /// A pod, with its ports and conditions.
    Pod(Box<WrittenPod>),
    /// A service of a cluster set.
    ServiceImport(ServiceImport),
    /// The addresses of a service, from before slices.
    Endpoints(Metadata),
}

/// An object of which only the metadata counts.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct MetadataOnly {
    /// Its name and namespace.
    #[serde(deserialize_with = "nullable")]
    pub(super) metadata: Metadata,
}

/// A service.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WrittenService {
    /// Its name, namespace and labels.
    #[serde(deserialize_with = "nullable")]
    pub(super) metadata: Metadata,
    /// What its owner wants.
    #[serde(deserialize_with = "nullable")]
    pub(super) spec: WrittenServiceSpec,
    /// What the cluster gave it.
    #[serde(deserialize_with = "nullable")]
    status: ServiceStatus,
}

/// What a service's owner wants.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct WrittenServiceSpec {
    /// See [`ServiceSpec::kind`].
    #[serde(rename = "type", deserialize_with = "nullable")]
    kind: Box<str>,
    /// See [`ServiceSpec::cluster_ip`].
    #[serde(rename = "clusterIP", deserialize_with = "nullable")]
    pub(super) cluster_ip: Box<str>,
    /// See [`ServiceSpec::cluster_ips`].
    #[serde(rename = "clusterIPs", deserialize_with = "nullable")]
    pub(super) cluster_ips: Vec<Box<str>>,
    /// See [`ServiceSpec::external_name`].
    #[serde(deserialize_with = "nullable")]
    external_name: Box<str>,
    /// Its ports.
    #[serde(deserialize_with = "nullable")]
    pub(super) ports: Vec<WrittenPort>,
    /// See [`ServiceSpec::external_ips`].
    #[serde(rename = "externalIPs", deserialize_with = "nullable")]
    external_ips: Vec<Box<str>>,
    /// The labels of its pods.
    #[serde(deserialize_with = "nullable")]
    pub(super) selector: Labels,
    /// Whether pods that are not ready are named too.
    #[serde(deserialize_with = "nullable")]
    pub(super) publish_not_ready_addresses: bool,
    /// `IPv4`, `IPv6` or both.
    #[serde(deserialize_with = "nullable")]
    pub(super) ip_families: Vec<Box<str>>,
    /// `SingleStack`, `PreferDualStack` or `RequireDualStack`.
    #[serde(deserialize_with = "nullable")]
    pub(super) ip_family_policy: Box<str>,
}

/// A port of a service.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct WrittenPort {
    /// Its name, often empty.
    #[serde(deserialize_with = "nullable")]
    pub(super) name: Box<str>,
    /// `TCP` if absent.
    #[serde(deserialize_with = "nullable")]
    pub(super) protocol: Box<str>,
    /// Its number.
    #[serde(deserialize_with = "nullable")]
    pub(super) port: i32,
    /// The port of the pods, by number or by name; the same number if absent.
    pub(super) target_port: Option<TargetPort>,
}

/// A port of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TargetPort {
    /// By number.
    Number(i32),
    /// By the name that a container gives it.
    Name(Box<str>),
}

impl<'de> Deserialize<'de> for TargetPort {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(TargetPortVisitor)
    }
}

/// Reads a number or a name.
struct TargetPortVisitor;

impl Visitor<'_> for TargetPortVisitor {
    type Value = TargetPort;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the number or the name of a port")
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<TargetPort, E> {
        i32::try_from(number).map(TargetPort::Number).map_err(|_| E::custom("a port is at most 65535"))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<TargetPort, E> {
        i32::try_from(number).map(TargetPort::Number).map_err(|_| E::custom("a port is at most 65535"))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<TargetPort, E> {
        Ok(text.parse().map_or_else(|_| TargetPort::Name(text.into()), TargetPort::Number))
    }
}

/// A pod.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WrittenPod {
    /// Its name, namespace and labels; whether it is being deleted.
    #[serde(deserialize_with = "nullable")]
    pub(super) metadata: Metadata,
    /// What its owner wants.
    #[serde(deserialize_with = "nullable")]
    pub(super) spec: WrittenPodSpec,
    /// Where it is and how it does.
    #[serde(deserialize_with = "nullable")]
    pub(super) status: WrittenPodStatus,
}

/// What a pod's owner wants.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WrittenPodSpec {
    /// Its own name in DNS, if `subdomain` names a headless service.
    #[serde(deserialize_with = "nullable")]
    pub(super) hostname: Box<str>,
    /// The headless service below which it is named.
    #[serde(deserialize_with = "nullable")]
    pub(super) subdomain: Box<str>,
    /// Its containers.
    #[serde(deserialize_with = "nullable")]
    pub(super) containers: Vec<Container>,
}

/// A container: only its ports.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Container {
    /// Its ports, some with names.
    #[serde(deserialize_with = "nullable")]
    pub(super) ports: Vec<ContainerPort>,
}

/// A port of a container.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ContainerPort {
    /// Its name, often empty.
    #[serde(deserialize_with = "nullable")]
    pub(super) name: Box<str>,
    /// `TCP` if absent.
    #[serde(deserialize_with = "nullable")]
    pub(super) protocol: Box<str>,
    /// Its number.
    #[serde(deserialize_with = "nullable")]
    pub(super) container_port: i32,
}

/// Where a pod is and how it does.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct WrittenPodStatus {
    /// See [`PodStatus::phase`].
    #[serde(deserialize_with = "nullable")]
    pub(super) phase: Box<str>,
    /// See [`PodStatus::pod_ip`].
    #[serde(rename = "podIP", deserialize_with = "nullable")]
    pod_ip: Box<str>,
    /// See [`PodStatus::pod_ips`].
    #[serde(rename = "podIPs", deserialize_with = "nullable")]
    pub(super) pod_ips: Vec<PodIp>,
    /// Its conditions, of which `Ready` counts; absent means that nobody wrote any.
    pub(super) conditions: Option<Vec<Condition>>,
}

/// A condition of a pod.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Condition {
    /// Its name.
    #[serde(rename = "type", deserialize_with = "nullable")]
    pub(super) kind: Box<str>,
    /// `True`, `False` or `Unknown`.
    #[serde(deserialize_with = "nullable")]
    pub(super) status: Box<str>,
}

impl Written {
    /// Returns the object's metadata.
    pub(super) const fn metadata(&self) -> &Metadata {
        match self {
            Self::Namespace(object) => &object.metadata,
            Self::Service(object) => &object.metadata,
            Self::EndpointSlice(object) => &object.metadata,
            Self::Pod(object) => &object.metadata,
            Self::ServiceImport(object) => &object.metadata,
            Self::Endpoints(metadata) => metadata,
        }
    }

    /// Fills in what the API server would: namespace, protocols, addresses that are given twice.
    pub(super) fn fill_in(&mut self) {
        let metadata = match self {
            Self::Namespace(namespace) => return fill_in_namespace(&mut namespace.metadata),
            Self::Service(service) => {
                service.spec.ports.iter_mut().for_each(|port| fill_in_protocol(&mut port.protocol));
                &mut service.metadata
            }
            // Nobody writes slices by hand: what one lacks, it lacked in the cluster, whose answers are asked for.
            Self::EndpointSlice(slice) => &mut slice.metadata,
            Self::Endpoints(metadata) => metadata,
            Self::Pod(pod) => {
                pod.fill_in();
                &mut pod.metadata
            }
            Self::ServiceImport(import) => {
                import.spec.ports.iter_mut().for_each(|port| fill_in_protocol(&mut port.protocol));
                &mut import.metadata
            }
        };
        if metadata.namespace.is_empty() {
            metadata.namespace = DEFAULT_NAMESPACE.into();
        }
    }
}

/// Fills in the label that every namespace of a cluster has.
fn fill_in_namespace(metadata: &mut Metadata) {
    let name = metadata.name.clone();
    metadata.namespace = Box::default();
    metadata.labels.entry("kubernetes.io/metadata.name".into()).or_insert(name);
}

/// Fills in a port's protocol.
fn fill_in_protocol(protocol: &mut Box<str>) {
    if protocol.is_empty() {
        *protocol = DEFAULT_PROTOCOL.into();
    }
}

impl WrittenService {
    /// Returns what DNS needs of the service.
    pub(super) fn into_service(self) -> Service {
        let spec = self.spec;
        let port = |port: WrittenPort| ServicePort { name: port.name, protocol: port.protocol, port: port.port };
        let spec = ServiceSpec {
            kind: spec.kind,
            cluster_ip: spec.cluster_ip,
            cluster_ips: spec.cluster_ips,
            external_name: spec.external_name,
            ports: spec.ports.into_iter().map(port).collect(),
            external_ips: spec.external_ips,
        };
        Service { metadata: self.metadata, spec, status: self.status }
    }

    /// Says whether the service stands for pods that it chooses by their labels.
    pub(super) fn is_selecting(&self) -> bool {
        !self.spec.selector.is_empty() && &*self.spec.kind != "ExternalName"
    }
}

impl WrittenPod {
    /// Returns what DNS needs of the pod.
    pub(super) fn into_pod(self) -> Pod {
        let WrittenPodStatus { phase, pod_ip, pod_ips, .. } = self.status;
        Pod { metadata: self.metadata, status: PodStatus { phase, pod_ip, pod_ips } }
    }

    /// Makes the two places of the address agree and names the ports' protocols.
    fn fill_in(&mut self) {
        let status = &mut self.status;
        match status.pod_ips.first() {
            Some(first) if status.pod_ip.is_empty() => status.pod_ip = first.ip.clone(),
            None if !status.pod_ip.is_empty() => status.pod_ips.push(PodIp { ip: status.pod_ip.clone() }),
            _ => {}
        }
        let ports = self.spec.containers.iter_mut().flat_map(|container| &mut container.ports);
        ports.for_each(|port| fill_in_protocol(&mut port.protocol));
    }
}
