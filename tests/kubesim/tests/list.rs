//! LIST: pages, versions, selectors, forms.

use kubesim::KubeSim;
use serde_json::json;

use crate::client::{SERVICES, get, get_as, labelled, letters, service};

#[tokio::test]
async fn pages_are_bound_to_a_snapshot() {
    let sim = letters(KubeSim::builder(), 5).await;
    let first = get(&sim, &format!("{SERVICES}?limit=2")).await;
    assert_eq!(first.names(), ["a", "b"]);
    assert_eq!(first.json()["metadata"]["remainingItemCount"], 3);
    assert_eq!(first.json()["kind"], "ServiceList");
    assert_eq!(first.json()["apiVersion"], "v1");
    assert_eq!(first.json()["items"][0]["kind"], json!(null), "items of built-in types have no kind");

    // What happens between the pages is not seen.
    sim.delete("Service", "default", "c");
    sim.put(service("bb"));
    sim.put(labelled("d", &json!({"changed": "yes"})));
    let token = first.json()["metadata"]["continue"].as_str().unwrap().to_owned();
    let second = get(&sim, &format!("{SERVICES}?limit=2&continue={token}")).await;
    assert_eq!(second.names(), ["c", "d"]);
    assert_eq!(second.version(), first.version());
    assert_eq!(second.json()["items"][1]["metadata"]["labels"], json!({}));
    let token = second.json()["metadata"]["continue"].as_str().unwrap().to_owned();
    let third = get(&sim, &format!("{SERVICES}?limit=2&continue={token}")).await;
    assert_eq!(third.names(), ["e"]);
    assert_eq!(third.json()["metadata"].get("continue"), None);
    assert_eq!(get(&sim, SERVICES).await.names(), ["a", "b", "bb", "d", "e"]);
}

#[tokio::test]
async fn an_expired_token_is_410_and_may_go_on() {
    let sim = letters(KubeSim::builder(), 4).await;
    let first = get(&sim, &format!("{SERVICES}?limit=2")).await.json();
    let token = first["metadata"]["continue"].as_str().unwrap();
    sim.put(service("cc"));
    sim.compact();
    let refusal = get(&sim, &format!("{SERVICES}?limit=2&continue={token}")).await;
    assert_eq!(refusal.code, 410);
    assert_eq!(refusal.json()["reason"], "Expired");
    let token = refusal.json()["metadata"]["continue"].as_str().unwrap().to_owned();
    assert_eq!(get(&sim, &format!("{SERVICES}?continue={token}")).await.names(), ["c", "cc", "d"]);

    let sim = letters(KubeSim::builder().inconsistent_continue(false), 4).await;
    let first = get(&sim, &format!("{SERVICES}?limit=2")).await.json();
    let token = first["metadata"]["continue"].as_str().unwrap();
    sim.put(service("cc"));
    sim.compact();
    let refusal = get(&sim, &format!("{SERVICES}?limit=2&continue={token}")).await;
    assert_eq!((refusal.code.as_u16(), refusal.json()["metadata"].get("continue")), (410, None));
}

#[tokio::test]
async fn resource_versions_mean_what_they_should() {
    let sim = letters(KubeSim::builder(), 3).await;
    let old = sim.version();
    let now = sim.put(service("d"));
    let list = async |query: &str| get(&sim, &format!("{SERVICES}?{query}")).await;
    assert_eq!(list("resourceVersion=0").await.names().len(), 4);
    assert_eq!(list("resourceVersion=0&limit=2").await.names().len(), 4, "no pages at version 0");
    assert_eq!(list(&format!("resourceVersion={old}")).await.version(), now);
    let not_older = list(&format!("resourceVersion={old}&resourceVersionMatch=NotOlderThan&limit=2")).await;
    assert_eq!((not_older.version(), not_older.names().len()), (now, 2));
    let exact = list(&format!("resourceVersion={old}&resourceVersionMatch=Exact")).await;
    assert_eq!((exact.version(), exact.names().len()), (old, 3));

    let ahead = list(&format!("resourceVersion={}", now + 1)).await;
    assert_eq!((ahead.code.as_u16(), ahead.headers["retry-after"].to_str().unwrap()), (504, "1"));
    assert!(ahead.json()["message"].as_str().unwrap().contains("Too large resource version"));
    assert_eq!(ahead.json()["details"]["causes"][0]["reason"], "ResourceVersionTooLarge");
    assert_eq!(list("resourceVersionMatch=Exact").await.code, 422);
    assert_eq!(list("resourceVersion=0&resourceVersionMatch=Exact").await.code, 422);
    assert_eq!(list("resourceVersion=x").await.code, 400);
    assert_eq!(list("continue=x").await.code, 400);
    sim.compact();
    assert_eq!(list(&format!("resourceVersion={old}&resourceVersionMatch=Exact")).await.code, 410);
}

