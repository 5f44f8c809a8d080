//! Objects, lists and refusals.

use std::fmt::Debug;
use std::io::Read as _;

use http_body_util::Full;
use kubesim::{Fault, KubeSim, Rule, Verb, Verdict};
use prost::Message;
use serde::Serialize;
use serde_json::{Value, json};

use super::messages::{
    ConfigMap, EndpointSlice, Endpoints, Namespace, Node, ObjectMeta, PartialObjectMetadata, Pod, Service, Status,
};
use super::values::{IntOrString, Sample, Time};
use super::{Opened, PROTOBUF, get, items, opened, refusal};
use crate::client::{SERVICES, get_as, labelled, letters, request, send, service, whole, write};

/// Puts an object with everything set, and reads it alone and in a list.
async fn round_trip<M>(sim: &KubeSim, names: &str, path: &str, metadata: impl Fn(&mut M) -> &mut Option<ObjectMeta>)
where
    M: Message + Sample + Serialize + Clone + Debug + Default + PartialEq,
{
    let mut sample = M::sample(&mut 0);
    let place = metadata(&mut sample).as_mut().unwrap();
    place.name = Some("sample".to_owned());
    let is_namespaced = path.contains("/default/");
    place.namespace = Some(if is_namespaced { "default" } else { "" }.to_owned());
    let (api_version, kind) = names.split_once(' ').unwrap();
    let mut object = serde_json::to_value(&sample).unwrap();
    object["apiVersion"] = json!(api_version);
    object["kind"] = json!(kind);
    let version = sim.put(object);
    assert_ne!(version, 0);
    metadata(&mut sample).as_mut().unwrap().resource_version = Some(version.to_string());

    let alone = opened(sim, &format!("{path}/sample")).await;
    assert_eq!((alone.names.as_str(), alone.read::<M>()), (names, sample.clone()));
    let (list, items) = items::<M>(sim, path).await;
    assert_eq!(list.metadata.unwrap().resource_version, Some(version.to_string()));
    assert_eq!(items.last(), Some(&sample));
    assert_eq!(opened(sim, path).await.names, format!("{names}List"));
}

#[tokio::test]
async fn every_field_makes_the_round_trip() {
    let sim = KubeSim::start().await.unwrap();
    let core = |plural: &str| format!("/api/v1/namespaces/default/{plural}");
    let slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
    round_trip::<ConfigMap>(&sim, "v1 ConfigMap", &core("configmaps"), |m| &mut m.metadata).await;
    round_trip::<Endpoints>(&sim, "v1 Endpoints", &core("endpoints"), |m| &mut m.metadata).await;
    round_trip::<Pod>(&sim, "v1 Pod", &core("pods"), |m| &mut m.metadata).await;
    round_trip::<Service>(&sim, "v1 Service", &core("services"), |m| &mut m.metadata).await;
    round_trip::<EndpointSlice>(&sim, "discovery.k8s.io/v1 EndpointSlice", slices, |m| &mut m.metadata).await;
    round_trip::<Namespace>(&sim, "v1 Namespace", "/api/v1/namespaces", |m| &mut m.metadata).await;
    round_trip::<Node>(&sim, "v1 Node", "/api/v1/nodes", |m| &mut m.metadata).await;
}

