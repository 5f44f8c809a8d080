//! Keeps tasks alive: one that panics is begun anew, after a wait, told of and counted.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use prometheus_client::metrics::counter::Counter;
use tokio::time::{Instant, sleep};

use super::LOG;

/// The shortest wait before a task is begun anew.
const MIN_WAIT: Duration = Duration::from_secs(1);
/// The longest; a task that has run for longer before its panic waits the shortest again.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// The waits between beginnings.
#[derive(Debug)]
pub(crate) struct Waits {
    /// The next one.
    next: Duration,
    /// When the task was last begun.
    begun: Instant,
}

impl Waits {
    /// Makes the waits of a task that begins now.
    pub(crate) fn new() -> Self {
        Self { next: MIN_WAIT, begun: Instant::now() }
    }

    /// Waits before the next beginning: the longer, the sooner the last one came to its end.
    pub(crate) async fn wait(&mut self) {
        if self.begun.elapsed() > MAX_WAIT {
            self.next = MIN_WAIT;
        }
        sleep(self.next).await;
        self.next = (self.next * 2).min(MAX_WAIT);
        self.begun = Instant::now();
    }
}

/// Runs what `make` makes until it ends by itself, and anew after each panic.
pub(crate) async fn keep<F: Future<Output = ()>>(what: &str, restarts: &Counter, make: impl Fn() -> F) {
    let mut waits = Waits::new();
    while let Err(panic) = AssertUnwindSafe(make()).catch_unwind().await {
        restarts.inc();
        tracing::error!(target: LOG, "{what} panicked and is begun anew, please report this: {}", text(&*panic));
        waits.wait().await;
    }
}

/// Returns what a panic says.
pub(crate) fn text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::trial::Logged;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_is_begun_anew() {
        let logged = Logged::default();
        let _guard = tracing::subscriber::set_default(logged.clone());
        let (begun, restarts, start) = (AtomicUsize::new(0), Counter::default(), Instant::now());
        let make = || async {
            assert!(begun.fetch_add(1, Ordering::Relaxed) >= 2, "too early");
        };
        keep("the watch of services", &restarts, make).await;
        assert_eq!((begun.into_inner(), restarts.get(), start.elapsed().as_secs()), (3, 2, 3));
        let line = "[ERROR] plugin/kubernetes: the watch of services panicked and is begun anew, please report this: too early";
        assert_eq!(logged.take(), [line, line]);
    }
}
