//! Manifests as people and kubectl write them: what is read, what follows, what is refused, what changes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;

use super::cluster::Cluster;
use super::held::Held;
use super::{ManifestError, Manifests, Reader, read};
use crate::kubernetes::endpoints::Endpoint;
use crate::kubernetes::objects::{Change, Key, Kind, Object};
use crate::kubernetes::source::selector::Selector;
use crate::kubernetes::source::{Wanted, feed};
use crate::trial::Logged;

/// A folder of its own for one test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    /// Makes an empty folder.
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("ferrodns-manifests-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes a file as a whole, so that no reader sees half of it.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let (draft, path) = (self.0.join(".draft"), self.0.join(name));
        std::fs::write(&draft, text).unwrap();
        std::fs::rename(draft, &path).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Wants everything.
fn all() -> Wanted {
    Wanted { kinds: Kind::ALL.to_vec(), ..Wanted::default() }
}

/// Reads one file.
fn read_file(path: &Path, wanted: &Wanted) -> Result<Vec<Object>, ManifestError> {
    let (mut cluster, mut found) = (Cluster::new(wanted), Vec::new());
    read::read(path, &mut |written| cluster.take(written, &mut |object| found.push(object)))?;
    cluster.finish(&mut |object| found.push(object));
    Ok(found)
}

/// Reads `text` as a file called `name`.
fn read_as(name: &str, text: &str, wanted: &Wanted) -> Result<Vec<Object>, ManifestError> {
    let folder = Folder::new();
    read_file(&folder.write(name, text), wanted)
}

/// Names the objects of a text, as `kind namespace/name`, sorted.
fn names(text: &str, wanted: &Wanted) -> Vec<String> {
    let name = |object: &Object| {
        let Key { kind, namespace, name } = object.key();
        format!("{kind:?} {namespace}/{name}")
    };
    let mut names: Vec<String> = read_as("a.yaml", text, wanted).unwrap().iter().map(name).collect();
    names.sort();
    names
}

/// Returns line, column and message of the error of `text`.
fn error(name: &str, text: &str) -> (u64, u64, String) {
    let error = read_as(name, text, &all()).unwrap_err();
    let (line, column) = error.at.unwrap();
    (line, column, error.message)
}

/// One of everything, as `kubectl get -o yaml` prints it: fields sorted by name, kinds last.
const DUMP: &str = "\
apiVersion: v1
items:
- apiVersion: v1
  kind: Namespace
  metadata:
    annotations: null
    creationTimestamp: null
    name: prod
- apiVersion: v1
  kind: Service
  metadata:
    labels:
      app: web
    name: web
    namespace: prod
    resourceVersion: \"12\"
  spec:
    clusterIP: 10.0.0.1
    clusterIPs:
    - 10.0.0.1
    internalTrafficPolicy: Cluster
    ports:
    - name: http
      port: 80
      protocol: TCP
      targetPort: 8080
    selector:
      app: web
  status:
    loadBalancer: {}
- addressType: IPv4
  apiVersion: discovery.k8s.io/v1
  endpoints:
  - addresses:
    - 10.1.0.1
    conditions:
      ready: true
  kind: EndpointSlice
  metadata:
    labels:
      kubernetes.io/service-name: web
    name: web-x1
    namespace: prod
  ports:
  - name: http
    port: 8080
    protocol: TCP
- apiVersion: v1
  kind: Pod
  metadata:
    name: web-0
    namespace: prod
  spec:
    containers:
    - name: c
      ports: null
  status:
    podIP: 10.1.0.1
- apiVersion: apps/v1
  kind: Deployment
  metadata:
    name: web
  spec:
    selector:
      matchLabels:
        app: web
kind: List
metadata:
  resourceVersion: \"\"
";

#[test]
fn a_dump_is_read_with_kinds_last() {
    let expected =
        ["EndpointSlice prod/web-x1", "Namespace /prod", "Pod prod/web-0", "Service prod/web"].map(str::to_owned);
    let wanted = Wanted { kinds: vec![Kind::Namespace, Kind::Service, Kind::EndpointSlice, Kind::Pod], ..all() };
    assert_eq!(names(DUMP, &wanted), expected);
    let objects = read_as("a.yaml", DUMP, &wanted).unwrap();
    let Some(Object::EndpointSlice(slice)) = objects.iter().find(|o| o.kind() == Kind::EndpointSlice) else {
        panic!("no slice")
    };
    assert_eq!(slice.endpoints.iter().next().unwrap().address, "10.1.0.1");
    assert_eq!(slice.ports[0].port, Some(8080));
    assert_eq!(slice.metadata.label("kubernetes.io/service-name"), Some("web"));
}

#[test]
fn json_yaml_and_order_of_fields_make_no_difference() {
    let yaml = read_as("a.yaml", DUMP, &all()).unwrap();
    let value: serde_json::Value = serde_saphyr::from_str(DUMP).unwrap();
    for name in ["a.json", "noextension", "a.yml"] {
        assert_eq!(read_as(name, &value.to_string(), &all()).unwrap(), yaml, "{name}");
    }
    let strange = "spec: {clusterIP: 10.0.0.1}\nmetadata: {name: a}\nkind: Service\napiVersion: v1\n";
    let usual = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {clusterIP: 10.0.0.1}\n";
    assert_eq!(read_as("a.yaml", strange, &all()), read_as("a.yaml", usual, &all()));
    let strange =
        r#"{"items":[{"metadata":{"name":"a"},"kind":"Service","apiVersion":"v1"}],"kind":"List","apiVersion":"v1"}"#;
    assert_eq!(names(strange, &all()), ["Namespace /default", "Service default/a"]);
}

#[test]
fn several_documents_and_lists_of_one_kind() {
    let text = "\
# a comment
---
apiVersion: v1
kind: Service
metadata: {name: a}
---

---  # nothing
--- {apiVersion: v1, kind: Namespace, metadata: {name: b}}
---
kind: ServiceList
apiVersion: v1
metadata: {resourceVersion: '7'}
items:
- metadata: {name: c, namespace: b}
- metadata: {name: d, namespace: b}
...
---
kind: List
apiVersion: v1
items: null
---
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: other}
spec: {ports: nonsense}
";
    assert_eq!(names(text, &all()), ["Namespace /b", "Service b/c", "Service b/d", "Service default/a"]);
}

