//! What the EndpointSlice controllers of a cluster do: slices from Services and Pods, slices from Endpoints.
//! Knows no HTTP; works on the store when it is told to.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::object::Object;
use crate::resource::Resource;
use crate::store::Store;

/// How many endpoints a slice takes, as the controller's default.
const PER_SLICE: usize = 100;

/// The annotation that says which change a slice follows from, and when that was.
const TRIGGER: &str = "endpoints.kubernetes.io/last-change-trigger-time";

/// The label that leads from a slice to its Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// The label that says whose a slice is.
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";

/// The controller of slices from Pods.
const FROM_PODS: &str = "endpointslice-controller.k8s.io";

/// The controller of slices from Endpoints.
const MIRROR: &str = "endpointslicemirroring-controller.k8s.io";

/// Whether endpoints stay in the slice where they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    /// They stay; new ones fill gaps, as the controller does.
    Stay,
    /// They move together into as few slices as possible.
    Tight,
}

/// What makes two endpoints fit into one slice: address type, and ports in JSON.
type Group = (&'static str, String);

/// Endpoints by group, in the order of their Pods.
type Groups = BTreeMap<Group, Vec<Value>>;

/// Brings the slices of every Service up to date. `now` is the trigger time that changed slices get (RFC 3339). Returns
/// how many slices were written or deleted.
pub(crate) fn sync(store: &Store, now: &str, packing: Packing) -> usize {
    let cluster = Cluster::read(store);
    let Some(slices) = Resource::by_kind(None, "EndpointSlice") else { return 0 };
    let mut known = cluster.slices;
    let mut writes = 0;
    for service in &cluster.services {
        let value = service.value();
        let (manager, groups) = match &value["spec"]["selector"] {
            Value::Object(selector) if !selector.is_empty() => {
                let pods = cluster.pods.get(service.namespace()).map(Vec::as_slice).unwrap_or_default();
                (FROM_PODS, groups_of(&value, selector, pods, &cluster.zones))
            }
            _ => {
                let Some(endpoints) = cluster.endpoints.get(&service.key) else { continue };
                (MIRROR, mirrored(&endpoints.value()))
            }
        };
        let held = known.remove(&(service.key.to_string(), manager.to_owned())).unwrap_or_default();
        let task = Task { service: &value, manager, now };
        for slice in task.reconcile(held, groups, packing) {
            writes += 1;
            match slice {
                Write::Put(value) => drop(store.put(slices, value)),
                Write::Delete(key) => drop(store.delete(slices, &key)),
            }
        }
    }
    // Slices of ours whose Service is gone.
    let is_ours = |manager: &str| manager == FROM_PODS || manager == MIRROR;
    for slice in known.into_iter().filter(|((_, manager), _)| is_ours(manager)).flat_map(|(_, slices)| slices) {
        writes += 1;
        store.delete(slices, &slice.key);
    }
    writes
}

/// What the controllers look at.
struct Cluster {
    /// All Services.
    services: Vec<Arc<Object>>,
    /// Pods by namespace.
    pods: HashMap<String, Vec<Value>>,
    /// Zones of nodes, by name.
    zones: HashMap<String, Value>,
    /// Endpoints by key, which is their Service's.
    endpoints: HashMap<Arc<str>, Arc<Object>>,
    /// Slices by their Service's key and their manager.
    slices: HashMap<(String, String), Vec<Arc<Object>>>,
}

impl Cluster {
    /// Takes a picture of the store.
    fn read(store: &Store) -> Self {
        let all = |kind| Resource::by_kind(None, kind).map(|r| store.current(r, "").1).unwrap_or_default();
        let mut pods: HashMap<String, Vec<Value>> = HashMap::new();
        for pod in all("Pod") {
            pods.entry(pod.namespace().to_owned()).or_default().push(pod.value());
        }
        let mut slices: HashMap<_, Vec<_>> = HashMap::new();
        for slice in all("EndpointSlice") {
            let label = |key: &str| slice.labels.iter().find(|(k, _)| k == key).map_or("", |(_, v)| v.as_str());
            let service = format!("{}/{}", slice.namespace(), label(SERVICE_NAME));
            slices.entry((service, label(MANAGED_BY).to_owned())).or_default().push(slice);
        }
        let zone = |node: &Arc<Object>| {
            let zone = node.labels.iter().find(|(k, _)| k == "topology.kubernetes.io/zone");
            zone.map(|(_, zone)| (node.name().to_owned(), json!(zone)))
        };
        Self {
            services: all("Service"),
            pods,
            zones: all("Node").iter().filter_map(zone).collect(),
            endpoints: all("Endpoints").into_iter().map(|e| (Arc::clone(&e.key), e)).collect(),
            slices,
        }
    }
}

/// The endpoints of a Service with a selector.
fn groups_of(service: &Value, selector: &Map<String, Value>, pods: &[Value], zones: &HashMap<String, Value>) -> Groups {
    let mut groups = Groups::new();
    for pod in pods.iter().filter(|pod| selector.iter().all(|(k, v)| pod["metadata"]["labels"].get(k) == Some(v))) {
        if matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed")) {
            continue;
        }
        let ports = Value::Array(ports_of(service, pod)).to_string();
        for address in addresses_of(pod) {
            let family = if address.contains(':') { "IPv6" } else { "IPv4" };
            if wants(service, family) {
                let endpoint = endpoint_of(service, pod, &address, zones);
                groups.entry((family, ports.clone())).or_default().push(endpoint);
            }
        }
    }
    groups
}

