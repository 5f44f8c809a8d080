//! Objects from an API server: our own supervised list and watch, one task for each kind.
//!
//! The stock watchers of kube and client-go can hang for ever on a response that never comes, serve an old picture after
//! a version has expired, storm a server whose watches end at once, and stop at one object that they cannot decode.
//! Here every wait has a bound (`timing`), every failure has a way out (`failure`, `reflector`), and responses are
//! decoded object by object as they arrive (`split`, `event`). Knows no index.

mod connect;
mod event;
mod exchange;
mod failure;
mod reflector;
mod split;
mod status;
mod target;
#[cfg(test)]
mod tests;
mod timing;
mod trouble;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::task::JoinSet;

use self::connect::Connector;
pub(crate) use self::connect::{Access, AccessError, Tls};
use self::reflector::Reflector;
pub(crate) use self::status::Status;
use self::target::Target;
pub(crate) use self::timing::Timing;
use self::timing::Turnstile;
use super::{Feed, Running, Wanted};

/// An API server, not yet asked.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    /// Where it is and who we are.
    access: Access,
    /// How long things may take.
    timing: Timing,
    /// What can be told of the state of each kind.
    status: Arc<Status>,
}

/// What the tasks of all kinds share.
#[derive(Debug)]
struct Link {
    /// Makes clients.
    connector: Arc<Connector>,
    /// Orders the questions to a server that is away.
    turnstile: Arc<Turnstile>,
    /// How long things may take.
    timing: Timing,
    /// Where changes go.
    feed: Feed,
    /// What can be told.
    status: Arc<Status>,
    /// Whether the server has refused watches that begin with all objects.
    has_no_watch_list: AtomicBool,
}

impl Api {
    /// Prepares to ask a server; what is wrong with files and addresses is found here.
    pub(crate) fn new(access: Access) -> Result<Self, AccessError> {
        access.check()?;
        Ok(Self { access, timing: Timing::default(), status: Arc::default() })
    }

    /// Changes how long things may take.
    #[cfg(test)]
    pub(crate) fn with_timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// Returns what can be told of the state of each kind, now and later.
    pub(crate) fn status(&self) -> Arc<Status> {
        Arc::clone(&self.status)
    }

    /// Returns the server's URL.
    pub(crate) fn server(&self) -> Result<String, AccessError> {
        self.access.server()
    }

    /// Starts a task for each kind; needs a runtime.
    pub(super) fn start(&self, wanted: &Wanted, feed: &Feed) -> Result<Running, AccessError> {
        let link = Arc::new(Link {
            connector: Connector::new(&self.access)?,
            turnstile: Turnstile::new(),
            timing: self.timing.clone(),
            feed: feed.clone(),
            status: Arc::clone(&self.status),
            has_no_watch_list: AtomicBool::new(false),
        });
        let mut tasks = JoinSet::new();
        for kind in &wanted.kinds {
            let reflector = Reflector::new(Target::new(*kind, wanted), Arc::clone(&link));
            tasks.spawn(reflector.resuming(wanted.known.get(kind).map(AsRef::as_ref)).run());
        }
        Ok(Running { tasks })
    }
}
