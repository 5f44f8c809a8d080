//! An API server and a client of it: requests as text, and for the real one its start, its control and its end.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use http::Request;
use http_body_util::BodyExt;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::Value;
use tempfile::TempDir;
use test_support::subject::Subject;
use tokio::runtime::{Builder, Runtime};

use crate::harness::say;

/// How long the real one may take to do what it is told.
const PATIENCE: Duration = Duration::from_secs(120);

/// A client of an API server.
pub(crate) struct Api {
    /// Runs the client.
    runtime: Runtime,
    /// The client.
    client: Client,
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    /// The status code.
    pub(crate) code: u16,
    /// The type of the content.
    pub(crate) content: String,
    /// The content.
    pub(crate) text: String,
}

impl Response {
    /// The content as JSON; null if it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

impl Api {
    /// Makes a client from the text of a kubeconfig.
    pub(crate) fn new(kubeconfig: &str) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let client = runtime.block_on(async {
            let kubeconfig = Kubeconfig::from_yaml(kubeconfig).unwrap();
            let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
            config.default_retry = false;
            if config.cluster_url.scheme_str() == Some("http") {
                config.root_cert.get_or_insert_default();
            }
            Client::try_from(config).unwrap()
        });
        Self { runtime, client }
    }

    /// Sends a request and takes the whole response.
    pub(crate) fn send(&self, method: &str, path: &str, body: Option<Value>) -> io::Result<Response> {
        let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let body = body.map_or_else(Body::empty, |body| body.to_string().into_bytes().into());
        let request = Request::builder().method(method).uri(path).header("Accept", "application/json");
        let request = request.header("Content-Type", kind).body(body).map_err(io::Error::other)?;
        self.runtime.block_on(async {
            let response = self.client.send(request).await.map_err(io::Error::other)?;
            let (head, body) = response.into_parts();
            let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
            let content = head.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
            let text = String::from_utf8_lossy(&body).into_owned();
            Ok(Response { code: head.status.as_u16(), content: content.to_owned(), text })
        })
    }

    /// Creates or changes something, which must succeed; gives what it is then.
    pub(crate) fn write(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let response = self.send(method, path, body).unwrap();
        assert!(response.code < 300, "{method} {path}: {response:?}");
        response.json()
    }

    /// Creates an object of the core group in a namespace, or outside all.
    pub(crate) fn create(&self, namespace: &str, plural: &str, mut object: Value) -> Value {
        object["apiVersion"] = "v1".into();
        let place = if namespace.is_empty() { String::new() } else { format!("/namespaces/{namespace}") };
        self.write("POST", &format!("/api/v1{place}/{plural}"), Some(object))
    }
}

/// A real API server; stopped when this is dropped.
pub(crate) struct Real {
    /// A client that may do everything.
    pub(crate) api: Api,
    /// What it says about itself.
    facts: Value,
    /// Its supervisor.
    subject: Subject,
    /// Its keys, logs and store.
    _folder: TempDir,
}

impl Real {
    /// Starts one if there is one; says so if not.
    pub(crate) fn start(what: &str, arguments: &[&str]) -> Option<Self> {
        let Some(program) = env::var_os("FERRODNS_APISERVER") else {
            say(&format!("{what}: left out, FERRODNS_APISERVER names no API server"));
            return None;
        };
        let folder = TempDir::new().unwrap();
        let mut command = Command::new(program);
        command.arg("-dir").arg(folder.path()).args(arguments);
        let mut subject = Subject::start(&mut command, &folder.path().join("output")).unwrap();
        let ended = subject.wait_until(PATIENCE, |output| output.contains('\n')).unwrap();
        assert_eq!(ended, None, "the API server starts: {}", subject.output());
        let output = subject.output();
        let facts: Value = serde_json::from_str(output.lines().next().unwrap()).unwrap();
        let kubeconfig = fs::read_to_string(facts["kubeconfig"].as_str().unwrap()).unwrap();
        Some(Self { api: Api::new(&kubeconfig), facts, subject, _folder: folder })
    }

    /// The kubeconfig that a DNS server is given.
    pub(crate) fn kubeconfig(&self) -> &str {
        self.facts["coredns_kubeconfig"].as_str().unwrap()
    }

    /// Tells it something, such as `kube-apiserver/stop`, and waits until it is done.
    pub(crate) fn tell(&self, what: &str) {
        let address = self.facts["control"].as_str().unwrap().trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!("POST /{what} HTTP/1.0\r\nHost: {address}\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert!(text.contains("took_ms") && !text.contains("\"error\""), "{what}: {text}");
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        drop(self.subject.stop());
    }
}
