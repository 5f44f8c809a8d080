//! The way back: a picture as objects from which an index makes the same picture again. Only what answers need comes back.

use super::group::{Group, Kind as Reached, Service};
use super::pod::Pod;
use super::slice::{Endpoint, Slice};
use super::{Host, Realm, Serials, Snapshot};
use crate::kubernetes::endpoints::{self, Endpoints};
use crate::kubernetes::objects::{self, Kind, Metadata, Object};

impl Snapshot {
    /// Returns everything that is known of a kind, made object by object as they are asked for.
    pub(crate) fn objects(&self, kind: Kind) -> Box<dyn Iterator<Item = Object> + Send + '_> {
        match kind {
            Kind::Namespace => Box::new(self.namespaces.iter().map(|(_, label)| namespace(label))),
            Kind::Service => Box::new(self.services_of(Realm::Own).map(|(group, known)| service(group, known))),
            Kind::ServiceImport => {
                Box::new(self.services_of(Realm::Imported).map(|(group, known)| import(group, known)))
            }
            Kind::EndpointSlice => Box::new(self.slices_in(Realm::Own).map(Object::EndpointSlice)),
            Kind::ImportedSlice => Box::new(self.slices_in(Realm::Imported).map(Object::ImportedSlice)),
            Kind::Pod => Box::new(self.pods.iter().map(|(_, known)| pod(known))),
        }
    }

    /// Returns the services or imports of a realm.
    fn services_of(&self, realm: Realm) -> impl Iterator<Item = (&Group, &Service)> + Send {
        let groups = self.realm(realm).groups.iter().map(|(_, group)| &**group);
        groups.filter_map(|group| Some((group, group.service.as_ref()?)))
    }

    /// Returns the slices of a realm, those of a service in their order.
    fn slices_in(&self, realm: Realm) -> impl Iterator<Item = objects::EndpointSlice> + Send {
        let groups = self.realm(realm).groups.iter().map(|(_, group)| &**group);
        groups.flat_map(move |group| self.slices(realm, group).map(move |known| slice(realm, group, known)))
    }
}

impl super::Index {
    /// Sets the versions of the zones to those of a picture that is taken up again.
    pub(crate) fn take_up(&mut self, serials: Serials) {
        self.next.serials = serials;
        self.is_changed = true;
    }
}

/// Reads a label in wire form.
fn label_text(wire: &[u8]) -> &str {
    wire.get(1..).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
}

/// Returns namespace and name of the service that a group stands under.
fn path(group: &Group) -> (&str, &str) {
    let namespace = group.namespace();
    let name = group.key().get(..group.key().len().saturating_sub(namespace.len())).unwrap_or_default();
    (label_text(namespace), label_text(name))
}

/// Writes an address as the API does.
fn text(host: &Host) -> Box<str> {
    match host {
        Host::V4(address) => address.to_string().into(),
        Host::V6(address) => address.to_string().into(),
        Host::Odd(odd) => odd.text.clone(),
    }
}

/// Makes metadata without labels.
fn metadata(namespace: &str, name: &str) -> Metadata {
    Metadata::new(namespace, name, std::collections::BTreeMap::new())
}

/// Makes a namespace.
fn namespace(label: &[u8]) -> Object {
    Object::Namespace(objects::Namespace { metadata: metadata("", label_text(label)) })
}

/// Makes the ports of a service or an import.
fn ports(known: &Service) -> Vec<objects::ServicePort> {
    let port = |port: &super::group::Port| objects::ServicePort {
        name: port.name.clone(),
        protocol: port.protocol.clone(),
        port: port.number,
    };
    known.ports.iter().map(port).collect()
}

/// Makes a service.
fn service(group: &Group, known: &Service) -> Object {
    let (namespace, name) = path(group);
    let mut spec = objects::ServiceSpec { ports: ports(known), ..objects::ServiceSpec::default() };
    match known.kind {
        Reached::Cluster => spec.cluster_ips = known.addresses.iter().map(text).collect(),
        Reached::Headless => spec.cluster_ip = "None".into(),
        Reached::External => {
            spec.kind = "ExternalName".into();
            spec.external_name = known.target.as_ref().map(ToString::to_string).unwrap_or_default().into();
        }
    }
    spec.external_ips = known.external.as_deref().unwrap_or_default().to_vec();
    Object::Service(objects::Service { metadata: metadata(namespace, name), spec, ..objects::Service::default() })
}

