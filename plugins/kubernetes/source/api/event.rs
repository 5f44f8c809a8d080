//! What the API server says in JSON, decoded one object at a time: items of lists, watch events, the metadata of lists.
//!
//! An object that cannot be decoded costs itself and no more; text that is no JSON costs the whole response.

use std::fmt;
use std::io::BufRead;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::failure::{Failure, Status};
use super::wire::text;
use crate::kubernetes::objects::{Kind, Object};

/// The error that asks for a second reading: an event whose object comes before its type.
const TYPE_TOO_LATE: &str = "the type of an event comes after its object";

/// The metadata of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ListMetadata {
    /// The version of the list.
    pub(super) resource_version: Option<String>,
    /// The token of the next page.
    #[serde(rename = "continue")]
    pub(super) next: Option<String>,
}

/// A watch event.
#[derive(Debug)]
pub(super) enum Event {
    /// An object was added or modified.
    Applied(Object),
    /// An object was deleted, or is selected no longer.
    Deleted(Object),
    /// Everything up to this version has been sent; `is_initial_end` after the initial events.
    Bookmark {
        /// The version.
        version: String,
        /// Whether the initial events end here.
        is_initial_end: bool,
    },
    /// The watch has failed.
    Failed(Failure),
    /// An event of a type that we do not know.
    Unknown(String),
}

/// An object that is no use, and what can still be read of it.
#[derive(Debug)]
pub(super) struct Undecodable {
    /// Its namespace, empty if it has none.
    pub(super) namespace: String,
    /// Its name, empty if unknown.
    pub(super) name: String,
    /// Its version, empty if unknown.
    pub(super) version: String,
    /// What is wrong.
    pub(super) why: String,
}

/// The metadata that is looked for in an object which cannot be decoded, or in a bookmark.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Outline {
    /// The metadata.
    metadata: OutlineMetadata,
}

/// What is looked for in metadata.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct OutlineMetadata {
    /// The namespace.
    namespace: Option<String>,
    /// The name.
    name: Option<String>,
    /// The version.
    resource_version: Option<String>,
    /// The annotations, of which one matters.
    annotations: Option<OutlineAnnotations>,
}

/// The annotation that ends the initial events.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OutlineAnnotations {
    /// `true` on the bookmark after the initial events.
    #[serde(rename = "k8s.io/initial-events-end")]
    initial_events_end: Option<String>,
}

/// An event, of whose object only the outline is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct EventOutline {
    /// The outline.
    object: Outline,
}

/// An event, of which only the type is read.
#[derive(Debug, Deserialize)]
struct EventType {
    /// The type.
    #[serde(rename = "type")]
    kind: String,
}

/// Decodes an item of a list.
pub(super) fn item(kind: Kind, octets: &[u8]) -> Result<Result<Object, Undecodable>, Failure> {
    let text = text(octets);
    match Object::decode(kind, &mut serde_json::Deserializer::from_str(&text)) {
        Ok(object) => Ok(Ok(object)),
        Err(error) if error.is_data() => {
            let outline: Outline = serde_json::from_str(&text).unwrap_or_default();
            Ok(Err(undecodable(outline, &error)))
        }
        Err(error) => Err(Failure::Broken(format!("the response is no JSON: {error}"))),
    }
}

/// Decodes the watch event that is all of the first line, as an API server writes it: its end need not be looked for. Returns it
/// with what follows; none if anything is unusual, so that it has to be looked at piece by piece.
pub(super) fn of_line(kind: Kind, octets: &[u8]) -> Option<(Event, &[u8])> {
    let mut rest = octets;
    let length = rest.skip_until(b'\n').ok()?;
    let line = octets.get(..length)?.strip_suffix(b"\n")?;
    let text = std::str::from_utf8(line).ok()?;
    let mut from = serde_json::Deserializer::from_str(text);
    let event = EventSeed { kind, known: None }.deserialize(&mut from).ok()?;
    from.end().ok()?;
    Some((event, rest))
}

