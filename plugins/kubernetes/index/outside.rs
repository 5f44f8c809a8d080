//! The services as they are seen from outside the cluster, and all of them in order.

use super::group::Group;
use super::slice::Slice;
use super::{Realm, Snapshot};

impl Snapshot {
    /// Returns what stands under the labels of service and namespace of our own, in wire form and lower case.
    pub(crate) fn own_group(&self, key: &[u8]) -> Option<&Group> {
        self.group(Realm::Own, key).map(|(_, group)| &**group)
    }

    /// Returns the services that have this external address, as the API writes it.
    pub(crate) fn services_outside<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a Group> {
        let ids = self.by_external_address.ids(self.hash_octets(text.as_bytes()));
        let groups = ids.filter_map(|id| self.own.groups.get(id)).map(|group| &**group);
        groups.filter(move |group| {
            let mut texts = group.service.iter().filter_map(|service| service.external.as_deref()).flatten();
            texts.any(|other| **other == *text)
        })
    }

    /// Returns the ids of all services of a realm, sorted by name and namespace: four octets each.
    pub(crate) fn sorted_groups(&self, realm: Realm) -> Vec<u32> {
        let groups = &self.realm(realm).groups;
        let mut ids: Vec<u32> = groups.iter().filter(|(_, group)| group.service.is_some()).map(|(id, _)| id).collect();
        let name = |id: &u32| groups.get(*id).map(|group| group.key().get(1..).unwrap_or_default());
        ids.sort_by(|left, right| name(left).cmp(&name(right)));
        ids
    }

    /// Returns the group with this id.
    pub(crate) fn group_at(&self, realm: Realm, id: u32) -> Option<&Group> {
        self.realm(realm).groups.get(id).map(|group| &**group)
    }

    /// Returns the slices of a group.
    pub(crate) fn slices_of(&self, realm: Realm, group: &Group) -> impl Iterator<Item = &Slice> {
        self.slices(realm, group).map(|slice| &**slice)
    }
}
