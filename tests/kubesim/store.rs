//! Objects, the version counter, and each type's window of history.
//! Knows no HTTP and no selectors.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::watch;

use crate::object::{Object, identity, key_of};
use crate::resource::{RESOURCES, Resource};

/// The first version given out is one above this; not zero, because `0` has a meaning of its own in requests.
const FIRST_VERSION: u64 = 1000;

/// Objects by key.
pub(crate) type Objects = BTreeMap<Arc<str>, Arc<Object>>;

/// One change of one object.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// The version at which it happened.
    pub(crate) version: u64,
    /// The object before, none if it is new.
    pub(crate) before: Option<Arc<Object>>,
    /// The object after, none if it is gone.
    pub(crate) after: Option<Arc<Object>>,
}

/// The objects of one type and its recent changes.
#[derive(Debug, Default)]
struct Shelf {
    /// Current objects.
    objects: Objects,
    /// Changes with a version above `floor`, oldest first; at most [`Store::window`].
    changes: VecDeque<Change>,
    /// What happened at or below this version is forgotten.
    floor: u64,
}

/// What the lock guards.
#[derive(Debug)]
struct State {
    /// The newest version given out.
    version: u64,
    /// The version that lists and new watches are shown instead of the newest, if the server plays a stale replica.
    stale: Option<u64>,
    /// One shelf for each type, by plural.
    shelves: HashMap<&'static str, Shelf>,
}

/// A version that is older than the window of history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expired {
    /// The oldest version from which changes are still known.
    pub(crate) oldest: u64,
}

/// The store of all objects.
#[derive(Debug)]
pub(crate) struct Store {
    /// Objects and versions. Never held across an await.
    state: Mutex<State>,
    /// Tells watchers the newest version.
    newest: watch::Sender<u64>,
    /// How many changes each type remembers.
    window: usize,
}

impl Store {
    /// An empty store that remembers `window` changes of each type.
    pub(crate) fn new(window: usize) -> Self {
        let shelf = || Shelf { floor: FIRST_VERSION, ..Shelf::default() };
        let shelves = RESOURCES.iter().map(|r| (r.plural, shelf())).collect();
        let state = Mutex::new(State { version: FIRST_VERSION, stale: None, shelves });
        Self { state, newest: watch::Sender::new(FIRST_VERSION), window }
    }

    /// Creates or replaces an object, always as a new version, which it returns. Uid and creation time of the object
    /// replaced are kept.
    pub(crate) fn put(&self, resource: &'static Resource, mut value: Value) -> Arc<Object> {
        let (namespace, name) = identity(resource, &value);
        let key = key_of(namespace.as_deref(), &name);
        let mut state = self.lock();
        let before = state.shelf(resource).objects.get(key.as_str()).map(Arc::clone);
        if let (Some(old), Some(metadata)) = (&before, value["metadata"].as_object_mut()) {
            let old = old.value();
            for field in ["uid", "creationTimestamp"] {
                metadata.insert(field.to_owned(), old["metadata"][field].clone());
            }
        }
        state.version += 1;
        let object = Arc::new(Object::new(resource, value, state.version));
        let change = Change { version: state.version, before, after: Some(Arc::clone(&object)) };
        state.record(resource, change, self.window);
        self.newest.send_replace(state.version);
        object
    }

    /// Deletes an object, if it is there; returns its last state, with the version of the deletion.
    pub(crate) fn delete(&self, resource: &'static Resource, key: &str) -> Option<Arc<Object>> {
        let mut state = self.lock();
        let before = state.shelf(resource).objects.get(key).map(Arc::clone)?;
        state.version += 1;
        let last = Arc::new(before.at(state.version));
        let change = Change { version: state.version, before: Some(before), after: None };
        state.record(resource, change, self.window);
        self.newest.send_replace(state.version);
        Some(last)
    }

    /// The object with that key.
    pub(crate) fn get(&self, resource: &'static Resource, key: &str) -> Option<Arc<Object>> {
        self.lock().shelf(resource).objects.get(key).map(Arc::clone)
    }

    /// The newest version.
    pub(crate) fn version(&self) -> u64 {
        self.lock().version
    }

    /// Tells of each newer version.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// All current objects of a type from key `start` on, and the version of this picture.
    pub(crate) fn current(&self, resource: &'static Resource, start: &str) -> (u64, Vec<Arc<Object>>) {
        let mut state = self.lock();
        let objects = state.shelf(resource).from(start).collect();
        (state.version, objects)
    }

