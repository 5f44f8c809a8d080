//! What has been told to the index: a hash of each object, so that a second reading tells only what is different.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;

use crate::kubernetes::objects::{Change, Deleted, Key, Object};

/// The objects that the index has, by a hash of their fields.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// The hash of each.
    hashes: HashMap<Key, u64>,
    /// The hash function, with random keys.
    hasher: RandomState,
}

impl Held {
    /// Notes an object that the index is told of; the last one of a key counts.
    pub(super) fn note(&mut self, object: &Object) {
        self.hashes.insert(object.key(), self.hasher.hash_one(object));
    }

    /// Begins a comparison with another reading.
    pub(super) fn compare(&self) -> Comparison<'_> {
        Comparison { held: self, read: BTreeMap::new() }
    }

    /// Takes the outcome of a comparison as what the index has now.
    pub(super) fn replace(&mut self, hashes: HashMap<Key, u64>) {
        self.hashes = hashes;
    }
}

/// Another reading of the same manifests, compared with what is held.
#[derive(Debug)]
pub(super) struct Comparison<'a> {
    /// What is held.
    held: &'a Held,
    /// What has been read: the hash, and the object itself if it is different.
    read: BTreeMap<Key, (u64, Option<Object>)>,
}

impl Comparison<'_> {
    /// Takes an object; the last one of a key counts.
    pub(super) fn take(&mut self, object: Object) {
        let key = object.key();
        let hash = self.held.hasher.hash_one(&object);
        let is_same = self.held.hashes.get(&key) == Some(&hash);
        self.read.insert(key, (hash, (!is_same).then_some(object)));
    }

    /// Returns what is different, in the order of kinds and names, and what is held from now on.
    pub(super) fn finish(self) -> (Vec<Change>, HashMap<Key, u64>) {
        let is_gone = |key: &&Key| !self.read.contains_key(key);
        let mut gone: Vec<&Key> = self.held.hashes.keys().filter(is_gone).collect();
        gone.sort();
        let deleted = |key: &Key| Change::Delete(Deleted { key: key.clone(), change_trigger: None });
        let deletions: Vec<Change> = gone.into_iter().map(deleted).collect();
        let mut hashes = HashMap::with_capacity(self.read.len());
        let mut changes = Vec::new();
        for (key, (hash, object)) in self.read {
            hashes.insert(key, hash);
            changes.extend(object.map(Change::Apply));
        }
        changes.extend(deletions);
        (changes, hashes)
    }
}
