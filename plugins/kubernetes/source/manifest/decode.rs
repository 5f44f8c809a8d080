//! One document of a manifest, decoded object by object, whatever serde format it is written in.
//!
//! An object's kind decides how its fields are read, so it should come first. `kubectl` sorts fields by name, which puts
//! only `addressType` and `endpoints` of a slice, and `items` of a list, before it; these are known by themselves. For
//! any other order the document is read twice: [`super::head::Heads`] collects the kinds, then the objects are decoded with them.
//! Knows no file and no format.

use std::collections::VecDeque;
use std::fmt;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, StringDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};

use super::head::{Head, Shape};
use super::items::{Items, Taker};
use super::object::{MetadataOnly, Written};

/// The error that asks for the second way: the kind comes too late.
pub(super) const KIND_TOO_LATE: &str = "kind and apiVersion come after other fields";

/// Decodes the objects of one document and hands each to `sink`.
pub(super) struct Objects<'a> {
    /// Who takes the objects.
    pub(super) sink: &'a mut dyn FnMut(Written),
    /// The heads of all objects in order, if they had to be read before.
    pub(super) heads: Option<VecDeque<Head>>,
}

impl<'de> DeserializeSeed<'de> for &mut Objects<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(ObjectVisitor { objects: self, inherited: Head::default() })
    }
}

/// Decodes one object, or the list that it is.
struct ObjectVisitor<'a, 'b> {
    /// Where it goes.
    objects: &'a mut Objects<'b>,
    /// What a list of one kind says of it.
    inherited: Head,
}

impl<'de> DeserializeSeed<'de> for ObjectVisitor<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ObjectVisitor<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a Kubernetes object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let known = self.objects.heads.as_mut().and_then(VecDeque::pop_front);
        let is_second_reading = self.objects.heads.is_some();
        let mut head = known.unwrap_or_default();
        let mut is_list = false;
        while let Some(key) = map.next_key::<String>()? {
            if head.take(&key, &mut map)? {
                continue;
            }
            let shape = head.shape().or_else(|| head.shape_by(&key)).or_else(|| self.inherited.shape());
            let Some(shape) = shape else {
                if key == "addressType" && !is_second_reading {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                return Err(A::Error::custom(if is_second_reading { head.incomplete() } else { KIND_TOO_LATE }));
            };
            if shape != Shape::List {
                return self.objects.decode(shape, Rest { key: Some(key), map });
            }
            is_list = true;
            if key == "items" {
                let decoder = Decoder { objects: &mut *self.objects, inherited: head.of_items() };
                map.next_value_seed(Items(decoder))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        let is_known = is_list || head.shape().or_else(|| self.inherited.shape()).is_some();
        if is_known { Ok(()) } else { Err(A::Error::custom(head.incomplete())) }
    }
}

impl Objects<'_> {
    /// Decodes the fields of one object and hands it on.
    fn decode<'de, A: MapAccess<'de>>(&mut self, shape: Shape, fields: Rest<A>) -> Result<(), A::Error> {
        let from = MapAccessDeserializer::new(fields);
        let mut object = match shape {
            Shape::Namespace => Written::Namespace(Deserialize::deserialize(from)?),
            Shape::Service => Written::Service(Deserialize::deserialize(from)?),
            Shape::EndpointSlice => Written::EndpointSlice(Deserialize::deserialize(from)?),
            Shape::Pod => Written::Pod(Deserialize::deserialize(from)?),
            Shape::ServiceImport => Written::ServiceImport(Deserialize::deserialize(from)?),
            Shape::Endpoints => Written::Endpoints(MetadataOnly::deserialize(from)?.metadata),
            Shape::List | Shape::Other => return IgnoredAny::deserialize(from).map(drop),
        };
        if object.metadata().name.is_empty() {
            return Err(A::Error::custom("an object needs a metadata.name"));
        }
        object.fill_in();
        (self.sink)(object);
        Ok(())
    }
}

/// Decodes the items of a list.
struct Decoder<'a, 'b> {
    /// Where they go.
    objects: &'a mut Objects<'b>,
    /// What the list says of them.
    inherited: Head,
}

impl<'de> Taker<'de> for Decoder<'_, '_> {
    fn take<A: SeqAccess<'de>>(&mut self, items: &mut A) -> Result<bool, A::Error> {
        let item = ObjectVisitor { objects: &mut *self.objects, inherited: self.inherited.clone() };
        items.next_element_seed(item).map(|item| item.is_some())
    }
}

/// The fields of an object from `key` on, whose value has not been read yet.
struct Rest<A> {
    /// The key that was read to find out what the object is.
    key: Option<String>,
    /// The fields after it.
    map: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Rest<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        match self.key.take() {
            Some(key) => {
                let key: StringDeserializer<A::Error> = key.into_deserializer();
                seed.deserialize(key).map(Some)
            }
            None => self.map.next_key_seed(seed),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}