/// Whether a Service is of that family; without `ipFamilies` it is of IPv4.
fn wants(service: &Value, family: &str) -> bool {
    service["spec"]["ipFamilies"].as_array().map_or(family == "IPv4", |families| families.iter().any(|f| f == family))
}

/// The addresses of a Pod.
fn addresses_of(pod: &Value) -> Vec<String> {
    let many = pod["status"]["podIPs"].as_array().into_iter().flatten().filter_map(|ip| ip["ip"].as_str());
    let many: Vec<_> = many.map(str::to_owned).collect();
    if many.is_empty() { pod["status"]["podIP"].as_str().map(str::to_owned).into_iter().collect() } else { many }
}

/// The ports of a Service at one Pod: numbers as they are, names looked up in the Pod's containers.
fn ports_of(service: &Value, pod: &Value) -> Vec<Value> {
    let declared = pod["spec"]["containers"].as_array().into_iter().flatten();
    let declared: Vec<_> = declared.flat_map(|c| c["ports"].as_array().into_iter().flatten()).collect();
    let resolve = |port: &Value| {
        let number = match &port["targetPort"] {
            Value::String(name) => declared.iter().find(|p| p["name"] == **name).map(|p| p["containerPort"].clone())?,
            Value::Null => port["port"].clone(),
            number => number.clone(),
        };
        let name = port["name"].as_str().unwrap_or_default();
        let protocol = port["protocol"].as_str().unwrap_or("TCP");
        Some(json!({"name": name, "port": number, "protocol": protocol}))
    };
    service["spec"]["ports"].as_array().into_iter().flatten().filter_map(resolve).collect()
}

