//! `ready`: an HTTP endpoint that says whether every plugin can answer. See [README](README.md).

mod setup;
#[cfg(test)]
mod tests;

use crate::endpoint::{Endpoint, Page, text};
use http::StatusCode;
use plugin_api::link::Ready;
use plugin_api::{BoxFuture, Lifecycle, Plugin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "ready", setup: setup::setup };

/// What must be ready: the plugins of all blocks of one configuration that contain `ready`.
#[derive(Default)]
struct Board {
    entries: Mutex<Vec<Entry>>,
    /// Whether a plugin that was ready once is asked again.
    asks_again: AtomicBool,
}

/// A plugin on the board.
struct Entry {
    plugin: &'static str,
    ready: Arc<dyn Ready>,
    was_ready: bool,
}

impl Board {
    /// Puts a plugin on the board. Two blocks with the same plugin both count (in CoreDNS the later one hides the other).
    fn add(&self, plugin: &'static str, ready: Arc<dyn Ready>) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).push(Entry { plugin, ready, was_ready: false });
    }

    /// The names of the plugins that are not ready, sorted, each once.
    fn missing(&self) -> Vec<&'static str> {
        let asks_again = self.asks_again.load(Ordering::Relaxed);
        let mut missing = Vec::new();
        for entry in self.entries.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            if asks_again || !entry.was_ready {
                entry.was_ready = entry.ready.is_ready();
            }
            if !entry.was_ready {
                missing.push(entry.plugin);
            }
        }
        missing.sort_unstable();
        missing.dedup();
        missing
    }

    /// The page for one request; says in the log what is missing.
    fn page(&self) -> Page {
        let missing = self.missing();
        if missing.is_empty() {
            return text(StatusCode::OK, "OK");
        }
        let names = missing.join(",");
        tracing::info!(target: "plugin/ready", "Plugins not ready: {names:?}");
        text(StatusCode::SERVICE_UNAVAILABLE, names)
    }
}

/// One endpoint of the board.
struct Listener {
    endpoint: Arc<Endpoint>,
    board: Arc<Board>,
}

impl Listener {
    /// Shows this configuration's board.
    fn show(&self) {
        let board = Arc::clone(&self.board);
        self.endpoint.show(Box::new(move |_| board.page()));
    }
}

impl Lifecycle for Listener {
    fn start(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async {
            // The board of the configuration before is shown until this one has taken over.
            if !self.endpoint.is_listening() {
                self.show();
            }
            if let Err(error) = self.endpoint.listen().await {
                // CoreDNS goes on without the endpoint, and without a word. So do we, with one.
                tracing::error!(target: "plugin/ready", "no readiness endpoint: {error}");
            }
            Ok(())
        })
    }

    fn activate(&self) {
        self.show();
    }

    fn before_shutdown(&self) -> BoxFuture<'_, ()> {
        self.endpoint.close();
        Box::pin(async {})
    }
}
