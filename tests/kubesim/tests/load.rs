//! Manifests, discovery, and size.

use std::time::{Duration, Instant};

use kubesim::{KubeSim, Loaded};
use serde_json::json;

use crate::client::{SERVICES, get, get_as};

#[tokio::test]
async fn texts_in_yaml_and_json() {
    let sim = KubeSim::start().await.unwrap();
    let yaml = "
kind: Namespace
metadata: {name: default}
---
---
apiVersion: v1
kind: ServiceList
items:
- metadata: {name: a, namespace: x}
  spec: {ports: [{port: 80}]}
- metadata: {name: b}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: unknown}
";
    assert_eq!(sim.load_yaml(yaml).unwrap(), Loaded { objects: 3, unknown: vec!["Deployment".to_owned()] });
    assert_eq!(sim.get("svc", "x", "a").unwrap()["spec"]["ports"][0]["port"], 80);
    assert_eq!(sim.get("Service", "default", "b").unwrap()["apiVersion"], "v1");
    let dump = get(&sim, SERVICES).await;
    let copy = KubeSim::start().await.unwrap();
    assert_eq!(copy.load_yaml(std::str::from_utf8(&dump.bytes).unwrap()).unwrap().objects, 2);
    assert_eq!(get(&copy, SERVICES).await.names(), ["b", "a"]);

    sim.load_yaml("kind: Service\nmetadata: {name: y, labels: {a: n, b: on, c: 'true'}}").unwrap();
    assert_eq!(
        sim.get("svc", "default", "y").unwrap()["metadata"]["labels"],
        json!({"a": "n", "b": "on", "c": "true"})
    );

    assert!(sim.load_yaml("a: [").is_err());
    let nameless = sim.load_yaml("kind: Service\nmetadata: {}\n").unwrap_err().to_string();
    assert_eq!(nameless, "an object of kind Service has no name");

    let version = sim.version();
    sim.apply_yaml("kind: Service\nmetadata: {name: b, labels: {new: label}}").unwrap();
    sim.apply_yaml("kind: Service\nmetadata: {name: b, labels: {new: label}}").unwrap();
    assert_eq!(sim.version(), version + 1);
}

#[tokio::test]
async fn folders() {
    let folder = std::env::temp_dir().join(format!("kubesim-load-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("below")).unwrap();
    std::fs::write(folder.join("1.yaml"), "kind: Namespace\nmetadata: {name: one}\n").unwrap();
    std::fs::write(folder.join("below/2.json"), r#"{"kind":"Namespace","metadata":{"name":"two"}}"#).unwrap();
    std::fs::write(folder.join("readme.txt"), "no manifest").unwrap();
    let sim = KubeSim::start().await.unwrap();
    let loaded = sim.load_path(&folder);
    std::fs::write(folder.join("3.yaml"), "a: [").unwrap();
    let broken = sim.load_path(&folder);
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(loaded.unwrap().objects, 2);
    assert!(broken.unwrap_err().to_string().contains("3.yaml"));
    assert_eq!(get(&sim, "/api/v1/namespaces").await.names(), ["one", "two"]);
    assert!(sim.load_path(&folder).is_err(), "it is gone");
}

#[tokio::test]
async fn discovery_aggregated_and_plain() {
    let sim = KubeSim::start().await.unwrap();
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
    let core = get_as(&sim, "/api", accept).await;
    let content_type = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    assert_eq!(core.headers["content-type"], content_type);
    let groups = get_as(&sim, "/apis", accept).await.json();
    assert_eq!(groups["items"][0]["metadata"]["name"], "discovery.k8s.io");
    assert_eq!(groups["items"][1]["versions"][0]["resources"][0]["resource"], "serviceimports");
    assert_eq!(core.json()["items"][0]["versions"][0]["resources"].as_array().unwrap().len(), 6);

    assert_eq!(get(&sim, "/version").await.json()["major"], "1");
    assert_eq!(get(&sim, "/api").await.json()["versions"], json!(["v1"]));
    assert_eq!(get(&sim, "/apis").await.json()["groups"][0]["preferredVersion"]["version"], "v1");
    assert_eq!(get(&sim, "/api/v1").await.json()["resources"][0]["name"], "configmaps");
    let imports = get(&sim, "/apis/multicluster.x-k8s.io/v1alpha1").await.json();
    assert_eq!(imports["groupVersion"], "multicluster.x-k8s.io/v1alpha1");
    let index = get(&sim, "/openapi/v3").await.json();
    let path = index["paths"]["apis/discovery.k8s.io/v1"]["serverRelativeURL"].as_str().unwrap();
    let document = get(&sim, path).await.json();
    let patch = &document["paths"]["/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices/{name}"]["patch"];
    assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "EndpointSlice");
    assert_eq!(patch["parameters"][0]["name"], "fieldValidation");
    for path in ["/openapi/v2", "/apis/unknown", "/apis/unknown/v1/things", "/nothing", "/"] {
        assert_eq!(get(&sim, path).await.code, 404, "{path}");
    }
}

/// 10,000 Services with as many slices and 150,000 endpoints. It takes 3 s unoptimised on an idle
/// machine; the bound only catches what grows faster than the size.
#[tokio::test]
async fn a_large_cluster_is_loaded_and_listed_in_seconds() {
    let sim = KubeSim::start().await.unwrap();
    let start = Instant::now();
    for number in 0..10_000 {
        let name = format!("service-{number:05}");
        let port = json!({"name": "http", "port": 80, "protocol": "TCP"});
        sim.put(json!({"kind": "Service", "metadata": {"name": name}, "spec": {"ports": [port]}}));
        let endpoint = |n: i32| {
            let address = format!("10.{}.{}.{}", number / 250, number % 250, n + 1);
            json!({"addresses": [address], "conditions": {"ready": true}, "nodeName": "node-1"})
        };
        let labels = json!({"kubernetes.io/service-name": name});
        sim.put(json!({
            "kind": "EndpointSlice", "metadata": {"name": format!("{name}-abcde"), "labels": labels},
            "addressType": "IPv4", "ports": [port], "endpoints": (0..15).map(endpoint).collect::<Vec<_>>(),
        }));
    }
    let loaded = start.elapsed();
    let bytes =
        get(&sim, SERVICES).await.bytes.len() + get(&sim, "/apis/discovery.k8s.io/v1/endpointslices").await.bytes.len();
    println!("put in {loaded:?}, listed {bytes} bytes in {:?}", start.elapsed().saturating_sub(loaded));
    assert!(bytes > 15_000_000);
    assert!(start.elapsed() < Duration::from_secs(120));
}
