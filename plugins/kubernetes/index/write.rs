//! How namespaces, services and imports change the picture. Every function says whether an answer may differ.

use std::sync::Arc;

use super::group::{Group, Service, import_ports, service_ports, wire_labels};
use super::table::Table;
use super::{Host, Index, Realm, after};
use crate::kubernetes::objects::{self, Key, Kind};

impl Index {
    /// Begins a list of a kind.
    pub(super) fn begin_list(&mut self, kind: Kind) -> bool {
        match kind {
            Kind::Namespace => &mut self.namespaces,
            Kind::Pod => &mut self.pods,
            Kind::Service => &mut self.ids(Realm::Own).groups,
            Kind::EndpointSlice => &mut self.ids(Realm::Own).slices,
            Kind::ServiceImport => &mut self.ids(Realm::Imported).groups,
            Kind::ImportedSlice => &mut self.ids(Realm::Imported).slices,
        }
        .forget_names();
        false
    }

    /// Ends a list: what it did not name is gone, and the kind is synced.
    pub(super) fn end_list(&mut self, kind: Kind, now: u32) -> bool {
        let is_visible = match kind {
            Kind::Namespace => self.sweep_namespaces(),
            Kind::Pod => self.sweep_pods(),
            Kind::Service => self.sweep_services(Realm::Own, now),
            Kind::ServiceImport => self.sweep_services(Realm::Imported, now),
            Kind::EndpointSlice => self.sweep_slices(Realm::Own),
            Kind::ImportedSlice => self.sweep_slices(Realm::Imported),
        };
        self.touch(is_visible, kind, now);
        let is_first = !self.next.synced.contains(kind);
        self.next.synced.insert(kind);
        is_visible || is_first
    }

    /// Takes an object away.
    pub(super) fn delete(&mut self, key: &Key, now: u32) -> bool {
        match key.kind {
            Kind::Namespace => self.delete_namespace(&key.name),
            Kind::Service => self.set_service(Realm::Own, (&key.namespace, &key.name), None, now),
            Kind::ServiceImport => self.set_service(Realm::Imported, (&key.namespace, &key.name), None, now),
            Kind::EndpointSlice => self.delete_slice(Realm::Own, &key.namespace, &key.name),
            Kind::ImportedSlice => self.delete_slice(Realm::Imported, &key.namespace, &key.name),
            Kind::Pod => self.delete_pod(&key.namespace, &key.name),
        }
    }

    /// Takes a namespace.
    pub(super) fn apply_namespace(&mut self, object: &objects::Namespace) -> bool {
        let Some(label) = wire_labels(&[&object.metadata.name]) else { return false };
        let hash = self.next.hash_octets(&label);
        if let Some(id) = self.next.namespace_id(hash, &label) {
            self.namespaces.name(id, true);
            return false;
        }
        let id = self.namespaces.take();
        self.namespaces.name(id, true);
        self.next.namespace_ids.insert(hash, id);
        self.next.namespaces.set(id, Some(Arc::new(label)));
        true
    }

    /// Takes a namespace away.
    fn delete_namespace(&mut self, name: &str) -> bool {
        let Some(label) = wire_labels(&[name]) else { return false };
        let hash = self.next.hash_octets(&label);
        let Some(id) = self.next.namespace_id(hash, &label) else { return false };
        self.next.namespace_ids.remove(hash, id);
        self.next.namespaces.set(id, None);
        self.namespaces.give(id);
        true
    }

    /// Takes away namespaces that the list did not name.
    fn sweep_namespaces(&mut self) -> bool {
        let all = self.next.namespaces.iter();
        let gone: Vec<_> =
            all.filter(|(id, _)| !self.namespaces.is_named(*id)).map(|(_, name)| Arc::clone(name)).collect();
        for label in &gone {
            let name = label.get(1..).and_then(|name| std::str::from_utf8(name).ok());
            self.delete_namespace(name.unwrap_or_default());
        }
        !gone.is_empty()
    }

    /// Takes a service.
    pub(super) fn apply_service(&mut self, object: &objects::Service, now: u32) -> bool {
        let ports = self.share_ports(&service_ports(&object.spec.ports));
        let service = Service::from_service(object, ports, self.options.external);
        self.set_service(Realm::Own, object.metadata.path(), Some(service), now)
    }

