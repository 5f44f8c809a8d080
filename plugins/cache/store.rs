//! Where items are kept: 256 shards, each a mutex around a table (CoreDNS: plugin/pkg/cache, which throws out any entry; here it
//! is one that was not used for long). Bounded by entries and by octets. Knows nothing of time or of what an item means.

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
/// default capacity a store so never takes more than 20 MiB, and less than 2 MiB for its tables.
const BYTES_PER_ENTRY: usize = 2048;
/// Fewest octets of a shard: one message of 64 KiB and some others must fit. With 256 shards 18 MiB.
const MIN_BYTES: usize = 72 * 1024;
/// How many places are looked at when one must go. With 4 a traffic by Zipf's law has one hit in a hundred less, with 16 no more
/// worth the time (figures in README.md).
const SAMPLE: usize = 8;
/// How many uses for each item in its shard a new one counts as unused: those that nobody asks for again go before those that were
/// asked for twice, and do not sweep the shard. With 0, which is LRU, that traffic has 2 to 4 hits in a hundred less; with more than
/// 4 the shard is slow to follow when other names come into use.
const START_AGE: usize = 4;

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

    /// Its hash.
    pub(super) const fn hash(&self) -> u64 {
        self.hash
    }

    /// Whether these octets are this key, see [`Key::octets`].
    pub(super) fn is_octets(&self, octets: &[u8]) -> bool {
        octets.split_at_checked(5).is_some_and(|(fixed, name)| fixed == self.fixed && name == self.name)
    }

    /// The key as octets, to be kept.
    pub(super) fn octets(&self) -> Box<[u8]> {
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
#[derive(Clone, Copy)]
struct Place {
    hash: u64,
    at: u32,
    /// The shard's count of uses when it was used last. It stands here, for this is what a hit has read already.
    used: u32,
    /// The end of a bare mark. It is known by its hash alone, for slot and name would be several more misses in the machine's
    /// caches for each query; of names that share one, two in 2^64, both would count as asked before.
    mark: Option<Instant>,
}

impl Place {
    /// The number of its slot.
    fn at(self) -> usize {
        usize::try_from(self.at).unwrap_or(usize::MAX)
    }

    /// Whether a slot of this number is its slot.
    fn is_at(self, at: usize) -> bool {
        self.at() == at
    }
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
    /// How often an item was used or put in. It wraps: what was not used for four billion others seems fresh then, and no harm is
    /// done.
    uses: u32,
    /// State of the generator that chooses where to look for what is thrown out; no secret hangs on it.
    random: u64,
}

impl Shard {
    /// The place of a key.
    fn find(&mut self, key: &Key<'_>) -> Option<Place> {
        find(&mut self.index, &self.slots, key).map(|place| *place)
    }

    /// The place of a key that is used now, and the slots.
    #[inline]
    fn touch(&mut self, key: &Key<'_>) -> Option<(&Place, &mut [Slot])> {
        let Self { index, slots, uses, .. } = self;
        let place = find(index, slots, key)?;
        *uses = uses.wrapping_add(1);
        place.used = *uses;
        Some((place, slots))
    }

    /// Takes the slot at a place out; the last one moves there.
    fn remove_at(&mut self, at: usize) {
        if at >= self.slots.len() {
            return;
        }
        let slot = self.slots.swap_remove(at);
        self.bytes = self.bytes.saturating_sub(slot.bytes());
        if let Ok(entry) = self.index.find_entry(slot.hash, |place| place.is_at(at)) {
            entry.remove();
        }
        let moved_from = self.slots.len();
        if let Some(moved) = self.slots.get(at)
            && let Some(place) = self.index.find_mut(moved.hash, |place| place.is_at(moved_from))
            && let Ok(at) = u32::try_from(at)
        {
            place.at = at;
        }
    }

    /// Throws out the slot that was used longest ago of some that are neighbours by hash, which means of any.
    fn evict(&mut self) {
        // xorshift64 (Marsaglia 2003).
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let buckets = self.index.num_buckets();
        let start = usize::try_from(self.random).unwrap_or(0) % buckets.max(1);
        let places = (start..buckets).chain(0..start).filter_map(|bucket| self.index.get_bucket(bucket));
        let oldest = places.take(SAMPLE).max_by_key(|place| self.uses.wrapping_sub(place.used));
        self.remove_at(oldest.map_or(0, |place| place.at()));
    }

    /// Puts a slot in; its key is not there yet. It was used then, or never. There may be so many entries.
    fn push(&mut self, slot: Slot, used: Option<u32>, entries: usize) {
        // Memory ends long before a shard is so long.
        let Ok(at) = u32::try_from(self.slots.len()) else { return };
        self.uses = self.uses.wrapping_add(1);
        let unused = u32::try_from(self.slots.len().saturating_mul(START_AGE)).unwrap_or(u32::MAX);
        let used = used.unwrap_or_else(|| self.uses.wrapping_sub(unused));
        let place = Place { hash: slot.hash, at, used, mark: slot.item.bare_until() };
        self.bytes += slot.bytes();
        if self.slots.len() == self.slots.capacity() {
            // As usual twice as many, but no more than there may be.
            let more = self.slots.len().max(4).min(entries.saturating_sub(self.slots.len())).max(1);
            self.slots.reserve_exact(more);
        }
        self.slots.push(slot);
        self.index.insert_unique(place.hash, place, |place| place.hash);
    }
}

/// The place of a key.
#[inline]
fn find<'a>(index: &'a mut HashTable<Place>, slots: &[Slot], key: &Key<'_>) -> Option<&'a mut Place> {
    let is_it = |place: &Place| slots.get(place.at()).is_some_and(|slot| key.is_octets(&slot.key));
    index.find_mut(key.hash, |place| place.hash == key.hash && (place.mark.is_some() || is_it(place)))
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
            Mutex::new(Shard { index: HashTable::new(), slots: Vec::new(), bytes: 0, uses: 0, random })
        };
        let bytes = entries.saturating_mul(BYTES_PER_ENTRY).max(MIN_BYTES);
        Self { shards: (1..=SHARDS).map(shard).collect(), entries, bytes, length: AtomicUsize::new(0) }
    }

    /// Lets `visit` see the item under a key, while its shard is locked.
    pub(super) fn get<T>(&self, key: &Key<'_>, visit: impl FnOnce(&mut Item) -> T) -> Option<T> {
        let mut shard = self.shard(key)?;
        let (place, slots) = shard.touch(key)?;
        slots.get_mut(place.at()).map(|slot| visit(&mut slot.item))
    }

    /// As [`Store::get`], without going to the slot of a bare mark.
    pub(super) fn look<T>(&self, key: &Key<'_>, visit: impl FnOnce(Seen<'_>) -> T) -> Option<T> {
        let mut shard = self.shard(key)?;
        let (place, slots) = shard.touch(key)?;
        if let Some(until) = place.mark {
            return Some(visit(Seen::Mark(until)));
        }
        slots.get_mut(place.at()).map(|slot| visit(Seen::Item(&mut slot.item)))
    }

    /// Keeps an item; gives how many others were thrown out for it. One that is larger than a shard is not kept.
    pub(super) fn insert(&self, key: &Key<'_>, item: Item) -> u64 {
        let slot = Slot { hash: key.hash, key: key.octets(), item };
        let Some(mut shard) = self.shard(key) else { return 0 };
        let before = shard.slots.len();
        let known = shard.find(key);
        if let Some(place) = known {
            shard.remove_at(place.at());
        }
        let mut evicted = 0;
        if slot.bytes() <= self.bytes {
            while shard.slots.len() >= self.entries || shard.bytes + slot.bytes() > self.bytes {
                shard.evict();
                evicted += 1;
            }
            shard.push(slot, known.map(|place| place.used), self.entries);
        }
        self.count(before, shard.slots.len());
        evicted
    }

    /// Forgets the item under a key.
    pub(super) fn remove(&self, key: &Key<'_>) {
        let Some(mut shard) = self.shard(key) else { return };
        let before = shard.slots.len();
        if let Some(place) = shard.find(key) {
            shard.remove_at(place.at());
        }
        self.count(before, shard.slots.len());
    }

    /// The most octets that entries may take, and the most entries.
    #[cfg(test)]
    pub(super) const fn bounds(&self) -> (usize, usize) {
        (self.bytes * SHARDS, self.entries * SHARDS)
    }

    /// Octets that entries take, and those that the tables take beside them.
    #[cfg(test)]
    pub(super) fn memory(&self) -> (usize, usize) {
        let of = |shard: &Mutex<Shard>| {
            let shard = shard.lock().unwrap();
            let entries: usize = shard.slots.iter().map(Slot::bytes).sum();
            assert_eq!(entries, shard.bytes);
            let spare = (shard.slots.capacity() - shard.slots.len()) * size_of::<Slot>();
            (entries, spare + shard.index.allocation_size())
        };
        self.shards.iter().map(of).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
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