/// One Pod as an endpoint.
fn endpoint_of(service: &Value, pod: &Value, address: &str, zones: &HashMap<String, Value>) -> Value {
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    let is_serving = conditions.into_iter().any(|c| c["type"] == "Ready" && c["status"] == "True");
    let is_terminating = !pod["metadata"]["deletionTimestamp"].is_null();
    let is_published = service["spec"]["publishNotReadyAddresses"] == true;
    let metadata = &pod["metadata"];
    let mut endpoint = json!({
        "addresses": [address],
        "conditions": {
            "ready": is_published || (is_serving && !is_terminating), "serving": is_serving,
            "terminating": is_terminating,
        },
        "targetRef": {
            "kind": "Pod", "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"],
        },
    });
    let spec = &pod["spec"];
    if spec["hostname"].is_string() && spec["subdomain"] == service["metadata"]["name"] {
        endpoint["hostname"] = spec["hostname"].clone();
    }
    if let Some(node) = spec["nodeName"].as_str() {
        endpoint["nodeName"] = json!(node);
        if let Some(zone) = zones.get(node) {
            endpoint["zone"] = zone.clone();
        }
    }
    endpoint
}

/// The endpoints of an Endpoints object.
fn mirrored(endpoints: &Value) -> Groups {
    let mut groups = Groups::new();
    for subset in endpoints["subsets"].as_array().into_iter().flatten() {
        let port = |p: &Value| {
            let name = p["name"].as_str().unwrap_or_default();
            json!({"name": name, "port": p["port"], "protocol": p["protocol"].as_str().unwrap_or("TCP")})
        };
        let ports: Vec<_> = subset["ports"].as_array().into_iter().flatten().map(port).collect();
        let ports = Value::Array(ports).to_string();
        for (list, is_ready) in [("addresses", true), ("notReadyAddresses", false)] {
            for address in subset[list].as_array().into_iter().flatten() {
                let ip = address["ip"].as_str().unwrap_or_default();
                let mut endpoint = json!({"addresses": [ip], "conditions": {"ready": is_ready}});
                for field in ["hostname", "nodeName", "targetRef"] {
                    if !address[field].is_null() {
                        endpoint[field] = address[field].clone();
                    }
                }
                let family = if ip.contains(':') { "IPv6" } else { "IPv4" };
                groups.entry((family, ports.clone())).or_default().push(endpoint);
            }
        }
    }
    groups
}

/// A change to be made.
enum Write {
    /// Store this slice.
    Put(Value),
    /// Delete the slice with this key.
    Delete(Arc<str>),
}

/// The work on one Service.
struct Task<'a> {
    /// The Service.
    service: &'a Value,
    /// The controller that the slices belong to.
    manager: &'static str,
    /// Trigger time of changes.
    now: &'a str,
}

/// Endpoints with the name of the slice they are in, none for a slice that is new.
type Placed = Vec<(Option<String>, Vec<Value>)>;

