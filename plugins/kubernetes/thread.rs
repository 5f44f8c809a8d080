//! A thread of its own for a part with a life.
//!
//! An event of a watch goes from task to task: the connection, the watch, the index. Where several threads run tasks each step may
//! wake another one for nothing, and what the index needs moves between processors; on one thread an event is one wait and one
//! read. Nor do queries that wait for an upstream delay it.

use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use plugin_api::{BoxFuture, Lifecycle};
use tokio::runtime;
use tokio::sync::{Mutex, oneshot};

use super::source::LOG;

/// The thread's name.
const NAME: &str = "kubernetes";
/// How long work may take to end that waits for files or for the resolver, once the part has stopped.
const LEFT: Duration = Duration::from_millis(100);

/// A part that starts, works and stops on a thread of its own.
pub(super) struct OnThread {
    /// The part.
    part: Arc<dyn Lifecycle>,
    /// The thread, while there is one.
    running: Mutex<Option<Running>>,
}

/// A thread that runs.
struct Running {
    /// Stops the part when it is dropped.
    stop: oneshot::Sender<()>,
    /// Closed when nothing is left to do.
    ended: oneshot::Receiver<()>,
    /// The thread.
    thread: JoinHandle<()>,
}

/// What the thread says and hears.
struct Ends {
    /// What the part says to its start.
    started: oneshot::Sender<Result<(), String>>,
    /// Closed when the part is to stop.
    stopped: oneshot::Receiver<()>,
    /// Closed when nothing is left to do, also by a panic.
    ended: oneshot::Sender<()>,
}

impl OnThread {
    /// Gives a part a thread, once it starts.
    pub(super) fn new(part: Arc<dyn Lifecycle>) -> Self {
        Self { part, running: Mutex::new(None) }
    }
}

impl Lifecycle for OnThread {
    fn start(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async {
            let (started, start) = oneshot::channel();
            let (stop, stopped) = oneshot::channel();
            let (end, ended) = oneshot::channel();
            let part = Arc::clone(&self.part);
            let life = move || live(&*part, Ends { started, stopped, ended: end });
            let thread = Builder::new().name(NAME.to_owned()).spawn(life);
            let thread = thread.map_err(|error| format!("{LOG}: starting a thread: {error}"))?;
            *self.running.lock().await = Some(Running { stop, ended, thread });
            start.await.unwrap_or_else(|_| Err(format!("{LOG}: the start ended in a panic")))
        })
    }

    fn activate(&self) {
        self.part.activate();
    }

    fn before_shutdown(&self) -> BoxFuture<'_, ()> {
        self.part.before_shutdown()
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let Some(Running { stop, ended, thread }) = self.running.lock().await.take() else { return };
            drop(stop);
            // Nothing is ever sent: the other end is dropped.
            ended.await.unwrap_or_default();
            if thread.join().is_err() {
                tracing::error!(target: LOG, "the thread of the plugin ended in a panic, please report this");
            }
        })
    }
}

/// Lets the part live until it is to stop.
fn live(part: &dyn Lifecycle, ends: Ends) {
    // Dropped last, whatever happens.
    let Ends { started, stopped, ended: _ended } = ends;
    let runtime = match runtime::Builder::new_current_thread().thread_name(NAME).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return started.send(Err(format!("{LOG}: starting a runtime: {error}"))).unwrap_or_default(),
    };
    runtime.block_on(async {
        // Who started it may have gone; then so has the other end of `stopped`.
        started.send(part.start().await).unwrap_or_default();
        stopped.await.unwrap_or_default();
        part.stop().await;
    });
    runtime.shutdown_timeout(LEFT);
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;
    use crate::trial::Logged;

    /// A part that says where it is.
    #[derive(Default)]
    struct Part {
        /// Why it does not start.
        error: Option<&'static str>,
        /// Whether it panics instead of starting.
        panics: bool,
        /// Whether a task of it runs.
        runs: Arc<AtomicBool>,
        /// Whether it was told to stop, while its tasks still ran.
        is_stopped: Arc<AtomicBool>,
    }

    /// Tells that a task has ended.
    struct Ending(Arc<AtomicBool>);

    impl Drop for Ending {
        fn drop(&mut self) {
            self.0.store(false, Ordering::Relaxed);
        }
    }

    impl Lifecycle for Part {
        fn start(&self) -> BoxFuture<'_, Result<(), String>> {
            Box::pin(async {
                assert_eq!(thread::current().name(), Some(NAME));
                assert!(!self.panics, "as the test wants");
                self.runs.store(true, Ordering::Relaxed);
                let ending = Ending(Arc::clone(&self.runs));
                tokio::spawn(async move {
                    let _ending = ending;
                    std::future::pending::<()>().await;
                });
                self.error.map_or(Ok(()), |error| Err(error.to_owned()))
            })
        }

        fn stop(&self) -> BoxFuture<'_, ()> {
            Box::pin(async { self.is_stopped.store(self.runs.load(Ordering::Relaxed), Ordering::Relaxed) })
        }
    }

    #[tokio::test]
    async fn a_part_lives_on_a_thread_until_it_is_stopped() {
        let part = Part::default();
        let (runs, is_stopped) = (Arc::clone(&part.runs), Arc::clone(&part.is_stopped));
        let thread = OnThread::new(Arc::new(part));
        for _ in 0..2 {
            assert_eq!(thread.start().await, Ok(()));
            assert!(runs.load(Ordering::Relaxed));
            thread.stop().await;
            assert!(is_stopped.swap(false, Ordering::Relaxed), "the part was not told");
            assert!(!runs.load(Ordering::Relaxed), "what it has spawned is gone");
            thread.stop().await;
        }
    }

    #[tokio::test]
    async fn a_part_that_cannot_start_says_why() {
        let thread = OnThread::new(Arc::new(Part { error: Some("no way"), ..Part::default() }));
        assert_eq!(thread.start().await, Err("no way".to_owned()));
        thread.stop().await;
    }

    #[tokio::test]
    async fn a_part_that_panics_ends_alone() {
        let logged = Logged::default();
        let _guard = tracing::subscriber::set_default(logged.clone());
        let thread = OnThread::new(Arc::new(Part { panics: true, ..Part::default() }));
        assert_eq!(thread.start().await, Err("plugin/kubernetes: the start ended in a panic".to_owned()));
        thread.stop().await;
        let line = "[ERROR] plugin/kubernetes: the thread of the plugin ended in a panic, please report this";
        assert_eq!(logged.take(), [line]);
    }
}
