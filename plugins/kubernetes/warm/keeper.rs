//! When the file is written: at a bounded rate while things change, and at the end, never on the way of a query.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::Instant;

use super::file::{self, Head};
use super::{LOG, Warm};
use crate::kubernetes::index::{Kinds, Snapshot};
use crate::kubernetes::objects::{Change, Kind, Object};
use crate::kubernetes::source::Versions;

/// Between two files while the cluster changes: some milliseconds of work, and what is lost in between the watch tells.
const INTERVAL: Duration = Duration::from_secs(30);
/// Between two files while it does not, so that the age of the picture and its versions stay young.
const QUIET_INTERVAL: Duration = Duration::from_secs(300);

/// What has come since the last file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum News {
    /// Nothing.
    None,
    /// Word that all is as it was.
    Versions,
    /// Changes.
    Changes,
}

/// Keeps the file of a warm start up to date with what the owner of the index has applied.
#[derive(Debug)]
pub(in crate::kubernetes) struct Keeper {
    /// Where the file is, and what is shown of it.
    warm: Arc<Warm>,
    /// What it belongs to.
    identity: String,
    /// The kinds that must be known.
    kinds: Vec<Kind>,
    /// Up to which version each is known.
    versions: Versions,
    /// The kinds that are being listed: their objects come in no order.
    listed: Kinds,
    /// When the API server was last heard, in Unix seconds.
    heard: u64,
    /// What has come since the last file.
    news: News,
    /// When the last file was begun, or this was made.
    last: Instant,
    /// The file that is being written.
    writing: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Makes a keeper that knows these versions of its kinds.
    pub(in crate::kubernetes) fn new(warm: Arc<Warm>, identity: String, kinds: &[Kind], versions: Versions) -> Self {
        Self {
            warm,
            identity,
            kinds: kinds.to_vec(),
            versions,
            listed: Kinds::default(),
            heard: 0,
            news: News::None,
            last: Instant::now(),
            writing: None,
        }
    }

    /// Looks at a change that is about to be applied.
    pub(in crate::kubernetes) fn note(&mut self, change: &mut Change) {
        self.heard = self.warm.clock.unix_seconds();
        self.news = self.news.max(if matches!(change, Change::Reached(..)) { News::Versions } else { News::Changes });
        match change {
            Change::ListBegin(kind) => self.listed.insert(*kind),
            Change::ListEnd(kind) => self.listed.remove(*kind),
            Change::Reached(kind, version) => drop(self.versions.insert(*kind, std::mem::take(version))),
            Change::Apply(object) => self.note_object(object),
            Change::Delete(_) => {}
        }
    }

    /// Notes the version of an object, which is that of its kind if it comes from a watch.
    fn note_object(&mut self, object: &mut Object) {
        let kind = object.kind();
        let version = std::mem::take(&mut object.metadata_mut().resource_version);
        if !version.is_empty() && !self.listed.contains(kind) {
            self.versions.insert(kind, version);
        }
    }

    /// Notes that every kind has been heard of.
    pub(in crate::kubernetes) fn confirm(&self) {
        self.warm.confirm();
    }

    /// Returns when the next file should be written, if there is something to write.
    pub(in crate::kubernetes) fn due(&self) -> Option<Instant> {
        let interval = match self.news {
            News::None => return None,
            News::Versions => QUIET_INTERVAL,
            News::Changes => INTERVAL,
        };
        self.is_complete().then(|| self.last + interval)
    }

    /// Says whether every kind is known.
    fn is_complete(&self) -> bool {
        self.kinds.iter().all(|kind| self.versions.contains_key(kind))
    }

    /// Writes the file if it is time; `picture` must hold every change that was noted.
    pub(in crate::kubernetes) fn save_if_due(&mut self, picture: &Arc<Snapshot>) {
        if self.due().is_some_and(|due| due <= Instant::now()) {
            self.last = Instant::now();
            // A disk that takes longer than the interval is not asked for more.
            if self.writing.as_ref().is_none_or(JoinHandle::is_finished) {
                self.writing = Some(self.save(Arc::clone(picture)));
            }
        }
    }

    /// Writes the last file and waits for it.
    pub(in crate::kubernetes) async fn finish(mut self, picture: Arc<Snapshot>) {
        if let Some(writing) = self.writing.take() {
            // It says itself what went wrong.
            writing.await.unwrap_or_default();
        }
        if self.due().is_some() {
            self.save(picture).await.unwrap_or_default();
        }
    }

    /// Writes the file on a thread that may wait for the disk.
    fn save(&mut self, picture: Arc<Snapshot>) -> JoinHandle<()> {
        self.news = News::None;
        let versions = self.versions.clone();
        let head = Head { identity: self.identity.clone(), heard: self.heard, serials: picture.serials, versions };
        let warm = Arc::clone(&self.warm);
        spawn_blocking(move || warm.save(&head, &picture))
    }
}

impl Warm {
    /// Writes the file and says, once, if that fails.
    pub(super) fn save(&self, head: &Head, picture: &Snapshot) {
        let path = &self.start.file;
        match file::save(path, head, picture) {
            Ok(()) => {
                self.metrics.saves.inc();
                self.has_failed.store(false, Ordering::Relaxed);
            }
            Err(error) => {
                self.metrics.failures.inc();
                if !self.has_failed.swap(true, Ordering::Relaxed) {
                    tracing::warn!(target: LOG, "warm start: cannot write {}: {error}", path.display());
                }
            }
        }
    }
}
