//! What can be set before the server starts.

use std::time::Duration;

/// How a watch learns that its version is too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchExpired {
    /// By an ERROR event with code 410 in an answer with code 200, as real servers do.
    Event,
    /// By HTTP code 410.
    Http,
}

/// Whether watches may ask for initial events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchList {
    /// They may.
    Supported,
    /// They are refused with this code: 422 as real servers without the feature, or 400.
    Refused(u16),
}

/// All settings that do not change while the server runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Time between bookmarks.
    pub(crate) bookmark_period: Duration,
    /// How many changes of each type are remembered.
    pub(crate) history: usize,
    /// How a watch learns that its version is too old.
    pub(crate) watch_expired: WatchExpired,
    /// Whether watches may ask for initial events.
    pub(crate) watch_list: WatchList,
    /// Whether an expired `continue` is answered with a token that goes on inconsistently.
    pub(crate) inconsistent_continue: bool,
    /// Whether lists are compressed for clients that ask.
    pub(crate) gzip: bool,
    /// Whether clients that ask get protobuf.
    pub(crate) protobuf: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bookmark_period: Duration::from_secs(60),
            // Some minutes of a busy cluster; an entry costs two pointers beyond objects that are gone.
            history: 10_000,
            watch_expired: WatchExpired::Event,
            watch_list: WatchList::Supported,
            inconsistent_continue: true,
            gzip: true,
            protobuf: true,
        }
    }
}
