//! A pod, as far as DNS knows it.

use super::host::Host;
use crate::kubernetes::objects;

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pod {
    /// Its namespace.
    pub(crate) namespace: Box<str>,
    /// Its name.
    pub(crate) name: Box<str>,
    /// Its first address, if it has one yet.
    pub(crate) host: Option<Host>,
    /// All its addresses, if they are kept.
    pub(crate) hosts: Box<[Host]>,
    /// Its labels, if they are kept.
    pub(crate) labels: Box<[(Box<str>, Box<str>)]>,
    /// Whether it has a deletion timestamp; its address may have another pod already.
    pub(crate) is_terminating: bool,
}

/// What of a pod is kept besides its first address.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keep {
    /// All addresses.
    pub(super) addresses: bool,
    /// Labels.
    pub(super) labels: bool,
}

impl Pod {
    /// Takes from a Pod what DNS needs.
    pub(super) fn new(object: &objects::Pod, keep: Keep) -> Self {
        let labels = object.metadata.labels.iter().map(|(key, value)| (key.clone(), value.clone()));
        let texts = object.status.pod_ips.iter().map(|ip| &ip.ip);
        let first = object.status.pod_ips.is_empty().then_some(&object.status.pod_ip);
        let hosts = texts.chain(first).filter_map(|text| Host::read(text));
        Self {
            namespace: object.metadata.namespace.clone(),
            name: object.metadata.name.clone(),
            host: Host::read(&object.status.pod_ip),
            hosts: if keep.addresses { hosts.collect() } else { Box::default() },
            labels: if keep.labels { labels.collect() } else { Box::default() },
            is_terminating: object.metadata.is_deleting,
        }
    }
}
