//! What a table of fields says, and which table a type of object has.
//! Knows no octets. Numbers, types and what is always written are those of the API's own definition (`generated.proto`,
//! and pointers in its Go types).

use super::{core, meta};
use crate::resource::Resource;

/// The fields of a message, by number.
pub(crate) type Message = &'static [Field];

/// One field of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    /// Its name in JSON.
    pub(crate) name: &'static str,
    /// Its number.
    pub(crate) number: u32,
    /// What it holds.
    pub(crate) kind: Kind,
    /// When it is written.
    pub(crate) rule: Rule,
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// A string.
    Text,
    /// Octets, in base64 in JSON.
    Base64,
    /// Any JSON, kept as its text in field 1 of a message.
    Json,
    /// A boolean.
    Bool,
    /// A number of 32 bits.
    Int32,
    /// A number of 64 bits.
    Int64,
    /// A time by RFC 3339.
    Time,
    /// A number or a name, as a target port.
    IntOrString,
    /// An amount such as `100m`.
    Quantity,
    /// A map from strings to this.
    Map(&'static Self),
    /// Another message.
    Message(Message),
}

/// When a field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Also if it is absent, as zero: no pointer in Go.
    Always,
    /// Only if it is there: a pointer, or a map.
    IfSet,
    /// Once for each element.
    Each,
}

/// A field that is always written.
pub(crate) const fn always(name: &'static str, number: u32, kind: Kind) -> Field {
    Field { name, number, kind, rule: Rule::Always }
}

/// A field that is written if it is there.
pub(crate) const fn if_set(name: &'static str, number: u32, kind: Kind) -> Field {
    Field { name, number, kind, rule: Rule::IfSet }
}

/// A list.
pub(crate) const fn each(name: &'static str, number: u32, kind: Kind) -> Field {
    Field { name, number, kind, rule: Rule::Each }
}

/// The message of a type. A custom resource has none but its metadata.
pub(crate) fn of(resource: &Resource) -> Message {
    match resource.kind {
        "ConfigMap" => core::CONFIG_MAP,
        "Endpoints" => core::ENDPOINTS,
        "Namespace" => core::NAMESPACE,
        "Node" => core::NODE,
        "Pod" => core::POD,
        "Service" => core::SERVICE,
        "EndpointSlice" => meta::ENDPOINT_SLICE,
        _ => meta::PARTIAL_OBJECT_METADATA,
    }
}

/// The message of an object in an event of a watch of `resource`: what its `kind` says, that type where it says nothing.
pub(crate) fn of_event(kind: &str, resource: &Resource) -> Message {
    match kind {
        "Status" => meta::STATUS,
        "PartialObjectMetadata" => meta::PARTIAL_OBJECT_METADATA,
        kind => of(Resource::by_kind(None, kind).unwrap_or(resource)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::RESOURCES;

    /// Checks a message and those in it, down to the leaves.
    fn check(message: Message) {
        assert!(message.is_sorted_by(|a, b| a.number < b.number), "{message:?}");
        for field in message {
            if let Kind::Message(inner) = field.kind {
                check(inner);
            }
        }
    }

    #[test]
    fn fields_stand_by_number() {
        RESOURCES.iter().for_each(|resource| check(of(resource)));
        [meta::STATUS, meta::PARTIAL_OBJECT_METADATA].into_iter().for_each(check);
    }

    #[test]
    fn metadata_is_the_first_field_of_all() {
        for resource in RESOURCES {
            assert_eq!((of(resource)[0].name, of(resource)[0].number), ("metadata", 1));
        }
    }
}
