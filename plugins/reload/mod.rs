//! `reload`: follows the configuration's files. See [README](README.md). What a reload is and does lives in the server.

mod setup;
#[cfg(test)]
mod tests;

use plugin_api::{BoxFuture, Control, Lifecycle, Plugin, Reloaded};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::AbortHandle;

pub(crate) use setup::register;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "reload", setup: setup::setup };

/// Labels of `reload_version_info`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Version {
    hash: &'static str,
    value: String,
}

/// Looks at the files every so often. One of them works for the whole process, whichever block has the directive.
struct Watcher {
    interval: Duration,
    control: Arc<dyn Control>,
    failed: Counter,
    version: Family<Version, Gauge>,
    task: Mutex<Option<AbortHandle>>,
}

impl Lifecycle for Watcher {
    fn activate(&self) {
        let hash = self.control.configuration_hash();
        tracing::info!(target: "plugin/reload", "Running configuration SHA512 = {hash}");
        let work = watch(self.interval, Arc::clone(&self.control), (self.failed.clone(), self.version.clone()));
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(tokio::spawn(work).abort_handle());
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
        Box::pin(async {})
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        drop(self.stop());
    }
}

/// Asks the process at every tick to load what has changed. Ends with the configuration that it belongs to: the one that is
/// loaded brings a watcher of its own, if it has the directive.
async fn watch(interval: Duration, control: Arc<dyn Control>, metrics: (Counter, Family<Version, Gauge>)) {
    loop {
        tokio::time::sleep(interval).await;
        // On a task of its own: this one is stopped while the new configuration takes over.
        if let Err(error) = tokio::spawn(look(Arc::clone(&control), metrics.clone())).await {
            metrics.0.inc();
            tracing::error!(target: "plugin/reload", "reload ended early: {error}");
        }
    }
}

/// Asks once, and says and counts what came of it.
async fn look(control: Arc<dyn Control>, (failed, version): (Counter, Family<Version, Gauge>)) {
    match control.reload_if_changed().await {
        Reloaded::Unchanged => return,
        Reloaded::Done => (),
        Reloaded::Unparsable(error) => {
            tracing::warn!(target: "plugin/reload", "Corefile parse failed: {error}");
            return;
        }
        Reloaded::Failed(error) => {
            failed.inc();
            tracing::error!(target: "plugin/reload", "Corefile changed but reload failed: {error}");
        }
    }
    version.clear();
    version.get_or_create(&Version { hash: "sha512", value: control.configuration_hash() }).set(1);
}
