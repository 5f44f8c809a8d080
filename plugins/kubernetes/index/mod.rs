//! Objects in, answers out: the compact picture of a cluster that DNS needs.
//!
//! One [`Index`] takes every [`Change`] and publishes [`Snapshot`]s; readers of a snapshot see each change whole or not at
//! all. It keeps just what answers need and what later changes need to find their place, no object beside it. Pure:
//! knows no API server, no runtime and no clock; the time comes with the change.

mod few;
mod group;
mod host;
mod outside;
mod pod;
mod recall;
mod records;
mod slice;
mod snapshot;
mod table;
mod write;
mod write_pod;
mod write_slice;

#[cfg(test)]
pub(super) mod tests;

use std::sync::Arc;

use hashbrown::HashSet;

use super::objects::{Change, Kind, Object};
pub(crate) use group::{Group, Kind as ServiceKind, NO_PORT};
use group::{Port, Ports};
pub(crate) use host::{Host, LabelText, parse_address};
pub(crate) use pod::Pod;
pub(crate) use records::{Entry, Found, Records};
pub(crate) use snapshot::{Kinds, Serials, Snapshot};
use table::Ids;

/// Names longer than this cannot be asked for and are left out; Kubernetes allows no more.
const MAX_NAME: usize = 253;
/// How many sets of ports may be forgotten before they are swept.
const PORTS_SLACK: usize = 64;

/// What the index keeps beyond the needs of every configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Endpoints without hostname are named after their pod.
    pub(crate) endpoint_pod_names: bool,
    /// Endpoints keep their topology zone.
    pub(crate) zonal: bool,
    /// Pods keep all their addresses, not only the first.
    pub(crate) pod_addresses: bool,
    /// Pods keep their labels.
    pub(crate) pod_labels: bool,
    /// Services keep their addresses outside the cluster.
    pub(crate) external: bool,
}

/// The two sets of service names: our own and those of the cluster set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Realm {
    /// Services and their slices.
    Own,
    /// Imports and theirs.
    Imported,
}

/// The picture of the cluster, and what changes it.
#[derive(Debug)]
pub(crate) struct Index {
    /// What is kept.
    options: Options,
    /// The picture as it will be published next.
    next: Snapshot,
    /// Whether it differs from what was published.
    is_changed: bool,
    /// Sets of ports in use, shared by those who have the same.
    ports: HashSet<Ports>,
    /// How many there were after the last sweep.
    ports_swept: usize,
    /// Ids of namespaces.
    namespaces: Ids,
    /// Ids of pods.
    pods: Ids,
    /// Ids of groups and slices, by realm.
    realms: [RealmIds; 2],
}

/// Ids of groups and slices of a realm.
#[derive(Debug, Default)]
struct RealmIds {
    /// Ids of groups; a group is named if its service was.
    groups: Ids,
    /// Ids of slices.
    slices: Ids,
}

impl Index {
    /// Makes an empty index.
    pub(crate) fn new(options: Options) -> Self {
        Self {
            options,
            next: Snapshot::default(),
            is_changed: false,
            ports: HashSet::new(),
            ports_swept: 0,
            namespaces: Ids::default(),
            pods: Ids::default(),
            realms: [RealmIds::default(), RealmIds::default()],
        }
    }

    /// Takes a change that is seen at `now`, in Unix seconds: the serial of zones whose answers it changes.
    pub(crate) fn apply(&mut self, change: &Change, now: u32) {
        let is_visible = match change {
            Change::ListBegin(kind) => self.begin_list(*kind),
            Change::ListEnd(kind) => self.end_list(*kind, now),
            Change::Reached(..) => false,
            Change::Apply(object) => self.apply_object(object, now),
            Change::Delete(gone) => {
                let is_visible = self.delete(&gone.key, now);
                self.touch(is_visible, gone.key.kind, now)
            }
        };
        self.is_changed |= is_visible;
    }

    /// Returns the picture with all changes so far; none if the last one still holds.
    pub(crate) fn publish(&mut self) -> Option<Arc<Snapshot>> {
        if !self.is_changed {
            return None;
        }
        self.is_changed = false;
        self.sweep_ports();
        Some(Arc::new(self.next.clone()))
    }

    /// Takes an object as it is now.
    fn apply_object(&mut self, object: &Object, now: u32) -> bool {
        let is_visible = match object {
            Object::Namespace(object) => self.apply_namespace(object),
            Object::Service(object) => self.apply_service(object, now),
            Object::ServiceImport(object) => self.apply_import(object, now),
            Object::EndpointSlice(object) => self.apply_slice(Realm::Own, object),
            Object::ImportedSlice(object) => self.apply_slice(Realm::Imported, object),
            Object::Pod(object) => self.apply_pod(object),
        };
        self.touch(is_visible, object.kind(), now)
    }

    /// Raises the serial of the zones that a visible change of this kind belongs to.
    ///
    /// The first list of imports leaves theirs at 0, as in CoreDNS, where only updates raise it; here later comings and
    /// goings do too.
    fn touch(&mut self, is_visible: bool, kind: Kind, now: u32) -> bool {
        let serials = &mut self.next.serials;
        match kind {
            _ if !is_visible => {}
            Kind::ServiceImport | Kind::ImportedSlice if !self.next.synced.contains(kind) => {}
            Kind::ServiceImport | Kind::ImportedSlice => serials.imported = after(serials.imported, now),
            _ => serials.own = after(serials.own, now),
        }
        is_visible
    }

    /// Returns the one copy of these ports.
    fn share_ports(&mut self, ports: &[Port]) -> Ports {
        Arc::clone(self.ports.get_or_insert_with(ports, |ports| ports.into()))
    }

    /// Forgets sets of ports that nobody has any more, now and then.
    fn sweep_ports(&mut self) {
        if self.ports.len() > 2 * self.ports_swept + PORTS_SLACK {
            self.ports.retain(|ports| Arc::strong_count(ports) > 1);
            self.ports_swept = self.ports.len();
        }
    }

    /// Returns what the current list of a realm has named.
    const fn named(&self, realm: Realm) -> &RealmIds {
        let [own, imported] = &self.realms;
        match realm {
            Realm::Own => own,
            Realm::Imported => imported,
        }
    }

    /// Returns the ids of a realm.
    const fn ids(&mut self, realm: Realm) -> &mut RealmIds {
        let [own, imported] = &mut self.realms;
        match realm {
            Realm::Own => own,
            Realm::Imported => imported,
        }
    }
}

/// The serial after a change that is seen at `now`: that time, but higher than before also after the clock was set back, so that
/// secondaries fetch the change.
const fn after(serial: u32, now: u32) -> u32 {
    if now < serial { serial.saturating_add(1) } else { now }
}
