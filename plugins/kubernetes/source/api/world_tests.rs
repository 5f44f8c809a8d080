//! What the tests of faults need: a simulated API server without sockets, the whole way from it to the picture, and time
//! that costs nothing.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use http_body_util::BodyExt;
use kubesim::{Builder, KubeSim, Recorded};
use plugin_api::{Clock, Lifecycle, Metrics, Zone, Zones};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::client::BodyError;
use super::connect::Given;
use super::timing::Chance;
use super::{Api, KindStatus, Status, Timing};
use crate::kubernetes::config::Config;
use crate::kubernetes::index::{Realm, Snapshot, tests as index};
use crate::kubernetes::live::Live;
use crate::kubernetes::metrics::{self, Programming};
use crate::kubernetes::objects::Kind;
use crate::kubernetes::source::{Source, Wanted};
use crate::trial::Logged;

/// The name of objects that make a watch panic.
pub(super) const PANICS: &str = "panics-in-watch";
/// No test waits longer for anything, in its own time.
const PATIENCE: Duration = Duration::from_secs(3600);
/// How often a test looks.
const LOOK: Duration = Duration::from_millis(10);

/// An API server and what is made of it.
pub(super) struct World {
    /// The server.
    pub(super) sim: KubeSim,
    /// What the source tells.
    pub(super) status: Arc<Status>,
    /// The way to the picture.
    pub(super) live: Live,
    /// All metrics.
    metrics: Metrics,
    /// The lines of the log.
    logged: Logged,
    /// Keeps the log ours.
    _guard: tracing::subscriber::DefaultGuard,
}

/// Makes a client that needs no sockets.
fn client(sim: &KubeSim) -> Given {
    let direct = sim.direct();
    Given(Arc::new(move |request| {
        let direct = direct.clone();
        Box::pin(async move {
            let response = direct.send(request).await?;
            Ok(response.map(|body| body.map_err(BodyError::Octets).boxed_unsync()))
        })
    }))
}

impl World {
    /// Starts a server, lets `prepare` act on it, and starts to read these kinds.
    pub(super) async fn new(builder: Builder, kinds: &[Kind], prepare: impl AsyncFnOnce(&KubeSim)) -> Self {
        Self::seeded(Chance::default(), builder, kinds, prepare).await
    }

    /// The same, with the chance of a seed.
    pub(super) async fn seeded(
        chance: Chance,
        builder: Builder,
        kinds: &[Kind],
        prepare: impl AsyncFnOnce(&KubeSim),
    ) -> Self {
        let timing = Timing { chance, ..Timing::default() };
        let logged = Logged::default();
        let guard = tracing::subscriber::set_default(logged.clone());
        let sim = builder.start().await.unwrap();
        prepare(&sim).await;
        let metrics = Metrics::default();
        let status = metrics::status(&metrics, kinds);
        let api = Api::of_given(client(&sim)).with_timing(timing).with_status(Arc::clone(&status));
        let mut config = Config::new(&Zones::new(vec![Zone::root()]), Zone::root());
        (config.zonal, config.endpoint_pod_names, config.pod_names) = (true, true, true);
        let live = Live {
            config: Arc::new(config),
            source: Arc::new(Source::Api(Box::new(api))),
            wanted: Wanted { kinds: kinds.to_vec(), ..Wanted::default() },
            picture: Arc::default(),
            local: Arc::default(),
            hosts: vec!["127.0.0.1".to_owned()],
            keeps_pod_labels: AtomicBool::new(true),
            keeps_external: Arc::new(AtomicBool::new(true)),
            clock: Clock::manual(),
            programming: Programming::new(&metrics),
            restarts: metrics::restarts(&metrics, "index"),
            served: Arc::default(),
            inherited: std::sync::Mutex::default(),
            warm: None,
            running: Mutex::new(None),
        };
        live.start().await.unwrap();
        Self { sim, status, live, metrics, logged, _guard: guard }
    }

    /// Starts with services `a` and `b`.
    pub(super) async fn with_services(builder: Builder) -> Self {
        let world =
            Self::new(builder, &[Kind::Service], async |sim| put(sim, [service("a", 1), service("b", 1)])).await;
        world.until(|world| world.has(&["a", "b"])).await;
        world
    }

    /// The picture of now.
    pub(super) fn picture(&self) -> Arc<Snapshot> {
        self.live.picture.load_full()
    }

    /// The address that a service is found by.
    pub(super) fn address(&self, name: &str) -> String {
        let found = index::found(&self.picture(), Realm::Own, &format!("{name}.n.svc"));
        found.split(' ').next().unwrap_or_default().to_owned()
    }

    /// Whether of `a` to `e` exactly these services exist.
    pub(super) fn has(&self, names: &[&str]) -> bool {
        ["a", "b", "c", "d", "e"].into_iter().all(|name| (self.address(name) != "nxdomain") == names.contains(&name))
    }

    /// Waits until something holds; returns how long that took.
    pub(super) async fn until(&self, is_right: impl Fn(&Self) -> bool) -> Duration {
        let start = Instant::now();
        while !is_right(self) {
            assert!(start.elapsed() < PATIENCE, "waited in vain; log: {:#?}", self.logged.take());
            sleep(LOOK).await;
        }
        start.elapsed()
    }

    /// Waits until something holds, looking less and less often.
    pub(super) async fn until_roughly(&self, is_right: impl Fn(&Self) -> bool) -> Duration {
        let (start, mut look) = (Instant::now(), LOOK);
        while !is_right(self) {
            assert!(start.elapsed() < PATIENCE, "waited in vain; log: {:#?}", self.logged.take());
            sleep(look).await;
            look = (look * 2).min(Duration::from_secs(4));
        }
        start.elapsed()
    }

    /// Waits for a while, during which something must hold all the time.
    pub(super) async fn during(&self, time: Duration, holds: impl Fn(&Self) -> bool) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            assert!(holds(self), "does not hold; log: {:#?}", self.logged.take());
            sleep(LOOK).await;
        }
    }

    /// The lines that an operator has read since the last time.
    pub(super) fn lines(&self) -> Vec<String> {
        self.everything().into_iter().filter(|line| !line.starts_with("[DEBUG]")).collect()
    }

    /// The same, and what a developer reads.
    pub(super) fn everything(&self) -> Vec<String> {
        self.logged.take()
    }

    /// What is told of services.
    pub(super) fn services(&self) -> &KindStatus {
        self.status.of(Kind::Service)
    }

    /// How many requests are as wanted.
    pub(super) fn asked(&self, is_wanted: impl Fn(&Recorded) -> bool) -> usize {
        self.sim.requests().iter().filter(|request| is_wanted(request)).count()
    }

    /// The value of a metric, as it is scraped.
    pub(super) fn metric(&self, series: &str) -> f64 {
        let mut text = String::new();
        self.metrics.with(|registry| prometheus_client::encoding::text::encode(&mut text, registry)).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("coredns_kubernetes_{series} ")));
        line.unwrap_or_else(|| panic!("no {series} in {text}")).parse().unwrap()
    }

    /// Stops everything.
    pub(super) async fn end(self) {
        self.live.stop().await;
        self.sim.shutdown().await;
    }
}

/// A service with an address whose last part is `last`.
pub(super) fn service(name: &str, last: u8) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "n"},
        "spec": {"clusterIP": format!("10.0.0.{last}"), "ports": [{"port": 80, "protocol": "TCP"}]}})
}

/// Puts objects.
pub(super) fn put(sim: &KubeSim, objects: impl IntoIterator<Item = Value>) {
    for object in objects {
        sim.put(object);
    }
}
