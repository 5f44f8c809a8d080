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
    /// The places of `count` upstreams, in the order in which to ask.
    pub(super) fn order(&self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        match self {
            Self::Random => order.shuffle(&mut rand::rng()),
            Self::RoundRobin(counter) if count > 0 => {
                let first = counter.fetch_add(1, Ordering::Relaxed).wrapping_add(1) % count;
                order.retain(|place| *place != first);
                order.insert(0, first);
            }
            Self::RoundRobin(_) | Self::Sequential => {}
        }
        order
    }
}
