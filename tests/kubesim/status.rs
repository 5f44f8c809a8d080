//! Refusals: a `Status` object and its HTTP code.
//! Knows no request; says what real servers say.

use serde_json::{Value, json};

use crate::resource::Resource;

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    /// HTTP code.
    pub(crate) code: u16,
    /// Machine-readable reason, as `NotFound`.
    pub(crate) reason: &'static str,
    /// Sentence.
    pub(crate) message: String,
    /// The `details` object, or null.
    pub(crate) details: Value,
    /// A token with which a paged LIST may go on, less consistent.
    pub(crate) continue_token: Option<String>,
}

impl Refusal {
    /// A refusal without details.
    pub(crate) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Value::Null, continue_token: None }
    }

    /// 400.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 422 for an option that makes no sense, with the reason for machines.
    pub(crate) fn invalid(cause: &'static str, message: impl Into<String>) -> Self {
        let mut refusal = Self::new(422, "Invalid", message);
        refusal.details = json!({"causes": [{"reason": cause, "message": refusal.message}]});
        refusal
    }

    /// 404 for a path without meaning.
    pub(crate) fn no_such_path() -> Self {
        let mut refusal = Self::new(404, "NotFound", "the server could not find the requested resource");
        refusal.details = json!({});
        refusal
    }

    /// 404 for an object.
    pub(crate) fn not_found(resource: &Resource, name: &str) -> Self {
        Self::about(404, "NotFound", resource, name, "not found")
    }

    /// 409 for an object that is there already.
    pub(crate) fn already_exists(resource: &Resource, name: &str) -> Self {
        Self::about(409, "AlreadyExists", resource, name, "already exists")
    }

    /// 409 for a write upon an older version.
    pub(crate) fn conflict(resource: &Resource, name: &str) -> Self {
        let mut refusal = Self::about(409, "Conflict", resource, name, "");
        refusal.message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": the object has been modified; please apply your changes to \
             the latest version and try again",
            qualified(resource)
        );
        refusal
    }

    /// 410: the version is older than what is remembered.
    pub(crate) fn expired(asked: u64, oldest: u64) -> Self {
        Self::new(410, "Expired", format!("too old resource version: {asked} ({oldest})"))
    }

    /// 504: the version has not come yet.
    pub(crate) fn too_large(asked: u64, current: u64) -> Self {
        let message = format!("Too large resource version: {asked}, current: {current}");
        let mut refusal = Self::new(504, "Timeout", format!("Timeout: {message}"));
        let causes = json!([{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]);
        refusal.details = json!({"causes": causes, "retryAfterSeconds": 1});
        refusal
    }

    /// A refusal that names an object.
    fn about(code: u16, reason: &'static str, resource: &Resource, name: &str, ending: &str) -> Self {
        let mut refusal = Self::new(code, reason, format!("{} \"{name}\" {ending}", qualified(resource)));
        refusal.details = json!({"name": name, "kind": resource.plural});
        if !resource.group.is_empty() {
            refusal.details["group"] = json!(resource.group);
        }
        refusal
    }

    /// The `Status` object.
    pub(crate) fn body(&self) -> Value {
        let mut body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if let Some(token) = &self.continue_token {
            body["metadata"]["continue"] = json!(token);
        }
        if !self.details.is_null() {
            body["details"] = self.details.clone();
        }
        body
    }
}

/// `services`, or `endpointslices.discovery.k8s.io`.
fn qualified(resource: &Resource) -> String {
    if resource.group.is_empty() {
        resource.plural.to_owned()
    } else {
        format!("{}.{}", resource.plural, resource.group)
    }
}
