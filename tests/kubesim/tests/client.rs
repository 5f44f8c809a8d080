//! A small HTTP client, and objects to work with.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use kubesim::KubeSim;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Where services are.
pub(crate) const SERVICES: &str = "/api/v1/services";

/// How long an event may take before it counts as lost; far above what a busy machine needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What the server answered, whole.
pub(crate) struct Answer {
    /// HTTP code.
    pub(crate) code: StatusCode,
    /// Headers.
    pub(crate) headers: HeaderMap,
    /// Body as sent.
    pub(crate) bytes: Bytes,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }

    /// The names of the items of a list, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let items = self.json()["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    }

    /// The version of a list.
    pub(crate) fn version(&self) -> u64 {
        self.json()["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
    }
}

/// Starts a request for a path (or path and query).
pub(crate) fn request(method: &str, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(path).header("host", "kubesim")
}

/// Sends a request over an HTTP/1.1 connection of its own, and gives the answer's head and body to come.
pub(crate) async fn send(sim: &KubeSim, request: Request<Full<Bytes>>) -> http::Response<Incoming> {
    send_over(TcpStream::connect(sim.address()).await.unwrap(), request).await
}

/// The same over a stream that is there already.
pub(crate) async fn send_over<S>(stream: S, request: Request<Full<Bytes>>) -> http::Response<Incoming>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender.send_request(request).await.unwrap()
}

/// The same over HTTP/2; the URI must be absolute.
pub(crate) async fn send_http2<S>(stream: S, request: Request<Full<Bytes>>) -> http::Response<Incoming>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender.send_request(request).await.unwrap()
}

/// Reads a whole answer.
pub(crate) async fn whole(response: http::Response<Incoming>) -> Answer {
    let (head, body) = response.into_parts();
    Answer { code: head.status, headers: head.headers, bytes: body.collect().await.unwrap().to_bytes() }
}

/// GET.
pub(crate) async fn get(sim: &KubeSim, path: &str) -> Answer {
    get_as(sim, path, "application/json").await
}

/// GET with an `Accept` header.
pub(crate) async fn get_as(sim: &KubeSim, path: &str, accept: &str) -> Answer {
    whole(send(sim, request("GET", path).header("accept", accept).body(Full::default()).unwrap()).await).await
}

/// Any method with a body.
pub(crate) async fn write(sim: &KubeSim, method: &str, path: &str, content_type: &str, body: &str) -> Answer {
    let request = request(method, path).header("content-type", content_type);
    whole(send(sim, request.body(Full::from(body.to_owned())).unwrap()).await).await
}

/// An open watch.
pub(crate) struct Events {
    /// What comes.
    body: Incoming,
    /// What has come and is not yet a line.
    rest: BytesMut,
}

impl Events {
    /// The next line, none when the stream has ended cleanly.
    pub(crate) async fn line(&mut self) -> Option<Bytes> {
        loop {
            if let Some(end) = self.rest.iter().position(|b| *b == b'\n') {
                return Some(self.rest.split_to(end + 1).freeze());
            }
            match timeout(PATIENCE, self.body.frame()).await.unwrap() {
                Some(frame) => self.rest.extend_from_slice(&frame.unwrap().into_data().unwrap()),
                None => {
                    assert!(self.rest.is_empty(), "half a line at the end");
                    return None;
                }
            }
        }
    }

    /// The next event.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        self.line().await.map(|line| serde_json::from_slice(&line).unwrap())
    }

    /// The next event in short: type, name, version.
    pub(crate) async fn short(&mut self) -> Option<String> {
        let event = self.next().await?;
        let metadata = &event["object"]["metadata"];
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        Some(format!("{} {} {}", text(&event["type"]), text(&metadata["name"]), text(&metadata["resourceVersion"])))
    }
}

/// Opens a watch, which must be answered with 200.
pub(crate) async fn watch(sim: &KubeSim, path: &str) -> Events {
    let response = send(sim, request("GET", path).body(Full::default()).unwrap()).await;
    assert_eq!(response.status(), 200);
    Events { body: response.into_body(), rest: BytesMut::new() }
}

/// A Service in the namespace `default`.
pub(crate) fn service(name: &str) -> Value {
    labelled(name, &json!({}))
}

/// A Service with labels.
pub(crate) fn labelled(name: &str, labels: &Value) -> Value {
    json!({"kind": "Service", "metadata": {"name": name, "labels": labels}, "spec": {"ports": [{"port": 80}]}})
}

/// A server with the Services `a`, `b`, ... as many as asked for, up to 26.
pub(crate) async fn letters(builder: kubesim::Builder, count: u8) -> KubeSim {
    let sim = builder.start().await.unwrap();
    for letter in (b'a'..).take(count.into()) {
        sim.put(service(&char::from(letter).to_string()));
    }
    sim
}
