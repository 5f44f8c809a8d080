//! What clients ask about the server itself: version, types, a little OpenAPI.
//! Knows no objects.

use http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::body::{self, Body};
use crate::resource::{RESOURCES, Resource};

/// The release that the server says it is.
const GIT_VERSION: &str = "v1.35.0";

/// What can be done with every type.
const VERBS: [&str; 7] = ["create", "delete", "get", "list", "patch", "update", "watch"];

/// Answers a path that is not about objects, if it has a meaning.
pub(crate) fn answer(path: &str, accept: &str) -> Option<Response<Body>> {
    let is_aggregated = accept.contains("as=APIGroupDiscoveryList");
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let value = match *parts.as_slice() {
        ["healthz" | "livez" | "readyz", ..] => {
            return Some(body::typed(StatusCode::OK, "text/plain; charset=utf-8", body::whole("ok")));
        }
        ["version"] => version(),
        ["api" | "apis"] if is_aggregated => return Some(aggregated(path, accept)),
        ["api"] => json!({"kind": "APIVersions", "versions": ["v1"]}),
        ["apis"] => {
            let groups: Vec<_> = groups().into_iter().filter(|g| !g.is_empty()).map(group).collect();
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
        }
        ["api", "v1"] => types(""),
        ["apis", name] if groups().contains(&name) => {
            let mut group = group(name);
            group["kind"] = json!("APIGroup");
            group["apiVersion"] = json!("v1");
            group
        }
        ["apis", name, version] if RESOURCES.iter().any(|r| r.group == name && r.version == version) => types(name),
        ["openapi", "v3"] => openapi_index(),
        ["openapi", "v3", "api", "v1"] => openapi(""),
        ["openapi", "v3", "apis", name, _] if groups().contains(&name) => openapi(name),
        _ => return None,
    };
    Some(body::json(StatusCode::OK, &value))
}

/// The answer to `/version`.
fn version() -> Value {
    json!({
        "major": "1", "minor": "35", "gitVersion": GIT_VERSION, "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "2026-01-01T00:00:00Z", "goVersion": "", "compiler": "rustc", "platform": "linux/amd64",
    })
}

/// The groups, core first.
fn groups() -> Vec<&'static str> {
    let mut groups: Vec<_> = RESOURCES.iter().map(|r| r.group).collect();
    groups.dedup();
    groups
}

/// The types of a group.
fn members(group: &str) -> impl Iterator<Item = &'static Resource> {
    RESOURCES.iter().filter(move |r| r.group == group)
}

/// The one version of a group.
fn group_version(group: &str) -> &'static str {
    members(group).next().map_or("v1", |r| r.version)
}

/// An `APIGroup` without its own kind.
fn group(name: &str) -> Value {
    let version = group_version(name);
    let version = json!({"groupVersion": format!("{name}/{version}"), "version": version});
    json!({"name": name, "versions": [version], "preferredVersion": version})
}

/// An `APIResourceList`.
fn types(group: &str) -> Value {
    let types: Vec<_> = members(group)
        .map(|r| {
            json!({
                "name": r.plural, "singularName": r.singular, "namespaced": r.namespaced, "kind": r.kind,
                "verbs": VERBS, "shortNames": r.short,
            })
        })
        .collect();
    let version = members(group).next().map(Resource::api_version).unwrap_or_default();
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": types})
}

/// An `APIGroupDiscoveryList` for `/api` (the core group) or `/apis` (the others), in the version that is asked for first.
fn aggregated(path: &str, accept: &str) -> Response<Body> {
    let is_core = path.trim_matches('/') == "api";
    let items: Vec<_> = groups().into_iter().filter(|g| g.is_empty() == is_core).map(aggregated_group).collect();
    let is_v2 = accept.contains("v=v2;") || accept.ends_with("v=v2") || !accept.contains("v=v2beta1");
    let (version, content_type) = if is_v2 {
        ("v2", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
    } else {
        ("v2beta1", "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList")
    };
    let value = json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": format!("apidiscovery.k8s.io/{version}"),
        "metadata": {}, "items": items,
    });
    body::typed(StatusCode::OK, content_type, body::whole(value.to_string()))
}

/// One group of an `APIGroupDiscoveryList`.
fn aggregated_group(group: &str) -> Value {
    let types: Vec<_> = members(group)
        .map(|r| {
            json!({
                "resource": r.plural, "singularResource": r.singular, "verbs": VERBS, "shortNames": r.short,
                "responseKind": {"group": r.group, "version": r.version, "kind": r.kind},
                "scope": if r.namespaced { "Namespaced" } else { "Cluster" },
            })
        })
        .collect();
    let versions = json!([{"version": group_version(group), "resources": types, "freshness": "Current"}]);
    json!({"metadata": {"name": group, "creationTimestamp": null}, "versions": versions})
}

/// Where a group's types are found: `api/v1` or `apis/group/version`.
fn root(group: &str) -> String {
    let version = group_version(group);
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

/// The list of OpenAPI documents.
fn openapi_index() -> Value {
    let entry = |group| {
        let root = root(group);
        (root.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{root}?hash=1")}))
    };
    json!({"paths": groups().into_iter().map(entry).collect::<serde_json::Map<_, _>>()})
}

/// The OpenAPI document of a group: for each type one PATCH with a `fieldValidation` parameter, which is what kubectl
/// looks for, and no schemas.
fn openapi(group: &str) -> Value {
    let path = |r: &Resource| {
        let place = if r.namespaced { "namespaces/{namespace}/" } else { "" };
        let patch = json!({
            "operationId": format!("patch{}", r.kind),
            "parameters": [{"name": "fieldValidation", "in": "query", "schema": {"type": "string", "uniqueItems": true}}],
            "responses": {"200": {"description": "OK"}},
            "x-kubernetes-action": "patch",
            "x-kubernetes-group-version-kind": {"group": r.group, "version": r.version, "kind": r.kind},
        });
        (format!("/{}/{place}{}/{{name}}", root(r.group), r.plural), json!({"patch": patch}))
    };
    let paths: serde_json::Map<_, _> = members(group).map(path).collect();
    json!({"openapi": "3.0.0", "info": {"title": "kubesim", "version": GIT_VERSION}, "paths": paths})
}