#[tokio::test]
async fn what_is_not_set_is_zero_or_absent_as_in_go() {
    let sim = KubeSim::start().await.unwrap();
    sim.put(json!({"kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}], "unknown": 1}}));
    let service: Service = opened(&sim, "/api/v1/namespaces/default/services/a").await.read();
    let spec = service.spec.unwrap();
    assert_eq!(
        (spec.cluster_ip.as_deref(), spec.ip_family_policy, spec.session_affinity_config),
        (Some(""), None, None)
    );
    let number = IntOrString { which: Some(0), int_val: Some(0), str_val: Some(String::new()) };
    assert_eq!((spec.ports[0].name.as_deref(), spec.ports[0].target_port.as_ref()), (Some(""), Some(&number)));
    assert_eq!((spec.ports[0].node_port, spec.ports[0].app_protocol.as_deref()), (Some(0), None));
    assert_eq!(service.status.unwrap().load_balancer.unwrap().ingress, []);
    let metadata = service.metadata.unwrap();
    assert_eq!((metadata.generation, metadata.deletion_timestamp), (Some(0), None));
    assert_eq!(metadata.creation_timestamp, Some(Time { seconds: Some(1_767_225_600), nanos: Some(0) }));
    sim.put(json!({"kind": "Pod", "metadata": {"name": "a", "creationTimestamp": null}}));
    let pod: Pod = opened(&sim, "/api/v1/namespaces/default/pods/a").await.read();
    let unset = Time { seconds: None, nanos: None };
    assert_eq!((pod.metadata.unwrap().creation_timestamp, pod.spec.unwrap().host_network), (Some(unset), Some(false)));
}

#[tokio::test]
async fn lists_have_pages_and_metadata() {
    let sim = letters(KubeSim::builder(), 3).await;
    let (first, services) = items::<Service>(&sim, &format!("{SERVICES}?limit=2")).await;
    let metadata = first.metadata.unwrap();
    assert_eq!((services.len(), metadata.remaining_item_count), (2, Some(1)));
    let (second, services) =
        items::<Service>(&sim, &format!("{SERVICES}?limit=2&continue={}", metadata.r#continue.unwrap())).await;
    assert_eq!(services[0].metadata.as_ref().unwrap().name.as_deref(), Some("c"));
    assert_eq!((second.metadata.as_ref().unwrap().r#continue.as_deref(), services.len()), (Some(""), 1));
    let (none, services) = items::<Service>(&sim, "/api/v1/namespaces/none/services").await;
    assert_eq!((services.len(), none.metadata.unwrap().remaining_item_count), (0, None));
}

#[tokio::test]
async fn metadata_alone_of_all_types() {
    let sim = letters(KubeSim::builder(), 2).await;
    // Long enough that the length of its metadata has two octets.
    let long = json!({"long": "x".repeat(300)});
    sim.put(json!({"kind": "ServiceImport", "metadata": {"name": "i", "annotations": long}, "spec": {"type": "x"}}));
    let accept = format!("{PROTOBUF};as=PartialObjectMetadataList;v=v1;g=meta.k8s.io");
    for (path, names) in
        [(SERVICES, vec!["a", "b"]), ("/apis/multicluster.x-k8s.io/v1alpha1/serviceimports", vec!["i"])]
    {
        let list = Opened::new(&get_as(&sim, path, &accept).await.bytes);
        assert_eq!(list.names, "meta.k8s.io/v1 PartialObjectMetadataList");
        let list: super::List = list.read();
        let read = |item: &Vec<u8>| {
            let opened = Opened { names: String::new(), message: item.clone() };
            opened.read::<PartialObjectMetadata>().metadata.unwrap().name.unwrap()
        };
        assert_eq!(list.items.iter().map(read).collect::<Vec<_>>(), names);
    }
    let path = "/apis/multicluster.x-k8s.io/v1alpha1/namespaces/default/serviceimports/i";
    let one = Opened::new(&get_as(&sim, path, &accept.replace("List", "")).await.bytes);
    assert_eq!(one.names, "meta.k8s.io/v1 PartialObjectMetadata");
    let metadata = one.read::<PartialObjectMetadata>().metadata.unwrap();
    assert_eq!(serde_json::to_value(metadata.annotations).unwrap(), long);
}

#[tokio::test]
async fn refusals_keep_their_details() {
    let sim = letters(KubeSim::builder(), 3).await;
    let (code, status) = refusal(&get(&sim, "/api/v1/namespaces/default/services/no").await);
    let details = status.details.unwrap();
    assert_eq!((code, status.code, status.reason.as_deref()), (404, Some(404), Some("NotFound")));
    assert_eq!((details.name.as_deref(), details.kind.as_deref()), (Some("no"), Some("services")));
    assert_eq!(refusal(&get(&sim, "/api/v1/nothings").await).0, 404);

    let (first, _) = items::<Service>(&sim, &format!("{SERVICES}?limit=2")).await;
    sim.put(service("d"));
    sim.compact();
    let token = first.metadata.unwrap().r#continue.unwrap();
    let (code, status) = refusal(&get(&sim, &format!("{SERVICES}?continue={token}")).await);
    assert_eq!((code, status.status.as_deref()), (410, Some("Failure")));
    assert_ne!(status.metadata.unwrap().r#continue.as_deref(), Some(""));

    let (code, status) = refusal(&get(&sim, &format!("{SERVICES}?resourceVersion=999999")).await);
    let causes = status.details.unwrap().causes;
    assert_eq!((code, causes[0].reason.as_deref()), (504, Some("ResourceVersionTooLarge")));
    sim.forbid("pods");
    assert_eq!(refusal(&get(&sim, "/api/v1/pods").await).1.reason.as_deref(), Some("Forbidden"));
    sim.set_token(Some("secret"));
    assert_eq!(refusal(&get(&sim, SERVICES).await).1.reason.as_deref(), Some("Unauthorized"));
    let busy = Verdict::Refuse { code: 429, retry_after: Some(5) };
    sim.inject(Rule::new(Fault::Request(busy)).on(Verb::List));
    let busy = get(&sim, SERVICES).await;
    assert_eq!(busy.headers["retry-after"], "5");
    assert_eq!(refusal(&busy).1.details.unwrap().retry_after_seconds, Some(5));
}

#[tokio::test]
async fn what_does_not_fit_cannot_be_read() {
    /// Reads the only Service.
    async fn read(sim: &KubeSim, change: impl Fn(&mut Value)) -> Result<Service, String> {
        let mut object = json!({
            "kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}, "status": {},
        });
        change(&mut object);
        // A replaced object would keep its creation time.
        sim.delete("Service", "default", "a");
        sim.put(object);
        opened(sim, "/api/v1/namespaces/default/services/a").await.try_read().map_err(|error| error.to_string())
    }
    let sim = KubeSim::start().await.unwrap();
    assert!(read(&sim, |_| {}).await.is_ok());
    for (pointer, value) in [
        ("/metadata/labels", json!(5)),
        ("/metadata/labels", json!({"a": "b", "c": 0})),
        ("/metadata/generateName", json!({})),
        ("/metadata/creationTimestamp", json!("yesterday")),
        ("/metadata/generation", json!("one")),
        ("/metadata/ownerReferences", json!(0)),
        ("/metadata/finalizers", json!([1])),
        ("/spec", json!("spec")),
        ("/spec/ports", json!({})),
        ("/spec/ports/0", json!([])),
        ("/spec/ports/0/port", json!(3_000_000_000_u64)),
        ("/spec/ports/0/port", json!(1.5)),
        ("/spec/ports/0/targetPort", json!(true)),
        ("/spec/publishNotReadyAddresses", json!("no")),
        ("/status/loadBalancer", json!(false)),
    ] {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let read = read(&sim, |object| match object.pointer_mut(parent).unwrap() {
            Value::Array(items) => items[0] = value.clone(),
            parent => parent[name] = value.clone(),
        });
        assert!(read.await.is_err(), "{pointer} {value}");
    }
}

#[tokio::test]
async fn lists_are_compressed_and_large_ones_come_whole() {
    let sim = KubeSim::start().await.unwrap();
    for number in 0..2000 {
        sim.put(labelled(&format!("service-{number:04}"), &json!({"a": "x".repeat(number % 300)})));
    }
    let (list, services) = items::<Service>(&sim, SERVICES).await;
    assert_eq!((list.items.len(), services.len()), (2000, 2000));
    let request = request("GET", SERVICES).header("accept-encoding", "gzip").header("accept", PROTOBUF);
    let packed = whole(send(&sim, request.body(Full::default()).unwrap()).await).await;
    assert_eq!(
        (&packed.headers["content-encoding"], &packed.headers["content-type"]),
        (&"gzip".parse().unwrap(), &PROTOBUF.parse().unwrap())
    );
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(&*packed.bytes).read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, get(&sim, SERVICES).await.bytes);
}

#[tokio::test]
async fn writes_are_answered_in_protobuf_but_not_read_in_it() {
    let sim = letters(KubeSim::builder(), 1).await;
    let send_as = async |method: &str, path: &str, body: &str| {
        let request = request(method, path).header("content-type", "application/json").header("accept", PROTOBUF);
        whole(send(&sim, request.body(Full::from(body.to_owned())).unwrap()).await).await
    };
    let created = send_as("POST", "/api/v1/namespaces", &json!({"metadata": {"name": "n"}}).to_string()).await;
    assert_eq!((created.code.as_u16(), Opened::new(&created.bytes).names.as_str()), (201, "v1 Namespace"));
    let deleted = send_as("DELETE", "/api/v1/namespaces/n", "").await;
    let status: Status = Opened::new(&deleted.bytes).read();
    assert_eq!((status.status.as_deref(), status.details.unwrap().name.as_deref()), (Some("Success"), Some("n")));
    assert_eq!(write(&sim, "POST", "/api/v1/namespaces", PROTOBUF, "k8s").await.code, 415);
}
