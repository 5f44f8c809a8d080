//! Numbers and durations as Go reads and prints them, with Go's words when they are none.

use std::time::Duration;

pub use corefile::args::{go_duration as duration, go_int as int};

/// A duration as Go prints it: `1m30s`, `500ms`, `0s`.
#[must_use]
pub fn show(duration: Duration) -> String {
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    if seconds == 0 {
        return match nanos {
            0 => "0s".to_owned(),
            1..1_000 => format!("{nanos}ns"),
            1_000..1_000_000 => format!("{}µs", f64::from(nanos) / 1e3),
            _ => format!("{}ms", f64::from(nanos) / 1e6),
        };
    }
    let rest = f64::from(u32::try_from(seconds % 60).unwrap_or(0)) + f64::from(nanos) / 1e9;
    match (seconds / 3600, seconds / 60 % 60) {
        (0, 0) => format!("{rest}s"),
        (0, minutes) => format!("{minutes}m{rest}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{rest}s"),
    }
}
