//! Histories of objects and what is found after them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use plugin_api::Name;
use proptest::prelude::*;

use super::records::Found;
use super::*;
use crate::kubernetes::endpoints::Endpoint;
use crate::kubernetes::objects::{self, Deleted, Key, Metadata};
use crate::kubernetes::question::{Asked, Grammar};

/// Everything is kept.
pub(in crate::kubernetes) const ALL: Options =
    Options { endpoint_pod_names: true, zonal: true, pod_addresses: true, pod_labels: true, external: true };

/// Decodes an object.
fn object(kind: Kind, json: &str) -> Object {
    Object::decode(kind, &mut serde_json::Deserializer::from_str(json)).unwrap()
}

/// Makes an index from objects, all kinds listed.
fn index_of(objects: impl IntoIterator<Item = Object>) -> Index {
    let mut index = Index::new(ALL);
    objects.into_iter().for_each(|object| index.apply(&Change::Apply(object), 1));
    Kind::ALL.into_iter().for_each(|kind| index.apply(&Change::ListEnd(kind), 1));
    index
}

/// Shows what is found under a name below the zone, entries sorted.
pub(in crate::kubernetes) fn found(snapshot: &Snapshot, realm: Realm, text: &str) -> String {
    let name = Name::from_text(text).unwrap();
    let wire = name.as_wire();
    let grammar = Grammar { multicluster: realm == Realm::Imported, zonal: realm == Realm::Own };
    let Ok(asked) = Asked::parse(&wire[..wire.len() - 1], grammar) else { return "invalid".into() };
    match snapshot.find(realm, &asked, false) {
        Found::NxDomain => "nxdomain".into(),
        Found::NoData => "nodata".into(),
        Found::External(name) => format!("external {name}"),
        Found::Records(records) => {
            let mut lines = Vec::new();
            records.each(|entry| {
                let label =
                    entry.endpoint.map(|endpoint| String::from_utf8_lossy(endpoint.label().as_bytes()).into_owned());
                for port in entry.ports.iter().filter(|port| records.wants(port)) {
                    lines.push(format!("{:?} {label:?} {} {}", entry.host, entry.cluster, port.number));
                }
            });
            lines.sort();
            let unique = lines.iter().collect::<BTreeSet<_>>().len() == lines.len();
            assert!(unique || records.may_repeat(), "{text}: {lines:?}");
            lines.join("\n")
        }
    }
}

/// Shows what is found at an address.
pub(in crate::kubernetes) fn at(snapshot: &Snapshot, address: &str) -> Vec<String> {
    let address: IpAddr = address.parse().unwrap();
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    let services = snapshot.services_at(address).map(|group| text(group.key()));
    let endpoints = snapshot
        .endpoints_at(address)
        .map(|(group, endpoint)| format!("{}.{}", text(endpoint.label().as_bytes()), text(group.key())));
    let pods =
        snapshot.pods_at(address).map(|pod| format!("{}/{} {:?} {:?}", pod.namespace, pod.name, pod.hosts, pod.labels));
    let mut all: Vec<_> = services.chain(endpoints).chain(pods).collect();
    all.sort();
    all.dedup();
    all
}

const WEB: &str = r#"{"metadata":{"name":"web","namespace":"a"},
    "spec":{"clusterIPs":["10.0.0.1","fd00::1"],"ports":[{"name":"http","protocol":"TCP","port":80}]}}"#;
const SLICE: &str = r#"{"metadata":{"name":"web-1","namespace":"a","labels":{"kubernetes.io/service-name":"web"}},
    "ports":[{"name":"http","protocol":"TCP","port":8080}],
    "endpoints":[{"addresses":["10.1.0.1"],"hostname":"first"},{"addresses":["10.1.0.2"]},
                 {"addresses":["10.1.0.3"],"conditions":{"ready":false}},{"addresses":["2001:DB8::3"]}]}"#;