/// Decodes a watch event.
pub(super) fn event(kind: Kind, octets: &[u8]) -> Result<Result<Event, Undecodable>, Failure> {
    let text = text(octets);
    let read = |known| EventSeed { kind, known }.deserialize(&mut serde_json::Deserializer::from_str(&text));
    let mut result = read(None);
    if result.as_ref().is_err_and(|error| error.to_string().starts_with(TYPE_TOO_LATE)) {
        let known = serde_json::from_str::<EventType>(&text).ok().map(|event| event.kind);
        result = read(Some(known.unwrap_or_default()));
    }
    match result {
        Ok(event) => Ok(Ok(event)),
        Err(error) if error.is_data() => {
            let outline: EventOutline = serde_json::from_str(&text).unwrap_or_default();
            Ok(Err(undecodable(outline.object, &error)))
        }
        Err(error) => Err(Failure::Broken(format!("the response is no JSON: {error}"))),
    }
}

/// Describes an object that is no use.
fn undecodable(outline: Outline, error: &serde_json::Error) -> Undecodable {
    let OutlineMetadata { namespace, name, resource_version, .. } = outline.metadata;
    Undecodable {
        namespace: namespace.unwrap_or_default(),
        name: name.unwrap_or_default(),
        version: resource_version.unwrap_or_default(),
        why: error.to_string(),
    }
}

/// What an audit compares: namespace, name and version.
#[derive(Debug)]
pub(super) struct Mark {
    /// Its namespace, empty if it has none.
    pub(super) namespace: String,
    /// Its name.
    pub(super) name: String,
    /// Its version.
    pub(super) version: String,
}

/// Reads the metadata of a list.
pub(super) fn list_metadata(text: &[u8]) -> Result<ListMetadata, Failure> {
    serde_json::from_slice(text).map_err(|error| Failure::Broken(error.to_string()))
}

/// Says whether version `a` is older than `b`; versions that are no numbers are not compared.
pub(super) fn is_older(a: &str, b: &str) -> bool {
    matches!((a.parse::<u64>(), b.parse::<u64>()), (Ok(a), Ok(b)) if a < b)
}

/// Reads of an item of a list what an audit compares.
pub(super) fn mark(text: &[u8]) -> Result<Mark, Failure> {
    let outline: Outline = serde_json::from_slice(text).map_err(|error| Failure::Broken(error.to_string()))?;
    let OutlineMetadata { namespace, name, resource_version, .. } = outline.metadata;
    Ok(Mark {
        namespace: namespace.unwrap_or_default(),
        name: name.unwrap_or_default(),
        version: resource_version.unwrap_or_default(),
    })
}

/// Decodes an event of a kind, whose type may be known from a first reading.
struct EventSeed {
    /// The kind of its object.
    kind: Kind,
    /// Its type.
    known: Option<String>,
}

