//! Lines on standard output in CoreDNS's format: `[INFO] plugin/kubernetes: text`, without time stamps.
//!
//! Whoever logs never waits: lines go into a bounded ring, a thread of its own writes them, and what does not fit is
//! counted. Events of other crates are left out, but for plugins' and the program's own.

use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tracing::field::{Field, Visit};
use tracing::span;
use tracing::{Event, Level, Metadata, Subscriber};

/// Octets of lines that may wait to be written: some 10 ms of a query log at full speed, several times what the writer rests or is kept
/// waiting for a processor. A flood of refusals fills it, so it counts octets: lines in strings of their own took three times as much.
pub(crate) const RING: usize = 256 << 10;
/// Most octets that are written at once.
const PIECE: usize = 32 << 10;
/// How long the writer rests where lines are many: a wake for each would cost more than the line, and those who answer queries
/// pay it.
const REST: Duration = Duration::from_millis(2);
/// Lines within [`SPELL`] that are many; fewer are written at once.
const MANY: usize = 128;
/// See [`MANY`].
const SPELL: Duration = Duration::from_millis(10);
/// A line that grew over this is let go.
const KEPT: usize = 1024;
/// Least time between two lines that say how many were dropped.
const NOTICE: Duration = Duration::from_secs(1);
/// How long the end of the process, or a line that must not be lost, waits for a reader of standard output.
const FLUSH: Duration = Duration::from_secs(2);

/// Where lines go.
static LOG: OnceLock<Log> = OnceLock::new();
/// Whether debug lines are printed: some server block has `debug`.
static DEBUG: AtomicBool = AtomicBool::new(false);
/// Lines that found no room.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// The lines on their way.
struct Log {
    ring: Mutex<Ring>,
    /// There is something to write.
    filled: Condvar,
    /// Something was written.
    emptied: Condvar,
}

/// Lines that wait to be written, each with its end.
struct Ring {
    octets: VecDeque<u8>,
    /// How many came since the writer looked.
    lines: usize,
    /// Octets that have come, and that have been written, since the start.
    come: u64,
    written: u64,
    /// Whether the writer sleeps until it is woken.
    is_idle: bool,
    /// Whether somebody waits for all lines, so that nothing is kept for later.
    is_flushed: bool,
}

