//! The picture of a cluster at one moment, and how things are found in it.

use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::DefaultHashBuilder;

use super::Realm;
use super::group::Group;
use super::pod::Pod;
use super::slice::{Endpoint, Slice};
use super::table::{Store, Table};
use crate::kubernetes::objects::Kind;

/// The kinds that were listed in full.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Kinds(u8);

impl FromIterator<Kind> for Kinds {
    fn from_iter<I: IntoIterator<Item = Kind>>(kinds: I) -> Self {
        let mut all = Self::default();
        kinds.into_iter().for_each(|kind| all.insert(kind));
        all
    }
}

impl Kinds {
    /// Adds a kind.
    pub(crate) const fn insert(&mut self, kind: Kind) {
        self.0 |= 1 << kind as u8;
    }

    /// Takes a kind out.
    pub(crate) const fn remove(&mut self, kind: Kind) {
        self.0 &= !(1 << kind as u8);
    }

    /// Says whether all of `others` are in it.
    pub(crate) const fn covers(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Says whether a kind is in it.
    pub(crate) const fn contains(self, kind: Kind) -> bool {
        self.0 & 1 << kind as u8 != 0
    }
}

/// Versions of zones, in Unix seconds of the last change; 0 before any.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Serials {
    /// Of zones with our own services.
    pub(crate) own: u32,
    /// Of zones with imports.
    pub(crate) imported: u32,
    /// Of zones with addresses outside the cluster.
    pub(crate) external: u32,
}

/// The picture of a cluster at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    /// The hash function.
    hasher: DefaultHashBuilder,
    /// Versions of zones.
    pub(crate) serials: Serials,
    /// Kinds that were listed in full.
    pub(crate) synced: Kinds,
    /// Namespaces, as labels in wire form.
    pub(super) namespaces: Store<Box<[u8]>>,
    /// Namespaces by label.
    pub(super) namespace_ids: Table,
    /// Services and slices of our own.
    pub(super) own: Services,
    /// Imports and their slices.
    pub(super) imported: Services,
    /// Services by cluster address.
    pub(super) by_cluster_address: Table,
    /// Services by external address or name.
    pub(super) by_external_address: Table,
    /// Our own slices by address of an endpoint.
    pub(super) by_address: Table,
    /// Pods.
    pub(super) pods: Store<Pod>,
    /// Pods by namespace and name.
    pub(super) pod_ids: Table,
    /// Pods by first address.
    pub(super) pods_by_address: Table,
}

/// The services of a realm, and their slices.
#[derive(Debug, Clone, Default)]
pub(super) struct Services {
    /// Service names that something stands under.
    pub(super) groups: Store<Group>,
    /// They by key.
    pub(super) group_ids: Table,
    /// Slices.
    pub(super) slices: Store<Slice>,
    /// They by namespace and name.
    pub(super) slice_ids: Table,
    /// They by group and label of an endpoint.
    pub(super) by_label: Table,
}

impl Snapshot {
    /// Hashes an address.
    pub(super) fn hash_address(&self, address: IpAddr) -> u64 {
        self.hasher.hash_one(address)
    }

    /// Hashes octets.
    pub(super) fn hash_octets(&self, octets: &[u8]) -> u64 {
        self.hasher.hash_one(octets)
    }

    /// Hashes two texts, such as namespace and name.
    pub(super) fn hash_pair(&self, first: &str, second: &str) -> u64 {
        self.hasher.hash_one((first, second))
    }

    /// Hashes an endpoint's label in its group; the label is in lower case.
    pub(super) fn hash_label(&self, group: u32, label: &[u8]) -> u64 {
        self.hasher.hash_one((group, label))
    }

    /// Returns the services of a realm.
    pub(super) const fn realm(&self, realm: Realm) -> &Services {
        match realm {
            Realm::Own => &self.own,
            Realm::Imported => &self.imported,
        }
    }

