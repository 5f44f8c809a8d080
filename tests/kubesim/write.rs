//! Writes over HTTP: create, replace, patch, delete.
//! Knows no sockets; patches are merged recursively, lists replaced whole.

use std::sync::Arc;

use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::body::{self, Body};
use crate::load;
use crate::negotiate::Shape;
use crate::object::{Form, Object, identity, key_of};
use crate::request::Target;
use crate::resource::{RESOURCES, Resource};
use crate::status::Refusal;
use crate::store::Store;

/// A write as it came.
pub(crate) struct Write<'a> {
    /// HTTP method.
    pub(crate) method: &'a Method,
    /// What is written.
    pub(crate) target: &'a Target,
    /// `Content-Type` without parameters.
    pub(crate) content_type: &'a str,
    /// The body.
    pub(crate) body: &'a [u8],
    /// What the answer is to look like.
    pub(crate) shape: Shape,
}

/// Carries a write out. Two writers at once may pass each other between reading and storing: last one wins.
pub(crate) fn write(store: &Store, write: &Write<'_>) -> Result<Response<Body>, Refusal> {
    match (write.method, &write.target.name) {
        (&Method::POST, None) => create(store, write),
        (&Method::PUT, Some(name)) => replace(store, write, name),
        (&Method::PATCH, Some(name)) => patch(store, write, name),
        (&Method::DELETE, Some(name)) => delete(store, write, name),
        _ => Err(Refusal::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )),
    }
}

/// POST.
fn create(store: &Store, write: &Write<'_>) -> Result<Response<Body>, Refusal> {
    let target = write.target;
    let mut value = decode(write)?;
    place(&mut value, target)?;
    let metadata = &mut value["metadata"];
    if metadata["name"].as_str().unwrap_or_default().is_empty()
        && let Some(prefix) = metadata["generateName"].as_str()
    {
        metadata["name"] = json!(format!("{prefix}{}", store.version()));
    }
    let name = value["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    if name.is_empty() {
        return Err(Refusal::new(
            422,
            "Invalid",
            format!("{}: name or generateName is required", target.resource.kind),
        ));
    }
    if store.get(target.resource, &key(target, &name)).is_some() {
        return Err(Refusal::already_exists(target.resource, &name));
    }
    need_namespace(store, target)?;
    Ok(show(StatusCode::CREATED, write.shape, &store.put(target.resource, value)))
}

/// PUT.
fn replace(store: &Store, write: &Write<'_>, name: &str) -> Result<Response<Body>, Refusal> {
    let resource = write.target.resource;
    let mut value = decode(write)?;
    place(&mut value, write.target)?;
    if value["metadata"]["name"] != *name {
        return Err(Refusal::bad_request("the name of the object does not match the name on the URL"));
    }
    let old = store.get(resource, &key(write.target, name)).ok_or_else(|| Refusal::not_found(resource, name))?;
    if value["metadata"]["resourceVersion"].as_str().is_some_and(|v| !v.is_empty() && v != old.version.to_string()) {
        return Err(Refusal::conflict(resource, name));
    }
    Ok(show(StatusCode::OK, write.shape, &put_if_changed(store, &old, value)))
}

/// PATCH: merge patch, strategic merge patch as plain recursive merge, and apply, which also creates.
fn patch(store: &Store, write: &Write<'_>, name: &str) -> Result<Response<Body>, Refusal> {
    let resource = write.target.resource;
    let is_apply = write.content_type.starts_with("application/apply-patch");
    if !is_apply
        && !matches!(write.content_type, "application/merge-patch+json" | "application/strategic-merge-patch+json")
    {
        return Err(unsupported(write.content_type));
    }
    let patch = decode(write)?;
    if let Some(old) = store.get(resource, &key(write.target, name)) {
        let mut value = old.value();
        merge(&mut value, patch);
        place(&mut value, write.target)?;
        return Ok(show(StatusCode::OK, write.shape, &put_if_changed(store, &old, value)));
    }
    if !is_apply {
        return Err(Refusal::not_found(resource, name));
    }
    let mut value = patch;
    place(&mut value, write.target)?;
    value["metadata"]["name"] = json!(name);
    need_namespace(store, write.target)?;
    Ok(show(StatusCode::CREATED, write.shape, &store.put(resource, value)))
}

/// DELETE. A namespace takes its objects with it.
fn delete(store: &Store, write: &Write<'_>, name: &str) -> Result<Response<Body>, Refusal> {
    let resource = write.target.resource;
    let key = key(write.target, name);
    let old = store.get(resource, &key).ok_or_else(|| Refusal::not_found(resource, name))?;
    if resource.kind == "Namespace" {
        empty_namespace(store, name);
    }
    store.delete(resource, &key);
    let details = json!({"name": name, "group": resource.group, "kind": resource.plural,
        "uid": old.value()["metadata"]["uid"]});
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
    Ok(body::status(StatusCode::OK, write.shape.format, &status))
}

