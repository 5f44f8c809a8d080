//! The objects of all manifests, taken together as a cluster would: namespaces, slices that follow from pods, filters.
//!
//! Objects pass through at once; only what slices may have to be made of is kept until the last one has been read.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::object::Written;
use super::slices::{PodFacts, Selecting};
use crate::kubernetes::objects::{EndpointSlice, Kind, Metadata, Namespace, Object, SERVICE_NAME};
use crate::kubernetes::source::selector::Selector;
use crate::kubernetes::source::{LOG, Wanted};

/// What is known while manifests are being read.
#[derive(Debug)]
pub(super) struct Cluster {
    /// The kinds to pass on, each with its selector.
    wanted: Vec<(Kind, Selector)>,
    /// Whether a Namespace object has been read: then only those exist.
    lists_namespaces: bool,
    /// The namespaces of all objects.
    namespaces: BTreeSet<Box<str>>,
    /// Namespace and name of the services that have slices of their own.
    sliced: HashSet<(Box<str>, Box<str>)>,
    /// The services that may need slices.
    selecting: Vec<Selecting>,
    /// The pods that may be endpoints, by namespace.
    pods: HashMap<Box<str>, Vec<PodFacts>>,
    /// Namespace and name of `Endpoints` objects, which have no effect.
    endpoints: BTreeSet<(Box<str>, Box<str>)>,
}

impl Cluster {
    /// Begins with nothing.
    pub(super) fn new(wanted: &Wanted) -> Self {
        Self {
            wanted: wanted.kinds.iter().map(|kind| (*kind, wanted.selector(*kind))).collect(),
            lists_namespaces: false,
            namespaces: BTreeSet::new(),
            sliced: HashSet::new(),
            selecting: Vec::new(),
            pods: HashMap::new(),
            endpoints: BTreeSet::new(),
        }
    }

    /// Takes one object and passes on what DNS needs of it.
    pub(super) fn take(&mut self, written: Written, emit: &mut dyn FnMut(Object)) {
        self.note_namespace(written.metadata());
        match written {
            Written::Namespace(namespace) => {
                self.lists_namespaces = true;
                self.pass(Object::Namespace(namespace), emit);
            }
            Written::Service(service) => {
                self.selecting.extend(Selecting::of(&service).filter(|_| self.is_wanted(Kind::EndpointSlice)));
                self.pass(Object::Service(service.into_service()), emit);
            }
            Written::EndpointSlice(slice) => {
                if let Some(service) = slice.metadata.label(SERVICE_NAME) {
                    self.sliced.insert((slice.metadata.namespace.clone(), service.into()));
                }
                self.pass_slice(slice, emit);
            }
            Written::Pod(pod) => {
                if let Some(facts) = PodFacts::of(&pod).filter(|_| self.is_wanted(Kind::EndpointSlice)) {
                    self.pods.entry(pod.metadata.namespace.clone()).or_default().push(facts);
                }
                if !matches!(&*pod.status.phase, "Succeeded" | "Failed" | "Unknown") {
                    self.pass(Object::Pod(pod.into_pod()), emit);
                }
            }
            Written::ServiceImport(import) => self.pass(Object::ServiceImport(import), emit),
            Written::Endpoints(metadata) => {
                self.endpoints.insert((metadata.namespace, metadata.name));
            }
        }
    }

    /// Passes on what follows from all objects together.
    pub(super) fn finish(mut self, emit: &mut dyn FnMut(Object)) {
        for service in std::mem::take(&mut self.selecting) {
            self.endpoints.remove(&(service.namespace.clone(), service.name.clone()));
            let key = (service.namespace.clone(), service.name.clone());
            if self.sliced.contains(&key) {
                continue;
            }
            let pods = self.pods.get(&service.namespace).map(Vec::as_slice).unwrap_or_default();
            for slice in service.slices(pods) {
                self.pass_slice(slice, emit);
            }
        }
        self.warn_of_endpoints();
        if !self.lists_namespaces {
            for name in std::mem::take(&mut self.namespaces) {
                let labels = [("kubernetes.io/metadata.name".into(), name.clone())].into();
                self.pass(Object::Namespace(Namespace { metadata: Metadata::new("", &name, labels) }), emit);
            }
        }
    }

    /// Warns of `Endpoints` objects whose service has no slices from elsewhere: DNS reads slices only, which a cluster makes of them.
    fn warn_of_endpoints(&self) {
        let mut lost = self.endpoints.iter().filter(|key| !self.sliced.contains(*key));
        if let Some((namespace, name)) = lost.next() {
            let more = lost.count();
            tracing::warn!(
                target: LOG,
                "Endpoints {namespace}/{name} in manifests and {more} more have no effect: DNS reads EndpointSlices, \
                 so put those of the cluster beside them"
            );
        }
    }

    /// Keeps the name of an object's namespace as long as no Namespace object says which exist.
    fn note_namespace(&mut self, metadata: &Metadata) {
        let is_new = !metadata.namespace.is_empty() && !self.namespaces.contains(&metadata.namespace);
        if is_new && !self.lists_namespaces {
            self.namespaces.insert(metadata.namespace.clone());
        }
    }

    /// Passes a slice on, once for each kind of list that it belongs to.
    fn pass_slice(&self, slice: EndpointSlice, emit: &mut dyn FnMut(Object)) {
        if self.is_wanted(Kind::ImportedSlice) {
            self.pass(Object::ImportedSlice(slice.clone()), emit);
        }
        self.pass(Object::EndpointSlice(slice), emit);
    }

    /// Passes an object on if its kind is wanted and its labels are selected.
    fn pass(&self, object: Object, emit: &mut dyn FnMut(Object)) {
        let selector = self.wanted.iter().find(|(kind, _)| *kind == object.kind()).map(|(_, selector)| selector);
        if selector.is_some_and(|selector| selector.matches(|key| object.metadata().label(key))) {
            emit(object);
        }
    }

    /// Says whether objects of this kind are passed on.
    fn is_wanted(&self, kind: Kind) -> bool {
        self.wanted.iter().any(|(wanted, _)| *wanted == kind)
    }
}
