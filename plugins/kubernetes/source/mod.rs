//! Where objects come from: a source reads them and tells the index, in [`Change`]s, what became of them.
//!
//! A [`Source`] is started with a [`Feed`], the sending end of a bounded channel; whoever owns the index applies what
//! comes out at the other end. Tests need no source: they put changes into the channel themselves. Knows no DNS.

pub(crate) mod api;
pub(crate) mod keep;
pub(crate) mod manifest;
pub(crate) mod selector;
pub(crate) mod sync;

use std::collections::BTreeMap;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use self::selector::Selector;
use super::objects::{Change, IMPORT_NAME, Kind};

/// How log lines of this plugin are marked.
pub(crate) const LOG: &str = "plugin/kubernetes";

/// Where a source puts its changes; a full channel makes the source wait, and with it the API server.
pub(crate) type Feed = mpsc::Sender<Change>;

/// How many changes may wait for the index: some milliseconds of its work, and at most 256 slices in memory.
const FEED_CAPACITY: usize = 256;

/// Makes the channel between a source and the owner of an index.
pub(crate) fn feed() -> (Feed, mpsc::Receiver<Change>) {
    mpsc::channel(FEED_CAPACITY)
}

/// The API server's version up to which a kind is known.
pub(crate) type Versions = BTreeMap<Kind, Box<str>>;

/// What the plugin wants to be told of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// The kinds to read.
    pub(crate) kinds: Vec<Kind>,
    /// Property `labels`: which services, slices and pods.
    pub(crate) labels: Selector,
    /// Property `namespace_labels`: which namespaces.
    pub(crate) namespace_labels: Selector,
    /// What is known already, from an earlier run: an API server is asked for what happened since, as long as it remembers.
    pub(crate) known: Versions,
}

impl Wanted {
    /// Returns the label selector for objects of a kind.
    ///
    /// As in CoreDNS the selector for namespaces also chooses among the ServiceImports, by their own labels.
    pub(crate) fn selector(&self, kind: Kind) -> Selector {
        match kind {
            Kind::Namespace | Kind::ServiceImport => self.namespace_labels.clone(),
            Kind::Service | Kind::EndpointSlice | Kind::Pod => self.labels.clone(),
            Kind::ImportedSlice => self.labels.clone().and_exists(IMPORT_NAME),
        }
    }
}

/// Where objects come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// An API server.
    Api(Box<api::Api>),
    /// Files, without a cluster.
    Manifests(manifest::Manifests),
}

impl Source {
    /// Starts to read; changes go to `feed`, whose other end must be drained meanwhile.
    ///
    /// Manifests are read once before this returns, and what is wrong with them is an error.
    pub(crate) async fn start(&self, wanted: &Wanted, feed: Feed) -> Result<Running, SourceError> {
        match self {
            Self::Api(api) => Ok(api.start(wanted, &feed)),
            Self::Manifests(manifests) => manifests.start(wanted, feed).await.map_err(SourceError::Manifest),
        }
    }
}

impl Source {
    /// Says why nothing is known yet.
    pub(crate) fn waits_for(&self) -> String {
        match self {
            Self::Api(api) => api.waits_for(),
            Self::Manifests(_) => "the manifests are being read".to_owned(),
        }
    }
}

/// Why a source cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// A manifest is missing or wrong.
    #[error("{0}")]
    Manifest(#[source] manifest::ManifestError),
}

/// The tasks of a started source; they end when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Running {
    /// One task for each kind, or one that looks after files.
    tasks: JoinSet<()>,
}

impl Running {
    /// Stops the tasks and waits until they are gone.
    pub(crate) async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}