#[test]
fn json_values_may_follow_one_another() {
    let text = r#" {"apiVersion":"v1","kind":"Service","metadata":{"name":"a"}}
        {"kind":"ServiceList","apiVersion":"v1","metadata":{},"items":[{"metadata":{"name":"b","namespace":"n"}}]} "#;
    let found = read_as("a.json", text, &all()).unwrap();
    assert_eq!(found.len(), 4);
}

#[test]
fn empty_files_hold_nothing() {
    for text in ["", "\n# only this\n", "---\n---\n", "{}"] {
        let name = if text == "{}" { "a.yaml" } else { "a.json" };
        let found = read_as(if text.trim().is_empty() { name } else { "a.yaml" }, text, &all());
        assert_eq!(found.is_ok(), text != "{}", "{text:?}: {found:?}");
    }
}

#[test]
fn errors_tell_line_and_column() {
    let bad_port = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  ports:\n  - port: http\n";
    let (line, column, message) = error("a.yaml", bad_port);
    assert_eq!((line, column), (6, 11), "{message}");
    let later = format!("# one\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\n---\n{bad_port}");
    let (line, column, message) = error("a.yaml", &later);
    assert_eq!((line, column), (12, 11), "{message}");
    assert!(!message.contains("line") && message.contains("i32"), "{message}");
    let json = "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\n\"metadata\":{\"name\":\"a\"},\n\"spec\":{\"ports\":[{\"port\":\"x\"}]}}";
    let (line, _, message) = error("a.json", json);
    assert_eq!((line, message.contains("line")), (3, false), "{message}");
    for (text, at, what) in [
        ("a: [1\n", (1, 4), "unclosed bracket"),
        ("metadata: {name: a}\n", (1, 1), "an object needs a kind"),
        ("kind: Service\nmetadata: {name: a}\n", (1, 1), "an object needs an apiVersion"),
        ("apiVersion: v1\nkind: Service\nmetadata: {}\n", (1, 1), "an object needs a metadata.name"),
        ("just text\n", (1, 1), "mapping"),
        ("apiVersion: v1\nitems:\n- {}\nkind: List\n", (3, 3), "an object needs a kind"),
        ("items:\n- apiVersion: v1\n  kind: Pod\n  metadata: {}\n", (2, 3), "an object needs a metadata.name"),
    ] {
        let (line, column, message) = error("a.yaml", text);
        assert!(message.contains(what), "{text:?}: {line}:{column}: {message}");
        assert_eq!((line, column), at, "{text:?}: {message}");
    }
}

#[test]
fn a_missing_file_is_an_error_without_a_place() {
    let error = read::files(Path::new("/nowhere/a.yaml")).unwrap_err();
    assert_eq!(error.to_string(), "/nowhere/a.yaml: No such file or directory (os error 2)");
}

