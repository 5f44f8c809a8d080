//! Where items are kept: 256 shards, each a mutex around a table with random eviction (CoreDNS: plugin/pkg/cache).
//! Bounded by entries and by octets. Knows nothing of time or of what an item means.

use super::item::Item;
use hashbrown::{DefaultHashBuilder, HashTable};
use plugin_api::{Class, Name, Request, Type, flag};
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Shards; a lock each, so that threads seldom meet.
const SHARDS: usize = 256;
/// Fewest entries of a shard (CoreDNS's).
const MIN_ENTRIES: usize = 4;
/// Octets that an entry may take on average before octets and not entries are the bound. Usual entries take 300; with the
/// default capacity a store so never takes more than 20 MiB.
const BYTES_PER_ENTRY: usize = 2048;
/// Fewest octets of a shard: one message of 64 KiB and some others must fit.
const MIN_BYTES: usize = 96 * 1024;

/// What an item is found by, borrowed from a query.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key<'a> {
    hash: u64,
    /// The name in lower case, in wire form.
    name: &'a [u8],
    fixed: [u8; 5],
}

impl<'a> Key<'a> {
    /// The key of a query: DO, CD, type, class and the name in lower case.
    pub(super) fn of(request: &'a Request, hasher: &DefaultHashBuilder) -> Self {
        let question = request.question();
        let bits = u8::from(request.dnssec_ok()) << 1 | u8::from(request.has_flag(flag::CD));
        Self::new(question.lower(), (question.qtype(), question.class()), bits, hasher)
    }

    /// A key from its parts; the name in lower case.
    fn new(name: &'a Name, (qtype, class): (Type, Class), bits: u8, hasher: &DefaultHashBuilder) -> Self {
        let ([t1, t2], [c1, c2]) = (qtype.0.to_be_bytes(), class.0.to_be_bytes());
        let fixed = [bits, t1, t2, c1, c2];
        let mut state = hasher.build_hasher();
        state.write(&fixed);
        state.write(name.as_wire());
        Self { hash: state.finish(), name: name.as_wire(), fixed }
    }

    /// Whether a slot was stored under this key.
    fn is_of(&self, slot: &Slot) -> bool {
        slot.key.split_at_checked(5).is_some_and(|(fixed, name)| fixed == self.fixed && name == self.name)
    }

    /// The key as octets, to be kept.
    fn octets(&self) -> Box<[u8]> {
        [&self.fixed, self.name].concat().into()
    }
}

/// An item and what it is found by.
struct Slot {
    hash: u64,
    key: Box<[u8]>,
    item: Item,
}

impl Slot {
    /// Octets that it takes.
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.key.len() + self.item.bytes()
    }
}

/// Where a slot is, and what is asked most of it.
struct Place {
    hash: u64,
    at: usize,
    /// The end of a bare mark. It is known by its hash alone, for slot and name would be several more misses in the machine's
    /// caches for each query; of names that share one, two in 2^64, both would count as asked before.
    mark: Option<Instant>,
}

/// What stands under a key.
pub(super) enum Seen<'a> {
    /// A bare mark, until then.
    Mark(Instant),
    /// Anything else.
    Item(&'a mut Item),
}

/// One part of the store.
struct Shard {
    /// Places of `slots` by hash.
    index: HashTable<Place>,
    slots: Vec<Slot>,
    bytes: usize,
    /// State of the generator that chooses what is thrown out; no secret hangs on it.
    random: u64,
}

impl Shard {
    /// Where a key's slot is.
    fn find(&self, key: &Key<'_>) -> Option<usize> {
        let is_it = |place: &Place| self.slots.get(place.at).is_some_and(|slot| key.is_of(slot));
        let is_it = |place: &Place| place.hash == key.hash && (place.mark.is_some() || is_it(place));
        self.index.find(key.hash, is_it).map(|place| place.at)
    }

    /// Takes the slot at a place out; the last one moves there.
    fn remove_at(&mut self, at: usize) {
        if at >= self.slots.len() {
            return;
        }
        let slot = self.slots.swap_remove(at);
        self.bytes = self.bytes.saturating_sub(slot.bytes());
        if let Ok(entry) = self.index.find_entry(slot.hash, |place| place.at == at) {
            entry.remove();
        }
        let moved_from = self.slots.len();
        if let Some(moved) = self.slots.get(at)
            && let Some(place) = self.index.find_mut(moved.hash, |place| place.at == moved_from)
        {
            place.at = at;
        }
    }