    /// Returns the services of a realm, to be changed.
    pub(super) const fn realm_mut(&mut self, realm: Realm) -> &mut Services {
        match realm {
            Realm::Own => &mut self.own,
            Realm::Imported => &mut self.imported,
        }
    }

    /// Says whether there is a namespace with this label in wire form.
    pub(crate) fn has_namespace(&self, label: &[u8]) -> bool {
        self.namespace_id(self.hash_octets(label), label).is_some()
    }

    /// Returns a namespace's id.
    pub(super) fn namespace_id(&self, hash: u64, label: &[u8]) -> Option<u32> {
        self.namespace_ids.ids(hash).find(|id| self.namespaces.get(*id).is_some_and(|name| ***name == *label))
    }

    /// Returns what stands under the labels of service and namespace in wire form, and its id.
    pub(super) fn group(&self, realm: Realm, key: &[u8]) -> Option<(u32, &Arc<Group>)> {
        let services = self.realm(realm);
        let mut ids = services.group_ids.ids(self.hash_octets(key));
        ids.find_map(|id| services.groups.get(id).filter(|group| *group.key() == *key).map(|group| (id, group)))
    }

    /// Returns the slices of a group.
    pub(super) fn slices(&self, realm: Realm, group: &Group) -> impl Iterator<Item = &Arc<Slice>> {
        let slices = &self.realm(realm).slices;
        group.slices.iter().filter_map(|id| slices.get(*id))
    }

    /// Returns the services that have this cluster address, in its canonical form.
    pub(crate) fn services_at(&self, address: IpAddr) -> impl Iterator<Item = &Group> {
        let groups = self.by_cluster_address.ids(self.hash_address(address)).filter_map(|id| self.own.groups.get(id));
        groups.map(|group| &**group).filter(move |group| {
            let mut hosts = group.service.iter().flat_map(|service| service.addresses.iter());
            hosts.any(|host| host.canonical() == Some(address))
        })
    }

    /// Returns the endpoints that have this address in its canonical form, each with its group and slice.
    pub(crate) fn endpoints_at(&self, address: IpAddr) -> impl Iterator<Item = (&Group, Endpoint<'_>)> {
        self.candidates_at(address).flat_map(move |(group, slice)| slice.at(address).map(move |found| (group, found)))
    }

    /// Returns the slices with an endpoint that has this address in its canonical form, each with its group.
    pub(crate) fn slices_at(&self, address: IpAddr) -> impl Iterator<Item = (&Group, &Slice)> {
        self.candidates_at(address).filter(move |(_, slice)| slice.at(address).next().is_some())
    }

    /// Returns the slices that are entered under this address, and seldom others.
    fn candidates_at(&self, address: IpAddr) -> impl Iterator<Item = (&Group, &Slice)> {
        let slices = self.by_address.ids(self.hash_address(address)).filter_map(|id| self.own.slices.get(id));
        slices.filter_map(|slice| Some((&**self.own.groups.get(slice.group)?, &**slice)))
    }

    /// Returns the pods whose first address means this one, in whatever form it is written.
    pub(crate) fn pods_at(&self, address: IpAddr) -> impl Iterator<Item = &Pod> {
        let pods = self.pods_by_address.ids(self.hash_address(address)).filter_map(|id| self.pods.get(id));
        pods.map(|pod| &**pod).filter(move |pod| pod.host.as_ref().is_some_and(|host| host.address() == Some(address)))
    }

    /// Returns a pod and its id.
    pub(super) fn pod_entry(&self, namespace: &str, name: &str) -> Option<(u32, &Arc<Pod>)> {
        let mut ids = self.pod_ids.ids(self.hash_pair(namespace, name));
        ids.find_map(|id| {
            let pod = self.pods.get(id)?;
            (*pod.namespace == *namespace && *pod.name == *name).then_some((id, pod))
        })
    }

    /// Returns a pod.
    pub(crate) fn pod(&self, namespace: &str, name: &str) -> Option<&Pod> {
        self.pod_entry(namespace, name).map(|(_, pod)| &**pod)
    }
}
