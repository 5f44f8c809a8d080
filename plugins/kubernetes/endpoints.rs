//! The endpoints of a slice as the API server tells them, packed: a slice of a hundred is two pieces of memory, not some hundreds.
//!
//! Texts are read where they stand in the response and copied once. An endpoint with several addresses becomes several with one
//! address each: DNS knows no difference.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::objects::nullable;

/// The room for texts to begin with, in octets: that of some endpoints.
const ROOM: usize = 512;

/// The most endpoints that room is made for at once: Kubernetes allows a slice 1,000.
const MAX_ROOM: usize = 1000;

/// The endpoints of a slice, in the order of the API.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Endpoints {
    /// All texts, one behind the other.
    text: String,
    /// Where those of each endpoint end.
    parts: Vec<Part>,
}

/// An endpoint: where its texts end, each of which begins at the end of the one before.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Part {
    /// The end of its address.
    address: usize,
    /// The end of its hostname.
    hostname: usize,
    /// The end of its pod's name.
    pod: usize,
    /// The end of its zone.
    zone: usize,
    /// Whether DNS may name it.
    is_ready: bool,
}

/// An endpoint of a service: an address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Endpoint<'a> {
    /// Its address (the API allows a name too, in slices of type FQDN).
    pub(crate) address: &'a str,
    /// Its label below the service's name.
    pub(crate) hostname: &'a str,
    /// The name of the pod behind it.
    pub(crate) pod: &'a str,
    /// The zone it runs in.
    pub(crate) zone: &'a str,
    /// Whether DNS may name it: ready, or nobody knows.
    pub(crate) is_ready: bool,
}

impl Endpoints {
    /// Makes room for so many endpoints, and for the texts of some.
    pub(crate) fn with_room(count: usize) -> Self {
        Self { text: String::with_capacity(ROOM), parts: Vec::with_capacity(count.min(MAX_ROOM)) }
    }

    /// Appends an endpoint.
    pub(crate) fn push(&mut self, endpoint: Endpoint<'_>) {
        let Endpoint { address, hostname, pod, zone, is_ready } = endpoint;
        let [address, hostname, pod, zone] = [address, hostname, pod, zone].map(|text| {
            self.text.push_str(text);
            self.text.len()
        });
        self.parts.push(Part { address, hostname, pod, zone, is_ready });
    }

    /// Returns all endpoints.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Endpoint<'_>> + Clone {
        let mut start = 0;
        self.parts.iter().map(move |part| {
            let [address, hostname, pod, zone] = [part.address, part.hostname, part.pod, part.zone]
                .map(|end| self.text.get(std::mem::replace(&mut start, end)..end).unwrap_or_default());
            Endpoint { address, hostname, pod, zone, is_ready: part.is_ready }
        })
    }

    /// Returns how many there are.
    pub(crate) fn len(&self) -> usize {
        self.parts.len()
    }
}

impl<'a> FromIterator<Endpoint<'a>> for Endpoints {
    fn from_iter<I: IntoIterator<Item = Endpoint<'a>>>(from: I) -> Self {
        let mut endpoints = Self::default();
        from.into_iter().for_each(|endpoint| endpoints.push(endpoint));
        endpoints
    }
}

/// An endpoint as it is written.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Written<'a> {
    /// Its addresses.
    #[serde(borrow, deserialize_with = "nullable")]
    addresses: Vec<Text<'a>>,
    /// Whether it takes traffic.
    #[serde(deserialize_with = "nullable")]
    conditions: Conditions,
    /// Its label below the service's name.
    #[serde(borrow)]
    hostname: Text<'a>,
    /// The pod behind it.
    #[serde(borrow, deserialize_with = "nullable")]
    target_ref: TargetRef<'a>,
    /// The zone it runs in.
    #[serde(borrow)]
    zone: Text<'a>,
}

/// Whether an endpoint takes traffic.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Conditions {
    /// Absent means unknown, to be taken as ready.
    ready: Option<bool>,
}

/// What an endpoint stands for.
#[derive(Default, Deserialize)]
#[serde(default)]
struct TargetRef<'a> {
    /// The pod's name.
    #[serde(borrow)]
    name: Text<'a>,
}

/// A text where it stands, unless it must be unescaped; `null` is empty.
#[derive(Default)]
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_option(TextVisitor)
    }
}

/// Reads a [`Text`].
struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_none<E: Error>(self) -> Result<Text<'de>, E> {
        Ok(Text::default())
    }

    fn visit_unit<E: Error>(self) -> Result<Text<'de>, E> {
        Ok(Text::default())
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Text<'de>, D::Error> {
        from.deserialize_str(self)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
        self.visit_string(text.to_owned())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text)))
    }
}

impl<'de> Deserialize<'de> for Endpoints {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(EndpointsVisitor)
    }
}

/// Reads [`Endpoints`].
struct EndpointsVisitor;

impl<'de> Visitor<'de> for EndpointsVisitor {
    type Value = Endpoints;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of endpoints")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Endpoints, A::Error> {
        let mut endpoints = Endpoints::with_room(0);
        while let Some(written) = all.next_element::<Written<'de>>()? {
            for address in &written.addresses {
                endpoints.push(Endpoint {
                    address: &address.0,
                    hostname: &written.hostname.0,
                    pod: &written.target_ref.name.0,
                    zone: &written.zone.0,
                    is_ready: written.conditions.ready.unwrap_or(true),
                });
            }
        }
        Ok(endpoints)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_as_they_were_written() {
        let json = r#"[{"addresses":["10.0.0.1","10.0.0.2"],"hostname":"\u0061b","zone":"z","targetRef":{"kind":"Pod","name":"p"}},
            {"addresses":null,"hostname":"gone"},
            {"addresses":["fd00::1"],"hostname":null,"zone":null,"targetRef":null,"conditions":{"ready":false,"serving":true}}]"#;
        let endpoints: Endpoints = serde_json::from_str(json).unwrap();
        let first = Endpoint { address: "10.0.0.1", hostname: "ab", pod: "p", zone: "z", is_ready: true };
        let second = Endpoint { address: "10.0.0.2", ..first };
        let third = Endpoint { address: "fd00::1", is_ready: false, ..Endpoint::default() };
        assert_eq!(endpoints.iter().collect::<Vec<_>>(), [first, second, third]);
        assert_eq!([first, second, third].into_iter().collect::<Endpoints>(), endpoints);
        assert_eq!(
            serde_saphyr::from_str::<Endpoints>(json).unwrap(),
            endpoints,
            "no text stands where it can be borrowed"
        );
    }

    #[test]
    fn what_is_no_text_is_refused() {
        for json in [r#"[{"addresses":[1]}]"#, r#"[{"addresses":["a"],"zone":{}}]"#, r#"{"addresses":[]}"#, r#"["a"]"#]
        {
            assert!(serde_json::from_str::<Endpoints>(json).is_err(), "{json}");
        }
    }
}
