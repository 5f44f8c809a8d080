//! Tests of the store: its bounds, and what it throws out.

use super::item::Item;
use super::store::{Key, Store};
use super::tests::records;
use crate::trial;
use hashbrown::DefaultHashBuilder;
use plugin_api::{Clock, Request};
use std::time::Instant;

/// A query, and a message with so many records that answers it.
fn stored(name: &str) -> (Box<Request>, Item) {
    let request = trial::request(name, &Clock::system());
    let message = records(&request, name.split('.').next().unwrap(), (1, 60, 60));
    (request, Item::new(&message, 60, Instant::now()))
}

#[test]
fn a_store_is_bounded_by_entries_and_octets() {
    let hasher = DefaultHashBuilder::default();
    let store = Store::new(10_000);
    let mut evicted = 0;
    for number in 0..30_000 {
        let (request, item) = stored(&format!("x.{number}.test"));
        let key = Key::of(&request, &hasher);
        evicted += store.insert(&key, item);
        assert!(store.get(&key, |item| item.ttl).is_some());
    }
    assert!(store.len() <= 9984 && store.len() > 9000, "{}", store.len());
    assert_eq!(usize::try_from(evicted).unwrap() + store.len(), 30_000);
    let store = Store::new(0);
    for number in 0..2000 {
        let (request, item) = stored(&format!("x-big.{number}.test"));
        let key = Key::of(&request, &hasher);
        store.insert(&key, item);
        assert!(store.get(&key, |item| item.ttl).is_some());
    }
    assert!(store.len() <= 256, "one message of 53 kB fits into a shard, not two: {}", store.len());
}

#[test]
fn a_store_takes_no_more_memory_than_is_documented() {
    let hasher = DefaultHashBuilder::default();
    // As many octets as may be: many of the usual kind, some large ones, and both together.
    for kinds in [&["x"][..], &["x-big"], &["x", "x-big"]] {
        let store = Store::new(10_000);
        for number in 0..30_000 / if kinds.contains(&"x-big") { 10 } else { 1 } {
            for kind in kinds {
                let (request, item) = stored(&format!("{kind}.{number}.test"));
                store.insert(&Key::of(&request, &hasher), item);
            }
        }
        let (entries, tables) = store.memory();
        assert!(entries <= 20 << 20, "{kinds:?}: {entries} octets");
        assert!(tables <= 2 << 20, "{kinds:?}: {tables} octets");
    }
    let (entries, _) = Store::new(0).bounds();
    assert!(entries <= 18 << 20, "{entries} octets");
}

#[test]
fn a_store_forgets_and_replaces() {
    let hasher = DefaultHashBuilder::default();
    let store = Store::new(100);
    let (request, item) = stored("x.test");
    let key = Key::of(&request, &hasher);
    let mut newer = item.clone();
    newer.ttl = 9;
    assert_eq!(store.insert(&key, item) + store.insert(&key, newer), 0);
    assert_eq!((store.len(), store.get(&key, |item| item.ttl)), (1, Some(9)));
    store.remove(&key);
    store.remove(&key);
    assert_eq!((store.len(), store.get(&key, |item| item.ttl)), (0, None));
}

/// The names of a traffic: the nth is asked for by Zipf's law, with a weight of one by n to this power.
struct Traffic {
    queries: Vec<Request>,
    /// The sum of the weights up to each.
    sums: Vec<f64>,
    random: u64,
}

impl Traffic {
    /// So many names.
    fn new(names: u32, power: f64) -> Self {
        let clock = Clock::system();
        let queries = (0..names).map(|number| *trial::request(&format!("x.{number}.test"), &clock)).collect();
        let mut sum = 0.0;
        let mut add = |number: u32| {
            sum += f64::from(number).powf(-power);
            sum
        };
        Self { queries, sums: (1..=names).map(&mut add).collect(), random: 1 }
    }

    /// The next query.
    fn next(&mut self) -> &Request {
        // splitmix64.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let share = f64::from(u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap()) / 2_f64.powi(32);
        let at = share * self.sums.last().unwrap();
        &self.queries[self.sums.partition_point(|sum| *sum < at)]
    }

    /// The share of hits in a store of so many that throws out any item. In one that is full for long, a name of share p is there
    /// with probability pT / (1 + pT), where T is such that these add up to the entries (Gelenbe 1973; Fricker and others 2012).
    fn hits_of_random_eviction(&self, entries: f64) -> f64 {
        let total = self.sums.last().unwrap();
        let shares: Vec<f64> = (0..self.sums.len())
            .map(|at| (self.sums[at] - if at == 0 { 0.0 } else { self.sums[at - 1] }) / total)
            .collect();
        let sum = |time: f64, of: fn(f64) -> f64| -> f64 {
            shares.iter().map(|p| of(*p) * p * time / (1.0 + p * time)).sum()
        };
        let (mut low, mut high) = (0.0, 1e12);
        for _ in 0..100 {
            let middle = (low + high) / 2.0;
            if sum(middle, |_| 1.0) < entries { low = middle } else { high = middle }
        }
        sum(low, |p| p)
    }
}

/// The share of hits of a store under a traffic, after some to fill it.
fn hits(store: &Store, traffic: &mut Traffic, (before, counted): (u32, u32)) -> f64 {
    let hasher = DefaultHashBuilder::default();
    let (_, item) = stored("x.test");
    let mut hits = 0;
    for number in 0..before + counted {
        let key = Key::of(traffic.next(), &hasher);
        if store.look(&key, |_| ()).is_some() {
            hits += u32::from(number >= before);
        } else {
            store.insert(&key, item.clone());
        }
    }
    f64::from(hits) / f64::from(counted)
}

#[test]
fn names_in_use_stay() {
    for (power, gain) in [(0.8, 0.05), (1.0, 0.03)] {
        let mut traffic = Traffic::new(50_000, power);
        let random = traffic.hits_of_random_eviction(9984.0);
        let found = hits(&Store::new(10_000), &mut traffic, (200_000, 200_000));
        assert!(found > random + gain, "hits at {power}: {found}, with random eviction {random}");
    }
}

#[test]
fn names_that_are_asked_for_once_do_not_sweep_the_store() {
    let hasher = DefaultHashBuilder::default();
    let (store, mut number) = (Store::new(10_000), 0);
    let (_, item) = stored("x.test");
    let used: Vec<_> = (0..5000).map(|number| stored(&format!("x.used{number}.test")).0).collect();
    for _ in 0..12 {
        for request in &used {
            let key = Key::of(request, &hasher);
            if store.look(&key, |_| ()).is_none() {
                store.insert(&key, item.clone());
            }
            let (once, item) = stored(&format!("x.once{number}.test"));
            store.insert(&Key::of(&once, &hasher), item);
            number += 1;
        }
    }
    let kept = used.iter().filter(|request| store.get(&Key::of(request, &hasher), |_| ()).is_some()).count();
    assert!(kept > 4500, "of 5000 names in use {kept} are kept");
}