impl Task<'_> {
    /// What leads from the slices held to those wanted.
    fn reconcile(&self, held: Vec<Arc<Object>>, mut groups: Groups, packing: Packing) -> Vec<Write> {
        if groups.is_empty() {
            // As the controller: a Service without endpoints has one empty slice.
            let family = if wants(self.service, "IPv4") { "IPv4" } else { "IPv6" };
            groups.insert((family, "null".to_owned()), Vec::new());
        }
        let held: Vec<(Arc<Object>, Value)> = held.into_iter().map(|o| (Arc::clone(&o), o.value())).collect();
        let mut names: Vec<String> = held.iter().map(|(object, _)| object.name().to_owned()).collect();
        let mut kept = Vec::new();
        let mut writes = Vec::new();
        for ((family, ports), wanted) in groups {
            let parsed: Value = serde_json::from_str(&ports).unwrap_or_default();
            let is_alike = |v: &Value| v["addressType"] == *family && v["ports"] == parsed;
            let alike = held.iter().filter(|(_, value)| is_alike(value));
            let old: Placed = alike
                .map(|(o, v)| (Some(o.name().to_owned()), v["endpoints"].as_array().cloned().unwrap_or_default()))
                .collect();
            for (name, endpoints) in place(old, wanted, packing) {
                let name = name.unwrap_or_else(|| self.new_name(&mut names));
                let mut slice = self.slice(&name, family, parsed.clone(), endpoints);
                let before = held.iter().find(|(o, _)| o.name() == name).map(|(_, value)| value);
                if before.is_none_or(|before| differs(before, &slice)) {
                    slice["metadata"]["annotations"] = json!({TRIGGER: self.now});
                    writes.push(Write::Put(slice));
                }
                kept.push(name);
            }
        }
        let is_gone = |object: &Arc<Object>| !kept.iter().any(|name| name == object.name());
        let gone = held.into_iter().map(|(object, _)| object).filter(is_gone);
        writes.extend(gone.map(|object| Write::Delete(Arc::clone(&object.key))));
        writes
    }

    /// A name that no slice of the Service has; real ones end in five random characters.
    fn new_name(&self, names: &mut Vec<String>) -> String {
        let service = self.service["metadata"]["name"].as_str().unwrap_or_default();
        let free = (1_u32..).map(|n| format!("{service}-{n:05}")).find(|name| !names.contains(name));
        let name = free.unwrap_or_default();
        names.push(name.clone());
        name
    }

    /// A slice.
    fn slice(&self, name: &str, family: &str, ports: Value, endpoints: Vec<Value>) -> Value {
        let metadata = &self.service["metadata"];
        let mut labels = metadata["labels"].as_object().cloned().unwrap_or_default();
        labels.insert(SERVICE_NAME.to_owned(), metadata["name"].clone());
        labels.insert(MANAGED_BY.to_owned(), json!(self.manager));
        if self.service["spec"]["clusterIP"] == "None" {
            labels.insert("service.kubernetes.io/headless".to_owned(), json!(""));
        }
        let owner = json!({
            "apiVersion": "v1", "kind": "Service", "name": metadata["name"], "uid": metadata["uid"],
            "controller": true, "blockOwnerDeletion": true,
        });
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": family, "ports": ports,
            "endpoints": endpoints,
            "metadata": {
                "name": name, "namespace": metadata["namespace"], "labels": labels, "ownerReferences": [owner],
            },
        })
    }
}

/// Distributes the endpoints wanted over slices. At least one slice comes out.
fn place(old: Placed, wanted: Vec<Value>, packing: Packing) -> Placed {
    let address = |endpoint: &Value| endpoint["addresses"][0].as_str().unwrap_or_default().to_owned();
    // By address, with the place in the order; an address that is there twice counts once.
    let mut rest: HashMap<String, (usize, Value)> =
        wanted.into_iter().enumerate().map(|(at, endpoint)| (address(&endpoint), (at, endpoint))).collect();
    let mut slices: Placed = Vec::new();
    for (name, held) in old {
        let mut stays = Vec::new();
        if packing == Packing::Stay {
            stays.extend(held.iter().filter_map(|endpoint| rest.remove(&address(endpoint))).map(|(_, e)| e));
        }
        slices.push((name, stays));
    }
    let mut rest: Vec<_> = rest.into_values().collect();
    rest.sort_by_key(|(at, _)| *at);
    let mut rest = rest.into_iter().map(|(_, endpoint)| endpoint).peekable();
    for (_, slice) in &mut slices {
        let room = PER_SLICE.saturating_sub(slice.len());
        slice.extend(rest.by_ref().take(room));
    }
    while rest.peek().is_some() {
        slices.push((None, rest.by_ref().take(PER_SLICE).collect()));
    }
    let is_empty = slices.iter().all(|(_, endpoints)| endpoints.is_empty());
    if is_empty {
        slices.truncate(1);
        if slices.is_empty() {
            slices.push((None, Vec::new()));
        }
    } else {
        slices.retain(|(_, endpoints)| !endpoints.is_empty());
    }
    slices
}

/// Whether a slice is to be written: anything but what the server and the trigger add.
fn differs(before: &Value, after: &Value) -> bool {
    let labels = |v: &Value| v["metadata"]["labels"].clone();
    labels(before) != labels(after)
        || ["addressType", "ports", "endpoints"].iter().any(|field| before[field] != after[field])
}
