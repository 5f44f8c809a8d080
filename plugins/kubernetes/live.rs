//! The life of a picture: a source feeds the index, and what it publishes is swapped in for the readers.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use plugin_api::{BoxFuture, Clock, Lifecycle};
use prometheus_client::metrics::counter::Counter;
use tokio::sync::{Mutex, oneshot};
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::timeout;

use super::config::Config;
use super::index::{Options, Snapshot};
use super::inherit::ServedSnapshots;
use super::metrics::Programming;
use super::source::keep::{self, Waits};
use super::source::sync::{self, Sync as FirstLists};
use super::source::{self, LOG, Running, Source, SourceError, Versions, Wanted};
use super::warm::{self, Recalled, Warm};
use super::writer::{Culprits, Writer};

/// How long the writer may take to end, whose last work is the file of a warm start; the process itself waits 5 s.
const LAST_WORK: Duration = Duration::from_secs(3);

/// What keeps a picture current.
pub(super) struct Live {
    /// What was asked for.
    pub(super) config: Arc<Config>,
    /// Where objects come from.
    pub(super) source: Arc<Source>,
    /// Which of them.
    pub(super) wanted: Wanted,
    /// Where pictures go.
    pub(super) picture: Arc<ArcSwap<Snapshot>>,
    /// Where this machine's addresses go at the start.
    pub(super) local: Arc<OnceLock<Vec<IpAddr>>>,
    /// The addresses that the block listens on; empty for all.
    pub(super) hosts: Vec<String>,
    /// Whether somebody asks for the labels of pods; known when all plugins are set up.
    pub(super) keeps_pod_labels: AtomicBool,
    /// Whether somebody asks for addresses outside the cluster; known then, too.
    pub(super) keeps_external: Arc<AtomicBool>,
    /// The time.
    pub(super) clock: Clock,
    /// How long changes take.
    pub(super) programming: Programming,
    /// How often the index had to be begun anew after a panic.
    pub(super) restarts: Counter,
    /// Keeps the picture for the next start, if that is wanted.
    pub(super) warm: Option<Arc<Warm>>,
    /// Where the next configuration finds this block's snapshot.
    pub(super) served: Arc<ServedSnapshots>,
    /// What the configuration before this one serves; let go at the start, so that its snapshots end with it.
    pub(super) inherited: std::sync::Mutex<Option<Arc<ServedSnapshots>>>,
    /// What ends the running source and writer, and their upkeep.
    pub(super) running: Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
}

impl Lifecycle for Live {
    fn start(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async {
            self.local.get_or_init(|| local_addresses(&self.hosts));
            let lists = FirstLists::new(&self.wanted.kinds);
            let is_synced = lists.watch();
            let upkeep = self.upkeep(lists);
            let inherited = self.inherit(&upkeep);
            let recalled = inherited.or_else(|| upkeep.recall());
            // What an earlier run knew is better than nothing; but while another configuration serves, there is time.
            let is_ready = recalled.is_some() && self.warm.as_ref().is_some_and(|warm| !warm.is_replacing);
            let begun = upkeep.begin(recalled).await.map_err(|error| format!("{LOG}: {error}"))?;
            let (stop, stopped) = oneshot::channel();
            let identity = upkeep.identity.clone();
            *self.running.lock().await = Some((stop, tokio::spawn(upkeep.keep(begun, stopped))));
            if let Some(identity) = identity {
                self.served.offer(identity, Arc::clone(&self.picture));
            }
            if !is_ready {
                sync::wait(is_synced, self.config.startup_timeout, || self.source.waits_for()).await;
            }
            Ok(())
        })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if let Some((stop, upkeep)) = self.running.lock().await.take() {
                drop(stop);
                if let Err(error) = upkeep.await {
                    tracing::error!(target: LOG, "the upkeep of the picture ended badly: {error}");
                }
            }
            if let Source::Api(api) = &*self.source {
                api.status().clear();
            }
        })
    }
}

impl Live {
    /// Takes over the snapshot of the running configuration, if it is of the same source in the same detail.
    fn inherit(&self, upkeep: &Upkeep) -> Option<Recalled> {
        let served = self.inherited.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let recalled = served.recall(upkeep.identity.as_deref()?, &self.wanted.kinds, upkeep.options)?;
        tracing::debug!(target: LOG, "the cluster is known from the configuration before this one");
        Some(recalled)
    }

    /// Gathers what is needed to begin, and to begin anew.
    fn upkeep(&self, lists: FirstLists) -> Upkeep {
        let mut options = self.config.index_options();
        options.pod_labels = self.keeps_pod_labels.load(Ordering::Relaxed);
        options.external = self.keeps_external.load(Ordering::Relaxed);
        let timed = (self.clock.clone(), self.programming.clone());
        let server = match &*self.source {
            Source::Api(api) => api.server().ok(),
            Source::Manifests(_) => None,
        };
        let identity = server.map(|server| warm::identity(&server, &self.wanted, options));
        let warm = self.warm.as_ref().zip(identity.as_ref());
        let warm = warm.map(|(warm, identity)| (Arc::clone(warm), identity.clone()));
        Upkeep {
            identity,
            warm,
            options,
            source: Arc::clone(&self.source),
            wanted: self.wanted.clone(),
            writer: Writer::new(options, Arc::clone(&self.picture), lists, timed),
            restarts: self.restarts.clone(),
            culprits: Culprits::default(),
        }
    }
}

