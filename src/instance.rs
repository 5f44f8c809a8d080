//! What runs: sockets, servers and parts with a life; started, replaced by a reload, and stopped.
//!
//! A new configuration is built and started completely before it is swapped in; until then the old one serves, and an
//! error on the way changes nothing. Sockets belong to the process: an address that stays keeps its sockets.

mod reload;

use crate::load::{Failure, Origin};
use crate::server::Server;
use crate::server::build::{Configuration, Planned};
use crate::transport::socket::trim_memory;
use crate::transport::tcp::{BoundTcp, TcpListener};
use crate::transport::udp::{BoundUdp, UdpListener};
use crate::transport::{Current, Handoff};
use arc_swap::ArcSwap;
use corefile::os_error_text;
use plugin_api::link::Kept;
use plugin_api::{BoxFuture, Clock, Control, Lifecycle, Metrics, Plugin, Process, Reloaded};
use reload::{Before, Prepared};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::time::timeout;

/// How long queries may take that are under way when their server stops (CoreDNS: graceTimeout).
pub const GRACE: Duration = Duration::from_secs(5);

/// What the process is started with.
pub struct Settings {
    /// Where the configuration comes from.
    pub origin: Origin,
    /// Files and folders that replace the API server.
    pub manifests: Vec<PathBuf>,
    /// The plugins that there are, in their order.
    pub plugins: &'static [Plugin],
    /// Receiving threads for each address, where the configuration does not say.
    pub threads: usize,
}

/// The living program.
pub struct Instance {
    settings: Settings,
    process: Process,
    handoff: Handoff,
    /// What runs. Held for moments only, so that the end of the process never waits for a set-up.
    running: tokio::sync::Mutex<Running>,
    /// Held by a start or a reload from its first look at the files to its end, so that there is one at a time.
    loading: tokio::sync::Mutex<()>,
    /// Held by a reload from its swap until the configuration before it has ended.
    retiring: tokio::sync::Mutex<()>,
    /// Whether the process is about to end, so that nothing is swapped in any more. Set while `running` is held.
    is_ending: AtomicBool,
    hashes: Mutex<Hashes>,
    me: Weak<Self>,
}

/// What is known of configurations by their hash.
#[derive(Default)]
struct Hashes {
    running: String,
    /// The one that was tried last, whatever came of it: not tried again until it changes.
    tried: String,
    /// Why the last look at the file could not use it: said when it changes, not at every look.
    trouble: Option<String>,
}

/// What runs at present.
#[derive(Default)]
struct Running {
    listeners: HashMap<Place, Listener>,
    servers: Vec<Arc<Server>>,
    managed: Vec<Arc<dyn Lifecycle>>,
    kept: Arc<Kept>,
    /// Whether debug lines are wanted.
    debug: bool,
}

/// A listening address and which of its sockets (plugin `multisocket`).
type Place = (Arc<str>, usize);

/// The sockets of an address.
struct Listener {
    current: Current,
    tcp: TcpListener,
    udp: Vec<UdpListener>,
}

/// Sockets that are open but not served.
struct Bound {
    tcp: BoundTcp,
    udp: Vec<BoundUdp>,
}

impl Instance {
    /// A process that runs nothing yet; its tasks go to `handoff`'s runtime.
    #[must_use]
    pub fn new(settings: Settings, handoff: Handoff) -> Arc<Self> {
        Arc::new_cyclic(|me| {
            let control = Arc::new(Handle(Weak::clone(me)));
            let process = Process {
                metrics: Arc::new(Metrics::default()),
                clock: Clock::system(),
                manifests: settings.manifests.clone(),
                control,
            };
            crate::server::build::panics(&process);
            handoff.show_limits(&process.metrics);
            plugins::STANDING_METRICS.iter().for_each(|register| register(&process.metrics));
            Self {
                settings,
                process,
                handoff,
                running: tokio::sync::Mutex::default(),
                loading: tokio::sync::Mutex::default(),
                retiring: tokio::sync::Mutex::default(),
                is_ending: AtomicBool::new(false),
                hashes: Mutex::default(),
                me: Weak::clone(me),
            }
        })
    }

    /// Starts the first configuration; gives the listing. What has to follow it is [`Instance::activate`].
    ///
    /// # Errors
    /// As [`Origin::load`], and what set-ups, starts and sockets refuse.
    pub async fn start(&self) -> Result<Vec<String>, Failure> {
        let _loading = self.loading.lock().await;
        let loaded = self.load().await?;
        let Prepared { configuration, fresh, hash } = self.prepare(loaded).await?;
        let listing = configuration.sites.iter().flat_map(Planned::listing).collect();
        let mut running = self.running.lock().await;
        *self.hashes() = Hashes { running: hash.clone(), tried: hash, trouble: None };
        running.swap(configuration, fresh);
        drop(running);
        wait_off_workers(trim_memory).await;
        Ok(listing)
    }

