//! Objects from an API server: our own supervised list and watch, one task for each kind.
//!
//! The stock watchers of kube and client-go can hang for ever on a response that never comes, serve an old picture after
//! a version has expired, storm a server whose watches end at once, and stop at one object that they cannot decode.
//! Here every wait has a bound (`timing`), every failure has a way out (`failure`, `reflector`), and responses are
//! decoded object by object as they arrive, in Protocol Buffers (`frames`, `protobuf`) where the server has them and in JSON (`split`,
//! `event`) elsewhere. Knows no index.

mod access;
mod audit;
mod carry;
mod client;
mod connect;
mod credentials;
#[cfg(test)]
mod cut_tests;
mod dial;
mod event;
mod exchange;
mod failure;
#[cfg(test)]
mod faults_tests;
mod format;
mod frames;
#[cfg(test)]
mod history_tests;
mod ledger;
mod plugin;
mod protobuf;
#[cfg(test)]
mod protobuf_tests;
mod reflector;
mod repair;
mod split;
mod stale;
mod status;
mod target;
#[cfg(test)]
mod tests;
mod timing;
mod trouble;
mod wire;
#[cfg(test)]
mod world_tests;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;

pub(crate) use self::access::{Access, AccessError, Tls};
use self::connect::{Connector, Maker};
use self::reflector::Reflector;
use self::repair::Repairs;
pub(crate) use self::status::{Counters, KindStatus, Status};
use self::target::Target;
pub(crate) use self::timing::Timing;
use self::timing::Turnstile;
use super::keep::keep;
use super::{Feed, LOG, Running, Wanted};

/// An API server, not yet asked.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    /// Where it is and who we are.
    maker: Maker,
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
    /// What audits have found.
    repairs: Repairs,
    /// Whether the server has refused watches that begin with all objects.
    has_no_watch_list: AtomicBool,
}

impl Api {
    /// Prepares to ask a server; what is wrong with files and addresses is found here.
    pub(crate) fn new(access: Access) -> Result<Self, AccessError> {
        access.check()?;
        Ok(Self { maker: Maker::Access(access), timing: Timing::default(), status: Arc::default() })
    }

    /// Asks what a test has made.
    #[cfg(test)]
    fn of_given(given: connect::Given) -> Self {
        Self { maker: Maker::Given(given), timing: Timing::default(), status: Arc::default() }
    }

    /// Tells of the state of each kind there.
    pub(crate) fn with_status(mut self, status: Arc<Status>) -> Self {
        self.status = status;
        self
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
        self.maker.server()
    }

    /// Says why nothing is known yet: the first trouble of a kind, or that the server has not answered.
    pub(super) fn waits_for(&self) -> String {
        let trouble = self.status.kinds.iter().find_map(KindStatus::trouble);
        trouble.unwrap_or_else(|| match self.server() {
            Ok(server) => format!("{server} has not answered yet"),
            Err(error) => error.to_string(),
        })
    }

    /// Starts a task for each kind, one that compares them with the server's, and one that looks at their age; needs a
    /// runtime. The tasks end with the feed, or when what is returned is dropped.
    pub(super) fn start(&self, wanted: &Wanted, feed: &Feed) -> Running {
        let link = Arc::new(Link {
            connector: Connector::new(&self.maker),
            turnstile: Turnstile::new(),
            timing: self.timing.clone(),
            feed: feed.clone(),
            status: Arc::clone(&self.status),
            repairs: Repairs::default(),
            has_no_watch_list: AtomicBool::new(false),
        });
        let mut tasks = JoinSet::new();
        let targets: Vec<Target> = wanted.kinds.iter().map(|kind| Target::new(*kind, wanted)).collect();
        for target in &targets {
            let (target, link) = (target.clone(), Arc::clone(&link));
            // What an earlier run knew is a place to begin once; after a panic only a list is trusted.
            let known = Mutex::new(wanted.known.get(&target.kind).cloned());
            tasks.spawn(async move {
                let restarts = &link.status.of(target.kind).counters.restarts;
                let make = || {
                    let known = known.lock().unwrap_or_else(PoisonError::into_inner).take();
                    Reflector::new(target.clone(), Arc::clone(&link)).resuming(known.as_deref()).run()
                };
                keep(&format!("the watch of {}", target.resource()), restarts, make).await;
            });
        }
        tasks.spawn(watch_over(link, targets));
        Running { tasks }
    }
}

/// Compares kinds with the server's and looks at their age, until nobody listens any more.
async fn watch_over(link: Arc<Link>, targets: Vec<Target>) {
    let restarts = &link.status.audit_restarts;
    let audit = keep("the audit", restarts, || audit::run(Arc::clone(&link), targets.clone()));
    let stale = keep("the look at the age of the picture", restarts, || stale::run(Arc::clone(&link), targets.clone()));
    tokio::select! {
        biased;
        () = audit => {}
        () = stale => {}
        () = link.feed.closed() => tracing::debug!(target: LOG, "the source has ended"),
    }
}
