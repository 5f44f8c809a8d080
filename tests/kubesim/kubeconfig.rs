//! The file by which clients find the server and prove who they are.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::tls::Pair;

/// A kubeconfig with one context. It is written as JSON, which is YAML too.
pub(crate) fn render(url: &str, ca: Option<&str>, token: Option<&str>, client: Option<&Pair>) -> String {
    let encode = |pem: &str| Value::from(STANDARD.encode(pem));
    let mut cluster = json!({"server": url});
    if let Some(ca) = ca {
        cluster["certificate-authority-data"] = encode(ca);
    }
    let mut user = json!({});
    if let Some(token) = token {
        user["token"] = json!(token);
    }
    if let Some(pair) = client {
        user["client-certificate-data"] = encode(&pair.certificate);
        user["client-key-data"] = encode(&pair.key);
    }
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "kubesim",
        "clusters": [{"name": "kubesim", "cluster": cluster}],
        "users": [{"name": "kubesim", "user": user}],
        "contexts": [{"name": "kubesim", "context": {"cluster": "kubesim", "user": "kubesim"}}],
    });
    format!("{config:#}\n")
}