#[test]
fn a_service_and_its_endpoints() {
    let mut index = index_of([object(Kind::Service, WEB), object(Kind::EndpointSlice, SLICE)]);
    let snapshot = index.publish().unwrap();
    assert_eq!(found(&snapshot, Realm::Own, "web.a.svc"), "V4(10.0.0.1) None  80\nV6(fd00::1) None  80");
    assert_eq!(found(&snapshot, Realm::Own, "_http._tcp.web.a.svc").lines().count(), 2);
    assert_eq!(found(&snapshot, Realm::Own, "_http._udp.web.a.svc"), "nxdomain");
    assert_eq!(found(&snapshot, Realm::Own, "first.web.a.svc"), r#"V4(10.1.0.1) Some("first")  8080"#);
    assert_eq!(found(&snapshot, Realm::Own, "10-1-0-1.web.a.svc"), "nxdomain");
    assert_eq!(found(&snapshot, Realm::Own, "10-1-0-2.web.a.svc"), r#"V4(10.1.0.2) Some("10-1-0-2")  8080"#);
    assert_eq!(found(&snapshot, Realm::Own, "10-1-0-3.web.a.svc"), "nxdomain");
    assert!(found(&snapshot, Realm::Own, "2001-db8--3.web.a.svc").starts_with("Odd"));
    assert!(at(&snapshot, "2001:db8::3").is_empty());
    assert_eq!(at(&snapshot, "10.1.0.1"), ["first.\u{3}web\u{1}a"]);
    assert_eq!(at(&snapshot, "10.0.0.1"), ["\u{3}web\u{1}a"]);
}

#[test]
fn an_endpoint_vanishes_whole() {
    let mut index = index_of([object(Kind::Service, WEB), object(Kind::EndpointSlice, SLICE)]);
    let before = index.publish().unwrap();
    let unready = SLICE.replace(r#""hostname":"first""#, r#""hostname":"first","conditions":{"ready":false}"#);
    index.apply(&Change::Apply(object(Kind::EndpointSlice, &unready)), 2);
    let after = index.publish().unwrap();
    assert_eq!(found(&after, Realm::Own, "first.web.a.svc"), "nxdomain");
    assert!(at(&after, "10.1.0.1").is_empty());
    assert_eq!(found(&before, Realm::Own, "first.web.a.svc"), r#"V4(10.1.0.1) Some("first")  8080"#);
    assert_eq!((before.serials.own, after.serials.own), (1, 2));
}

#[test]
fn a24_a_serial_rises_with_each_change_whatever_the_clock_does() {
    let mut index = index_of([object(Kind::Service, WEB), object(Kind::EndpointSlice, SLICE)]);
    let mut last = index.publish().unwrap().serials.own;
    let (hour, years) = (3600, 315_360_000);
    let start = 1_800_000_000;
    let clock = [start, start + hour, start, start + 1, start + years, start, start - years, start + years + 9];
    for (number, now) in clock.into_iter().enumerate() {
        let moved = SLICE.replace("10.1.0.1", &format!("10.1.9.{number}"));
        index.apply(&Change::Apply(object(Kind::EndpointSlice, &moved)), now);
        let serial = index.publish().unwrap().serials.own;
        assert!(serial > last && serial >= now, "{last}, then {serial} at {now}");
        last = serial;
    }
    assert_eq!(last, start + years + 9, "time again, once it has caught up");
}

#[test]
fn nothing_is_published_for_what_nobody_sees() {
    let mut index = index_of([object(Kind::Service, WEB), object(Kind::EndpointSlice, SLICE)]);
    index.publish().unwrap();
    let relabelled = WEB.replace(r#""namespace":"a""#, r#""namespace":"a","labels":{"x":"y"},"resourceVersion":"7""#);
    index.apply(&Change::Apply(object(Kind::Service, &relabelled)), 9);
    index.apply(&Change::Apply(object(Kind::EndpointSlice, SLICE)), 9);
    let unknown = Key { kind: Kind::Service, namespace: "a".into(), name: "none".into() };
    index.apply(&Change::Delete(Deleted { key: unknown, change_trigger: None }), 9);
    assert!(index.publish().is_none());
}

#[test]
fn a_list_takes_away_what_it_does_not_name() {
    let mut index = index_of([object(Kind::Service, WEB), object(Kind::EndpointSlice, SLICE)]);
    index.publish();
    index.apply(&Change::ListBegin(Kind::EndpointSlice), 2);
    assert!(index.publish().is_none());
    index.apply(&Change::ListEnd(Kind::EndpointSlice), 2);
    let snapshot = index.publish().unwrap();
    assert_eq!(found(&snapshot, Realm::Own, "first.web.a.svc"), "nxdomain");
    index.apply(&Change::ListBegin(Kind::Service), 3);
    index.apply(&Change::ListEnd(Kind::Service), 3);
    let snapshot = index.publish().unwrap();
    assert_eq!(found(&snapshot, Realm::Own, "web.a.svc"), "nxdomain");
    assert!(snapshot.own.groups.iter().next().is_none());
}

/// A small world in which random objects meet each other often.
const NAMES: [&str; 3] = ["x", "y", "z"];
const SPACES: [&str; 2] = ["a", "b"];
const ADDRESSES: [&str; 5] = ["10.0.0.1", "10.0.0.2", "fd00::1", "FD00::1", "name.test"];

fn metadata(name: usize, space: usize, labels: &[(&str, &str)]) -> Metadata {
    Metadata {
        name: NAMES[name].into(),
        namespace: SPACES[space].into(),
        labels: labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
        ..Metadata::default()
    }
}

prop_compose! {
    fn service()(name in 0..3_usize, space in 0..2_usize, kind in 0..3, address in 0..5_usize, port in 0..3)
        -> Object {
        let mut object = objects::Service { metadata: metadata(name, space, &[]), ..Default::default() };
        object.spec.kind = if kind == 0 { "ExternalName".into() } else { "ClusterIP".into() };
        object.spec.external_name = "target.test".into();
        object.spec.cluster_ips = vec![if kind == 1 { "None".into() } else { ADDRESSES[address].into() }];
        object.spec.external_ips = vec![ADDRESSES[address].into()];
        object.spec.ports = (0..port).map(|port| objects::ServicePort {
            name: NAMES[port as usize].into(), protocol: "TCP".into(), port }).collect();
        Object::Service(object)
    }
}

prop_compose! {
    fn slice()(
        name in 0..3_usize, space in 0..2_usize, service in 0..4_usize, imported in any::<bool>(), port in 0..2,
        // Nearly all slices have IPv4 addresses and no hostnames.
        bare in any::<bool>(),
        endpoints in prop::collection::vec((0..5_usize, 0..4_usize, any::<bool>()), 0..4),
    ) -> Object {
        let service = NAMES.get(service).copied().unwrap_or_default();
        let label = if imported { objects::IMPORT_NAME } else { objects::SERVICE_NAME };
        let labels = [(label, service), (objects::SOURCE_CLUSTER, if port == 0 { "c0" } else { "c1" })];
        let endpoint = |(address, hostname, ready): &(usize, usize, bool)| Endpoint {
            address: ADDRESSES[if bare { *address % 2 } else { *address }],
            hostname: NAMES.get(*hostname).copied().filter(|_| !bare).unwrap_or_default(),
            zone: SPACES[usize::from(*ready)],
            pod: "",
            is_ready: *ready,
        };
        let object = objects::EndpointSlice {
            metadata: metadata(name, space, &labels),
            endpoints: endpoints.iter().map(endpoint).collect(),
            ports: (0..port).map(|port| objects::EndpointPort {
                name: "x".into(), protocol: "TCP".into(), port: Some(port) }).collect(),
        };
        if imported { Object::ImportedSlice(object) } else { Object::EndpointSlice(object) }
    }
}

prop_compose! {
    fn other()(name in 0..3_usize, space in 0..2_usize, address in 0..5_usize, which in 0..3) -> Object {
        match which {
            0 => Object::Namespace(objects::Namespace { metadata: Metadata { name: SPACES[space].into(), ..Default::default() } }),
            1 => Object::ServiceImport(objects::ServiceImport {
                metadata: metadata(name, space, &[]),
                spec: objects::ServiceImportSpec {
                    kind: if address == 0 { "Headless".into() } else { "ClusterSetIP".into() },
                    ips: vec![ADDRESSES[address].into()],
                    ports: vec![objects::ServicePort { name: "x".into(), protocol: "TCP".into(), port: 1 }],
                },
            }),
            _ => Object::Pod(objects::Pod {
                metadata: metadata(name, space, &[("app", ADDRESSES[address])]),
                status: objects::PodStatus { pod_ip: ADDRESSES[address].into(), ..Default::default() },
            }),
        }
    }
}

/// A step of a history.
#[derive(Debug, Clone)]
enum Step {
    Apply(Object),
    Twice(Object),
    Delete(Object),
    Relist(Kind, bool),
    Publish,
}

fn step() -> impl Strategy<Value = Step> {
    let object = prop_oneof![service(), slice(), slice(), other()];
    prop_oneof![
        6 => object.clone().prop_map(Step::Apply),
        1 => object.clone().prop_map(Step::Twice),
        3 => object.prop_map(Step::Delete),
        1 => (0..6_usize, any::<bool>()).prop_map(|(kind, whole)| Step::Relist(Kind::ALL[kind], whole)),
        2 => Just(Step::Publish),
    ]
}

/// Plays a step on an index and on a plain map of objects.
fn play(step: Step, index: &mut Index, objects: &mut BTreeMap<Key, Object>) {
    match step {
        Step::Apply(object) => {
            objects.insert(object.key(), object.clone());
            index.apply(&Change::Apply(object), 1);
        }
        Step::Twice(object) => {
            objects.insert(object.key(), object.clone());
            index.apply(&Change::Apply(object.clone()), 1);
            index.apply(&Change::Apply(object), 1);
        }
        Step::Delete(object) => {
            objects.remove(&object.key());
            index.apply(&Change::Delete(object.into_deleted()), 1);
        }
        Step::Relist(kind, whole) => {
            index.apply(&Change::ListBegin(kind), 1);
            let held: Vec<_> = objects.range(..).filter(|(key, _)| key.kind == kind).map(|(_, o)| o.clone()).collect();
            for (number, object) in held.into_iter().enumerate() {
                if whole || number % 2 == 0 {
                    index.apply(&Change::Apply(object), 1);
                } else {
                    objects.remove(&object.key());
                }
            }
            index.apply(&Change::ListEnd(kind), 1);
        }
        Step::Publish => drop(index.publish()),
    }
}

/// Shows every answer of the small world.
pub(in crate::kubernetes) fn answers(snapshot: &Snapshot) -> Vec<String> {
    let mut all = Vec::new();
    for space in SPACES {
        all.push(format!("{space} {}", snapshot.has_namespace(&[1, space.as_bytes()[0]])));
        for name in NAMES {
            let mut prefixes: Vec<String> =
                ["", "_x._tcp.", "_y._tcp.", "a.pin._zone.", "b.prefer._zone."].map(Into::into).into();
            for label in ["10-0-0-1", "fd00--1", "name-test", "x", "y"] {
                prefixes.extend([format!("{label}."), format!("{label}.c0."), format!("{label}.c1.")]);
            }
            for prefix in prefixes {
                let text = format!("{prefix}{name}.{space}.svc");
                all.push(format!("{text} {}", found(snapshot, Realm::Own, &text)));
                all.push(format!("{text} {}", found(snapshot, Realm::Imported, &text)));
            }
            all.push(format!("{:?}", snapshot.pod(space, name)));
        }
    }
    for address in ["10.0.0.1", "10.0.0.2", "fd00::1"] {
        all.push(format!("{address} {:?}", at(snapshot, address)));
    }
    all
}

/// Counts what is held, so that nothing stays behind.
pub(in crate::kubernetes) fn held(snapshot: &Snapshot) -> Vec<usize> {
    let realm = |services: &snapshot::Services| {
        let repeats: u32 = services.groups.iter().map(|(_, group)| group.repeats).sum();
        let tables = [&services.group_ids, &services.slice_ids, &services.by_label].map(table::Table::len);
        let stores = [services.groups.iter().count(), services.slices.iter().count()];
        [&tables[..], &stores, &[repeats as usize]].concat()
    };
    let tables = [
        &snapshot.namespace_ids,
        &snapshot.by_cluster_address,
        &snapshot.by_external_address,
        &snapshot.by_address,
        &snapshot.pod_ids,
        &snapshot.pods_by_address,
    ];
    let stores = [snapshot.namespaces.iter().count(), snapshot.pods.iter().count()];
    let tables = tables.map(table::Table::len);
    [&tables[..], &stores, &realm(&snapshot.own), &realm(&snapshot.imported)].concat()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_history_answers_as_its_end(steps in prop::collection::vec(step(), 0..60)) {
        let mut index = Index::new(ALL);
        let mut objects = BTreeMap::new();
        for step in steps {
            play(step, &mut index, &mut objects);
        }
Kind::ALL.into_iter().for_each(|kind| index.next.synced.insert(kind));
        index.is_changed = true;
        let lived = index.publish().unwrap();
        let fresh = index_of(objects.into_values()).publish().unwrap();
        prop_assert_eq!(answers(&lived), answers(&fresh));
        prop_assert_eq!(held(&lived), held(&fresh));
        // What is recalled makes the same picture.
        let recalled = index_of(Kind::ALL.into_iter().flat_map(|kind| lived.objects(kind))).publish().unwrap();
        prop_assert_eq!(answers(&lived), answers(&recalled));
        prop_assert_eq!(held(&lived), held(&recalled));
    }
}

#[test]
fn a_pod_that_is_being_deleted_comes_after_the_new_pod_of_its_address() {
    let pod = |name: &str, is_deleting| {
        let mut pod = objects::Pod { metadata: metadata(0, 0, &[]), ..objects::Pod::default() };
        pod.metadata.name = name.into();
        pod.metadata.is_deleting = is_deleting;
        pod.status.pod_ip = "10.0.0.1".into();
        Change::Apply(Object::Pod(pod))
    };
    for names in [["old", "new"], ["new", "old"]] {
        let mut index = Index::new(Options::default());
        names.iter().for_each(|name| index.apply(&pod(name, false), 1));
        index.apply(&pod("old", true), 2);
        let snapshot = index.publish().unwrap();
        let preferred = snapshot.pods_at("10.0.0.1".parse().unwrap()).min_by_key(|pod| pod.is_terminating).unwrap();
        assert_eq!(&*preferred.name, "new");
        // The old one is there until it is gone, as in CoreDNS.
        assert_eq!(snapshot.pods_at("10.0.0.1".parse().unwrap()).count(), 2);
    }
}
