//! In which order upstreams are asked.

use rand::seq::SliceRandom;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The order of upstreams for a query (CoreDNS: plugin/forward/policy.go).
#[derive(Debug)]
pub(super) enum Policy {
    /// Any order.
    Random,
    /// Each upstream first in turn, the others as written. Counts queries; the first begins with the second upstream.
    RoundRobin(AtomicUsize),
    /// As written.
    Sequential,
}

impl Policy {
    /// The places of `count` upstreams, in the order in which to ask; empty for as written, so that a query to the only upstream keeps no list.
    pub(super) fn order(&self, count: usize) -> Box<[usize]> {
        if count < 2 {
            return Box::default();
        }
        let mut order: Box<[usize]> = (0..count).collect();
        match self {
            Self::Random => order.shuffle(&mut rand::rng()),
            Self::RoundRobin(counter) => {
                let first = counter.fetch_add(1, Ordering::Relaxed).wrapping_add(1) % count;
                if let Some(places) = order.get_mut(..=first) {
                    places.rotate_right(1);
                }
            }
            Self::Sequential => return Box::default(),
        }
        order
    }
}