#[test]
fn namespaces_follow_from_objects_unless_they_are_listed() {
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: x}\n";
    assert_eq!(names(service, &all()), ["Namespace /x", "Service x/a"]);
    let listed = format!("{service}---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: y}}\n");
    assert_eq!(names(&listed, &all()), ["Namespace /y", "Service x/a"]);
}

#[test]
fn selectors_choose() {
    let text = "\
{apiVersion: v1, kind: Namespace, metadata: {name: n1, labels: {env: prod}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: n2}}
---
{apiVersion: v1, kind: Service, metadata: {name: a, namespace: n1, labels: {app: web}}}
---
{apiVersion: v1, kind: Service, metadata: {name: b, namespace: n1}}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: i, namespace: n1, labels: {app: web,
  multicluster.kubernetes.io/service-name: a}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: done, namespace: n1, labels: {app: web}}, status: {phase: Succeeded}}
";
    let selector = |text| Selector::parse(text).unwrap();
    let labels = Wanted { labels: selector("app=web"), ..all() };
    let expected = ["EndpointSlice n1/i", "ImportedSlice n1/i", "Namespace /n1", "Namespace /n2", "Service n1/a"];
    assert_eq!(names(text, &labels), expected);
    let namespaces = Wanted {
        kinds: vec![Kind::Namespace],
        namespace_labels: selector("env in (prod),kubernetes.io/metadata.name"),
        ..all()
    };
    assert_eq!(names(text, &namespaces), ["Namespace /n1"]);
}

/// Returns the endpoints made for the services of `text`: slice, addresses, readiness, hostname, port.
fn endpoints(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    for object in read_as("a.yaml", text, &all()).unwrap() {
        let Object::EndpointSlice(slice) = object else { continue };
        let ports: Vec<String> =
            slice.ports.iter().map(|port| format!("{}/{}/{}", port.name, port.port.unwrap(), port.protocol)).collect();
        let line = |Endpoint { address, is_ready, hostname, pod, .. }: Endpoint<'_>| {
            format!("{address} {} {hostname} {pod}", if is_ready { "ready" } else { "not" })
        };
        let name = format!("{} [{}]", slice.metadata.name, ports.join(" "));
        found.insert(name, slice.endpoints.iter().map(line).collect());
    }
    found
}