/// Starts the writer and takes events from now on. A second call does nothing.
pub fn init() {
    if LOG.set(Log::new()).is_err() {
        return;
    }
    let writer = thread::Builder::new().name("log".to_owned()).spawn(|| LOG.get().map(Log::write));
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

/// Prints a line as it is, and waits for room if there is none, but not for ever: for the few lines that are not events.
pub fn line(text: impl Into<String>) {
    let Some(log) = LOG.get() else { return };
    let mut text = text.into();
    text.push('\n');
    let ring = log.emptied.wait_timeout_while(log.ring(), FLUSH, |ring| !ring.has_room(&text));
    let mut ring = ring.unwrap_or_else(PoisonError::into_inner).0;
    log.push(&mut ring, &text);
}

/// Waits until all lines are written, but not for ever.
pub fn flush() {
    let Some(log) = LOG.get() else { return };
    let mut ring = log.ring();
    let all = ring.come;
    ring.is_flushed = true;
    log.filled.notify_one();
    // Nothing can be done where nobody reads.
    drop(log.emptied.wait_timeout_while(ring, FLUSH, |ring| ring.written < all || ring.is_flushed));
}

impl Ring {
    /// Whether there is room for a line. One that is larger than all the room gets in alone.
    fn has_room(&self, line: &str) -> bool {
        self.octets.is_empty() || self.octets.len() + line.len() <= RING
    }

    /// Moves what is to be written next into `piece`, which is empty.
    fn take(&mut self, piece: &mut Vec<u8>) {
        let (first, _) = self.octets.as_slices();
        piece.extend_from_slice(first.get(..PIECE).unwrap_or(first));
        self.octets.drain(..piece.len());
    }
}

impl Log {
    /// Nothing yet. The room is asked for once: growing step by step it would become twice as large, and of what is not used the system
    /// gives no memory.
    fn new() -> Self {
        let octets = VecDeque::with_capacity(RING);
        let ring = Ring { octets, lines: 0, come: 0, written: 0, is_idle: false, is_flushed: false };
        Self { ring: Mutex::new(ring), filled: Condvar::new(), emptied: Condvar::new() }
    }

    /// The ring; a poisoned lock is used on, for the ring is whole between calls.
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a line, or counts it as lost if there is no room.
    fn push(&self, ring: &mut Ring, line: &str) {
        if !ring.has_room(line) {
            DROPPED.fetch_add(1, Ordering::Relaxed);
            return;
        }
        ring.octets.extend(line.as_bytes());
        ring.lines += 1;
        ring.come += line.len() as u64;
        if std::mem::take(&mut ring.is_idle) {
            self.filled.notify_one();
        }
    }

    /// Writes lines for ever.
    fn write(&self) {
        let mut out = io::stdout();
        let mut writer = Writer::new(Instant::now());
        loop {
            if self.write_some(&mut out, &mut writer) {
                thread::sleep(REST);
            }
        }
    }

    /// Waits for lines and writes a piece of them; says whether the writer is to rest.
    fn write_some(&self, out: &mut impl io::Write, writer: &mut Writer) -> bool {
        let Writer { piece, spell, loss } = writer;
        let mut ring = self.wait(loss);
        let is_flushed = ring.is_flushed;
        spell.lines += std::mem::take(&mut ring.lines);
        piece.clear();
        ring.take(piece);
        let is_last = ring.octets.is_empty();
        drop(ring);
        let end = piece.iter().rposition(|octet| *octet == b'\n').map_or(0, |at| at + 1);
        let (lines, begun) = piece.split_at(end);
        // A closed standard output is no reason to stop serving.
        drop(out.write_all(lines));
        // Between two lines, not within one.
        if (end > 0 || begun.is_empty())
            && let Some(count) = loss.notice(dropped(), Instant::now(), is_flushed && is_last)
        {
            drop(writeln!(out, "[WARNING] {count} log lines were dropped"));
        }
        drop(out.write_all(begun));
        drop(out.flush());
        let mut ring = self.ring();
        ring.written += piece.len() as u64;
        ring.is_flushed &= !(is_flushed && ring.octets.is_empty());
        drop(ring);
        self.emptied.notify_all();
        is_last && spell.is_busy(Instant::now())
    }

    /// Waits until there are lines, or it is time to say how many were dropped, or somebody waits for all.
    fn wait(&self, loss: &Loss) -> MutexGuard<'_, Ring> {
        let mut ring = self.ring();
        while ring.octets.is_empty() && !ring.is_flushed {
            ring.is_idle = true;
            ring = match loss.due_in(dropped(), Instant::now()) {
                None => self.filled.wait(ring).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => break,
                Some(left) => self.filled.wait_timeout(ring, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
        ring.is_idle = false;
        ring
    }
}

/// What the writer keeps from piece to piece.
struct Writer {
    piece: Vec<u8>,
    spell: Spell,
    loss: Loss,
}

impl Writer {
    /// Nothing has been written.
    fn new(now: Instant) -> Self {
        Self { piece: Vec::with_capacity(PIECE), spell: Spell { lines: 0, since: now }, loss: Loss::default() }
    }
}

/// What has been said about dropped lines: at once, and while lines go on being dropped once for each [`NOTICE`].
#[derive(Default)]
struct Loss {
    /// Dropped lines that were reported already.
    told: u64,
    /// When that was.
    at: Option<Instant>,
}

impl Loss {
    /// The number of lines to tell of now, if any; all that are left if it `is_over`.
    fn notice(&mut self, dropped: u64, now: Instant, is_over: bool) -> Option<u64> {
        let is_due = is_over || self.due_in(dropped, now) == Some(Duration::ZERO);
        let count = dropped - self.told;
        if !is_due || count == 0 {
            return None;
        }
        (self.told, self.at) = (dropped, Some(now));
        Some(count)
    }

    /// Returns the time until dropped lines are reported; none if no line was dropped.
    fn due_in(&self, dropped: u64, now: Instant) -> Option<Duration> {
        let since = self.at.map(|at| now.saturating_duration_since(at));
        (dropped > self.told).then(|| since.map_or(Duration::ZERO, |since| NOTICE.saturating_sub(since)))
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
        let Some(log) = LOG.get() else { return };
        // A thread that ends has none any more; and whoever logs while a line is made finds it empty.
        let mut line = TEXT.try_with(Cell::take).unwrap_or_default();
        format(event, &mut line);
        log.push(&mut log.ring(), &line);
        if line.capacity() <= KEPT {
            TEXT.try_with(|text| text.set(line)).unwrap_or_default();
        }
    }

    fn enter(&self, _span: &span::Id) {}

    fn exit(&self, _span: &span::Id) {}

    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        Some(tracing::level_filters::LevelFilter::DEBUG)
    }
}

/// Writes the line of an event.
fn format(event: &Event<'_>, line: &mut String) {
    let level = match *event.metadata().level() {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        _ => "DEBUG",
    };
    line.clear();
    line.push('[');
    line.push_str(level);
    line.push_str("] ");
    let target = event.metadata().target();
    if target.starts_with("plugin/") {
        line.push_str(target);
        line.push_str(": ");
    }
    let mut text = Text { message: line, fields: String::new() };
    event.record(&mut text);
    let Text { message, fields } = text;
    message.push_str(&fields);
    message.push('\n');
}

/// The text of an event: its message, then its fields as ` name=value`.
struct Text<'a> {
    message: &'a mut String,
    fields: String,
}

impl Visit for Text<'_> {
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
    /// The line before, whose memory is used again.
    static TEXT: Cell<String> = const { Cell::new(String::new()) };
    /// Whether a panic on this thread is caught and logged by who catches it.
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
    /// The stack of the last panic that was caught here.
    static BACKTRACE: RefCell<Option<Backtrace>> = const { RefCell::new(None) };
}

