//! Warm start: what is known of the cluster is kept in a file, and a new start serves it at once, marked as old, until the
//! API server has been heard.
//!
//! Reading order: `keeper` (when the file is written), `file` (what stands in it, and when it is refused), `codec` (an object
//! in octets). The file holds objects, as few of their fields as the index keeps, not the index itself: the same code makes a
//! picture of them that makes it of the API server's. Knows no API server; what version is known comes from the source.

mod codec;
mod file;
mod keeper;
mod metrics;
#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use plugin_api::{Clock, Metrics};

use self::file::Refused;
pub(super) use self::keeper::Keeper;
use self::metrics::WarmMetrics;
use super::index::{Index, Options};
use super::objects::{Change, Kind};
use super::source::{LOG, Versions, Wanted};

/// How old a picture may be that is taken up: after a day too many addresses may belong to somebody else.
pub(super) const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// Property `warm_start`, as it is written.
#[derive(Debug, Clone)]
pub(super) struct WarmStart {
    /// The file.
    pub(super) file: PathBuf,
    /// How old its picture may be.
    pub(super) max_age: Duration,
}

/// The warm start of one `kubernetes` block.
#[derive(Debug)]
pub(super) struct Warm {
    /// What was asked for.
    start: WarmStart,
    /// Whether an older configuration serves meanwhile, so that there is time to wait for the API server.
    pub(super) is_replacing: bool,
    /// What is counted.
    metrics: WarmMetrics,
    /// Whether the last try to write the file failed, so that the next failure needs no line.
    has_failed: AtomicBool,
    /// The time.
    clock: Clock,
}

/// A picture that was taken up.
pub(super) struct Recalled {
    /// The index with everything in it.
    pub(super) index: Index,
    /// Up to which version each kind is known.
    pub(super) versions: Versions,
}

impl Warm {
    /// Makes it for a block; an older configuration that has the same file serves meanwhile, or none.
    pub(super) fn new(start: WarmStart, is_replacing: bool, clock: Clock, metrics: &Metrics) -> Arc<Self> {
        let metrics = WarmMetrics::new(metrics, &start.file, &clock);
        Arc::new(Self { start, is_replacing, metrics, has_failed: AtomicBool::new(false), clock })
    }

    /// Takes the last picture up, if there is one that belongs to `identity` and is not too old; says what comes of it.
    pub(super) fn recall(&self, identity: &str, options: Options) -> Option<Recalled> {
        let path = self.start.file.display();
        // The index is told what an earlier run has left: a panic there must not come back at every start.
        let read = catch_unwind(AssertUnwindSafe(|| self.read(identity, options)));
        match read.unwrap_or(Err(Refused::Damaged("an object in it makes the index panic"))) {
            Ok((recalled, saved)) => {
                let age = self.clock.unix_seconds().saturating_sub(saved);
                self.metrics.age.begin(saved);
                tracing::info!(
                    target: LOG,
                    "warm start: serving what {path} knows as of {age} s ago until the Kubernetes API is heard"
                );
                Some(recalled)
            }
            Err(Refused::Missing) => {
                tracing::info!(target: LOG, "no warm start: {path} is not there yet; starting without");
                None
            }
            Err(why) => {
                tracing::warn!(target: LOG, "no warm start: {path} {why}; starting without");
                None
            }
        }
    }

    /// Reads the file and makes an index of it; gives also when it was right, in Unix seconds.
    fn read(&self, identity: &str, options: Options) -> Result<(Recalled, u64), Refused> {
        let octets = file::load(&self.start.file)?;
        let (head, objects) = file::read(&octets)?;
        head.check(identity, self.clock.unix_seconds(), self.start.max_age)?;
        let mut index = Index::new(options);
        for object in objects {
            index.apply(&Change::Apply(object?), 0);
        }
        head.versions.keys().for_each(|kind| index.apply(&Change::ListEnd(*kind), 0));
        index.take_up(head.serials);
        Ok((Recalled { index, versions: head.versions }, head.heard))
    }

    /// Notes that every kind has been heard of: the picture is that of now.
    pub(super) fn confirm(&self) {
        if let Some(age) = self.metrics.age.end() {
            tracing::info!(
                target: LOG,
                "warm start: every kind is watched again, {age} s after {} was right",
                self.start.file.display()
            );
        }
    }
}

/// Says what a picture belongs to: a file of another API server, of other objects or with less in them is of no use.
pub(super) fn identity(server: &str, wanted: &Wanted, options: Options) -> String {
    let kinds: Vec<String> = wanted.kinds.iter().map(|kind| format!("{kind:?}")).collect();
    let keeps = [
        ("endpoint_pod_names", options.endpoint_pod_names),
        ("zonal", options.zonal),
        ("pod_addresses", options.pod_addresses),
        ("pod_labels", options.pod_labels),
        ("external", options.external),
    ];
    let keeps: Vec<&str> = keeps.into_iter().filter(|(_, is_kept)| *is_kept).map(|(name, _)| name).collect();
    format!(
        "API server {server}\nkinds {}\nlabels {}\nnamespace_labels {}\nkept details {}",
        kinds.join(" "),
        wanted.labels,
        wanted.namespace_labels,
        keeps.join(" ")
    )
}

/// The number that stands for a kind in a file; never changes.
const fn number_of(kind: Kind) -> u8 {
    match kind {
        Kind::Namespace => 1,
        Kind::Service => 2,
        Kind::EndpointSlice => 3,
        Kind::Pod => 4,
        Kind::ServiceImport => 5,
        Kind::ImportedSlice => 6,
    }
}

/// The kind that a number in a file stands for.
fn kind_of(number: u8) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| number_of(*kind) == number)
}