/// Pods of all sorts, all labelled `app: web`.
const PODS: &str = "
---
apiVersion: v1
kind: Pod
metadata: {name: p1, labels: {app: web, x: y}}
spec: {hostname: one, subdomain: web, containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]}
status: {podIP: 10.1.0.1, podIPs: [{ip: 10.1.0.1}, {ip: 'fd00::1'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: p2, labels: {app: web}}
status: {podIP: 10.1.0.2, conditions: [{type: Ready, status: 'False'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: gone, labels: {app: web}, deletionTimestamp: '2026-01-01T00:00:00Z'}
status: {podIP: 10.1.0.3}
---
apiVersion: v1
kind: Pod
metadata: {name: failed, labels: {app: web}}
status: {phase: Failed, podIP: 10.1.0.4}
---
apiVersion: v1
kind: Pod
metadata: {name: pending, labels: {app: web}}
---
apiVersion: v1
kind: Pod
metadata: {name: other, labels: {app: db}}
status: {podIP: 10.1.0.5}
---
apiVersion: v1
kind: Pod
metadata: {name: elsewhere, namespace: other, labels: {app: web}}
status: {podIP: 10.1.0.6}
";

/// Returns the endpoints of a service `web` with this spec over [`PODS`].
fn of_service(spec: &str) -> Vec<(String, Vec<String>)> {
    let service = format!("apiVersion: v1\nkind: Service\nmetadata: {{name: web, labels: {{a: b}}}}\nspec: {spec}\n");
    endpoints(&format!("{service}{PODS}")).into_iter().collect()
}

/// Makes the expected form of one slice.
fn slice(name: &str, endpoints: &[&str]) -> (String, Vec<String>) {
    (name.to_owned(), endpoints.iter().map(|&line| line.to_owned()).collect())
}

#[test]
fn slices_are_made_from_pods() {
    assert_eq!(
        of_service(
            "{selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}, {name: dns, port: 53, protocol: UDP}]}"
        ),
        [slice(
            "web.0 [http/8080/TCP dns/53/UDP]",
            &["10.1.0.3 not  gone", "10.1.0.1 ready one p1", "10.1.0.2 not  p2"]
        )]
    );
}

#[test]
fn a_named_port_is_looked_up_in_each_pod() {
    assert_eq!(
        of_service("{selector: {app: web}, ports: [{port: 80, targetPort: http}]}"),
        [
            slice("web.0 []", &["10.1.0.3 not  gone", "10.1.0.2 not  p2"]),
            slice("web.1 [/8080/TCP]", &["10.1.0.1 ready one p1"])
        ]
    );
}

#[test]
fn not_ready_pods_are_published_if_asked() {
    assert_eq!(
        of_service("{clusterIP: None, selector: {app: web}, publishNotReadyAddresses: true}"),
        [slice("web.0 []", &["10.1.0.3 ready  gone", "10.1.0.1 ready one p1", "10.1.0.2 ready  p2"])]
    );
}

#[test]
fn address_families_are_those_of_the_service() {
    let six = ["fd00::1 ready one p1"];
    for spec in ["{selector: {x: y}, ipFamilies: [IPv6]}", "{selector: {x: y}, clusterIP: 'fd00::10'}"] {
        assert_eq!(of_service(spec), [slice("web.0 []", &six)], "{spec}");
    }
    let both = ["10.1.0.1 ready one p1", "fd00::1 ready one p1"];
    for spec in ["{selector: {x: y}, ipFamilyPolicy: PreferDualStack}", "{selector: {x: y}, ipFamilies: [IPv4, IPv6]}"]
    {
        assert_eq!(of_service(spec), [slice("web.0 []", &both)], "{spec}");
    }
    assert_eq!(of_service("{selector: {x: y}}"), [slice("web.0 []", &both[..1])]);
}

#[test]
fn slices_that_are_written_win() {
    let slice = "---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: mine, labels: {kubernetes.io/service-name: web}}
endpoints: [{addresses: [10.9.9.9]}]
ports: [{port: 1}]
";
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}}\n";
    let found = endpoints(&format!("{service}{PODS}{slice}"));
    // The protocol stays as written, none: an API server that has such a slice hands it out so, too.
    assert_eq!(found.into_keys().collect::<Vec<_>>(), ["mine [/1/]"]);
    assert!(of_service("{type: ExternalName, externalName: example.org, selector: {app: web}}").is_empty());
    assert!(of_service("{clusterIP: 10.0.0.1}").is_empty());
    assert!(of_service("{selector: {app: nobody}}").is_empty());
}

#[test]
fn slices_hold_a_hundred_endpoints_and_the_labels_of_the_service() {
    let mut text = "apiVersion: v1\nkind: Service\nmetadata: {name: web, labels: {a: b}}\nspec: {clusterIP: None, selector: {app: web}}\n".to_owned();
    for at in 0..250 {
        let (high, low) = (at / 250, at % 250);
        text += &format!(
            "---\n{{apiVersion: v1, kind: Pod, metadata: {{name: p{at:03}, labels: {{app: web}}}}, status: {{podIP: 10.1.{high}.{low}}}}}\n"
        );
    }
    let wanted = Wanted { labels: Selector::parse("a=b").unwrap(), ..all() };
    let slices: Vec<usize> = read_as("a.yaml", &text, &wanted)
        .unwrap()
        .iter()
        .filter_map(|object| match object {
            Object::EndpointSlice(slice) => Some(slice.endpoints.len()),
            _ => None,
        })
        .collect();
    assert_eq!(slices, [100, 100, 50]);
}

/// Starts to read `path`, looking often, and returns what comes out.
async fn start(path: PathBuf) -> (Result<super::Running, ManifestError>, mpsc::Receiver<Change>) {
    let (feed, changes) = feed();
    let manifests = Manifests { look: Duration::from_millis(5), ..Manifests::new(vec![path]) };
    let wanted = Wanted { kinds: vec![Kind::Namespace, Kind::Service, Kind::EndpointSlice], ..Wanted::default() };
    (manifests.start(&wanted, feed).await, changes)
}

/// Takes `count` changes in short form.
async fn take(changes: &mut mpsc::Receiver<Change>, count: usize) -> Vec<String> {
    let mut taken = Vec::new();
    for _ in 0..count {
        taken.push(match changes.recv().await.unwrap() {
            Change::ListBegin(kind) => format!("begin {kind:?}"),
            Change::ListEnd(kind) => format!("end {kind:?}"),
            Change::Reached(kind, version) => format!("reached {kind:?} {version}"),
            Change::Apply(object) => format!("apply {}", object.metadata().name),
            Change::Delete(gone) => format!("delete {}", gone.key.name),
        });
    }
    taken
}

/// A service with an address.
fn service(name: &str, address: &str) -> String {
    format!("---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{clusterIP: {address}}}\n")
}

#[tokio::test]
async fn changed_files_are_told_object_by_object() {
    let folder = Folder::new();
    folder.write("a.yaml", &(service("a", "10.0.0.1") + &service("b", "10.0.0.2")));
    let (running, mut changes) = start(folder.0.clone()).await;
    let lists = ["begin Namespace", "begin Service", "begin EndpointSlice", "apply a", "apply b", "apply default"];
    assert_eq!(take(&mut changes, 6).await, lists);
    assert_eq!(take(&mut changes, 3).await, ["end Namespace", "end Service", "end EndpointSlice"]);
    folder.write("a.yaml", &(service("a", "10.0.0.1") + &service("b", "10.0.0.3")));
    assert_eq!(take(&mut changes, 1).await, ["apply b"]);
    folder.write("b.yaml", &service("c", "10.0.0.4"));
    assert_eq!(take(&mut changes, 1).await, ["apply c"]);
    folder.write("a.yaml", "not an object\n");
    folder.write("a.yaml", &service("c", "10.0.0.5"));
    std::fs::remove_file(folder.0.join("b.yaml")).unwrap();
    let mut last = take(&mut changes, 3).await;
    last.sort();
    assert_eq!(last, ["apply c", "delete a", "delete b"]);
    running.unwrap().stop().await;
    assert!(changes.recv().await.is_none());
}

#[tokio::test]
async fn a_swapped_link_is_seen() {
    let folder = Folder::new();
    let make = |name: &str, address: &str| {
        std::fs::create_dir(folder.0.join(name)).unwrap();
        std::fs::write(folder.0.join(name).join("a.yaml"), service("a", address)).unwrap();
    };
    make("..one", "10.0.0.1");
    make("..two", "10.0.0.2");
    let link = |target: &str| {
        std::os::unix::fs::symlink(target, folder.0.join("..new")).unwrap();
        std::fs::rename(folder.0.join("..new"), folder.0.join("..data")).unwrap();
    };
    link("..one");
    std::os::unix::fs::symlink("..data/a.yaml", folder.0.join("a.yaml")).unwrap();
    let (running, mut changes) = start(folder.0.clone()).await;
    take(&mut changes, 8).await;
    link("..two");
    let Change::Apply(Object::Service(service)) = changes.recv().await.unwrap() else { panic!("no service") };
    assert_eq!(&*service.spec.cluster_ip, "10.0.0.2");
    running.unwrap().stop().await;
}

#[tokio::test]
async fn a_broken_file_fails_the_start() {
    let folder = Folder::new();
    let path = folder.write("a.yaml", "apiVersion: v1\nkind: Service\nmetadata: []\n");
    let (running, _changes) = start(path.clone()).await;
    let text = running.unwrap_err().to_string();
    assert!(text.starts_with(&format!("{}:3:11: ", path.display())), "{text}");
}

#[test]
fn endpoints_without_slices_are_warned_of() {
    let text = "
apiVersion: v1
kind: Endpoints
metadata: {name: db}
subsets: [{addresses: [{ip: 10.9.0.1}], ports: [{name: pg, port: 5432}]}]
---
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: None}
";
    let lines = |text: &str| Logged::during(|| drop(read_as("a.yaml", text, &all()).unwrap()));
    let line = "Endpoints default/db in manifests and 0 more have no effect: DNS reads EndpointSlices, so put those of the \
        cluster beside them";
    assert_eq!(lines(text), [format!("[WARN] plugin/kubernetes: {line}")]);
    // A dump of a cluster has both; a service that chooses pods gets its slices from them.
    let slice = "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
        metadata: {name: own, labels: {kubernetes.io/service-name: db}}\naddressType: IPv4\nendpoints: []\n";
    assert!(lines(&format!("{text}{slice}")).is_empty());
    assert!(lines(&text.replace("clusterIP: None", "selector: {a: b}")).is_empty());
}

#[test]
fn a_folder_without_manifests_is_warned_of() {
    let folder = Folder::new();
    folder.write("Corefile", ". {\n}\n");
    let mut reader = Reader { paths: vec![folder.0.clone()], wanted: all(), held: Held::default(), seen: None };
    let (feed, _changes) = feed();
    let path = folder.0.display();
    let line = format!("no manifests in folder {path} (files *.yaml, *.yml, *.json), so it holds no objects");
    assert_eq!(Logged::during(|| reader.first(&feed).unwrap()), [format!("[WARN] plugin/kubernetes: {line}")]);
}