#[tokio::test]
async fn one_counter_for_all_types() {
    let sim = KubeSim::start().await.unwrap();
    let first = sim.put(service("a"));
    let second = sim.put(json!({"kind": "Pod", "metadata": {"name": "p"}}));
    let third = sim.delete("svc", "default", "a").unwrap();
    assert_eq!([second, third], [first + 1, first + 2]);
    assert_eq!(get(&sim, "/api/v1/pods").await.version(), third);
}

#[tokio::test]
async fn label_selectors() {
    let sim = KubeSim::start().await.unwrap();
    sim.put(labelled("one", &json!({"env": "prod", "tier": "web"})));
    sim.put(labelled("two", &json!({"env": "test"})));
    sim.put(labelled("three", &json!({"a.example/b": ""})));
    let cases: [(&str, &[&str]); 12] = [
        ("env=prod", &["one"]),
        ("env==test", &["two"]),
        ("env!=prod", &["three", "two"]),
        ("env", &["one", "two"]),
        ("!env", &["three"]),
        ("env in (prod, test)", &["one", "two"]),
        ("env notin (prod)", &["three", "two"]),
        ("env in (prod,test),!tier", &["two"]),
        ("tier,env=prod", &["one"]),
        ("a.example/b=", &["three"]),
        ("env,env!=prod", &["two"]),
        ("", &["one", "three", "two"]),
    ];
    for (selector, names) in cases {
        let encoded: String = form_urlencoded::byte_serialize(selector.as_bytes()).collect();
        let answer = get(&sim, &format!("{SERVICES}?labelSelector={encoded}")).await;
        assert_eq!(answer.names(), names, "{selector}");
    }
    assert_eq!(get(&sim, &format!("{SERVICES}?labelSelector=a%20in%20b")).await.code, 400);
    assert_eq!(get(&sim, &format!("{SERVICES}?labelSelector=a%20of%20(b)")).await.code, 400);
}

#[tokio::test]
async fn field_selectors_and_namespaces() {
    let sim = KubeSim::start().await.unwrap();
    for (namespace, name, phase) in [("x", "a", "Running"), ("x", "b", "Failed"), ("y", "a", "Succeeded")] {
        let metadata = json!({"namespace": namespace, "name": name});
        sim.put(json!({"kind": "Pod", "metadata": metadata, "status": {"phase": phase}}));
    }
    let names = async |path: &str| get(&sim, path).await.names();
    let phases = "/api/v1/pods?fieldSelector=status.phase!%3DSucceeded,status.phase!%3DFailed,status.phase!%3DUnknown";
    assert_eq!(names(phases).await, ["a"]);
    assert_eq!(names("/api/v1/pods?fieldSelector=metadata.name%3Da").await, ["a", "a"]);
    assert_eq!(names("/api/v1/pods?fieldSelector=metadata.name%3Da,metadata.namespace%3D%3Dy").await, ["a"]);
    assert_eq!(names("/api/v1/namespaces/x/pods").await, ["a", "b"]);
    assert_eq!(names("/api/v1/namespaces/z/pods").await, [""; 0]);
    assert_eq!(get(&sim, "/api/v1/pods?fieldSelector=spec.x%3D1").await.code, 400);
    assert_eq!(get(&sim, "/api/v1/namespaces/y/pods/a").await.json()["status"]["phase"], "Succeeded");
    assert_eq!(get(&sim, "/api/v1/namespaces/y/pods/b").await.code, 404);
    assert_eq!(get(&sim, "/api/v1/nothings").await.code, 404);
    assert_eq!(get(&sim, "/apis/discovery.k8s.io/v1/endpointslices").await.json()["kind"], "EndpointSliceList");
}

#[tokio::test]
async fn metadata_only() {
    let sim = letters(KubeSim::builder(), 2).await;
    let accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
    let list = get_as(&sim, SERVICES, accept).await.json();
    assert_eq!((&list["kind"], &list["apiVersion"]), (&json!("PartialObjectMetadataList"), &json!("meta.k8s.io/v1")));
    assert_eq!(list["items"][1]["metadata"]["name"], "b");
    assert_eq!(list["items"][1]["kind"], "PartialObjectMetadata");
    assert_eq!(list["items"][1].get("spec"), None);
}

#[tokio::test]
async fn lists_are_compressed_when_asked() {
    use std::io::Read as _;

    use http_body_util::Full;

    use crate::client::{request, send, whole};

    let sim = KubeSim::start().await.unwrap();
    for number in 0..2000 {
        sim.put(service(&format!("service-{number:04}")));
    }
    let plain = get(&sim, SERVICES).await;
    assert_eq!(plain.headers.get("content-encoding"), None);
    let request = request("GET", SERVICES).header("accept-encoding", "gzip").body(Full::default()).unwrap();
    let packed = whole(send(&sim, request).await).await;
    assert_eq!(packed.headers["content-encoding"], "gzip");
    assert!(packed.bytes.len() * 4 < plain.bytes.len());
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(&*packed.bytes).read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, plain.bytes);
}
