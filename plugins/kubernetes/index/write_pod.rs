//! How pods change the picture. Every function says whether an answer may differ.

use std::sync::Arc;

use super::pod::{Keep, Pod};
use super::{Index, MAX_NAME};
use crate::kubernetes::objects;

impl Index {
    /// Takes a pod. One that is being deleted keeps its old form until it is gone (CoreDNS ignores its updates), and is marked.
    pub(super) fn apply_pod(&mut self, object: &objects::Pod) -> bool {
        let (namespace, name) = (&object.metadata.namespace, &object.metadata.name);
        let old = self.next.pod_entry(namespace, name).map(|(id, pod)| (id, Arc::clone(pod)));
        if let Some((id, _)) = &old {
            self.pods.name(*id, true);
        }
        if object.metadata.is_deleting {
            self.mark_terminating(old);
            return false;
        }
        if name.len() > MAX_NAME || namespace.len() > MAX_NAME {
            return false;
        }
        let new = Pod::new(object, Keep { addresses: self.options.pod_addresses, labels: self.options.pod_labels });
        if old.as_ref().is_some_and(|(_, old)| **old == new) {
            return false;
        }
        let id = old.as_ref().map_or_else(|| self.add_pod(&new), |(id, _)| *id);
        self.pods.name(id, true);
        self.move_pod_address(id, old.as_ref().map(|(_, old)| &**old), Some(&new));
        let is_visible = old.is_none_or(|(_, old)| old.host != new.host || old.hosts != new.hosts);
        self.next.pods.set(id, Some(Arc::new(new)));
        self.is_changed = true;
        is_visible
    }

    /// Marks a known pod as one that is being deleted: no answer changes, but its address may have another pod already.
    fn mark_terminating(&mut self, known: Option<(u32, Arc<Pod>)>) {
        if let Some((id, pod)) = known.filter(|(_, pod)| !pod.is_terminating) {
            let marked = Pod { is_terminating: true, ..Pod::clone(&pod) };
            self.next.pods.set(id, Some(Arc::new(marked)));
            self.is_changed = true;
        }
    }

    /// Gives a new pod its id.
    fn add_pod(&mut self, pod: &Pod) -> u32 {
        let id = self.pods.take();
        self.next.pod_ids.insert(self.next.hash_pair(&pod.namespace, &pod.name), id);
        id
    }

    /// Takes a pod away.
    pub(super) fn delete_pod(&mut self, namespace: &str, name: &str) -> bool {
        let Some((id, old)) = self.next.pod_entry(namespace, name).map(|(id, pod)| (id, Arc::clone(pod))) else {
            return false;
        };
        self.move_pod_address(id, Some(&old), None);
        self.next.pod_ids.remove(self.next.hash_pair(namespace, name), id);
        self.next.pods.set(id, None);
        self.pods.give(id);
        true
    }

    /// Takes away pods that the list did not name.
    pub(super) fn sweep_pods(&mut self) -> bool {
        let all = self.next.pods.iter();
        let gone: Vec<_> = all.filter(|(id, _)| !self.pods.is_named(*id)).map(|(_, pod)| Arc::clone(pod)).collect();
        for pod in &gone {
            self.delete_pod(&pod.namespace, &pod.name);
        }
        !gone.is_empty()
    }

    /// Enters a pod under its new address instead of its old one.
    fn move_pod_address(&mut self, id: u32, old: Option<&Pod>, new: Option<&Pod>) {
        let address = |pod: Option<&Pod>| pod?.host.as_ref()?.address();
        let (from, to) = (address(old), address(new));
        if from == to {
            return;
        }
        if let Some(address) = from {
            self.next.pods_by_address.remove(self.next.hash_address(address), id);
        }
        if let Some(address) = to {
            self.next.pods_by_address.insert(self.next.hash_address(address), id);
        }
    }
}
