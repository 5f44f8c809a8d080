//! The items of a list in a manifest, one after the other; `null` is no items. Knows neither objects nor formats.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};

/// Takes one item after the other.
pub(super) trait Taker<'de> {
    /// Takes the next item; false if there is none.
    fn take<A: SeqAccess<'de>>(&mut self, items: &mut A) -> Result<bool, A::Error>;
}

/// The items of a list, and who takes them.
pub(super) struct Items<T>(pub(super) T);

impl<'de, T: Taker<'de>> DeserializeSeed<'de> for Items<T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_option(self)
    }
}

impl<'de, T: Taker<'de>> Visitor<'de> for Items<T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the items of a list")
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        while self.0.take(&mut items)? {}
        Ok(())
    }
}
