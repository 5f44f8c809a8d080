//! The few fields of Kubernetes objects that DNS needs, and the words in which a source speaks to the index.
//!
//! Decoding is tolerant: unknown fields are skipped, `null` and absent are one. Addresses stay text, because CoreDNS
//! finds a PTR only for an address that the API writes in its canonical form. Knows no HTTP, no file and no index.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use super::endpoints::Endpoints;

/// Label of an EndpointSlice that names its Service.
pub(crate) const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// Label of an imported EndpointSlice that names its ServiceImport.
pub(crate) const IMPORT_NAME: &str = "multicluster.kubernetes.io/service-name";
/// Label of an imported EndpointSlice that names the cluster it came from.
pub(crate) const SOURCE_CLUSTER: &str = "multicluster.kubernetes.io/source-cluster";
/// Annotation with the RFC 3339 time of the change that led to this EndpointSlice.
pub(crate) const CHANGE_TRIGGER: &str = "endpoints.kubernetes.io/last-change-trigger-time";

/// What a source reads; one list and one watch each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// `v1` namespaces; always read.
    Namespace,
    /// `v1` services; always read.
    Service,
    /// `discovery.k8s.io/v1` endpointslices; read unless `noendpoints`.
    EndpointSlice,
    /// `v1` pods; read with `pods verified` and `pod_names`.
    Pod,
    /// `multicluster.x-k8s.io/v1alpha1` serviceimports; read with `multicluster`.
    ServiceImport,
    /// The endpointslices that carry [`IMPORT_NAME`], a watch of their own; read with `multicluster`.
    ImportedSlice,
}

impl Kind {
    /// Every kind, in the order of declaration.
    pub(crate) const ALL: [Self; 6] =
        [Self::Namespace, Self::Service, Self::EndpointSlice, Self::Pod, Self::ServiceImport, Self::ImportedSlice];

    /// Returns what belongs to this kind, of things that stand in the order of [`Kind::ALL`].
    pub(crate) const fn of<T>(self, all: &[T; Self::ALL.len()]) -> &T {
        let [namespace, service, slice, pod, import, imported] = all;
        match self {
            Self::Namespace => namespace,
            Self::Service => service,
            Self::EndpointSlice => slice,
            Self::Pod => pod,
            Self::ServiceImport => import,
            Self::ImportedSlice => imported,
        }
    }
}

/// A word from a source. Changes of one kind come in the order in which they happened.
///
/// Before a kind's first `ListEnd` it is not synced. Between `ListBegin` and `ListEnd` every `Apply` of that kind is an
/// item of the list (or a watch event that overtook it). A second `ListBegin` without a `ListEnd` starts afresh.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    /// A complete list of this kind begins; what was known stays until its end.
    ListBegin(Kind),
    /// The object exists and looks like this: an item of a list, an added or a modified object.
    Apply(Object),
    /// The object is gone. Unknown objects may be deleted without harm.
    Delete(Deleted),
    /// The list is whole: objects of this kind not applied since its beginning are gone, and the kind is synced.
    ListEnd(Kind),
    /// Everything of this kind up to this version of the API server has been said, and more will be said as it happens.
    /// Follows a list, a bookmark, and the first watch of a source that goes on from a version it was given.
    Reached(Kind, Box<str>),
}

/// An object that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deleted {
    /// Which one.
    pub(crate) key: Key,
    /// The value of [`CHANGE_TRIGGER`] of a deleted EndpointSlice, if the source has it.
    pub(crate) change_trigger: Option<Box<str>>,
}

/// The identity of an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    /// Which list it belongs to.
    pub(crate) kind: Kind,
    /// Its namespace, empty for a Namespace.
    pub(crate) namespace: Box<str>,
    /// Its name.
    pub(crate) name: Box<str>,
}

/// An object of any kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Object {
    /// A namespace: only that it exists.
    Namespace(Namespace),
    /// A service.
    Service(Service),
    /// A slice of a service's endpoints.
    EndpointSlice(EndpointSlice),
    /// A pod.
    Pod(Pod),
    /// A service of a cluster set.
    ServiceImport(ServiceImport),
    /// A slice of an imported service's endpoints.
    ImportedSlice(EndpointSlice),
}