/// Makes an import.
fn import(group: &Group, known: &Service) -> Object {
    let (namespace, name) = path(group);
    let kind = if known.kind == Reached::Headless { "Headless" } else { "ClusterSetIP" };
    let ips = known.addresses.iter().map(text).collect();
    let spec = objects::ServiceImportSpec { kind: kind.into(), ips, ports: ports(known) };
    Object::ServiceImport(objects::ServiceImport { metadata: metadata(namespace, name), spec })
}

/// Makes a slice.
fn slice(realm: Realm, group: &Group, known: &Slice) -> objects::EndpointSlice {
    let (namespace, service) = path(group);
    let mut metadata = metadata(namespace, &known.name);
    let label = match realm {
        Realm::Own => objects::SERVICE_NAME,
        Realm::Imported => objects::IMPORT_NAME,
    };
    metadata.labels.insert(label.into(), service.into());
    if !known.cluster().is_empty() {
        metadata.labels.insert(objects::SOURCE_CLUSTER.into(), known.cluster().into());
    }
    let mut endpoints = Endpoints::default();
    for Endpoint { host, label, zone } in known.endpoints() {
        let address = text(&host);
        endpoints.push(endpoints::Endpoint { address: &address, hostname: label, zone, pod: "", is_ready: true });
    }
    let ports = known.ports.iter().map(|port| objects::EndpointPort {
        name: port.name.clone(),
        protocol: port.protocol.clone(),
        port: Some(port.number),
    });
    objects::EndpointSlice { metadata, endpoints, ports: ports.collect() }
}

