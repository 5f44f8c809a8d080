//! Served zones by name. Knows no query.

use super::served::Served;
use hashbrown::HashMap;
use hashbrown::hash_map::Values;
use plugin_api::Name;
use std::sync::Arc;

/// Served zones by their names in wire form and lower case.
#[derive(Default)]
pub(crate) struct ServedMap(HashMap<Box<[u8]>, Arc<Served>>);

impl ServedMap {
    /// The longest zone that contains a name in lower case: one look for each label.
    pub(crate) fn find(&self, name: &Name) -> Option<&Arc<Served>> {
        let mut rest = name.as_wire();
        loop {
            if let Some(served) = self.0.get(rest) {
                return Some(served);
            }
            let length = usize::from(*rest.first().filter(|length| **length > 0)?);
            rest = rest.get(length + 1..)?;
        }
    }

    /// The zone with exactly this name.
    pub(crate) fn get(&self, name: &Name) -> Option<&Arc<Served>> {
        self.0.get(name.as_wire())
    }

    /// Adds a zone; one of the same name goes.
    pub(crate) fn insert(&mut self, served: Arc<Served>) {
        self.0.insert(served.origin().as_wire().into(), served);
    }

    /// All zones, in no order.
    pub(crate) fn values(&self) -> Values<'_, Box<[u8]>, Arc<Served>> {
        self.0.values()
    }
}

impl FromIterator<Arc<Served>> for ServedMap {
    fn from_iter<I: IntoIterator<Item = Arc<Served>>>(all: I) -> Self {
        let mut map = Self::default();
        all.into_iter().for_each(|served| map.insert(served));
        map
    }
}