impl Object {
    /// Decodes an object of this kind from any serde format.
    pub(crate) fn decode<'de, D: Deserializer<'de>>(kind: Kind, from: D) -> Result<Self, D::Error> {
        Ok(match kind {
            Kind::Namespace => Self::Namespace(Namespace::deserialize(from)?),
            Kind::Service => Self::Service(Service::deserialize(from)?),
            Kind::EndpointSlice => Self::EndpointSlice(EndpointSlice::deserialize(from)?),
            Kind::Pod => Self::Pod(Pod::deserialize(from)?),
            Kind::ServiceImport => Self::ServiceImport(ServiceImport::deserialize(from)?),
            Kind::ImportedSlice => Self::ImportedSlice(EndpointSlice::deserialize(from)?),
        })
    }

    /// Returns which list the object belongs to.
    pub(crate) const fn kind(&self) -> Kind {
        match self {
            Self::Namespace(_) => Kind::Namespace,
            Self::Service(_) => Kind::Service,
            Self::EndpointSlice(_) => Kind::EndpointSlice,
            Self::Pod(_) => Kind::Pod,
            Self::ServiceImport(_) => Kind::ServiceImport,
            Self::ImportedSlice(_) => Kind::ImportedSlice,
        }
    }

    /// Returns name, namespace, labels and version.
    pub(crate) const fn metadata(&self) -> &Metadata {
        match self {
            Self::Namespace(object) => &object.metadata,
            Self::Service(object) => &object.metadata,
            Self::EndpointSlice(object) | Self::ImportedSlice(object) => &object.metadata,
            Self::Pod(object) => &object.metadata,
            Self::ServiceImport(object) => &object.metadata,
        }
    }

    /// Returns name, namespace, labels and version, to be changed.
    pub(crate) const fn metadata_mut(&mut self) -> &mut Metadata {
        match self {
            Self::Namespace(object) => &mut object.metadata,
            Self::Service(object) => &mut object.metadata,
            Self::EndpointSlice(object) | Self::ImportedSlice(object) => &mut object.metadata,
            Self::Pod(object) => &mut object.metadata,
            Self::ServiceImport(object) => &mut object.metadata,
        }
    }

    /// Returns the object's identity.
    pub(crate) fn key(&self) -> Key {
        let metadata = self.metadata();
        Key { kind: self.kind(), namespace: metadata.namespace.clone(), name: metadata.name.clone() }
    }

    /// Returns the word that takes this object away again.
    pub(crate) fn into_deleted(self) -> Deleted {
        Deleted { key: self.key(), change_trigger: self.metadata().change_trigger().map(Into::into) }
    }
}

/// What all objects have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Metadata {
    /// Unique within namespace and kind.
    #[serde(deserialize_with = "nullable")]
    pub(crate) name: Box<str>,
    /// Empty for a Namespace.
    #[serde(deserialize_with = "nullable")]
    pub(crate) namespace: Box<str>,
    /// The API server's version of this object, opaque.
    #[serde(deserialize_with = "nullable")]
    pub(crate) resource_version: Box<str>,
    /// Labels; which of them are kept, the index decides.
    #[serde(deserialize_with = "nullable")]
    pub(crate) labels: BTreeMap<Box<str>, Box<str>>,
    /// The one annotation that matters.
    #[serde(deserialize_with = "nullable")]
    pub(crate) annotations: Annotations,
    /// Whether the object is being taken away.
    #[serde(rename = "deletionTimestamp", deserialize_with = "is_there")]
    pub(crate) is_deleting: bool,
}

impl Metadata {
    /// Makes the metadata of an object that no API server has seen.
    pub(crate) fn new(namespace: &str, name: &str, labels: BTreeMap<Box<str>, Box<str>>) -> Self {
        Self { name: name.into(), namespace: namespace.into(), labels, ..Self::default() }
    }

    /// Returns namespace and name.
    pub(crate) fn path(&self) -> (&str, &str) {
        (&self.namespace, &self.name)
    }

    /// Returns a label's value, if there is such a label.
    pub(crate) fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).map(AsRef::as_ref)
    }

    /// Returns the value of [`CHANGE_TRIGGER`], if there is one.
    pub(crate) fn change_trigger(&self) -> Option<&str> {
        self.annotations.change_trigger.as_deref()
    }
}

