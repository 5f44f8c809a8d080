//! Writes over HTTP, discovery, loading.

use kubesim::KubeSim;
use serde_json::json;

use crate::client::{get, write};

/// Where the services of the namespace `default` are.
const HERE: &str = "/api/v1/namespaces/default/services";

/// A server with the namespace `default`.
async fn with_default() -> KubeSim {
    let sim = KubeSim::start().await.unwrap();
    sim.put(json!({"kind": "Namespace", "metadata": {"name": "default"}}));
    sim
}

#[tokio::test]
async fn objects_are_created_replaced_patched_and_deleted() {
    let sim = with_default().await;
    let json_type = "application/json";
    let body = r#"{"kind":"Service","apiVersion":"v1","metadata":{"name":"web"},"spec":{"ports":[{"port":80}]}}"#;
    let created = write(&sim, "POST", HERE, json_type, body).await;
    assert_eq!(created.code, 201);
    assert_eq!(created.json()["metadata"]["namespace"], "default");
    assert_eq!(write(&sim, "POST", HERE, json_type, body).await.code, 409);
    let elsewhere = write(&sim, "POST", "/api/v1/namespaces/nowhere/services", json_type, body).await;
    assert_eq!((elsewhere.code.as_u16(), elsewhere.json()["reason"].clone()), (404, json!("NotFound")));

    let web = format!("{HERE}/web");
    let mut value = created.json();
    value["spec"]["ports"][0]["port"] = json!(81);
    let replaced = write(&sim, "PUT", &web, json_type, &value.to_string()).await;
    assert_eq!((replaced.code.as_u16(), replaced.json()["spec"]["ports"][0]["port"].clone()), (200, json!(81)));
    assert_eq!(replaced.json()["metadata"]["uid"], created.json()["metadata"]["uid"]);
    assert_eq!(write(&sim, "PUT", &web, json_type, &value.to_string()).await.code, 409, "an older version");

    let version = sim.version();
    let patch = r#"{"metadata":{"labels":{"a":"b","c":null}}}"#;
    for kind in ["application/merge-patch+json", "application/strategic-merge-patch+json; charset=utf-8"] {
        let patched = write(&sim, "PATCH", &web, kind, patch).await;
        assert_eq!(patched.json()["metadata"]["labels"], json!({"a": "b"}));
        assert_eq!(sim.version(), version + 1, "a patch that changes nothing makes no version");
    }
    let apply = "application/apply-patch+yaml";
    let yaml = "apiVersion: v1\nkind: Service\nmetadata:\n  labels:\n    a: z\n";
    assert_eq!(write(&sim, "PATCH", &web, apply, yaml).await.json()["metadata"]["labels"]["a"], "z");
    assert_eq!(write(&sim, "PATCH", &format!("{HERE}/new"), apply, yaml).await.code, 201);
    assert_eq!(write(&sim, "PATCH", &web, "application/json-patch+json", "[]").await.code, 415);
    assert_eq!(write(&sim, "POST", HERE, "application/vnd.kubernetes.protobuf", "k8s").await.code, 415);

    assert_eq!(write(&sim, "DELETE", &web, json_type, "").await.json()["status"], "Success");
    assert_eq!(write(&sim, "DELETE", &web, json_type, "").await.code, 404);
    assert_eq!(write(&sim, "DELETE", "/api/v1/namespaces/default", json_type, "").await.code, 200);
    assert_eq!(sim.objects("services").len(), 0, "a namespace takes its objects with it");
}

#[tokio::test]
async fn forbidden_types_are_403() {
    let sim = with_default().await;
    sim.load_yaml("kind: List\nitems:\n- {kind: FakeApi, forbid: [services]}\n").unwrap();
    let refusal = get(&sim, "/api/v1/services").await;
    assert_eq!(refusal.code, 403);
    let message = refusal.json()["message"].as_str().unwrap().to_owned();
    assert!(message.ends_with(r#"cannot list resource "services" in API group "" at the cluster scope"#), "{message}");
    assert_eq!(get(&sim, "/api/v1/services?watch=true").await.code, 403);
    assert_eq!(get(&sim, "/api/v1/pods").await.code, 200);
    sim.allow("services");
    assert_eq!(get(&sim, "/api/v1/services").await.code, 200);
}