    /// Tells all parts that the configuration serves now.
    pub async fn activate(&self) {
        self.running.lock().await.managed.iter().for_each(|part| part.activate());
    }

    /// Whether nothing listens, so that the process has nothing to do.
    pub async fn is_idle(&self) -> bool {
        self.running.lock().await.listeners.is_empty()
    }

    /// Where it listens: the names of the addresses with their first TCP and UDP sockets, sorted.
    pub async fn addresses(&self) -> Vec<(Arc<str>, SocketAddr, SocketAddr)> {
        let running = self.running.lock().await;
        let sockets = running.listeners.iter().filter_map(|((name, _), listener)| {
            Some((Arc::clone(name), listener.tcp.local_addr(), listener.udp.first()?.local_addr()))
        });
        let mut addresses: Vec<_> = sockets.collect();
        addresses.sort();
        addresses
    }

    /// What answers, by address, for benches that leave the sockets out.
    pub async fn servers(&self) -> Vec<Arc<Server>> {
        self.running.lock().await.servers.clone()
    }

    /// Opens the sockets that are not open yet, all before the first is served.
    fn open(&self, configuration: &Configuration, before: &Before) -> Result<HashMap<Place, Listener>, String> {
        let mut bound = Vec::new();
        for planned in &configuration.sites {
            let threads = if planned.sockets == 0 { self.settings.threads } else { 1 };
            for place in planned.places() {
                if !before.places.contains(&place) {
                    bound.push((place, Bound::open(planned, threads)?, Arc::clone(&planned.server)));
                }
            }
        }
        let serve = |(place, bound, server): (Place, Bound, Arc<Server>)| {
            let listener = bound.serve(server, &self.handoff).map_err(|error| os_error_text(&error))?;
            Ok((place, listener))
        };
        bound.into_iter().map(serve).collect()
    }

    /// Tells all parts that the process is about to end; they may take their time, and the listeners still answer. From now on
    /// no configuration is swapped in: a reload whose set-up is under way is abandoned, and nothing waits for it.
    pub async fn before_shutdown(&self) {
        let managed = {
            let running = self.running.lock().await;
            self.is_ending.store(true, Ordering::Release);
            running.managed.clone()
        };
        for part in managed {
            part.before_shutdown().await;
        }
    }

    /// Stops listening, waits for queries under way, then stops all parts.
    pub async fn stop(&self) {
        let running = {
            let mut running = self.running.lock().await;
            self.is_ending.store(true, Ordering::Release);
            std::mem::take(&mut *running)
        };
        retire(running).await;
        // A configuration that was swapped out a moment ago may still have queries under way.
        drop(timeout(GRACE, self.retiring.lock()).await);
    }

    /// Whether the process is about to end.
    fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Acquire)
    }

    /// What is known of configurations.
    fn hashes(&self) -> std::sync::MutexGuard<'_, Hashes> {
        self.hashes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    /// Makes a started configuration the running one: open sockets change hands, `fresh` ones join. Gives what is left of
    /// the old one, with the sockets that nobody needs any more.
    fn swap(&mut self, configuration: Configuration, mut fresh: HashMap<Place, Listener>) -> Self {
        crate::log::set_debug(configuration.debug);
        let debug = configuration.debug;
        let mut listeners = HashMap::new();
        for planned in &configuration.sites {
            for place in planned.places() {
                if let Some(listener) = self.listeners.remove(&place) {
                    listener.current.store(Arc::clone(&planned.server));
                    listeners.insert(place, listener);
                } else if let Some(listener) = fresh.remove(&place) {
                    listeners.insert(place, listener);
                }
            }
        }
        let Configuration { sites, managed, kept, .. } = configuration;
        let servers = sites.into_iter().map(|planned| planned.server).collect();
        std::mem::replace(self, Self { listeners, servers, managed, kept: Arc::new(kept), debug })
    }
}

impl Planned {
    /// Its sockets, each with a name.
    fn places(&self) -> impl Iterator<Item = Place> + '_ {
        (0..self.sockets.max(1)).map(|index| (Arc::clone(&self.name), index))
    }
}

/// Ends a configuration: stops the sockets that are left to it, waits for the queries under way, then stops its parts. What it held
/// is freed off the workers: a zone of a million records takes a while.
async fn retire(old: Running) {
    let Running { listeners, servers, managed, kept, .. } = old;
    close(listeners).await;
    let drained = async {
        for server in &servers {
            server.drained().await;
        }
    };
    if timeout(GRACE, drained).await.is_err() {
        tracing::debug!("queries were still under way after {GRACE:?}");
    }
    if timeout(GRACE, stop(managed.iter())).await.is_err() {
        tracing::warn!("parts of the old configuration did not stop within {GRACE:?}");
    }
    wait_off_workers(move || {
        drop((servers, managed, kept));
        trim_memory();
    })
    .await;
}