impl<'de> DeserializeSeed<'de> for EventSeed {
    type Value = Event;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Event, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for EventSeed {
    type Value = Event;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a watch event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Event, A::Error> {
        let (mut kind, mut event) = (self.known, None);
        while let Some(key) = map.next_key::<String>()? {
            match (key.as_str(), kind.take()) {
                ("type", _) => kind = Some(map.next_value()?),
                ("object", None) => return Err(A::Error::custom(TYPE_TOO_LATE)),
                ("object", Some(known)) => {
                    event = Some(map.next_value_seed(ObjectSeed { kind: self.kind, event: &known })?);
                    kind = Some(known);
                }
                (_, known) => {
                    kind = known;
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        event.ok_or_else(|| A::Error::custom("an event without an object"))
    }
}

/// Decodes the object of an event.
struct ObjectSeed<'a> {
    /// The kind of the object.
    kind: Kind,
    /// The type of the event.
    event: &'a str,
}

impl<'de> DeserializeSeed<'de> for ObjectSeed<'_> {
    type Value = Event;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Event, D::Error> {
        Ok(match self.event {
            "ADDED" | "MODIFIED" => Event::Applied(Object::decode(self.kind, from)?),
            "DELETED" => Event::Deleted(Object::decode(self.kind, from)?),
            "BOOKMARK" => {
                let metadata = Outline::deserialize(from)?.metadata;
                let end = metadata.annotations.and_then(|annotations| annotations.initial_events_end);
                Event::Bookmark {
                    version: metadata.resource_version.unwrap_or_default(),
                    is_initial_end: end.as_deref() == Some("true"),
                }
            }
            "ERROR" => Event::Failed(Failure::of_status(&Status::deserialize(from)?)),
            other => {
                IgnoredAny::deserialize(from)?;
                Event::Unknown(other.to_owned())
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_decoded_in_either_order() {
        let object = r#""object":{"metadata":{"name":"a","namespace":"n","resourceVersion":"7"}}"#;
        for text in [format!(r#"{{"type":"ADDED",{object}}}"#), format!(r#"{{{object},"x":1,"type":"MODIFIED"}}"#)] {
            let Ok(Ok(Event::Applied(found))) = event(Kind::Service, text.as_bytes()) else { panic!("{text}") };
            assert_eq!(&*found.metadata().resource_version, "7");
        }
        let gone = event(Kind::Pod, format!(r#"{{"type":"DELETED",{object}}}"#).as_bytes());
        assert!(matches!(gone, Ok(Ok(Event::Deleted(_)))), "{gone:?}");
        let other = event(Kind::Pod, format!(r#"{{"type":"RENAMED",{object}}}"#).as_bytes());
        assert!(matches!(other, Ok(Ok(Event::Unknown(kind))) if kind == "RENAMED"));
    }

    #[test]
    fn an_event_on_a_line_is_taken_at_once_and_others_are_left() {
        let object = r#"{"type":"ADDED","object":{"metadata":{"name":"a"}}}"#;
        let two = format!("{object}\n{object}");
        let Some((Event::Applied(found), rest)) = of_line(Kind::Service, two.as_bytes()) else { panic!("{two}") };
        assert_eq!((&*found.metadata().name, rest), ("a", object.as_bytes()));
        let broken = object.replace(",", ",\n");
        let bad = object.replace("metadata", "spec");
        for text in
            [object, &format!("{object}{object}\n"), &format!("{broken}\n"), &format!("{bad}x\n"), "\n", "{}\n", ""]
        {
            assert!(of_line(Kind::Service, text.as_bytes()).is_none(), "{text}");
        }
        assert!(of_line(Kind::Service, b"{\"type\":\"BOOKMARK\",\"x\":\"\xff\",\"object\":{}}\n").is_none());
    }

    #[test]
    fn what_is_no_text_is_replaced_as_go_does() {
        let octets = b"{\"metadata\":{\"name\":\"a\",\"labels\":{\"k\":\"\xff\"}}}";
        let Ok(Ok(object)) = item(Kind::Service, octets) else { panic!("refused") };
        assert_eq!(object.metadata().label("k"), Some("\u{fffd}"));
    }

    #[test]
    fn bookmarks_and_errors_are_decoded() {
        let text = br#"{"type":"BOOKMARK","object":{"kind":"Service","metadata":{"resourceVersion":"9",
            "annotations":{"k8s.io/initial-events-end":"true"},"creationTimestamp":null},"spec":{}}}"#;
        let Ok(Ok(Event::Bookmark { version, is_initial_end })) = event(Kind::Service, text) else {
            panic!("no bookmark")
        };
        assert_eq!((version.as_str(), is_initial_end), ("9", true));
        let text = br#"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}"#;
        assert!(matches!(event(Kind::Service, text), Ok(Ok(Event::Failed(Failure::Expired)))));
    }

    #[test]
    fn a_bad_object_is_named_and_a_bad_text_is_a_failure() {
        let bad = r#"{"metadata":{"name":"a","namespace":"n","resourceVersion":"7"},"spec":{"ports":"x"}}"#;
        let Ok(Err(why)) = item(Kind::Service, bad.as_bytes()) else { panic!("decoded") };
        assert_eq!((why.namespace.as_str(), why.name.as_str(), why.version.as_str()), ("n", "a", "7"));
        let in_event = format!(r#"{{"type":"ADDED","object":{bad}}}"#);
        let Ok(Err(why)) = event(Kind::Service, in_event.as_bytes()) else { panic!("decoded") };
        assert_eq!((why.namespace.as_str(), why.name.as_str(), why.version.as_str()), ("n", "a", "7"));
        assert!(matches!(item(Kind::Service, b"{nonsense}"), Err(Failure::Broken(_))));
        assert!(matches!(event(Kind::Service, b"{\"type\":\"ADDED\",\"object\":{x}}"), Err(Failure::Broken(_))));
        assert!(event(Kind::Service, b"{}").is_ok_and(|event| event.is_err()));
    }
}