/// Makes a pod.
fn pod(known: &Pod) -> Object {
    let mut metadata = metadata(&known.namespace, &known.name);
    metadata.labels = known.labels.iter().cloned().collect();
    let mut pod_ips: Vec<_> = known.hosts.iter().map(|host| objects::PodIp { ip: text(host) }).collect();
    if pod_ips.is_empty() {
        // An empty list would be taken for one with the first address.
        pod_ips.push(objects::PodIp::default());
    }
    let pod_ip = known.host.as_ref().map(text).unwrap_or_default();
    Object::Pod(objects::Pod {
        metadata,
        status: objects::PodStatus { pod_ip, pod_ips, ..objects::PodStatus::default() },
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Index, Options};
    use super::*;
    use crate::kubernetes::objects::Change;

    /// Everything is kept.
    const ALL: Options =
        Options { endpoint_pod_names: true, zonal: true, pod_addresses: true, pod_labels: true, external: true };

    /// Makes a picture from objects.
    fn picture(objects: impl IntoIterator<Item = Object>) -> std::sync::Arc<Snapshot> {
        let mut index = Index::new(ALL);
        objects.into_iter().for_each(|object| index.apply(&Change::Apply(object), 7));
        Kind::ALL.into_iter().for_each(|kind| index.apply(&Change::ListEnd(kind), 7));
        index.publish().unwrap()
    }

    /// What an index keeps, without its ids.
    fn kept(snapshot: &Snapshot) -> Vec<String> {
        let mut all: Vec<String> = snapshot.namespaces.iter().map(|(_, label)| format!("{label:?}")).collect();
        all.extend(snapshot.pods.iter().map(|(_, pod)| format!("{pod:?}")));
        for realm in [Realm::Own, Realm::Imported] {
            for (_, group) in snapshot.realm(realm).groups.iter() {
                let slices = snapshot.slices(realm, group).map(|slice| {
                    let endpoints: Vec<_> = slice.endpoints().collect();
                    format!("{} {} {:?} {endpoints:?}", slice.name, slice.cluster(), slice.ports)
                });
                let slices: Vec<_> = slices.collect();
                all.push(format!("{:?} {:?} {} {slices:?}", group.key, group.service, group.repeats));
            }
        }
        all.sort();
        all
    }

    #[test]
    fn a_picture_comes_back_whole() {
        let decode = |kind, json: &str| Object::decode(kind, &mut serde_json::Deserializer::from_str(json)).unwrap();
        let objects = [
            decode(Kind::Namespace, r#"{"metadata":{"name":"a"}}"#),
            decode(
                Kind::Service,
                r#"{"metadata":{"name":"web","namespace":"a"},"spec":{"clusterIPs":["10.0.0.1","FD00::1"],
                "externalIPs":["192.0.2.1"],"ports":[{"name":"http","protocol":"TCP","port":80}]},
                "status":{"loadBalancer":{"ingress":[{"hostname":"x.y"}]}}}"#,
            ),
            decode(Kind::Service, r#"{"metadata":{"name":"none","namespace":"a"},"spec":{"clusterIP":"None"}}"#),
            decode(
                Kind::Service,
                r#"{"metadata":{"name":"out","namespace":"a"},"spec":{"type":"ExternalName","externalName":"A.x\\032.org"}}"#,
            ),
            decode(
                Kind::Service,
                r#"{"metadata":{"name":"ip","namespace":"a"},"spec":{"type":"ExternalName","externalName":"192.0.2.1"}}"#,
            ),
            decode(
                Kind::EndpointSlice,
                r#"{"metadata":{"name":"s2","namespace":"a","labels":{"kubernetes.io/service-name":"web"}},
                "ports":[{"name":"http","protocol":"TCP","port":8080},{"name":"any"}],
                "endpoints":[{"addresses":["10.1.0.1"],"hostname":"first","zone":"Z"},{"addresses":["10.1.0.2","x.y"]},
                {"addresses":["10.1.0.9"],"conditions":{"ready":false}},
                {"addresses":["2001:DB8::3"],"targetRef":{"name":"pod-1"}},{"addresses":["10.1.0.1"]}]}"#,
            ),
            decode(
                Kind::EndpointSlice,
                r#"{"metadata":{"name":"s1","namespace":"a","labels":{"kubernetes.io/service-name":"web"}}}"#,
            ),
            decode(
                Kind::EndpointSlice,
                r#"{"metadata":{"name":"alone","namespace":"b","labels":{"kubernetes.io/service-name":"nobody"}},
                "endpoints":[{"addresses":["10.1.1.1"]}]}"#,
            ),
            decode(
                Kind::Pod,
                r#"{"metadata":{"name":"p","namespace":"a","labels":{"k":"v"}},"status":{"podIP":"10.2.0.1",
                "podIPs":[{"ip":"10.2.0.1"},{"ip":"fd00::2"}]}}"#,
            ),
            decode(Kind::Pod, r#"{"metadata":{"name":"q","namespace":"a"},"status":{"podIP":"10.2.0.2"}}"#),
            decode(Kind::Pod, r#"{"metadata":{"name":"r","namespace":"a"},"status":{"podIPs":[{"ip":""}]}}"#),
            decode(
                Kind::ServiceImport,
                r#"{"metadata":{"name":"web","namespace":"a"},"spec":{"type":"ClusterSetIP","ips":["10.3.0.1"]}}"#,
            ),
            decode(Kind::ServiceImport, r#"{"metadata":{"name":"h","namespace":"a"},"spec":{"type":"Headless"}}"#),
            decode(
                Kind::ImportedSlice,
                r#"{"metadata":{"name":"i","namespace":"a","labels":{"multicluster.kubernetes.io/service-name":"h",
                "multicluster.kubernetes.io/source-cluster":"west"}},"endpoints":[{"addresses":["10.4.0.1"]}]}"#,
            ),
        ];
        let before = picture(objects);
        let after = picture(Kind::ALL.into_iter().flat_map(|kind| before.objects(kind)));
        assert_eq!(kept(&before), kept(&after));
        assert_eq!(kept(&before).len(), 11);
    }
}
