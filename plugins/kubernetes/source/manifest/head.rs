//! What an object of a manifest says of itself, `apiVersion` and `kind`, and what follows from it.

use std::collections::VecDeque;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::items::{Items, Taker};

/// What an object says of itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Head {
    /// `apiVersion`, once seen.
    api_version: Option<String>,
    /// `kind`, once seen.
    kind: Option<String>,
}

/// What to do with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A list of objects.
    List,
    /// A namespace.
    Namespace,
    /// A service.
    Service,
    /// A slice.
    EndpointSlice,
    /// A pod.
    Pod,
    /// A service of a cluster set.
    ServiceImport,
    /// The addresses of a service, from before slices.
    Endpoints,
    /// Anything else that `kubectl` knows: skipped.
    Other,
}

impl Head {
    /// Takes `apiVersion` and `kind`; false if `key` is neither.
    pub(super) fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "apiVersion" => self.api_version = Some(map.next_value()?),
            "kind" => self.kind = Some(map.next_value()?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Returns the shape, if both parts of the head are known.
    pub(super) fn shape(&self) -> Option<Shape> {
        let (api_version, kind) = (self.api_version.as_deref()?, self.kind.as_deref()?);
        Some(match (group(api_version), kind) {
            (_, kind) if kind.ends_with("List") => Shape::List,
            ("", "Namespace") => Shape::Namespace,
            ("", "Service") => Shape::Service,
            ("", "Pod") => Shape::Pod,
            ("", "Endpoints") => Shape::Endpoints,
            ("discovery.k8s.io", "EndpointSlice") => Shape::EndpointSlice,
            ("multicluster.x-k8s.io", "ServiceImport") => Shape::ServiceImport,
            _ => Shape::Other,
        })
    }

    /// Returns the shape that the field `key` gives away before the kind is known.
    pub(super) fn shape_by(&self, key: &str) -> Option<Shape> {
        match key {
            "items" => Some(Shape::List),
            "endpoints" if self.api_version.as_deref().map(group) == Some("discovery.k8s.io") => {
                Some(Shape::EndpointSlice)
            }
            _ => None,
        }
    }

    /// Returns the head of the items of a list of one kind (`ServiceList`), which need none of their own.
    pub(super) fn of_items(&self) -> Self {
        let kind = self.kind.as_deref().and_then(|kind| kind.strip_suffix("List")).filter(|kind| !kind.is_empty());
        kind.map_or_else(Self::default, |kind| Self {
            api_version: self.api_version.clone(),
            kind: Some(kind.to_owned()),
        })
    }

    /// Says what is missing.
    pub(super) fn incomplete(&self) -> &'static str {
        if self.kind.is_none() { "an object needs a kind" } else { "an object needs an apiVersion" }
    }
}

/// Returns the group of an API version, empty for `v1`.
fn group(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

/// The heads of all objects of a document, in the order in which the objects begin.
#[derive(Debug, Default)]
pub(super) struct Heads(pub(super) VecDeque<Head>);

impl<'de> DeserializeSeed<'de> for &mut Heads {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(HeadVisitor(self))
    }
}

/// Reads the head of one object, and of its items.
struct HeadVisitor<'a>(&'a mut Heads);

impl<'de> DeserializeSeed<'de> for HeadVisitor<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for HeadVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a Kubernetes object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let at = self.0.0.len();
        self.0.0.push_back(Head::default());
        let mut head = Head::default();
        while let Some(key) = map.next_key::<String>()? {
            if head.take(&key, &mut map)? {
                continue;
            }
            if key == "items" {
                map.next_value_seed(Items(HeadReader(&mut *self.0)))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        if let Some(place) = self.0.0.get_mut(at) {
            *place = head;
        }
        Ok(())
    }
}

/// Reads the heads of a list's items.
struct HeadReader<'a>(&'a mut Heads);

impl<'de> Taker<'de> for HeadReader<'_> {
    fn take<A: SeqAccess<'de>>(&mut self, items: &mut A) -> Result<bool, A::Error> {
        items.next_element_seed(HeadVisitor(&mut *self.0)).map(|head| head.is_some())
    }
}