/// Says whether panics on this thread are caught and logged by the caller; gives what was said before.
pub(crate) fn guard_panics(on: bool) -> bool {
    IS_GUARDED.replace(on)
}

/// The stack of the panic that was caught last on this thread.
pub(crate) fn take_backtrace() -> Option<Backtrace> {
    BACKTRACE.take()
}

/// Keeps the stack of a panic that is caught; logs one that is not. Only a panic of the main thread ends the process, so only there
/// the line is waited for; other threads have queries to answer.
fn note_panic(text: &str) {
    if IS_GUARDED.get() {
        BACKTRACE.set(Some(Backtrace::force_capture()));
        return;
    }
    tracing::error!("{text}");
    if thread::current().name() == Some("main") {
        flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_keeps_order_and_its_bound() {
        let log = Log::new();
        let mut ring = log.ring();
        let line = |number: usize| format!("{number:0>99}\n");
        let most = RING / 100;
        let before = dropped();
        (0..most + 5).for_each(|number| log.push(&mut ring, &line(number)));
        assert_eq!((ring.lines, dropped() - before), (most, 5));
        let (mut piece, mut all) = (Vec::new(), String::new());
        while !ring.octets.is_empty() {
            ring.take(&mut piece);
            assert!(piece.len() <= PIECE);
            all.push_str(std::str::from_utf8(&piece).unwrap());
            piece.clear();
        }
        assert_eq!(all, (0..most).map(line).collect::<String>());
        // A line larger than the ring is not lost.
        log.push(&mut ring, &"x".repeat(RING + 1));
        assert_eq!(ring.octets.len(), RING + 1);
    }

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

    #[test]
    fn dropped_lines_are_told_of_at_a_pace() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut loss = Loss::default();
        assert_eq!(loss.notice(0, at(0), true), None);
        assert_eq!(loss.notice(3, at(1), false), Some(3), "the first at once");
        assert_eq!((loss.notice(9, at(900), false), loss.due_in(9, at(900))), (None, Some(Duration::from_millis(101))));
        assert_eq!(loss.notice(12, at(1001), false), Some(9));
        assert_eq!(loss.notice(12, at(5000), true), None);
        assert_eq!(loss.notice(14, at(1002), true), Some(2), "what is left when all is written");
    }

    /// A standard output on whose every piece so many lines come that the ring is never empty.
    struct Flooded<'a>(&'a Log, Vec<u8>);

    impl io::Write for Flooded<'_> {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.1.extend_from_slice(octets);
            let mut ring = self.0.ring();
            (0..PIECE).for_each(|_| self.0.push(&mut ring, "a line of the flood\n"));
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn dropped_lines_are_told_of_during_a_flood() {
        let log = Log::new();
        log.push(&mut log.ring(), "first\n");
        let mut out = Flooded(&log, Vec::new());
        let mut writer = Writer::new(Instant::now());
        for _ in 0..3 {
            log.write_some(&mut out, &mut writer);
            assert!(!log.ring().octets.is_empty(), "the flood goes on");
        }
        let text = String::from_utf8(out.1).unwrap();
        let is_known =
            |line: &str| line == "first" || line == "a line of the flood" || line.ends_with(" log lines were dropped");
        assert!(text.contains(" log lines were dropped\n"), "{text}");
        assert!(text.lines().rev().skip(1).all(is_known), "no line is cut in two: {text}");
    }
}