/// Deletes every object in a namespace.
fn empty_namespace(store: &Store, name: &str) {
    for resource in RESOURCES.iter().filter(|r| r.namespaced) {
        let (_, objects) = store.current(resource, &format!("{name}/"));
        for object in objects.iter().take_while(|object| object.namespace() == name) {
            store.delete(resource, &object.key);
        }
    }
}

/// Merges a value into the object it names, or creates it.
pub(crate) fn apply(store: &Store, resource: &'static Resource, value: Value) {
    let (namespace, name) = identity(resource, &value);
    let Some(old) = store.get(resource, &key_of(namespace.as_deref(), &name)) else {
        store.put(resource, value);
        return;
    };
    let mut merged = old.value();
    merge(&mut merged, value);
    put_if_changed(store, &old, merged);
}

/// Stores a new state, unless it is the old one: then no new version comes about, as in real servers.
fn put_if_changed(store: &Store, old: &Arc<Object>, mut value: Value) -> Arc<Object> {
    let before = old.value();
    for field in ["resourceVersion", "uid", "creationTimestamp"] {
        value["metadata"][field] = before["metadata"][field].clone();
    }
    if value == before { Arc::clone(old) } else { store.put(old.resource, value) }
}

/// Merges a patch into a value (RFC 7396 §2).
pub(crate) fn merge(value: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *value = patch;
        return;
    };
    if !value.is_object() {
        *value = json!({});
    }
    for (key, part) in patch {
        match (part, value.as_object_mut()) {
            (Value::Null, Some(map)) => drop(map.remove(&key)),
            (part, Some(map)) => merge(map.entry(key).or_insert(Value::Null), part),
            (_, None) => {}
        }
    }
}

/// Reads the body; apply takes YAML.
fn decode(write: &Write<'_>) -> Result<Value, Refusal> {
    let value = match write.content_type {
        "" | "application/json" | "application/merge-patch+json" | "application/strategic-merge-patch+json" => {
            serde_json::from_slice(write.body).map_err(|error| error.to_string())
        }
        "application/yaml" | "application/apply-patch+yaml" | "application/apply-patch+json" => {
            load::one_yaml(&String::from_utf8_lossy(write.body))
        }
        other => return Err(unsupported(other)),
    };
    let value = value.map_err(|error| Refusal::bad_request(format!("unable to decode the body: {error}")))?;
    if value.is_object() { Ok(value) } else { Err(Refusal::bad_request("the body is not an object")) }
}

/// 415.
fn unsupported(content_type: &str) -> Refusal {
    let message = format!("the body of the request was in an unknown format: {content_type:?}");
    Refusal::new(415, "UnsupportedMediaType", message)
}

/// Checks kind and namespace of an object against the path, and fills in the namespace.
fn place(value: &mut Value, target: &Target) -> Result<(), Refusal> {
    let resource = target.resource;
    let kind = value["kind"].as_str().unwrap_or(resource.kind);
    if Resource::by_kind(value["apiVersion"].as_str(), kind) != Some(resource) {
        return Err(Refusal::bad_request(format!("{kind} in the body does not match {} on the URL", resource.kind)));
    }
    let Some(namespace) = &target.namespace else { return Ok(()) };
    if !value["metadata"].is_object() {
        value["metadata"] = json!({});
    }
    if value["metadata"]["namespace"].as_str().is_some_and(|n| !n.is_empty() && n != namespace) {
        let message = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Refusal::bad_request(message));
    }
    value["metadata"]["namespace"] = json!(namespace);
    Ok(())
}

/// Refuses to create in a namespace that does not exist.
fn need_namespace(store: &Store, target: &Target) -> Result<(), Refusal> {
    let Some(namespace) = &target.namespace else { return Ok(()) };
    let Some(resource) = Resource::by_kind(None, "Namespace") else { return Ok(()) };
    store.get(resource, namespace).map(drop).ok_or_else(|| Refusal::not_found(resource, namespace))
}

/// The key of an object under a path.
pub(crate) fn key(target: &Target, name: &str) -> String {
    key_of(target.namespace.as_deref(), name)
}

/// An answer that shows an object.
fn show(code: StatusCode, shape: Shape, object: &Object) -> Response<Body> {
    let form = if shape.part.is_some() { Form::Metadata } else { Form::Whole };
    body::typed(code, shape.format.media_type(), body::whole(object.bytes(form, shape.format)))
}
