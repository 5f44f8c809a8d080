//! Hash tables and object stores that are copied where they change and shared elsewhere. Know nothing of what they hold.
//!
//! A change copies one shard of some dozen entries and the path to it, and only if a snapshot still shares them; so a
//! snapshot costs one reference count for each table and store, however large, and a burst of changes between two
//! snapshots costs no more copies than one.

use std::iter;
use std::sync::Arc;

/// Branches of a [`Table`], twigs of a branch and shards of a twig. All are copied with the counts of what they hold, so they are
/// small; 2,048 shards have 75 entries each at 150,000 endpoints, few enough for an allocator's quick lists.
const BRANCHES: usize = 16;
/// See [`BRANCHES`].
const TWIGS: usize = 16;
/// See [`BRANCHES`].
const SHARDS: usize = 8;
/// Slots in a chunk of a [`Store`], and chunks in a block: a change copies a chunk, a block and the list of blocks, each with the
/// counts of all that stands in it, so they are small; and one more level would be one more step for every query.
const SPAN: usize = 32;

/// Entries with equal hash bits, sorted: the upper half is hash, the lower half is an id.
type Shard = Arc<[u64]>;
/// Shards, by hash bits.
type Twig = Arc<[Shard; SHARDS]>;
/// Twigs, by hash bits above those.
type Branch = Arc<[Twig; TWIGS]>;

/// A multi-map from hashes to ids; whoever looks something up compares what the ids stand for.
#[derive(Debug, Clone)]
pub(super) struct Table {
    /// Branches, by the upper bits of the hash.
    branches: Arc<[Branch; BRANCHES]>,
}

impl Default for Table {
    fn default() -> Self {
        let shard: Shard = Arc::new([]);
        let twig = Arc::new(std::array::from_fn(|_| Arc::clone(&shard)));
        let branch = Arc::new(std::array::from_fn(|_| Arc::clone(&twig)));
        Self { branches: Arc::new(std::array::from_fn(|_| Arc::clone(&branch))) }
    }
}

/// Where an entry stands.
#[derive(Clone, Copy)]
struct Place {
    /// In which branch.
    branch: usize,
    /// In which of its twigs.
    twig: usize,
    /// In which shard of that.
    shard: usize,
    /// The upper half of the entry.
    key: u64,
}

impl Place {
    /// Returns the place that a hash gives.
    const fn of(hash: u64) -> Self {
        Self {
            branch: (hash >> 60) as usize % BRANCHES,
            twig: (hash >> 56) as usize % TWIGS,
            shard: (hash >> 53) as usize % SHARDS,
            key: (hash << 11) >> 32 << 32,
        }
    }
}

/// Puts parts one behind the other: copied as blocks, where a chain of iterators is collected entry by entry.
fn join(parts: [&[u64]; 3]) -> Shard {
    let mut shard: Shard = iter::repeat_n(0, parts.iter().map(|part| part.len()).sum()).collect();
    let mut rest = Arc::get_mut(&mut shard).unwrap_or_default();
    for part in parts {
        let Some((place, after)) = rest.split_at_mut_checked(part.len()) else { break };
        place.copy_from_slice(part);
        rest = after;
    }
    shard
}

impl Table {
    /// Returns the ids entered under this hash, and seldom others.
    #[expect(clippy::cast_possible_truncation, reason = "the id is the lower half")]
    pub(super) fn ids(&self, hash: u64) -> impl Iterator<Item = u32> + Clone + '_ {
        let place = Place::of(hash);
        let key = place.key;
        let shard = self.shard(place).map_or(&[][..], |shard| shard);
        let from = shard.partition_point(|entry| *entry < key);
        let found = shard.get(from..).unwrap_or_default().iter();
        found.take_while(move |entry| **entry >> 32 == key >> 32).map(|entry| *entry as u32)
    }

    /// Returns the shard of a place.
    fn shard(&self, place: Place) -> Option<&Shard> {
        self.branches.get(place.branch)?.get(place.twig)?.get(place.shard)
    }

    /// Returns how many entries there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let twigs = self.branches.iter().flat_map(|branch| branch.iter());
        twigs.flat_map(|twig| twig.iter()).map(|shard| shard.len()).sum()
    }

    /// Enters an id under a hash, once.
    pub(super) fn insert(&mut self, hash: u64, id: u32) {
        self.change(hash, id, |shard, at, entry| {
            let (before, after) = shard.split_at_checked(at)?;
            (after.first() != Some(&entry)).then(|| join([before, &[entry], after]))
        });
    }

    /// Takes an id away from a hash.
    pub(super) fn remove(&mut self, hash: u64, id: u32) {
        self.change(hash, id, |shard, at, entry| {
            let (before, after) = shard.split_at_checked(at)?;
            let (first, after) = after.split_first()?;
            (*first == entry).then(|| join([before, &[], after]))
        });
    }

    /// Replaces a shard by what `edit` makes of it, given the place of the entry in it.
    fn change(&mut self, hash: u64, id: u32, edit: impl Fn(&[u64], usize, u64) -> Option<Shard>) {
        let place = Place::of(hash);
        let entry = place.key | u64::from(id);
        let old = self.shard(place);
        let Some(new) = old.and_then(|old| edit(old, old.partition_point(|other| *other < entry), entry)) else {
            return;
        };
        let branch = Arc::make_mut(&mut self.branches).get_mut(place.branch).map(Arc::make_mut);
        let twig = branch.and_then(|branch| branch.get_mut(place.twig)).map(Arc::make_mut);
        if let Some(slot) = twig.and_then(|twig| twig.get_mut(place.shard)) {
            *slot = new;
        }
    }
}

