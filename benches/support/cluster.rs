//! A cluster of some size: namespaces, services, a slice for each service, pods; shaped as a real API server shows them.

use serde_json::{Value, json};

/// Endpoints of each service.
pub(crate) const ENDPOINTS: usize = 15;
/// Services in a namespace.
pub(crate) const NAMESPACE: usize = 100;

/// Makes all objects: namespaces, services, and a slice for each service.
pub(crate) fn objects(services: usize) -> impl Iterator<Item = Value> {
    let namespace =
        |at: usize| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": format!("namespace-{at}")}});
    let namespaces = (0..services.div_ceil(NAMESPACE)).map(namespace);
    namespaces.chain((0..services).map(service)).chain((0..services).map(slice))
}

/// Makes the metadata of an object as a cluster has it.
fn metadata(name: &str, at: usize, labels: &Value) -> Value {
    json!({
        "name": name,
        "namespace": format!("namespace-{}", at / NAMESPACE),
        "labels": labels,
        "uid": format!("6f1c2f0e-5d1a-4c55-9a3c-{at:012x}"),
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "annotations": {"endpoints.kubernetes.io/last-change-trigger-time": "2026-01-01T00:00:00Z",
            "example.org/why": "a note that nobody needs for names"},
    })
}

/// Makes a service.
fn service(at: usize) -> Value {
    let address = address(0x0a60_0000, at);
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": metadata(&format!("service-{at}"), at, &json!({"app.kubernetes.io/name": format!("app-{at}")})),
        "spec": {"type": "ClusterIP", "clusterIP": address, "clusterIPs": [address], "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack", "internalTrafficPolicy": "Cluster", "sessionAffinity": "None",
            "selector": {"app.kubernetes.io/name": format!("app-{at}")},
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080}]},
        "status": {"loadBalancer": {}},
    })
}

/// Makes the slice of a service.
pub(crate) fn slice(at: usize) -> Value {
    let endpoint = |number: usize| {
        json!({"addresses": [address(0x0a80_0000, at * ENDPOINTS + number)],
            "conditions": {"ready": true, "serving": true, "terminating": false},
            "nodeName": format!("node-{}", number * 7 % 100),
            "targetRef": {"kind": "Pod", "name": format!("app-{at}-7d9c6b5f4-{number:05x}"),
                "namespace": format!("namespace-{}", at / NAMESPACE)},
            "zone": "zone-a"})
    };
    let labels = json!({"kubernetes.io/service-name": format!("service-{at}"),
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"});
    json!({
        "addressType": "IPv4", "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": metadata(&format!("service-{at}-x7k2p"), at, &labels),
        "endpoints": (0..ENDPOINTS).map(endpoint).collect::<Vec<_>>(),
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    })
}

/// Returns the address at a place of a network.
pub(crate) fn address(network: u32, at: usize) -> String {
    std::net::Ipv4Addr::from(network + u32::try_from(at + 1).unwrap_or_default()).to_string()
}

/// Makes a pod: the one behind an endpoint of the same number.
pub(crate) fn pod(at: usize) -> Value {
    let ip = address(0x0a80_0000, at);
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": metadata(&format!("app-{}-7d9c6b5f4-{:05x}", at / ENDPOINTS, at % ENDPOINTS), at / ENDPOINTS,
            &json!({"app.kubernetes.io/name": format!("app-{}", at / ENDPOINTS), "pod-template-hash": "7d9c6b5f4"})),
        "spec": {"nodeName": format!("node-{}", at % 100), "containers": [{"name": "app", "image": "example.org/app:1"}]},
        "status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}],
            "conditions": [{"type": "Ready", "status": "True"}]},
    })
}
