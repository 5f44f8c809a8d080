//! Counts errors that match a pattern, and logs their number at the end of a period.
//!
//! A period begins with the first error. One task for each pattern waits for it; the patterns own the tasks and end them.

use crate::pattern;
use plugin_api::go::show;
use plugin_api::{BoxFuture, Lifecycle};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Level of a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// Someone must act.
    Error,
    /// Unexpected, handled.
    Warning,
    /// Life of the process.
    Info,
    /// Printed with plugin `debug` only.
    Debug,
}

impl Level {
    /// The level of that name in a Corefile.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        match name {
            "error" => Some(Self::Error),
            "warning" => Some(Self::Warning),
            "info" => Some(Self::Info),
            "debug" => Some(Self::Debug),
            _ => None,
        }
    }
}

/// What one `consolidate` counts.
pub(super) struct Pattern {
    period: Duration,
    regex: pattern::Pattern,
    level: Level,
    shows_first: bool,
    /// Errors in the running period.
    count: AtomicU32,
    /// Wakes the task at the first error of a period.
    begun: Notify,
}

impl Pattern {
    /// Counts what matches the regular expression, for `period` from the first.
    pub(super) fn new(period: Duration, regex: pattern::Pattern, level: Level, shows_first: bool) -> Self {
        Self { period, regex, level, shows_first, count: AtomicU32::new(0), begun: Notify::new() }
    }

    /// Waits for periods to begin and end; never returns.
    async fn run(&self) {
        loop {
            self.begun.notified().await;
            tokio::time::sleep(self.period).await;
            self.summarise();
        }
    }

    /// Logs the number of errors since the period began, and begins to count anew.
    fn summarise(&self) {
        let count = self.count.swap(0, Ordering::Relaxed);
        if count > u32::from(self.shows_first) {
            let (text, period) = (self.regex.as_str(), show(self.period));
            self.level.log(&format!("{count} errors like '{text}' occurred in last {period}"));
        }
    }
}

/// The patterns of a server block in their order, and their tasks.
pub(super) struct Patterns {
    patterns: Arc<[Pattern]>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    is_stopped: AtomicBool,
}

impl Patterns {
    /// The patterns in their order.
    pub(super) fn new(patterns: Vec<Pattern>) -> Self {
        Self { patterns: patterns.into(), tasks: Mutex::default(), is_stopped: AtomicBool::new(false) }
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// The level to log an error at: none if the first pattern that matches counts it. After the stop all are logged.
    pub(super) fn level_of(&self, error: &str) -> Option<Level> {
        let Some(pattern) = self.patterns.iter().find(|pattern| pattern.regex.is_match(error)) else {
            return Some(Level::Error);
        };
        if self.is_stopped.load(Ordering::Relaxed) {
            return Some(pattern.level);
        }
        let is_first = pattern.count.fetch_add(1, Ordering::Relaxed) == 0;
        if is_first {
            pattern.begun.notify_one();
        }
        (is_first && pattern.shows_first).then_some(pattern.level)
    }
}

impl Lifecycle for Patterns {
    fn start(&self) -> BoxFuture<'_, Result<(), String>> {
        let spawn = |index: usize| {
            let patterns = Arc::clone(&self.patterns);
            tokio::spawn(async move {
                if let Some(pattern) = patterns.get(index) {
                    pattern.run().await;
                }
            })
        };
        let tasks = (0..self.patterns.len()).map(spawn).collect();
        *self.tasks.lock().unwrap_or_else(PoisonError::into_inner) = tasks;
        Box::pin(async { Ok(()) })
    }

    /// Ends the tasks and logs what they have counted.
    fn stop(&self) -> BoxFuture<'_, ()> {
        self.is_stopped.store(true, Ordering::Relaxed);
        for task in self.tasks.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            task.abort();
        }
        self.patterns.iter().for_each(Pattern::summarise);
        Box::pin(async {})
    }
}
