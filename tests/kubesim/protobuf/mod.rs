//! Kubernetes' protobuf: the envelope around objects, lists, the frames of watches.
//! Knows no store and no sockets. `encode` writes messages by the tables in `meta` and `core`; `schema` says what a table is.

mod encode;
mod schema;

mod core;
mod meta;

use bytes::Bytes;
use serde_json::Value;

use crate::resource::Resource;

/// The media type of objects.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// The media type of watches.
pub(crate) const STREAM_TYPE: &str = "application/vnd.kubernetes.protobuf;stream=watch";

/// What every object begins with.
const MAGIC: &[u8] = b"k8s\0";

/// What every object ends with: no content encoding, no content type.
pub(crate) const END: [u8; 4] = [0x1a, 0, 0x22, 0];

/// A tag that no reader can take: wire type 7 does not exist.
const NO_TAG: u8 = 0x0f;

/// The message that an object of a type is, without envelope.
pub(crate) fn message(resource: &Resource, object: &Value) -> Vec<u8> {
    // Typically a little more than half of its JSON; most are a few hundred octets.
    let mut out = Vec::with_capacity(512);
    encode::message(schema::of(resource), object.as_object(), &mut out);
    out
}

/// The metadata of a message of any type, as the message `PartialObjectMetadata`: both have it as field 1, which comes first.
pub(crate) fn metadata(message: &[u8]) -> &[u8] {
    let mut length = 0_usize;
    for (place, octet) in message.iter().skip(1).enumerate().take(9) {
        length |= usize::from(octet & 0x7f) << (7 * place);
        if octet & 0x80 == 0 {
            return message.get(..2 + place + length).unwrap_or_default();
        }
    }
    &[]
}

/// Appends all of an envelope that stands before a message of that length; [`END`] follows the message.
fn begin((api_version, kind): (&str, &str), length: usize, out: &mut Vec<u8>) {
    let mut meta = Vec::with_capacity(api_version.len() + kind.len() + 4);
    encode::octets(1, api_version.as_bytes(), &mut meta);
    encode::octets(2, kind.as_bytes(), &mut meta);
    out.extend_from_slice(MAGIC);
    encode::octets(1, &meta, out);
    encode::head(2, length, out);
}

/// A message in its envelope.
pub(crate) fn enclose(names: (&str, &str), message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 64);
    begin(names, message.len(), &mut out);
    out.extend_from_slice(message);
    out.extend_from_slice(&END);
    out
}

/// A `Status` in its envelope.
pub(crate) fn status(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    encode::message(meta::STATUS, value.as_object(), &mut out);
    enclose(("v1", "Status"), &out)
}

/// What stands before the first item of a list whose items have these lengths; [`END`] follows the last.
pub(crate) fn begin_list(names: (&str, &str), metadata: &Value, lengths: impl Iterator<Item = usize>) -> Vec<u8> {
    let (mut inner, mut field) = (Vec::new(), Vec::new());
    encode::message(meta::LIST_META, metadata.as_object(), &mut inner);
    encode::octets(1, &inner, &mut field);
    let mut head = Vec::new();
    let of_item = |length| {
        head.clear();
        encode::head(2, length, &mut head);
        head.len() + length
    };
    let length = field.len() + lengths.map(of_item).sum::<usize>();
    let mut out = Vec::new();
    begin(names, length, &mut out);
    out.extend_from_slice(&field);
    out
}

/// Appends an item of a list.
pub(crate) fn item(message: &[u8], out: &mut Vec<u8>) {
    encode::octets(2, message, out);
}

/// An event of a watch as it is sent; `object` has its envelope.
pub(crate) fn event(kind: &str, object: &[u8]) -> Bytes {
    let (mut extension, mut event) = (Vec::with_capacity(object.len() + 8), Vec::with_capacity(object.len() + 32));
    encode::octets(1, object, &mut extension);
    encode::octets(1, kind.as_bytes(), &mut event);
    encode::octets(2, &extension, &mut event);
    frame(&event)
}

/// An event from its line of JSON, of a watch of `resource`. What is no event in JSON becomes a frame that nobody can read.
pub(crate) fn event_of_line(line: &[u8], resource: &Resource) -> Bytes {
    let Ok(Value::Object(parsed)) = serde_json::from_slice::<Value>(line) else { return garbage(line) };
    let (Some(Value::String(kind)), Some(Value::Object(object))) = (parsed.get("type"), parsed.get("object")) else {
        return garbage(line);
    };
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut message = Vec::new();
    encode::message(schema::of_event(text("kind"), resource), Some(object), &mut message);
    event(kind, &enclose((text("apiVersion"), text("kind")), &message))
}

/// A frame around a text that is no message.
fn garbage(text: &[u8]) -> Bytes {
    frame(&[&[NO_TAG], text].concat())
}

/// Puts the length before a message.
fn frame(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), message].concat().into()
}
