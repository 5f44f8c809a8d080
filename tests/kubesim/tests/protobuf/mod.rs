//! Answers in protobuf, read by structs of our own.

mod messages;
mod values;

mod negotiation;
mod objects;
mod watch;

use bytes::{Buf as _, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use kubesim::KubeSim;
use messages::{List, Status, Unknown, WatchEvent};
use prost::{DecodeError, Message};
use tokio::time::timeout;

use crate::client::{Answer, PATIENCE, get_as, request, send};

/// The media type.
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// An object out of its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Opened {
    /// `apiVersion` and `kind`.
    names: String,
    /// The message.
    message: Vec<u8>,
}

impl Opened {
    /// Opens an envelope, and checks that it is as real ones are to the last octet.
    fn new(bytes: &[u8]) -> Self {
        let envelope = bytes.strip_prefix(b"k8s\0").unwrap();
        let unknown = Unknown::decode(envelope).unwrap();
        assert_eq!(unknown.encode_to_vec(), envelope);
        assert_eq!((unknown.content_encoding.as_deref(), unknown.content_type.as_deref()), (Some(""), Some("")));
        let meta = unknown.type_meta.unwrap();
        let names = format!("{} {}", meta.api_version.unwrap(), meta.kind.unwrap());
        Self { names, message: unknown.raw.unwrap() }
    }

    /// Reads the message, which must have nothing but what its struct knows, in its order.
    fn read<M: Message + Default>(&self) -> M {
        let read = M::decode(&*self.message).unwrap();
        assert_eq!(read.encode_to_vec(), self.message);
        read
    }

    /// Reads the message, which may fail.
    fn try_read<M: Message + Default>(&self) -> Result<M, DecodeError> {
        M::decode(&*self.message)
    }
}

/// GET in protobuf.
async fn get(sim: &KubeSim, path: &str) -> Answer {
    get_as(sim, path, PROTOBUF).await
}

/// GET in protobuf of what must be there.
async fn opened(sim: &KubeSim, path: &str) -> Opened {
    let answer = get(sim, path).await;
    assert_eq!((answer.code.as_u16(), &answer.headers["content-type"]), (200, &PROTOBUF.parse().unwrap()));
    Opened::new(&answer.bytes)
}

/// GET of a list, and its items.
async fn items<M: Message + Default>(sim: &KubeSim, path: &str) -> (List, Vec<M>) {
    let list: List = opened(sim, path).await.read();
    let items = list.items.iter().map(|item| M::decode(&**item).unwrap()).collect();
    (list, items)
}

/// A refusal: its code, and the `Status`.
fn refusal(answer: &Answer) -> (u16, Status) {
    assert_eq!(answer.headers["content-type"], PROTOBUF);
    let opened = Opened::new(&answer.bytes);
    assert_eq!(opened.names, "v1 Status");
    (answer.code.as_u16(), opened.read())
}

/// An open watch.
struct Frames {
    /// What comes.
    body: Incoming,
    /// What has come and is not yet a frame.
    rest: BytesMut,
}

impl Frames {
    /// Opens a watch, which must be answered with 200.
    async fn open(sim: &KubeSim, path: &str, accept: &str) -> Self {
        let request = request("GET", path).header("accept", accept).body(Full::default()).unwrap();
        let response = send(sim, request).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], format!("{PROTOBUF};stream=watch"));
        Self { body: response.into_body(), rest: BytesMut::new() }
    }

    /// The next frame without its length, none when the stream has ended cleanly.
    async fn frame(&mut self) -> Option<Bytes> {
        loop {
            let length = self.rest.get(..4).map(|mut length| usize::try_from(length.get_u32()).unwrap());
            if let Some(length) = length.filter(|length| self.rest.len() >= 4 + length) {
                return Some(self.rest.split_to(4 + length).split_off(4).freeze());
            }
            match timeout(PATIENCE, self.body.frame()).await.unwrap() {
                Some(frame) => self.rest.extend_from_slice(&frame.unwrap().into_data().unwrap()),
                None => {
                    assert!(self.rest.is_empty(), "half a frame at the end");
                    return None;
                }
            }
        }
    }

    /// The next event: its type and its object.
    async fn next(&mut self) -> Option<(String, Opened)> {
        let frame = self.frame().await?;
        let event = WatchEvent::decode(&*frame).unwrap();
        assert_eq!(event.encode_to_vec(), frame);
        Some((event.kind.unwrap(), Opened::new(&event.object.unwrap().raw.unwrap())))
    }

    /// The next event of a type with metadata, in short: type, kind, name, version.
    async fn short(&mut self) -> Option<String> {
        let (kind, object) = self.next().await?;
        let metadata = object.try_read::<messages::PartialObjectMetadata>().unwrap().metadata.unwrap();
        let names = &object.names;
        Some(format!("{kind} {names} {} {}", metadata.name.unwrap(), metadata.resource_version.unwrap()))
    }
}
