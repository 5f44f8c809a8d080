//! How slices change the picture. Every function says whether an answer may differ.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::group::{Group, Kind, wire_labels};
use super::slice::{Endpoint, Keep, Slice, slice_ports};
use super::table::Table;
use super::{Host, Index, LabelText, MAX_NAME, Realm};
use crate::kubernetes::objects;

/// The hashes under which a slice is found.
struct SliceHashes {
    /// Of its addresses, sorted, each once.
    addresses: Vec<u64>,
    /// Of its labels, sorted, each once; also of those that its addresses would give, so that an address that stands in
    /// a group twice is seen here.
    labels: Vec<u64>,
    /// Whether a label or an address stands in it twice.
    has_twins: bool,
}

/// IPv4 addresses, sorted, each once.
struct Distinct {
    /// The addresses.
    addresses: Vec<Ipv4Addr>,
    /// Whether one of them stood there twice.
    has_twins: bool,
}

impl Distinct {
    /// Sorts addresses.
    fn of(addresses: &[Ipv4Addr]) -> Self {
        let mut distinct = addresses.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        Self { has_twins: distinct.len() < addresses.len(), addresses: distinct }
    }

    /// Returns those that others do not have.
    fn without(&self, other: &Self) -> impl Iterator<Item = Ipv4Addr> {
        self.addresses.iter().copied().filter(|address| other.addresses.binary_search(address).is_err())
    }
}

/// Returns what is in the first sorted list and not in the second.
fn missing<'a>(from: &'a [u64], other: &'a [u64]) -> impl Iterator<Item = u64> + 'a {
    from.iter().copied().filter(|hash| other.binary_search(hash).is_err())
}

impl Index {
    /// Returns how the service of a namespace and name is reached, if there is such a service of our own.
    pub(crate) fn service(&self, namespace: &str, name: &str) -> Option<Kind> {
        let (_, group) = self.next.group(Realm::Own, &wire_labels(&[name, namespace])?)?;
        Some(group.service.as_ref()?.kind)
    }

    /// Returns how the service of a slice is reached, if both are there.
    pub(crate) fn service_of_slice(&self, namespace: &str, name: &str) -> Option<Kind> {
        let (_, slice) = self.slice(Realm::Own, namespace, name)?;
        Some(self.next.own.groups.get(slice.group)?.service.as_ref()?.kind)
    }

    /// Returns a slice and its id.
    fn slice(&self, realm: Realm, namespace: &str, name: &str) -> Option<(u32, Arc<Slice>)> {
        let services = self.next.realm(realm);
        let mut ids = services.slice_ids.ids(self.next.hash_pair(namespace, name));
        ids.find_map(|id| {
            let slice = services.slices.get(id).filter(|slice| *slice.name == *name)?;
            let group = services.groups.get(slice.group)?;
            (group.namespace().get(1..) == Some(namespace.as_bytes())).then(|| (id, Arc::clone(slice)))
        })
    }

    /// Takes a slice. One that names no service is as if it were not there (CoreDNS keeps it and then cannot answer a
    /// PTR query for its addresses at all).
    pub(super) fn apply_slice(&mut self, realm: Realm, object: &objects::EndpointSlice) -> bool {
        let (namespace, name) = (&object.metadata.namespace, &object.metadata.name);
        let label = match realm {
            Realm::Own => objects::SERVICE_NAME,
            Realm::Imported => objects::IMPORT_NAME,
        };
        let service = object.metadata.label(label).unwrap_or_default();
        let key = wire_labels(&[service, namespace]).filter(|_| name.len() <= MAX_NAME);
        let Some(key) = key else { return self.delete_slice(realm, namespace, name) };
        let old = self.slice(realm, namespace, name);
        let groups = &self.next.realm(realm).groups;
        let same = old
            .as_ref()
            .map(|(_, old)| old.group)
            .filter(|id| groups.get(*id).is_some_and(|group| *group.key() == *key));
        let Some(group) = same.or_else(|| Some(self.group_for(realm, &key, true)?.0)) else { return false };
        let ports = self.share_ports(&slice_ports(&object.ports));
        let keep = Keep {
            pod_names: self.options.endpoint_pod_names,
            zones: self.options.zonal && realm == Realm::Own,
            source_cluster: realm == Realm::Imported,
        };
        let new = Slice::new(object, group, ports, keep);
        let id = old.as_ref().map_or_else(|| self.add_slice(realm, namespace, name), |(id, _)| *id);
        self.ids(realm).slices.name(id, true);
        if old.as_ref().is_some_and(|(_, old)| **old == new) {
            return false;
        }
        self.move_slice(realm, id, old.as_ref().map(|(_, old)| &**old), Some(&new));
        self.next.realm_mut(realm).slices.set(id, Some(Arc::new(new)));
        true
    }

    /// Gives a new slice its id.
    fn add_slice(&mut self, realm: Realm, namespace: &str, name: &str) -> u32 {
        let id = self.ids(realm).slices.take();
        let hash = self.next.hash_pair(namespace, name);
        self.next.realm_mut(realm).slice_ids.insert(hash, id);
        id
    }

    /// Takes a slice away.
    pub(super) fn delete_slice(&mut self, realm: Realm, namespace: &str, name: &str) -> bool {
        let Some((id, old)) = self.slice(realm, namespace, name) else { return false };
        let hash = self.next.hash_pair(namespace, name);
        self.move_slice(realm, id, Some(&old), None);
        let services = self.next.realm_mut(realm);
        services.slice_ids.remove(hash, id);
        services.slices.set(id, None);
        self.ids(realm).slices.give(id);
        true
    }

