//! Time, from one place, so that tests can turn it.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

/// Tells the time: the machine's, or a test's.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// Milliseconds that a test has turned the clock forward by; none for the machine's time.
    turned: Option<Arc<AtomicU64>>,
    /// Seconds that a test's wall clock is ahead of that, or behind.
    jumped: Arc<AtomicI64>,
    /// Where a test's clock stands still.
    base: Arc<OnceLock<(Instant, SystemTime)>>,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that moves only when it is turned. Clones share their hands.
    #[must_use]
    pub fn manual() -> Self {
        Self { turned: Some(Arc::default()), ..Self::default() }
    }

    /// Turns a manual clock forward; does nothing to the machine's.
    pub fn advance(&self, by: Duration) {
        if let Some(turned) = &self.turned {
            turned.fetch_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
        }
    }

    /// Sets the wall clock of a manual clock by so many seconds, as an operator or NTP does; monotonic time goes on as before.
    pub fn jump(&self, seconds: i64) {
        self.jumped.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Monotonic time.
    #[must_use]
    pub fn now(&self) -> Instant {
        match self.offset() {
            Some(offset) => self.base().0 + offset,
            None => Instant::now(),
        }
    }

    /// Wall-clock time, for what is shown or compared with dates.
    #[must_use]
    pub fn wall(&self) -> SystemTime {
        match self.offset() {
            Some(offset) => {
                let (time, jumped) = (self.base().1 + offset, self.jumped.load(Ordering::SeqCst));
                let by = Duration::from_secs(jumped.unsigned_abs());
                if jumped < 0 { time - by } else { time + by }
            }
            None => SystemTime::now(),
        }
    }

    /// Wall-clock time in Unix seconds; 0 before 1970.
    #[must_use]
    pub fn unix_seconds(&self) -> u64 {
        self.wall().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    /// How far a manual clock was turned.
    fn offset(&self) -> Option<Duration> {
        self.turned.as_ref().map(|turned| Duration::from_millis(turned.load(Ordering::SeqCst)))
    }

    /// Where a manual clock started.
    fn base(&self) -> (Instant, SystemTime) {
        *self.base.get_or_init(|| (Instant::now(), SystemTime::now()))
    }
}