/// The annotations that are read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default)]
pub(crate) struct Annotations {
    /// See [`CHANGE_TRIGGER`].
    #[serde(rename = "endpoints.kubernetes.io/last-change-trigger-time")]
    pub(crate) change_trigger: Option<Box<str>>,
}

/// A namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default)]
pub(crate) struct Namespace {
    /// Its name.
    #[serde(deserialize_with = "nullable")]
    pub(crate) metadata: Metadata,
}

/// A service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default)]
pub(crate) struct Service {
    /// Its name and namespace.
    #[serde(deserialize_with = "nullable")]
    pub(crate) metadata: Metadata,
    /// What its owner wants.
    #[serde(deserialize_with = "nullable")]
    pub(crate) spec: ServiceSpec,
    /// What the cluster gave it.
    #[serde(deserialize_with = "nullable")]
    pub(crate) status: ServiceStatus,
}

/// What a service's owner wants.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ServiceSpec {
    /// `ClusterIP`, `NodePort`, `LoadBalancer` or `ExternalName`.
    #[serde(rename = "type", deserialize_with = "nullable")]
    pub(crate) kind: Box<str>,
    /// The first cluster address, `None` for a headless service; counts only where `cluster_ips` is empty.
    #[serde(rename = "clusterIP", deserialize_with = "nullable")]
    pub(crate) cluster_ip: Box<str>,
    /// All cluster addresses, or one `None`.
    #[serde(rename = "clusterIPs", deserialize_with = "nullable")]
    pub(crate) cluster_ips: Vec<Box<str>>,
    /// The target of an `ExternalName` service.
    #[serde(deserialize_with = "nullable")]
    pub(crate) external_name: Box<str>,
    /// Its ports.
    #[serde(deserialize_with = "nullable")]
    pub(crate) ports: Vec<ServicePort>,
    /// Addresses outside the cluster that lead to it.
    #[serde(rename = "externalIPs", deserialize_with = "nullable")]
    pub(crate) external_ips: Vec<Box<str>>,
}

/// A port of a service or of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default)]
pub(crate) struct ServicePort {
    /// Its name, often empty.
    #[serde(deserialize_with = "nullable")]
    pub(crate) name: Box<str>,
    /// `TCP`, `UDP` or `SCTP`; empty if absent.
    #[serde(deserialize_with = "nullable")]
    pub(crate) protocol: Box<str>,
    /// Its number.
    #[serde(deserialize_with = "nullable")]
    pub(crate) port: i32,
}

/// What the cluster gave a service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ServiceStatus {
    /// Its load balancers.
    #[serde(deserialize_with = "nullable")]
    pub(crate) load_balancer: LoadBalancer,
}

/// The load balancers of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default)]
pub(crate) struct LoadBalancer {
    /// Where traffic enters.
    #[serde(deserialize_with = "nullable")]
    pub(crate) ingress: Vec<Ingress>,
}

/// One way in through a load balancer: an address or a name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default)]
pub(crate) struct Ingress {
    /// Its address, or empty.
    #[serde(deserialize_with = "nullable")]
    pub(crate) ip: Box<str>,
    /// Its name, or empty; counts only without an address.
    #[serde(deserialize_with = "nullable")]
    pub(crate) hostname: Box<str>,
}

/// Some endpoints of a service, all with the same ports.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default)]
pub(crate) struct EndpointSlice {
    /// Its name, and in labels the service it belongs to.
    #[serde(deserialize_with = "nullable")]
    pub(crate) metadata: Metadata,
    /// The endpoints, ready or not.
    #[serde(deserialize_with = "nullable")]
    pub(crate) endpoints: Endpoints,
    /// The ports of each of them.
    #[serde(deserialize_with = "nullable")]
    pub(crate) ports: Vec<EndpointPort>,
}

/// A port of a slice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default)]
pub(crate) struct EndpointPort {
    /// Its name, often empty.
    #[serde(deserialize_with = "nullable")]
    pub(crate) name: Box<str>,
    /// `TCP`, `UDP` or `SCTP`; empty if absent.
    #[serde(deserialize_with = "nullable")]
    pub(crate) protocol: Box<str>,
    /// Its number; absent means all ports.
    pub(crate) port: Option<i32>,
}

/// A pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default)]
pub(crate) struct Pod {
    /// Its name, namespace and labels; whether it is being deleted.
    #[serde(deserialize_with = "nullable")]
    pub(crate) metadata: Metadata,
    /// Its addresses.
    #[serde(deserialize_with = "nullable")]
    pub(crate) status: PodStatus,
}

