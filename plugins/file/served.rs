//! A zone that follows its file.

use super::build::{Loaded, load};
use super::lookup::records;
use super::zone::{Rrset, Zone};
use arc_swap::ArcSwapOption;
use plugin_api::link::Notifier;
use plugin_api::{BoxFuture, Lifecycle, Name, OwnedRecord, Section};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::task::AbortHandle;

/// How a zone follows its file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Between two looks at the file; zero for none.
    pub(crate) reload: Duration,
    /// The time of the file decides whether it is read again, not the serial in it.
    pub(crate) by_time: bool,
}

/// A zone, its file, and the task that follows the file.
pub(crate) struct Served {
    /// The apex.
    origin: Name,
    /// The file.
    path: PathBuf,
    /// How it is followed.
    settings: Settings,
    /// The zone; none until the file could be read.
    data: ArcSwapOption<Zone>,
    /// The file's time when it was read.
    modified: Mutex<Option<SystemTime>>,
    /// Who tells secondaries of a new version.
    notifier: OnceLock<Arc<dyn Notifier>>,
    task: Mutex<Option<AbortHandle>>,
}

impl Served {
    /// A zone whose file has not been read yet.
    pub(crate) fn new(origin: Name, path: PathBuf, settings: Settings) -> Arc<Self> {
        Arc::new(Self {
            origin,
            path,
            settings,
            data: ArcSwapOption::empty(),
            modified: Mutex::default(),
            notifier: OnceLock::new(),
            task: Mutex::default(),
        })
    }

    /// The apex.
    pub(crate) const fn origin(&self) -> &Name {
        &self.origin
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Sets who tells secondaries of a new version; the first call counts.
    pub(crate) fn set_notifier(&self, notifier: Arc<dyn Notifier>) {
        drop(self.notifier.set(notifier));
    }

    /// Reads the file. Blocks; the error is in CoreDNS's words.
    pub(crate) fn load(&self) -> Result<(), String> {
        let modified = modified(&self.path).ok();
        if let Loaded::Zone(zone) = load(&self.path, &self.origin, None)? {
            self.data.store(Some(Arc::from(zone)));
            *self.modified.lock().unwrap_or_else(PoisonError::into_inner) = modified;
        }
        Ok(())
    }

    /// The zone as it is now.
    pub(super) fn zone(&self) -> arc_swap::Guard<Option<Arc<Zone>>> {
        self.data.load()
    }

    /// Begins to follow the file, if it is to be followed.
    pub(crate) fn follow(self: &Arc<Self>) {
        if self.settings.reload.is_zero() {
            return;
        }
        // The task holds no strong reference: whoever owns the zone ends it.
        let (zone, interval) = (Arc::downgrade(self), self.settings.reload);
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(interval).await;
                let Some(zone) = zone.upgrade() else { return };
                let looked = tokio::task::spawn_blocking(move || zone.look()).await;
                if let Err(error) = looked {
                    tracing::error!(target: "plugin/file", "Reloading ended early: {error}");
                }
            }
        });
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.abort_handle());
    }

    /// Ends following the file.
    pub(crate) fn unfollow(&self) {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }

    /// Looks at the file and takes over a new version. Blocks.
    pub(super) fn look(&self) {
        let (origin, path) = (&self.origin, self.path.display());
        let quoted = |text: &str| corefile::args::go_quote(text);
        let (zone, file) = (quoted(&origin.to_string()), quoted(&path.to_string()));
        let mut serial = self.zone().as_deref().map(|zone| zone.serial);
        if self.settings.by_time {
            match modified(&self.path) {
                // Any other time than the last: a file that was put back, or written after the clock was set back, is an older one.
                Ok(time) if Some(time) == *self.modified.lock().unwrap_or_else(PoisonError::into_inner) => return,
                Ok(_) => serial = None,
                Err(error) => {
                    let error = format!("stat {path}: {}", corefile::os_error_text(&error));
                    tracing::error!(target: "plugin/file", "Failed to stat zone {zone} in {file}: {error}");
                    return;
                }
            }
        }
        let time = modified(&self.path).ok();
        match load(&self.path, origin, serial) {
            Ok(Loaded::Unchanged) => {}
            Ok(Loaded::Zone(new)) => {
                let serial = new.serial;
                self.data.store(Some(Arc::from(new)));
                *self.modified.lock().unwrap_or_else(PoisonError::into_inner) = time;
                tracing::info!(target: "plugin/file", "Successfully reloaded zone {zone} in {file} with {serial} SOA serial");
                if let Some(notifier) = self.notifier.get() {
                    notifier.notify(origin);
                }
            }
            Err(error) if error.starts_with("open ") => {
                tracing::error!(target: "plugin/file", "Failed to open zone {zone} in {file}: {error}");
            }
            Err(error) => tracing::error!(target: "plugin/file", "Parsing zone {zone}: {error}"),
        }
    }

    /// All records, in batches: SOA first and last; the SOA alone if `serial` is the zone's; none until the file was read.
    pub(crate) fn transfer(&self, serial: Option<u32>) -> Box<dyn Iterator<Item = Vec<OwnedRecord>> + Send> {
        let Some(zone) = self.data.load_full() else { return Box::new(std::iter::empty()) };
        let view = |entry: Option<&super::zone::Entry>| entry.and_then(|entry| zone.view(entry)).map(owned);
        let soa = view(zone.apex.soa.as_ref());
        if serial.is_some_and(|serial| serial != 0 && serial == zone.serial) {
            return Box::new(soa.into_iter());
        }
        let apex = [&zone.apex.soa_signatures, &zone.apex.ns, &zone.apex.ns_signatures];
        let apex: Vec<_> =
            soa.iter().cloned().chain(apex.into_iter().filter_map(|entry| view(entry.as_ref()))).collect();
        let rest = (0..).map_while(move |index| zone.nth(index).map(owned));
        Box::new(apex.into_iter().chain(rest).chain(soa))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.unfollow();
    }
}

/// The time of a file.
fn modified(path: &Path) -> std::io::Result<SystemTime> {
    std::fs::metadata(path).and_then(|metadata| metadata.modified())
}

/// The records of an rrset on their own.
fn owned(rrset: Rrset<'_>) -> Vec<OwnedRecord> {
    let own = |record: super::lookup::Record<'_>| OwnedRecord {
        section: Section::Answer,
        owner: Name::from_wire(record.owner).unwrap_or_else(|_| Name::root()),
        rtype: record.rtype,
        class: record.class,
        ttl: record.ttl,
        rdata: record.rdata.to_vec(),
    };
    records(rrset).map(own).collect()
}

/// Zones that are followed as long as the configuration lives.
pub(super) struct Follower(pub(super) Vec<Arc<Served>>);

impl Lifecycle for Follower {
    fn start(&self) -> BoxFuture<'_, Result<(), String>> {
        self.0.iter().for_each(Served::follow);
        Box::pin(async { Ok(()) })
    }

    fn activate(&self) {
        for zone in &self.0 {
            if let Some(notifier) = zone.notifier.get() {
                notifier.notify(&zone.origin);
            }
        }
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        self.0.iter().for_each(|zone| zone.unfollow());
        Box::pin(async {})
    }
}
