//! A hosts file on disk: read at the start, and again when it has changed. Knows no query.

use super::metrics::HostsMetrics;
use super::table::{Scope, Table};
use arc_swap::{ArcSwap, Guard};
use plugin_api::{BoxFuture, Lifecycle};
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};
use tokio::task::JoinHandle;

/// Most octets of a file that are read: some 8 million lines, whose table is about all that a small machine can hold.
const MAX_FILE: u64 = 256 << 20;

/// The tables that queries are answered from, and the task that keeps them.
pub(super) struct Hosts {
    path: PathBuf,
    scope: Scope,
    /// Time between two looks at the file; zero for none after the first.
    reload: Duration,
    /// What the Corefile says.
    inline: Table,
    /// What the file says.
    table: ArcSwap<Table>,
    /// Time of change and length of the file when it was read.
    seen: Mutex<Option<(SystemTime, u64)>>,
    metrics: HostsMetrics,
    task: Mutex<Option<JoinHandle<()>>>,
    this: Weak<Self>,
}

impl Hosts {
    /// Nothing is read before the start, but for the lines of the Corefile.
    pub(super) fn new(
        (path, reload): (PathBuf, Duration),
        scope: Scope,
        inline: &str,
        metrics: HostsMetrics,
    ) -> Arc<Self> {
        let inline = Table::parse(inline.as_bytes(), &scope);
        Arc::new_cyclic(|this| Self {
            path,
            scope,
            reload,
            inline,
            table: ArcSwap::default(),
            seen: Mutex::default(),
            metrics,
            task: Mutex::default(),
            this: Weak::clone(this),
        })
    }

    /// What the file and the Corefile say, in this order.
    pub(super) fn tables(&self) -> (Guard<Arc<Table>>, &Table) {
        (self.table.load(), &self.inline)
    }

    /// Reads the file if it has changed. One that cannot be read leaves all as it was.
    pub(super) fn read(&self) {
        let Ok(mut file) = File::open(&self.path) else { return };
        let Ok(metadata) = file.metadata() else { return };
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let now = (modified, metadata.len());
        if *self.seen.lock().unwrap_or_else(PoisonError::into_inner) == Some(now) {
            return;
        }
        let mut text = Vec::new();
        if metadata.is_file() && file.by_ref().take(MAX_FILE).read_to_end(&mut text).is_err() {
            return;
        }
        if metadata.len() > MAX_FILE {
            tracing::warn!(target: "plugin/hosts", "Only the first {MAX_FILE} bytes of {} are read", self.path.display());
        }
        let table = Table::parse(&text, &self.scope);
        tracing::debug!(target: "plugin/hosts", "Parsed hosts file into {} entries", table.entries());
        self.metrics.report(self.inline.entries() + table.entries(), modified);
        self.table.store(Arc::new(table));
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    /// Reads the file again and again, off the threads that serve.
    async fn keep(hosts: Weak<Self>, reload: Duration) {
        loop {
            tokio::time::sleep(reload).await;
            let Some(hosts) = hosts.upgrade() else { return };
            if tokio::task::spawn_blocking(move || hosts.read()).await.is_err() {
                tracing::error!(target: "plugin/hosts", "Reading the hosts file panicked");
            }
        }
    }
}

impl Lifecycle for Hosts {
    fn start(&self) -> BoxFuture<'_, Result<(), String>> {
        self.read();
        if !self.reload.is_zero() {
            let task = tokio::spawn(Self::keep(Weak::clone(&self.this), self.reload));
            *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        }
        Box::pin(async { Ok(()) })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
        Box::pin(async {})
    }
}
