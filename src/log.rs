//! Lines on standard output in CoreDNS's format: `[INFO] plugin/kubernetes: text`, without time stamps.
//!
//! Whoever logs never waits: lines go into a bounded ring, a thread of its own writes them, and what does not fit is
//! counted. Events of other crates are left out, but for plugins' and the program's own.

use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::thread;
use std::time::{Duration, Instant};
use tracing::field::{Field, Visit};
use tracing::span;
use tracing::{Event, Level, Metadata, Subscriber};

/// Lines that may wait to be written: some 15 ms of a query log at full speed, several times what the writer rests or is kept
/// waiting for a processor; less than 1 MiB.
pub(crate) const RING: usize = 4096;
/// How long the writer rests where lines are many: a wake for each would cost more than the line, and those who answer queries
/// pay it.
const REST: Duration = Duration::from_millis(2);
/// Lines within [`SPELL`] that are many; fewer are written at once.
const MANY: usize = 128;
/// See [`MANY`].
const SPELL: Duration = Duration::from_millis(10);
/// How long the end of the process waits for a reader of standard output.
const FLUSH: Duration = Duration::from_secs(2);

/// Where lines go.
static WRITER: OnceLock<SyncSender<Entry>> = OnceLock::new();
/// Whether debug lines are printed: some server block has `debug`.
static DEBUG: AtomicBool = AtomicBool::new(false);
/// Lines that found no room.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// What the writer is given.
enum Entry {
    /// A line without its end.
    Line(String),
    /// Say when all before is written.
    Flush(SyncSender<()>),
}

/// Starts the writer and takes events from now on. A second call does nothing.
pub fn init() {
    let (lines, entries) = mpsc::sync_channel(RING);
    if WRITER.set(lines).is_err() {
        return;
    }
    let writer = thread::Builder::new().name("log".to_owned()).spawn(move || write(&entries));
    // Without a thread lines are lost; the program serves all the same.
    drop(writer);
    drop(tracing::subscriber::set_global_default(Lines));
    std::panic::set_hook(Box::new(|panic| note_panic(&panic.to_string())));
}

/// Prints debug lines from now on, or no more.
pub fn set_debug(on: bool) {
    DEBUG.store(on, Ordering::Relaxed);
    // What was asked of the subscriber before is remembered for each place in the code.
    tracing::callsite::rebuild_interest_cache();
}

/// Lines that were dropped because nobody read standard output fast enough.
#[must_use]
pub fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// Prints a line as it is, and waits for room if there is none: for the few lines that are not events.
pub fn line(text: impl Into<String>) {
    if let Some(writer) = WRITER.get() {
        drop(writer.send(Entry::Line(text.into())));
    }
}

/// Waits until all lines are written, but not for ever.
pub fn flush() {
    let (done, written) = mpsc::sync_channel(1);
    let Some(writer) = WRITER.get() else { return };
    if writer.send(Entry::Flush(done)).is_ok() {
        // An error means that the writer has gone or nobody reads: nothing can be done about either.
        written.recv_timeout(FLUSH).unwrap_or_default();
    }
}

/// Writes lines until nobody can send any more.
fn write(entries: &Receiver<Entry>) {
    let mut out = io::BufWriter::with_capacity(1 << 16, io::stdout());
    let mut told = 0;
    let mut spell = Spell { lines: 0, since: Instant::now() };
    while let Ok(first) = entries.recv() {
        let mut next = Some(first);
        while let Some(entry) = next {
            spell.lines += 1;
            match entry {
                // A closed standard output is no reason to stop serving.
                Entry::Line(line) => drop(writeln!(out, "{line}")),
                Entry::Flush(done) => {
                    drop(out.flush());
                    done.send(()).unwrap_or_default();
                }
            }
            next = entries.try_recv().ok();
        }
        let dropped = dropped();
        if dropped > told {
            drop(writeln!(out, "[WARNING] {} log lines were dropped", dropped - told));
            told = dropped;
        }
        drop(out.flush());
        if spell.is_busy(Instant::now()) {
            thread::sleep(REST);
        }
    }
}

/// The lines of late.
struct Spell {
    lines: usize,
    since: Instant,
}

impl Spell {
    /// Whether lines are many; begins to count anew when it is time.
    fn is_busy(&mut self, now: Instant) -> bool {
        let is_busy = self.lines >= MANY;
        if now.saturating_duration_since(self.since) >= SPELL {
            (self.lines, self.since) = (0, now);
        }
        is_busy
    }
}

/// Turns events into lines.
struct Lines;

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // The query log has no prefix of a plugin.
        let is_ours = |target: &str| {
            target == "log"
                || ["plugin/", "ferrodns", "plugins", "plugin_api"].iter().any(|start| target.starts_with(start))
        };
        let level = *metadata.level();
        (level <= Level::INFO || level == Level::DEBUG && DEBUG.load(Ordering::Relaxed)) && is_ours(metadata.target())
    }

    fn new_span(&self, _span: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _span: &span::Id, _values: &span::Record<'_>) {}

    fn record_follows_from(&self, _span: &span::Id, _follows: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let Some(writer) = WRITER.get() else { return };
        if let Err(TrySendError::Full(_)) = writer.try_send(Entry::Line(format(event))) {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn enter(&self, _span: &span::Id) {}

    fn exit(&self, _span: &span::Id) {}

    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        Some(tracing::level_filters::LevelFilter::DEBUG)
    }
}

/// The line of an event.
fn format(event: &Event<'_>) -> String {
    let level = match *event.metadata().level() {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        _ => "DEBUG",
    };
    let mut text = Text { message: String::with_capacity(160), fields: String::new() };
    text.message.push('[');
    text.message.push_str(level);
    text.message.push_str("] ");
    let target = event.metadata().target();
    if target.starts_with("plugin/") {
        text.message.push_str(target);
        text.message.push_str(": ");
    }
    event.record(&mut text);
    text.message.push_str(&text.fields);
    text.message
}

/// The text of an event: its message, then its fields as ` name=value`.
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string cannot fail.
        let written = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
        written.unwrap_or_default();
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message.push_str(value),
            name => write!(self.fields, " {name}={value}").unwrap_or_default(),
        }
    }
}

thread_local! {
    /// Whether a panic on this thread is caught and logged by who catches it.
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
    /// The stack of the last panic that was caught here.
    static BACKTRACE: RefCell<Option<Backtrace>> = const { RefCell::new(None) };
}

/// Says whether panics on this thread are caught and logged by the caller.
pub(crate) fn guard_panics(on: bool) {
    IS_GUARDED.set(on);
}

/// The stack of the panic that was caught last on this thread.
pub(crate) fn take_backtrace() -> Option<Backtrace> {
    BACKTRACE.take()
}

/// Keeps the stack of a panic that is caught; logs one that is not.
fn note_panic(text: &str) {
    if IS_GUARDED.get() {
        BACKTRACE.set(Some(Backtrace::force_capture()));
    } else {
        tracing::error!("{text}");
        flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_writer_rests_only_where_lines_are_many() {
        let start = Instant::now();
        let mut spell = Spell { lines: 0, since: start };
        let mut come = |lines: usize, milliseconds: u64| {
            spell.lines += lines;
            spell.is_busy(start + Duration::from_millis(milliseconds))
        };
        assert!(!come(1, 0), "a single line");
        assert!(!come(MANY - 2, 1));
        assert!(come(1, 2), "as many as are many");
        assert!(come(1, 10), "the last of that time");
        assert!(!come(1, 11), "a new time");
        // One line a millisecond is never many.
        assert!(!(12..1000).any(|at| come(1, at)));
    }
}
