//! Whether every kind has been read once, and the wait for it at start-up.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use super::{Kind, LOG};

/// How long between two lines that tell of the wait.
const REMIND: Duration = Duration::from_millis(500);

/// Which kinds have not been read yet; kept by the owner of the index, told at every `ListEnd` it has applied.
#[derive(Debug)]
pub(crate) struct Sync {
    /// Kinds without a first list.
    missing: Vec<Kind>,
    /// Whether none is missing.
    all: watch::Sender<bool>,
}

impl Sync {
    /// Expects a list of each of `kinds`.
    pub(crate) fn new(kinds: &[Kind]) -> Self {
        Self { missing: kinds.to_vec(), all: watch::Sender::new(kinds.is_empty()) }
    }

    /// Notes that the index holds a whole list of `kind`.
    pub(crate) fn mark(&mut self, kind: Kind) {
        self.missing.retain(|missing| *missing != kind);
        if self.missing.is_empty() {
            self.all.send_if_modified(|all| !std::mem::replace(all, true));
        }
    }

    /// Returns the kinds that are still missing.
    pub(crate) fn missing(&self) -> &[Kind] {
        &self.missing
    }

    /// Returns a view that becomes true once all kinds are there.
    pub(crate) fn watch(&self) -> watch::Receiver<bool> {
        self.all.subscribe()
    }
}

/// Waits until all kinds are there, at most `startup_timeout`, with CoreDNS's log lines; behind each stands why.
///
/// (CoreDNS `plugin/kubernetes/kubernetes.go`, `InitKubeCache`: a line every 500 ms, a warning when the wait runs out.)
pub(crate) async fn wait(mut synced: watch::Receiver<bool>, startup_timeout: Duration, why: impl Fn() -> String) {
    let start = Instant::now();
    let mut reminder = interval_at(start + REMIND, REMIND);
    reminder.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let end = sleep_until(start + startup_timeout);
    tokio::pin!(end);
    let all = synced.wait_for(|all| *all);
    tokio::pin!(all);
    loop {
        tokio::select! {
            biased;
            _ = &mut all => return,
            () = &mut end => {
                tracing::warn!(target: LOG, "starting server with unsynced Kubernetes API: {}", why());
                return;
            }
            _ = reminder.tick() => {
                tracing::info!(target: LOG, "waiting for Kubernetes API before starting server: {}", why());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `future` with the clock paused and returns how long it took on that clock.
    async fn timed(future: impl Future<Output = ()>) -> Duration {
        let start = Instant::now();
        future.await;
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_at_its_limit() {
        let sync = Sync::new(&[Kind::Service]);
        assert_eq!(timed(wait(sync.watch(), Duration::from_secs(5), String::new)).await, Duration::from_secs(5));
        assert_eq!(sync.missing(), [Kind::Service]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_when_the_last_kind_is_there() {
        let mut sync = Sync::new(&[Kind::Service, Kind::Namespace]);
        let view = sync.watch();
        let later = async move {
            sync.mark(Kind::Service);
            assert!(!*sync.watch().borrow());
            tokio::time::sleep(Duration::from_millis(700)).await;
            sync.mark(Kind::Namespace);
            std::future::pending::<()>().await;
        };
        let waited = async {
            tokio::select! { () = later => {}, () = wait(view, Duration::from_secs(5), String::new) => {} }
        };
        assert_eq!(timed(waited).await, Duration::from_millis(700));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_wanted_is_synced_at_once() {
        assert_eq!(timed(wait(Sync::new(&[]).watch(), Duration::from_secs(5), String::new)).await, Duration::ZERO);
    }
}
