//! Time for bookmarks and watch time-outs: the machine's, or one that a test turns by hand.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// A source of time, counted from its own start.
#[derive(Debug)]
pub(crate) enum Clock {
    /// The runtime's time since that instant: the machine's, or a paused one.
    Real(Instant),
    /// Time stands still until [`Clock::advance`].
    Manual(watch::Sender<Duration>),
}

impl Clock {
    /// The machine's time.
    pub(crate) fn real() -> Self {
        Self::Real(Instant::now())
    }

    /// A time that starts at zero and stands still.
    pub(crate) fn manual() -> Self {
        Self::Manual(watch::Sender::new(Duration::ZERO))
    }

    /// Time since the start.
    pub(crate) fn now(&self) -> Duration {
        match self {
            Self::Real(start) => start.elapsed(),
            Self::Manual(now) => *now.borrow(),
        }
    }

    /// Turns a manual time forward; does nothing to the machine's.
    pub(crate) fn advance(&self, by: Duration) {
        if let Self::Manual(now) = self {
            now.send_modify(|now| *now += by);
        }
    }

    /// Waits until [`Clock::now`] is at least `when`; for ever if there is no `when`.
    pub(crate) async fn wait_until(&self, when: Option<Duration>) {
        let Some(when) = when else { return std::future::pending().await };
        match self {
            Self::Real(start) => tokio::time::sleep_until(*start + when).await,
            Self::Manual(now) => {
                if now.subscribe().wait_for(|now| *now >= when).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        }
    }
}
