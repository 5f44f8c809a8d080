//! What a source tells of itself: how fresh each kind is, what is held of it, and how much trouble there was.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tokio::time::Instant;

use super::failure::Failure;
use super::ledger::Ledger;
use crate::kubernetes::metrics::Failures;
use crate::kubernetes::objects::Kind;

/// The state of all kinds.
#[derive(Debug, Default)]
pub(crate) struct Status {
    /// One for each of [`Kind::ALL`].
    pub(crate) kinds: [KindStatus; Kind::ALL.len()],
    /// How often audits had to be begun anew after a panic.
    pub(crate) audit_restarts: Counter,
}

/// The state of one kind.
#[derive(Debug, Default)]
pub(crate) struct KindStatus {
    /// What changes as a whole; locked for some nanoseconds.
    now: Mutex<Now>,
    /// What is held.
    ledger: Mutex<Ledger>,
    /// What is counted.
    pub(crate) counters: Counters,
}

/// What is known of a kind at the moment.
#[derive(Debug, Default)]
struct Now {
    /// When the server last told that the picture is right: an event, a bookmark, a whole list, an audit without findings.
    heard: Option<Instant>,
    /// The version that is held.
    version: String,
    /// Whether watches go on from there without trouble.
    is_followed: bool,
    /// What went wrong since the last success.
    trouble: Option<String>,
}

/// What is counted of one kind; the counters outlive a source.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counters {
    /// Whole lists, the first included.
    pub(crate) lists: Counter,
    /// Watches that were begun.
    pub(crate) watches_started: Counter,
    /// Watches that have ended, well or badly.
    pub(crate) watches_ended: Counter,
    /// Events, bookmarks included.
    pub(crate) events: Counter,
    /// Objects and events that were no use.
    pub(crate) decode_errors: Counter,
    /// Audits that were carried out.
    pub(crate) audits: Counter,
    /// Objects that an audit has found wrong, once they were right again.
    pub(crate) drift_repaired: Counter,
    /// Exchanges that ended badly, by reason.
    pub(crate) failures: Failures,
    /// How often the watch of this kind had to be begun anew after a panic.
    pub(crate) restarts: Counter,
}

impl Status {
    /// Makes the state of kinds of which nothing is known, with these counters.
    pub(crate) fn new(counters: impl Fn(Kind) -> Counters, audit_restarts: Counter) -> Self {
        let kinds = Kind::ALL.map(|kind| KindStatus { counters: counters(kind), ..KindStatus::default() });
        Self { kinds, audit_restarts }
    }

    /// Returns the state of a kind.
    pub(crate) fn of(&self, kind: Kind) -> &KindStatus {
        kind.of(&self.kinds)
    }

    /// Forgets how things are, for a source that has stopped; what was counted stays.
    pub(crate) fn clear(&self) {
        for kind in &self.kinds {
            *kind.now() = Now::default();
            *kind.ledger() = Ledger::default();
        }
    }
}

impl KindStatus {
    /// Returns how long ago the server last told that the picture is right; none before the first list.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.now().heard.map(|heard| heard.elapsed())
    }

    /// Returns the version that is held, empty before the first list.
    pub(crate) fn version(&self) -> String {
        self.now().version.clone()
    }

    /// Returns how many objects are held; none before the first list.
    pub(crate) fn objects(&self) -> Option<usize> {
        self.now().heard?;
        Some(self.ledger().len())
    }

    /// Returns what went wrong since the last success.
    pub(super) fn trouble(&self) -> Option<String> {
        self.now().trouble.clone()
    }

    /// Says whether watches go on from what is held without trouble.
    pub(super) fn is_followed(&self) -> bool {
        self.now().is_followed
    }

    /// Returns what is held.
    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the server told that the picture is right.
    pub(super) fn hear(&self) {
        self.now().heard = Some(Instant::now());
    }

    /// Notes the version that is held.
    pub(super) fn hold(&self, version: &str) {
        version.clone_into(&mut self.now().version);
    }

    /// Notes that a watch goes on from what is held.
    pub(super) fn follow(&self) {
        self.now().is_followed = true;
    }

    /// Notes that the server answers.
    pub(super) fn succeed(&self) {
        self.now().trouble = None;
    }

    /// Notes and counts what went wrong.
    pub(super) fn fail(&self, failure: &Failure) {
        self.counters.failures.count(failure.reason());
        let mut now = self.now();
        now.is_followed = false;
        now.trouble = Some(failure.to_string());
    }

    /// Plays what a source tells after a list.
    #[cfg(test)]
    pub(crate) fn tell_for_test(&self, version: &str) {
        self.hold(version);
        self.hear();
    }

    /// Returns what changes.
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