/// Where a pod can be reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default)]
pub(crate) struct PodStatus {
    /// `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`; a source leaves out pods of the last three.
    #[serde(deserialize_with = "nullable")]
    pub(crate) phase: Box<str>,
    /// Its first address.
    #[serde(rename = "podIP", deserialize_with = "nullable")]
    pub(crate) pod_ip: Box<str>,
    /// All its addresses.
    #[serde(rename = "podIPs", deserialize_with = "nullable")]
    pub(crate) pod_ips: Vec<PodIp>,
}

/// One address of a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default)]
pub(crate) struct PodIp {
    /// The address.
    #[serde(deserialize_with = "nullable")]
    pub(crate) ip: Box<str>,
}

/// A service of a cluster set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default)]
pub(crate) struct ServiceImport {
    /// Its name and namespace.
    #[serde(deserialize_with = "nullable")]
    pub(crate) metadata: Metadata,
    /// Its kind, addresses and ports.
    #[serde(deserialize_with = "nullable")]
    pub(crate) spec: ServiceImportSpec,
}

/// What an import offers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default)]
pub(crate) struct ServiceImportSpec {
    /// `ClusterSetIP` or `Headless`.
    #[serde(rename = "type", deserialize_with = "nullable")]
    pub(crate) kind: Box<str>,
    /// Its addresses.
    #[serde(deserialize_with = "nullable")]
    pub(crate) ips: Vec<Box<str>>,
    /// Its ports.
    #[serde(deserialize_with = "nullable")]
    pub(crate) ports: Vec<ServicePort>,
}

/// Reads `null` as if the field were absent.
pub(crate) fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// Says whether there is anything, and not `null`.
fn is_there<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Ok(Option::<IgnoredAny>::deserialize(from)?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(kind: Kind, json: &str) -> Object {
        Object::decode(kind, &mut serde_json::Deserializer::from_str(json)).unwrap()
    }

    #[test]
    fn null_and_absent_are_one() {
        let bare = decode(Kind::Service, r#"{"metadata":{"name":"a","namespace":"b"}}"#);
        let nulls = r#"{"metadata":{"name":"a","namespace":"b","labels":null,"annotations":null},
            "spec":{"clusterIPs":null,"ports":null,"type":null},"status":null,"unknown":{"x":[1]}}"#;
        assert_eq!(decode(Kind::Service, nulls), bare);
    }

    #[test]
    fn an_endpoint_of_unknown_state_is_ready() {
        let json = r#"{"metadata":{"annotations":{"endpoints.kubernetes.io/last-change-trigger-time":"t","why":"x"}},
            "endpoints":[{"addresses":["10.0.0.1"],"conditions":{"ready":null}},
                         {"addresses":["10.0.0.2"],"conditions":{"ready":false}}],
            "ports":[{"name":null,"port":null,"protocol":"TCP"}]}"#;
        let Object::EndpointSlice(slice) = decode(Kind::EndpointSlice, json) else { panic!("kind") };
        assert_eq!(slice.endpoints.iter().map(|endpoint| endpoint.is_ready).collect::<Vec<_>>(), [true, false]);
        assert_eq!(slice.ports, [EndpointPort { protocol: "TCP".into(), ..EndpointPort::default() }]);
        assert_eq!(slice.metadata.change_trigger(), Some("t"));
    }

    #[test]
    fn a_field_of_the_wrong_type_is_an_error() {
        let json = r#"{"spec":{"ports":[{"port":"http"}]}}"#;
        assert!(Object::decode(Kind::Service, &mut serde_json::Deserializer::from_str(json)).is_err());
    }

    #[test]
    fn a_deleted_object_keeps_identity_and_trigger() {
        let json = r#"{"metadata":{"name":"n","namespace":"ns",
            "annotations":{"endpoints.kubernetes.io/last-change-trigger-time":"t"}}}"#;
        let gone = decode(Kind::ImportedSlice, json).into_deleted();
        assert_eq!(gone.key, Key { kind: Kind::ImportedSlice, namespace: "ns".into(), name: "n".into() });
        assert_eq!(gone.change_trigger.as_deref(), Some("t"));
    }
}