/// Objects by id.
#[derive(Debug)]
pub(super) struct Store<T> {
    /// The objects, in the order of their ids.
    blocks: Arc<[Block<T>]>,
}

/// Some objects.
type Chunk<T> = Arc<[Option<Arc<T>>; SPAN]>;
/// Some chunks.
type Block<T> = Arc<[Chunk<T>; SPAN]>;

impl<T> Default for Store<T> {
    fn default() -> Self {
        Self { blocks: Arc::default() }
    }
}

impl<T> Clone for Store<T> {
    fn clone(&self) -> Self {
        Self { blocks: Arc::clone(&self.blocks) }
    }
}

/// Returns block, chunk and slot of an id.
const fn seat(id: u32) -> (usize, usize, usize) {
    let id = id as usize;
    (id / (SPAN * SPAN), id / SPAN % SPAN, id % SPAN)
}

/// Makes a block with nothing in it.
fn empty<T>() -> Block<T> {
    let chunk: Chunk<T> = Arc::new(std::array::from_fn(|_| None));
    Arc::new(std::array::from_fn(|_| Arc::clone(&chunk)))
}

impl<T> Store<T> {
    /// Returns the object with this id.
    pub(super) fn get(&self, id: u32) -> Option<&Arc<T>> {
        let (block, chunk, slot) = seat(id);
        self.blocks.get(block)?.get(chunk)?.get(slot)?.as_ref()
    }

    /// Puts an object in its place, or nothing.
    pub(super) fn set(&mut self, id: u32, object: Option<Arc<T>>) {
        let (block, chunk, slot) = seat(id);
        if self.blocks.len() <= block {
            let missing = block + 1 - self.blocks.len();
            let blocks = self.blocks.iter().map(Arc::clone);
            self.blocks = blocks.chain(iter::repeat_with(empty).take(missing)).collect();
        }
        let block = Arc::make_mut(&mut self.blocks).get_mut(block).map(Arc::make_mut);
        let chunk = block.and_then(|block| block.get_mut(chunk)).map(Arc::make_mut);
        if let Some(slot) = chunk.and_then(|chunk| chunk.get_mut(slot)) {
            *slot = object;
        }
    }

    /// Returns all objects with their ids, in the order of the ids.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Arc<T>)> {
        let chunks = self.blocks.iter().flat_map(|block| block.iter());
        (0..).zip(chunks.flat_map(|chunk| chunk.iter())).filter_map(|(id, slot)| Some((id, slot.as_ref()?)))
    }
}

/// Hands out ids and remembers which of them the current list has named.
#[derive(Debug, Default)]
pub(super) struct Ids {
    /// Whether the current list has named the object, by id.
    named: Vec<bool>,
    /// Ids that are free to be used again.
    free: Vec<u32>,
}

impl Ids {
    /// Returns an unused id.
    pub(super) fn take(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.named.push(false);
            u32::try_from(self.named.len() - 1).unwrap_or(u32::MAX)
        })
    }

    /// Gives an id back.
    pub(super) fn give(&mut self, id: u32) {
        self.name(id, false);
        self.free.push(id);
    }

    /// Notes whether the current list has named the object.
    pub(super) fn name(&mut self, id: u32, named: bool) {
        if let Some(slot) = self.named.get_mut(id as usize) {
            *slot = named;
        }
    }

    /// Says whether the current list has named the object.
    pub(super) fn is_named(&self, id: u32) -> bool {
        self.named.get(id as usize).copied().unwrap_or(false)
    }

    /// Begins a list: nothing is named yet.
    pub(super) fn forget_names(&mut self) {
        self.named.fill(false);
    }
}
