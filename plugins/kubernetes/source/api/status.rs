//! What a source tells of itself: how fresh each kind is, and how much trouble there was.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::kubernetes::objects::Kind;

/// The state of all kinds.
#[derive(Debug, Default)]
pub(crate) struct Status {
    /// One for each of [`Kind::ALL`].
    kinds: [KindStatus; Kind::ALL.len()],
}

/// The state of one kind.
#[derive(Debug, Default)]
pub(crate) struct KindStatus {
    /// When the server last said something of it, if ever.
    heard: Mutex<Option<Instant>>,
    /// The version that is held.
    version: Mutex<String>,
    /// How many lists were whole, the first included.
    pub(crate) lists: AtomicU64,
    /// How many watches were begun.
    pub(crate) watches: AtomicU64,
    /// How many events came.
    pub(crate) events: AtomicU64,
    /// How many objects and events were no use.
    pub(crate) decode_errors: AtomicU64,
    /// How many exchanges ended badly.
    pub(crate) failures: AtomicU64,
}

impl Status {
    /// Returns the state of a kind.
    pub(crate) fn of(&self, kind: Kind) -> &KindStatus {
        let [namespace, service, slice, pod, import, imported] = &self.kinds;
        match kind {
            Kind::Namespace => namespace,
            Kind::Service => service,
            Kind::EndpointSlice => slice,
            Kind::Pod => pod,
            Kind::ServiceImport => import,
            Kind::ImportedSlice => imported,
        }
    }
}

impl KindStatus {
    /// Returns how long ago the server last said something; none before the first time.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).map(|heard| heard.elapsed())
    }

    /// Returns the version that is held, empty before the first list.
    pub(crate) fn version(&self) -> String {
        self.version.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes that the server said something.
    pub(super) fn hear(&self) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Notes the version that is held.
    pub(super) fn hold(&self, version: &str) {
        version.clone_into(&mut self.version.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Counts one more.
    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