    /// The objects of a type from key `start` on, as they were at `version`: the current ones with later changes undone.
    pub(crate) fn at(
        &self,
        resource: &'static Resource,
        start: &str,
        version: u64,
    ) -> Result<Vec<Arc<Object>>, Expired> {
        let mut state = self.lock();
        let shelf = state.shelf(resource);
        if version < shelf.floor {
            return Err(Expired { oldest: shelf.floor });
        }
        let mut objects: Objects = shelf.from(start).map(|o| (Arc::clone(&o.key), o)).collect();
        for change in shelf.changes.iter().rev().take_while(|change| change.version > version) {
            match (&change.before, &change.after) {
                (Some(before), _) if *before.key >= *start => {
                    objects.insert(Arc::clone(&before.key), Arc::clone(before));
                }
                (None, Some(after)) => {
                    objects.remove(&after.key);
                }
                _ => {}
            }
        }
        Ok(objects.into_values().collect())
    }

    /// At most `limit` changes of a type after `version`, oldest first.
    pub(crate) fn changes(
        &self,
        resource: &'static Resource,
        version: u64,
        limit: usize,
    ) -> Result<Vec<Change>, Expired> {
        let mut state = self.lock();
        let shelf = state.shelf(resource);
        if version < shelf.floor {
            return Err(Expired { oldest: shelf.floor });
        }
        let first = shelf.changes.partition_point(|change| change.version <= version);
        Ok(shelf.changes.iter().skip(first).take(limit).cloned().collect())
    }

    /// As [`Store::current`], but what lists and new watches are shown: older while a stale replica is played.
    pub(crate) fn shown(&self, resource: &'static Resource, start: &str) -> (u64, Vec<Arc<Object>>) {
        let stale = self.lock().stale;
        let old = stale.and_then(|version| self.at(resource, start, version).ok().map(|objects| (version, objects)));
        old.unwrap_or_else(|| self.current(resource, start))
    }

    /// The newest version that lists and new watches are shown.
    pub(crate) fn shown_version(&self) -> u64 {
        let state = self.lock();
        state.stale.unwrap_or(state.version)
    }

    /// Plays a stale replica that knows only what happened up to a version, or no longer.
    pub(crate) fn set_stale(&self, stale: Option<u64>) {
        self.lock().stale = stale;
    }

    /// Goes back to an earlier version, as etcd restored from a backup: objects, history and the counter. Fails and
    /// changes nothing if that version is no longer known.
    pub(crate) fn restore(&self, version: u64) -> Result<(), Expired> {
        let pictures: Result<Vec<_>, _> =
            RESOURCES.iter().map(|r| self.at(r, "", version).map(|objects| (r, objects))).collect();
        let pictures = pictures?;
        let mut state = self.lock();
        state.version = version;
        for (resource, objects) in pictures {
            let shelf = state.shelf(resource);
            shelf.objects = objects.into_iter().map(|object| (Arc::clone(&object.key), object)).collect();
            shelf.changes.retain(|change| change.version <= version);
        }
        self.newest.send_replace(version);
        Ok(())
    }

    /// Forgets all history up to now, as a compaction of etcd does: every older version has expired.
    pub(crate) fn compact(&self) {
        let mut state = self.lock();
        let version = state.version;
        for shelf in state.shelves.values_mut() {
            shelf.changes.clear();
            shelf.floor = version;
        }
    }

    /// Locks the state. A panic elsewhere cannot have left it half changed in a way that matters to a test server.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The shelf of a type; every type has one from the start.
    fn shelf(&mut self, resource: &'static Resource) -> &mut Shelf {
        self.shelves.entry(resource.plural).or_default()
    }

    /// Applies a change and remembers it; forgets the oldest beyond `window`.
    fn record(&mut self, resource: &'static Resource, change: Change, window: usize) {
        let shelf = self.shelf(resource);
        match (&change.before, &change.after) {
            (_, Some(after)) => drop(shelf.objects.insert(Arc::clone(&after.key), Arc::clone(after))),
            (Some(before), None) => drop(shelf.objects.remove(&before.key)),
            (None, None) => {}
        }
        shelf.changes.push_back(change);
        while shelf.changes.len() > window {
            if let Some(oldest) = shelf.changes.pop_front() {
                shelf.floor = oldest.version;
            }
        }
    }
}

impl Shelf {
    /// The current objects from key `start` on.
    fn from(&self, start: &str) -> impl Iterator<Item = Arc<Object>> {
        self.objects.range::<str, _>((Bound::Included(start), Bound::Unbounded)).map(|(_, object)| Arc::clone(object))
    }
}