/// Keeps a source and a writer going. If the writer panics, the index is built anew from fresh lists, beside the picture that
/// is served; an object that made it panic is left out.
struct Upkeep {
    /// Where objects come from.
    source: Arc<Source>,
    /// Which of them.
    wanted: Wanted,
    /// What the index keeps.
    options: Options,
    /// A writer that knows nothing yet.
    writer: Writer,
    /// Which objects, and what of them, are kept from which server; none for manifests, and while the server is not known.
    identity: Option<String>,
    /// What keeps the picture for the next start, and what that belongs to.
    warm: Option<(Arc<Warm>, String)>,
    /// Counts what was begun anew.
    restarts: Counter,
    /// Objects that made the index panic.
    culprits: Culprits,
}

/// A source and a writer that run.
struct Begun {
    /// The source.
    running: Running,
    /// The writer: one task.
    writer: JoinSet<()>,
}

impl Upkeep {
    /// Takes up what an earlier run has left, if that is wanted and there is such.
    fn recall(&self) -> Option<Recalled> {
        self.warm.as_ref().and_then(|(warm, identity)| warm.recall(identity, self.options))
    }

    /// Starts a source and a writer, both from what was recalled if there is such.
    async fn begin(&self, recalled: Option<Recalled>) -> Result<Begun, SourceError> {
        let (index, known) = match recalled {
            Some(Recalled { index, versions }) => (Some(index), versions),
            None => (None, Versions::new()),
        };
        let keeper = self.warm.as_ref().map(|(warm, identity)| {
            warm::Keeper::new(Arc::clone(warm), identity.clone(), &self.wanted.kinds, known.clone())
        });
        let mut fresh = self.writer.fresh(&self.culprits).keeping_with(keeper);
        if let Some(index) = index {
            fresh.take_up(index);
        }
        let (feed, changes) = source::feed();
        let mut writer = JoinSet::new();
        writer.spawn(fresh.run(changes));
        // The writer drains the feed meanwhile; if the source cannot start, it is dropped and ends.
        let running = self.source.start(&Wanted { known, ..self.wanted.clone() }, feed).await?;
        Ok(Begun { running, writer })
    }

    /// Begins anew after every panic, until it is stopped.
    async fn keep(self, mut begun: Begun, mut stopped: oneshot::Receiver<()>) {
        let mut waits = Waits::new();
        loop {
            tokio::select! {
                biased;
                _ = &mut stopped => return begun.end().await,
                ended = begun.writer.join_next() => match ended {
                    Some(Err(error)) if error.is_panic() => self.tell(error),
                    // The source has ended by itself.
                    _ => return begun.end().await,
                }
            }
            begun.end().await;
            begun = tokio::select! {
                biased;
                _ = &mut stopped => return,
                begun = self.begin_anew(&mut waits) => begun,
            };
        }
    }

    /// Waits and begins anew, until that succeeds.
    async fn begin_anew(&self, waits: &mut Waits) -> Begun {
        loop {
            waits.wait().await;
            match self.begin(None).await {
                Ok(begun) => return begun,
                Err(error) => tracing::error!(target: LOG, "the objects of the cluster cannot be read anew: {error}"),
            }
        }
    }

    /// Tells of a panic and counts it.
    fn tell(&self, error: JoinError) {
        self.restarts.inc();
        let panic = error.into_panic();
        let whose =
            self.culprits.newest().map(|path| format!(" at {path}, which is left out from now on")).unwrap_or_default();
        tracing::error!(
            target: LOG,
            "the index panicked{whose}, and is built anew; names are answered from the last picture meanwhile; please report this: {}",
            keep::text(&*panic)
        );
    }
}

impl Begun {
    /// Stops both and waits until they are gone.
    async fn end(mut self) {
        self.running.stop().await;
        // Without the source the writer comes to its end by itself.
        if timeout(LAST_WORK, self.writer.join_next()).await.is_err() {
            self.writer.shutdown().await;
        }
    }
}

/// Returns the addresses, not of loopback, by which this machine may be an endpoint: those that the block listens on, or all.
///
/// (CoreDNS reads the addresses of `bind` as networks and so ends up with none; they count here.)
fn local_addresses(hosts: &[String]) -> Vec<IpAddr> {
    let bound: Vec<IpAddr> = hosts.iter().filter_map(|host| host.parse().ok()).collect();
    let is_everywhere = hosts.is_empty() || bound.iter().any(IpAddr::is_unspecified);
    let all = if is_everywhere { interface_addresses() } else { bound };
    all.into_iter().map(|address| address.to_canonical()).filter(|address| !address.is_loopback()).collect()
}

/// Returns the addresses of this machine's interfaces.
fn interface_addresses() -> Vec<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        tracing::warn!(target: LOG, "cannot read the addresses of this machine: {error}");
        Vec::new()
    });
    interfaces.iter().map(if_addrs::Interface::ip).collect()
}