/// Stops parts in their order.
async fn stop<'a>(parts: impl Iterator<Item = &'a Arc<dyn Lifecycle>>) {
    for part in parts {
        part.stop().await;
    }
}

/// Stops listeners: all TCP ones at once, for each may wait for its connections; receiving threads are joined off the workers.
async fn close(listeners: HashMap<Place, Listener>) {
    let mut closing = tokio::task::JoinSet::new();
    let mut udp = Vec::new();
    for (_, mut listener) in listeners {
        udp.append(&mut listener.udp);
        closing.spawn(async move { listener.tcp.stop(GRACE).await });
    }
    if !udp.is_empty() {
        wait_off_workers(move || udp.iter_mut().for_each(UdpListener::stop)).await;
    }
    while closing.join_next().await.is_some() {}
}

/// Waits for work that blocks, on a thread where it may.
async fn wait_off_workers(work: impl FnOnce() + Send + 'static) {
    if let Err(error) = tokio::task::spawn_blocking(work).await {
        tracing::error!("ending a configuration ended early: {error}");
    }
}

impl Bound {
    /// Opens one TCP and `threads` UDP sockets on an address.
    fn open(planned: &Planned, threads: usize) -> Result<Self, String> {
        let shown = planned.name.split_once("://").map_or("", |(_, address)| address);
        let tcp = bind(planned.address, BoundTcp::bind)
            .map_err(|error| format!("Listen: listen tcp {shown}: {}", refusal(&error)))?;
        let udp = open_udp(planned.address, threads)
            .map_err(|error| format!("ListenPacket: listen udp {shown}: {}", refusal(&error)))?;
        Ok(Self { tcp, udp })
    }

    /// Begins to serve them.
    fn serve(self, server: Arc<Server>, handoff: &Handoff) -> io::Result<Listener> {
        let current = Arc::new(ArcSwap::from(server));
        let tcp = self.tcp.serve(Arc::clone(&current), handoff)?;
        let udp = self.udp.into_iter().map(|bound| bound.serve(Arc::clone(&current), handoff.clone()));
        Ok(Listener { udp: udp.collect::<io::Result<_>>()?, tcp, current })
    }
}

/// Opens UDP sockets that share an address. If the system chooses the port, it does so for the first.
fn open_udp(address: SocketAddr, count: usize) -> io::Result<Vec<BoundUdp>> {
    let first = bind(address, BoundUdp::bind)?;
    let shared = first.local_addr()?;
    let mut sockets = vec![first];
    for _ in 1..count {
        sockets.push(BoundUdp::bind(shared)?);
    }
    if shared.is_ipv6() && shared.ip().is_unspecified() {
        // A datagram of IPv4 costs 8 to 10 % more on a socket for both families. Where there are sockets for IPv4 alone the
        // system prefers them; where they cannot be had, the others take all.
        let four = SocketAddr::from((Ipv4Addr::UNSPECIFIED, shared.port()));
        sockets.extend((0..count).map_while(|_| BoundUdp::bind(four).ok()));
    }
    Ok(sockets)
}

/// Opens a socket. The wildcard of either family is that of both, as in Go; on a machine without IPv6 it is IPv4's.
fn bind<T>(address: SocketAddr, open: impl Fn(SocketAddr) -> io::Result<T>) -> io::Result<T> {
    if !address.ip().is_unspecified() {
        return open(address);
    }
    let wildcard = |ip: IpAddr| open((ip, address.port()).into());
    match wildcard(Ipv6Addr::UNSPECIFIED.into()) {
        Err(error) if lacks_family(&error) => wildcard(Ipv4Addr::UNSPECIFIED.into()),
        result => result,
    }
}

/// Whether the system has no sockets of the family that was asked for.
fn lacks_family(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EAFNOSUPPORT)
}

/// The system call that refused a listening socket and why, in Go's words.
fn refusal(error: &io::Error) -> String {
    format!("{}: {}", if lacks_family(error) { "socket" } else { "bind" }, os_error_text(error))
}

/// The process as plugins reach it.
struct Handle(Weak<Instance>);

impl Control for Handle {
    fn fail(&self, message: String) {
        crate::log::line(format!("[FATAL] {message}"));
        crate::log::flush();
        std::process::exit(1);
    }

    fn reload_if_changed(&self) -> BoxFuture<'_, Reloaded> {
        let me = self.0.upgrade().and_then(|instance| instance.me.upgrade());
        Box::pin(async move {
            let Some(instance) = me else { return Reloaded::Unchanged };
            // On a task of its own: who asks may be stopped while the new configuration takes over.
            let work = tokio::spawn(async move { instance.reload_if_changed().await });
            work.await.unwrap_or_else(|error| Reloaded::Failed(error.to_string()))
        })
    }

    fn configuration_hash(&self) -> String {
        self.0.upgrade().map(|instance| instance.hashes().running.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
#[path = "instance_tests.rs"]
mod tests;