    /// Throws out any slot.
    fn evict(&mut self) {
        // xorshift64 (Marsaglia 2003).
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let count = u64::try_from(self.slots.len()).unwrap_or(1).max(1);
        self.remove_at(usize::try_from(self.random % count).unwrap_or(0));
    }

    /// Puts a slot in; its key is not there yet.
    fn push(&mut self, slot: Slot) {
        self.bytes += slot.bytes();
        let (hash, at) = (slot.hash, self.slots.len());
        let place = Place { hash, at, mark: slot.item.bare_until() };
        self.slots.push(slot);
        self.index.insert_unique(hash, place, |place| place.hash);
    }
}

/// A store of items.
pub(super) struct Store {
    shards: Box<[Mutex<Shard>]>,
    entries: usize,
    bytes: usize,
    length: AtomicUsize,
}

impl Store {
    /// A store for about so many entries, rounded as CoreDNS rounds: a multiple of 256, at least 1024.
    pub(super) fn new(capacity: usize) -> Self {
        let entries = (capacity / SHARDS).max(MIN_ENTRIES);
        let shard = |number: usize| {
            let random = u64::try_from(number).unwrap_or(0).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            Mutex::new(Shard { index: HashTable::new(), slots: Vec::new(), bytes: 0, random })
        };
        let bytes = entries.saturating_mul(BYTES_PER_ENTRY).max(MIN_BYTES);
        Self { shards: (1..=SHARDS).map(shard).collect(), entries, bytes, length: AtomicUsize::new(0) }
    }

    /// Lets `visit` see the item under a key, while its shard is locked.
    pub(super) fn get<T>(&self, key: &Key<'_>, visit: impl FnOnce(&mut Item) -> T) -> Option<T> {
        let mut shard = self.shard(key)?;
        let at = shard.find(key)?;
        shard.slots.get_mut(at).map(|slot| visit(&mut slot.item))
    }

    /// As [`Store::get`], without going to the slot of a bare mark.
    pub(super) fn look<T>(&self, key: &Key<'_>, visit: impl FnOnce(Seen<'_>) -> T) -> Option<T> {
        let mut shard = self.shard(key)?;
        let Shard { index, slots, .. } = &mut *shard;
        let is_it = |place: &Place| slots.get(place.at).is_some_and(|slot| key.is_of(slot));
        let is_it = |place: &Place| place.hash == key.hash && (place.mark.is_some() || is_it(place));
        let place = index.find(key.hash, is_it)?;
        if let Some(until) = place.mark {
            return Some(visit(Seen::Mark(until)));
        }
        slots.get_mut(place.at).map(|slot| visit(Seen::Item(&mut slot.item)))
    }

    /// Keeps an item; gives how many others were thrown out for it. One that is larger than a shard is not kept.
    pub(super) fn insert(&self, key: &Key<'_>, item: Item) -> u64 {
        let slot = Slot { hash: key.hash, key: key.octets(), item };
        let Some(mut shard) = self.shard(key) else { return 0 };
        let before = shard.slots.len();
        if let Some(at) = shard.find(key) {
            shard.remove_at(at);
        }
        let mut evicted = 0;
        if slot.bytes() <= self.bytes {
            while shard.slots.len() >= self.entries || shard.bytes + slot.bytes() > self.bytes {
                shard.evict();
                evicted += 1;
            }
            shard.push(slot);
        }
        self.count(before, shard.slots.len());
        evicted
    }

    /// Forgets the item under a key.
    pub(super) fn remove(&self, key: &Key<'_>) {
        let Some(mut shard) = self.shard(key) else { return };
        let before = shard.slots.len();
        if let Some(at) = shard.find(key) {
            shard.remove_at(at);
        }
        self.count(before, shard.slots.len());
    }

    /// How many items there are.
    pub(super) fn len(&self) -> usize {
        self.length.load(Ordering::Relaxed)
    }

    /// Notes that a shard has become longer or shorter.
    fn count(&self, before: usize, after: usize) {
        self.length.fetch_add(after.wrapping_sub(before), Ordering::Relaxed);
    }

    /// The shard of a key. The table inside uses the lowest and highest bits of the hash, so the middle chooses.
    fn shard(&self, key: &Key<'_>) -> Option<MutexGuard<'_, Shard>> {
        let number = usize::try_from(key.hash >> 32).unwrap_or(0) % SHARDS;
        Some(self.shards.get(number)?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