    /// Takes an import.
    pub(super) fn apply_import(&mut self, object: &objects::ServiceImport, now: u32) -> bool {
        let ports = self.share_ports(&import_ports(&object.spec.ports));
        let service = Service::from_import(object, ports);
        self.set_service(Realm::Imported, object.metadata.path(), Some(service), now)
    }

    /// Puts a service under its namespace and name, or nothing.
    fn set_service(&mut self, realm: Realm, path: (&str, &str), service: Option<Service>, now: u32) -> bool {
        let Some(key) = wire_labels(&[path.1, path.0]) else { return false };
        let Some((id, group)) = self.group_for(realm, &key, service.is_some()) else { return false };
        self.ids(realm).groups.name(id, service.is_some());
        if group.service == service {
            return false;
        }
        if realm == Realm::Own {
            self.move_service_addresses(id, group.service.as_ref(), service.as_ref(), now);
        }
        let mut group = Group::clone(&group);
        group.service = service;
        self.put_group(realm, id, group);
        true
    }

    /// Enters a service of our own under its new addresses instead of its old ones.
    fn move_service_addresses(&mut self, id: u32, old: Option<&Service>, new: Option<&Service>, now: u32) {
        for (service, change) in [(old, Table::remove as fn(&mut Table, u64, u32)), (new, Table::insert)] {
            for address in service.iter().flat_map(|service| service.addresses.iter()).filter_map(Host::canonical) {
                let hash = self.next.hash_address(address);
                change(&mut self.next.by_cluster_address, hash, id);
            }
            for text in service.iter().filter_map(|service| service.external.as_deref()).flatten() {
                let hash = self.next.hash_octets(text.as_bytes());
                change(&mut self.next.by_external_address, hash, id);
            }
        }
        let external = |service: Option<&Service>| service.is_some_and(|service| service.external.is_some());
        let has_any = external(old) || external(new);
        let differs = match (old, new) {
            (Some(old), Some(new)) => old.external != new.external || old.ports != new.ports,
            _ => true,
        };
        if has_any && differs && self.next.synced.contains(Kind::Service) {
            self.next.serials.external = after(self.next.serials.external, now);
        }
    }

    /// Returns the group under a key; makes it if it is wanted and not there.
    pub(super) fn group_for(&mut self, realm: Realm, key: &[u8], is_wanted: bool) -> Option<(u32, Arc<Group>)> {
        if let Some((id, group)) = self.next.group(realm, key) {
            return Some((id, Arc::clone(group)));
        }
        if !is_wanted {
            return None;
        }
        let hash = self.next.hash_octets(key);
        let group = Arc::new(Group::new(key));
        let id = self.ids(realm).groups.take();
        let services = self.next.realm_mut(realm);
        services.group_ids.insert(hash, id);
        services.groups.set(id, Some(Arc::clone(&group)));
        Some((id, group))
    }

    /// Puts a group in its place, or takes it away if nothing stands under it any more.
    pub(super) fn put_group(&mut self, realm: Realm, id: u32, group: Group) {
        if group.service.is_some() || !group.slices.is_empty() {
            self.next.realm_mut(realm).groups.set(id, Some(Arc::new(group)));
            return;
        }
        let hash = self.next.hash_octets(group.key());
        let services = self.next.realm_mut(realm);
        services.group_ids.remove(hash, id);
        services.groups.set(id, None);
        self.ids(realm).groups.give(id);
    }

    /// Takes away services or imports that the list did not name.
    fn sweep_services(&mut self, realm: Realm, now: u32) -> bool {
        let ids = self.named(realm);
        let groups = self.next.realm(realm).groups.iter();
        let is_gone = |id, group: &Group| group.service.is_some() && !ids.groups.is_named(id);
        let gone: Vec<_> = groups.filter(|(id, group)| is_gone(*id, group)).map(|(id, _)| id).collect();
        for id in &gone {
            let Some(group) = self.next.realm(realm).groups.get(*id).cloned() else { continue };
            if realm == Realm::Own {
                self.move_service_addresses(*id, group.service.as_ref(), None, now);
            }
            self.put_group(realm, *id, Group { service: None, ..Group::clone(&group) });
        }
        !gone.is_empty()
    }
}
