//! Zones: names that are always lower case, and the longest match among several.

use crate::name::{Name, NameError};
use std::fmt;

/// The apex of a zone: absolute and lower case.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Zone(Name);

impl Zone {
    /// The root zone.
    #[must_use]
    pub const fn root() -> Self {
        Self(Name::root())
    }

    /// Reads presentation form; letters are lowered, the final dot may be missing.
    ///
    /// # Errors
    /// When the text is no domain name.
    pub fn from_text(text: &str) -> Result<Self, NameError> {
        Name::from_text(text).map(|name| Self(name.to_lower()))
    }

    /// The name of the apex.
    #[must_use]
    pub const fn name(&self) -> &Name {
        &self.0
    }

    /// Whether `name` is the apex or below it.
    #[must_use]
    pub fn contains(&self, name: &Name) -> bool {
        name.is_within(&self.0)
    }

    /// Whether this is a zone of addresses: `in-addr.arpa`, `ip6.arpa` or below one of them.
    #[must_use]
    pub fn is_reverse(&self) -> bool {
        let mut labels: [&[u8]; 2] = [b"", b""];
        for label in self.0.labels() {
            labels = [labels[1], label];
        }
        labels[1] == b"arpa" && (labels[0] == b"in-addr" || labels[0] == b"ip6")
    }
}

impl From<Name> for Zone {
    fn from(name: Name) -> Self {
        Self(name.to_lower())
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({self})")
    }
}

/// Several zones, in the order they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zones(Vec<Zone>);

impl Zones {
    /// The zones as given.
    #[must_use]
    pub const fn new(zones: Vec<Zone>) -> Self {
        Self(zones)
    }

    /// The longest zone that contains `name`; of equal ones the first.
    #[must_use]
    pub fn find(&self, name: &Name) -> Option<&Zone> {
        self.0.get(self.position(name)?)
    }

    /// Where the longest zone that contains `name` stands among them; of equal ones the first.
    #[must_use]
    pub fn position(&self, name: &Name) -> Option<usize> {
        if let [zone] = self.0.as_slice()
            && zone.name().is_root()
        {
            return Some(0);
        }
        name.longest_zone(self.0.iter().map(Zone::name)).map(|(index, _)| index)
    }

    /// The zones in their order.
    #[must_use]
    pub fn as_slice(&self) -> &[Zone] {
        &self.0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// For which names a plugin that finds nothing passes the query on (CoreDNS: plugin/pkg/fall).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fallthrough(Zones);

impl Fallthrough {
    /// Never.
    #[must_use]
    pub fn never() -> Self {
        Self::default()
    }

    /// For names in `zones`; for every name if there is none.
    #[must_use]
    pub fn to(zones: Vec<Zone>) -> Self {
        Self(Zones::new(if zones.is_empty() { vec![Zone::root()] } else { zones }))
    }

    /// Whether a query for `name` is passed on.
    #[must_use]
    pub fn covers(&self, name: &Name) -> bool {
        self.0.find(name).is_some()
    }
}
