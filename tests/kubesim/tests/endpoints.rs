//! EndpointSlices from Services, Pods and Endpoints.

use std::collections::BTreeSet;

use kubesim::KubeSim;
use serde_json::{Value, json};

/// The time of the changes.
const NOW: &str = "2026-01-01T00:00:00Z";

/// A ready Pod of the Service `web`.
fn pod(number: usize) -> Value {
    json!({
        "kind": "Pod", "metadata": {"name": format!("web-{number:04}"), "labels": {"app": "web"}},
        "spec": {"nodeName": "n1", "containers": [{"ports": [{"name": "http", "containerPort": 8080}]}]},
        "status": {
            "phase": "Running", "podIP": format!("10.244.{}.{}", number / 250, number % 250 + 1),
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    })
}

/// A Service `web` with that many Pods.
async fn web(pods: usize) -> KubeSim {
    let sim = KubeSim::start().await.unwrap();
    let zone = json!({"topology.kubernetes.io/zone": "z1"});
    sim.put(json!({"kind": "Node", "metadata": {"name": "n1", "labels": zone}}));
    let ports = json!([{"name": "http", "port": 80, "targetPort": "http"}]);
    let spec = json!({"clusterIP": "None", "selector": {"app": "web"}, "ports": ports});
    sim.put(json!({"kind": "Service", "metadata": {"name": "web"}, "spec": spec}));
    for number in 0..pods {
        sim.put(pod(number));
    }
    sim
}

/// How many endpoints each slice has.
fn sizes(sim: &KubeSim) -> Vec<usize> {
    sim.objects("EndpointSlice").iter().map(|slice| slice["endpoints"].as_array().unwrap().len()).collect()
}

/// All addresses in all slices.
fn addresses(sim: &KubeSim) -> BTreeSet<String> {
    let slices = sim.objects("EndpointSlice");
    let endpoints = slices.iter().flat_map(|slice| slice["endpoints"].as_array().unwrap());
    endpoints.map(|endpoint| endpoint["addresses"][0].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn pods_become_slices_of_a_hundred() {
    let sim = web(250).await;
    assert_eq!(sim.sync_endpoints(NOW), 3);
    assert_eq!(sizes(&sim), [100, 100, 50]);
    let slice = &sim.objects("EndpointSlice")[0];
    assert_eq!(slice["metadata"]["annotations"]["endpoints.kubernetes.io/last-change-trigger-time"], NOW);
    assert_eq!(slice["metadata"]["labels"]["kubernetes.io/service-name"], "web");
    assert_eq!(slice["metadata"]["labels"]["service.kubernetes.io/headless"], "");
    assert_eq!(slice["addressType"], "IPv4");
    assert_eq!(slice["ports"], json!([{"name": "http", "port": 8080, "protocol": "TCP"}]));
    let endpoint = &slice["endpoints"][0];
    assert_eq!(endpoint["addresses"], json!(["10.244.0.1"]));
    assert_eq!(endpoint["conditions"], json!({"ready": true, "serving": true, "terminating": false}));
    assert_eq!((&endpoint["targetRef"]["name"], &endpoint["zone"]), (&json!("web-0000"), &json!("z1")));
    assert_eq!(sim.sync_endpoints("later"), 0, "what does not change is not written");
}

#[tokio::test]
async fn endpoints_stay_where_they_are_until_rebalanced() {
    let sim = web(250).await;
    sim.sync_endpoints(NOW);
    for number in 0..90 {
        sim.delete("Pod", "default", &format!("web-{number:04}"));
    }
    sim.put(pod(1000));
    let before = sim.objects("EndpointSlice")[1].clone();
    sim.sync_endpoints("later");
    assert_eq!(sizes(&sim), [11, 100, 50]);
    assert_eq!(sim.objects("EndpointSlice")[1], before, "an untouched slice is not written");
    let all = addresses(&sim);
    sim.rebalance_endpoints("later");
    assert_eq!(sizes(&sim), [100, 61]);
    assert_eq!(addresses(&sim), all);
    for number in 0..=1000 {
        sim.delete("Pod", "default", &format!("web-{number:04}"));
    }
    sim.sync_endpoints("later");
    assert_eq!(sizes(&sim), [0], "an empty slice stays");
    sim.delete("Service", "default", "web");
    assert_eq!(sim.sync_endpoints("later"), 1);
    assert_eq!(sizes(&sim), [0; 0]);
}

#[tokio::test]
async fn pods_that_are_not_ready_or_finished() {
    let sim = web(0).await;
    for (number, field, value) in [(1, "conditions", json!([])), (2, "phase", json!("Failed"))] {
        let mut pod = pod(number);
        pod["status"][field] = value;
        sim.put(pod);
    }
    let mut ending = pod(3);
    ending["metadata"]["deletionTimestamp"] = json!(NOW);
    ending["spec"]["hostname"] = json!("three");
    ending["spec"]["subdomain"] = json!("web");
    sim.put(ending);
    sim.sync_endpoints(NOW);
    let slice = sim.objects("EndpointSlice").remove(0);
    let endpoints = slice["endpoints"].as_array().unwrap();
    assert_eq!(endpoints.len(), 2);
    assert_eq!(endpoints[0]["conditions"], json!({"ready": false, "serving": false, "terminating": false}));
    assert_eq!(endpoints[1]["conditions"], json!({"ready": false, "serving": true, "terminating": true}));
    assert_eq!(endpoints[1]["hostname"], "three");
}

#[tokio::test]
async fn endpoints_are_mirrored_without_a_selector() {
    let sim = KubeSim::start().await.unwrap();
    let spec = json!({"ports": [{"port": 80}]});
    sim.put(json!({"kind": "Service", "metadata": {"name": "db"}, "spec": spec}));
    let addresses = json!([{"ip": "192.0.2.1", "hostname": "one"}, {"ip": "2001:db8::1"}]);
    let not_ready = json!([{"ip": "192.0.2.2"}]);
    let subset = json!({"addresses": addresses, "notReadyAddresses": not_ready, "ports": [{"port": 5432}]});
    sim.put(json!({"kind": "Endpoints", "metadata": {"name": "db"}, "subsets": [subset]}));
    sim.put(json!({"kind": "Endpoints", "metadata": {"name": "without-service"}, "subsets": [subset]}));
    assert_eq!(sim.sync_endpoints(NOW), 2);
    let slices = sim.objects("EndpointSlice");
    assert_eq!((&slices[0]["addressType"], &slices[1]["addressType"]), (&json!("IPv4"), &json!("IPv6")));
    assert_eq!(slices[0]["endpoints"][0]["hostname"], "one");
    assert_eq!(slices[0]["endpoints"][1]["conditions"]["ready"], false);
    assert_eq!(slices[0]["ports"][0]["port"], 5432);
}
