//! How an audit tells a watch that a new list is needed.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use crate::kubernetes::objects::Kind;

/// The wishes for all kinds.
#[derive(Debug, Default)]
pub(super) struct Repairs([Repair; Kind::ALL.len()]);

/// The wish for one kind.
#[derive(Debug, Default)]
pub(super) struct Repair {
    /// How many objects are wrong, and one more; 0 if there is no wish.
    wish: AtomicUsize,
    /// Wakes the watch.
    wake: Notify,
}

impl Repairs {
    /// Returns the wish for a kind.
    pub(super) const fn of(&self, kind: Kind) -> &Repair {
        kind.of(&self.0)
    }
}

impl Repair {
    /// Asks for a list, because so many objects are wrong; none, if they were never listed and nothing is known of them.
    pub(super) fn ask(&self, wrong: usize) {
        self.wish.store(wrong.saturating_add(1), Ordering::Relaxed);
        self.wake.notify_one();
    }

    /// Waits until a list is asked for; returns how many objects are wrong.
    pub(super) async fn asked(&self) -> usize {
        loop {
            // A wish that another list has fulfilled meanwhile may have left its call behind.
            match self.wish.load(Ordering::Relaxed).checked_sub(1) {
                None => self.wake.notified().await,
                Some(wrong) => return wrong,
            }
        }
    }

    /// Notes that a list was whole; returns how many objects it has put right.
    pub(super) fn fulfil(&self) -> usize {
        self.wish.swap(0, Ordering::Relaxed).saturating_sub(1)
    }
}