    /// Takes away slices that the list did not name.
    pub(super) fn sweep_slices(&mut self, realm: Realm) -> bool {
        let (ids, services) = (self.named(realm), self.next.realm(realm));
        let unnamed = services.slices.iter().filter(|(id, _)| !ids.slices.is_named(*id));
        let gone: Vec<(Box<str>, Arc<Group>)> = unnamed
            .filter_map(|(_, slice)| Some((slice.name.clone(), Arc::clone(services.groups.get(slice.group)?))))
            .collect();
        let mut changed = false;
        for (name, group) in gone {
            let namespace = group.namespace().get(1..).and_then(|name| std::str::from_utf8(name).ok());
            changed |= self.delete_slice(realm, namespace.unwrap_or_default(), &name);
        }
        changed
    }

    /// Enters a slice under the addresses, labels and group of its new form instead of its old one.
    fn move_slice(&mut self, realm: Realm, id: u32, old: Option<&Slice>, new: Option<&Slice>) {
        let (before, after) = self.differing_hashes(realm, old, new);
        let addresses = &mut self.next.by_address;
        missing(&before.addresses, &after.addresses).for_each(|hash| addresses.remove(hash, id));
        missing(&after.addresses, &before.addresses).for_each(|hash| addresses.insert(hash, id));
        if let Some(slice) = old {
            let gone =
                self.move_labels(realm, (id, slice.group), missing(&before.labels, &after.labels), Table::remove);
            let fewer = gone + u32::from(before.has_twins);
            let is_leaving = new.is_none_or(|new| new.group != slice.group);
            if fewer > 0 || is_leaving {
                self.edit_group(realm, slice.group, |group| {
                    group.repeats = group.repeats.saturating_sub(fewer);
                    if is_leaving {
                        group.slices = group.slices.iter().copied().filter(|slice| *slice != id).collect();
                    }
                });
            }
        }
        if let Some(slice) = new {
            let more =
                self.move_labels(realm, (id, slice.group), missing(&after.labels, &before.labels), Table::insert);
            let more = more + u32::from(after.has_twins);
            let is_coming = old.is_none_or(|old| old.group != slice.group);
            if more > 0 || is_coming {
                self.edit_group(realm, slice.group, |group| {
                    group.repeats += more;
                    if is_coming {
                        group.slices = group.slices.iter().copied().chain([id]).collect();
                    }
                });
            }
        }
    }

    /// Enters a slice under labels or takes it away from them; returns how many of these another slice of the group has.
    fn move_labels(
        &mut self,
        realm: Realm,
        (id, group): (u32, u32),
        hashes: impl Iterator<Item = u64>,
        change: fn(&mut Table, u64, u32),
    ) -> u32 {
        let services = self.next.realm_mut(realm);
        let mut shared = 0;
        for hash in hashes {
            let is_sister = |other: &u32| services.slices.get(*other).is_some_and(|slice| slice.group == group);
            let has_sister = services.by_label.ids(hash).filter(|other| *other != id).any(|other| is_sister(&other));
            shared += u32::from(has_sister);
            change(&mut services.by_label, hash, id);
        }
        shared
    }

    /// Changes a group; one that is not there stays away.
    fn edit_group(&mut self, realm: Realm, id: u32, edit: impl FnOnce(&mut Group)) {
        let Some(old) = self.next.realm(realm).groups.get(id) else { return };
        let mut new = Group::clone(old);
        edit(&mut new);
        self.put_group(realm, id, new);
    }

    /// Returns the hashes under which the two forms of a slice are found, with or without those that are in both. Most changes are of
    /// one endpoint of many.
    fn differing_hashes(&self, realm: Realm, old: Option<&Slice>, new: Option<&Slice>) -> (SliceHashes, SliceHashes) {
        if let (Some(old), Some(new)) = (old, new)
            && let (Some(before), Some(after)) = (old.bare_fours(), new.bare_fours())
            && old.group == new.group
        {
            let (before, after) = (Distinct::of(before), Distinct::of(after));
            let hashes = |one: &Distinct, other: &Distinct| {
                let endpoints = one.without(other).map(|address| Endpoint::bare(Host::V4(address)));
                SliceHashes { has_twins: one.has_twins, ..self.hashes(realm, old.group, endpoints, 1) }
            };
            return (hashes(&before, &after), hashes(&after, &before));
        }
        let all = |slice: Option<&Slice>| {
            let endpoints = slice.into_iter().flat_map(Slice::endpoints);
            self.hashes(realm, slice.map_or(0, |slice| slice.group), endpoints, slice.map_or(0, Slice::len))
        };
        (all(old), all(new))
    }

    /// Returns the hashes under which endpoints of a group are found; imported ones are not found by address.
    fn hashes<'a>(
        &self,
        realm: Realm,
        group: u32,
        endpoints: impl Iterator<Item = Endpoint<'a>>,
        room: usize,
    ) -> SliceHashes {
        let (addresses, labels) = (Vec::with_capacity(room), Vec::with_capacity(room));
        let mut hashes = SliceHashes { addresses, labels, has_twins: false };
        for endpoint in endpoints {
            let address = endpoint.host.canonical().filter(|_| realm == Realm::Own);
            hashes.addresses.extend(address.map(|address| self.next.hash_address(address)));
            let hash = |label: LabelText| self.next.hash_label(group, label.into_lower().as_bytes());
            hashes.labels.push(hash(endpoint.label()));
            if !endpoint.label.is_empty() {
                hashes.labels.push(hash(endpoint.host.label()));
            }
        }
        let count = hashes.labels.len();
        for list in [&mut hashes.addresses, &mut hashes.labels] {
            list.sort_unstable();
            list.dedup();
        }
        hashes.has_twins = hashes.labels.len() < count;
        hashes
    }
}
