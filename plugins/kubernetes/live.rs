//! The life of a picture: a source feeds the index, and what it publishes is swapped in for the readers.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use plugin_api::{BoxFuture, Clock, Lifecycle};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::config::Config;
use super::index::{Index, ServiceKind, Snapshot};
use super::metrics::{Programming, ServiceLabel};
use super::objects::{CHANGE_TRIGGER, Change, Kind, Object, SERVICE_NAME};
use super::source::sync::{self, Sync as FirstLists};
use super::source::{self, LOG, Running, Source, Versions, Wanted};
use super::warm::{self, Keeper, Warm};

/// The most changes that are folded at once: some milliseconds of work.
const FOLD: usize = 256;
/// The longest that a change waits for others in a flood of them.
const MAX_DELAY: Duration = Duration::from_millis(100);
/// How long the file of a warm start may take at the end; the process itself waits 5 s.
const LAST_WORK: Duration = Duration::from_secs(3);

/// What keeps a picture current.
pub(super) struct Live {
    /// What was asked for.
    pub(super) config: Arc<Config>,
    /// Where objects come from.
    pub(super) source: Source,
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
    /// Keeps the picture for the next start, if that is wanted.
    pub(super) warm: Option<Arc<Warm>>,
    /// The running source and writer.
    pub(super) running: Mutex<Option<(Running, JoinHandle<()>)>>,
}

impl Lifecycle for Live {
    fn start(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async {
            self.local.get_or_init(|| local_addresses(&self.hosts));
            let (feed, changes) = source::feed();
            let lists = FirstLists::new(&self.wanted.kinds);
            let is_synced = lists.watch();
            let (index, keeper, known) = self.recall();
            let is_warm = !known.is_empty();
            let mut writer = Writer {
                index,
                picture: Arc::clone(&self.picture),
                lists,
                clock: self.clock.clone(),
                programming: self.programming.clone(),
                keeper,
            };
            writer.publish(&mut Pending::default());
            let task = tokio::spawn(writer.run(changes));
            let wanted = Wanted { known, ..self.wanted.clone() };
            match self.source.start(&wanted, feed).await {
                Ok(running) => *self.running.lock().await = Some((running, task)),
                Err(error) => {
                    task.abort();
                    return Err(format!("{LOG}: {error}"));
                }
            }
            // What is known from an earlier run is better than nothing; but while another configuration serves, there is time.
            if !is_warm || self.warm.as_ref().is_some_and(|warm| warm.is_replacing) {
                sync::wait(is_synced, self.config.startup_timeout).await;
            }
            Ok(())
        })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if let Some((running, mut task)) = self.running.lock().await.take() {
                running.stop().await;
                // Without the source the writer comes to its end; the file of a warm start is its last work.
                if self.warm.is_none() || timeout(LAST_WORK, &mut task).await.is_err() {
                    task.abort();
                }
            }
        })
    }
}

impl Live {
    /// Makes the index, of what an earlier run has left if there is such, with what keeps it for the next run.
    fn recall(&self) -> (Index, Option<Keeper>, Versions) {
        let mut options = self.config.index_options();
        options.pod_labels = self.keeps_pod_labels.load(Ordering::Relaxed);
        options.external = self.keeps_external.load(Ordering::Relaxed);
        let server = match &self.source {
            Source::Api(api) => api.server().ok(),
            Source::Manifests(_) => None,
        };
        let Some((warm, server)) = self.warm.as_ref().zip(server) else {
            return (Index::new(options), None, Versions::new());
        };
        let identity = warm::identity(&server, &self.wanted, options);
        let (index, versions) = match warm.recall(&identity, options) {
            Some(recalled) => (recalled.index, recalled.versions),
            None => (Index::new(options), Versions::new()),
        };
        let keeper = Keeper::new(Arc::clone(warm), identity, &self.wanted.kinds, versions.clone());
        (index, Some(keeper), versions)
    }
}

/// Applies changes, the only one who does.
struct Writer {
    /// The index.
    index: Index,
    /// Where pictures go.
    picture: Arc<ArcSwap<Snapshot>>,
    /// Which kinds were listed.
    lists: FirstLists,
    /// The time.
    clock: Clock,
    /// How long changes take.
    programming: Programming,
    /// Keeps the picture for the next start, if that is wanted.
    keeper: Option<Keeper>,
}

/// What has been applied and cannot be asked for yet.
struct Pending {
    /// Whether there is nothing.
    is_empty: bool,
    /// The kinds whose lists ended.
    listed: Vec<Kind>,
    /// The changes whose time is counted.
    triggered: Vec<Triggered>,
}

impl Default for Pending {
    fn default() -> Self {
        Self { is_empty: true, listed: Vec::new(), triggered: Vec::new() }
    }
}

/// A change of endpoints whose time is counted once it can be asked for.
struct Triggered {
    /// How its service is reached.
    label: ServiceLabel,
    /// When it was triggered.
    trigger: Box<str>,
    /// Namespace and name, for messages.
    path: String,
}

impl Writer {
    /// Applies changes until the source is gone. What waits in the channel becomes one picture, and a flood of changes a
    /// few: publishing has a fifth of the time at most, so that a list of everything is not copied over and over.
    async fn run(mut self, mut changes: mpsc::Receiver<Change>) {
        let mut batch = Vec::with_capacity(FOLD);
        let mut pending = Pending::default();
        let mut publish_at = Instant::now();
        loop {
            let save_at = self.keeper.as_ref().and_then(Keeper::due).filter(|_| pending.is_empty);
            tokio::select! {
                count = changes.recv_many(&mut batch, FOLD) => if count == 0 { break },
                () = sleep_until(publish_at), if !pending.is_empty => {}
                () = sleep_until(save_at.unwrap_or(publish_at)), if save_at.is_some() => {}
            }
            self.fold(&mut batch, &mut pending);
            let start = Instant::now();
            if start >= publish_at || !pending.listed.is_empty() {
                self.publish(&mut pending);
                publish_at = Instant::now() + (start.elapsed() * 4).min(MAX_DELAY);
                if let Some(keeper) = &mut self.keeper {
                    keeper.save_if_due(&self.picture.load_full());
                }
            }
        }
        self.publish(&mut pending);
        if let Some(keeper) = self.keeper.take() {
            keeper.finish(self.picture.load_full()).await;
        }
    }

    /// Applies a batch.
    fn fold(&mut self, batch: &mut Vec<Change>, pending: &mut Pending) {
        let now = u32::try_from(self.clock.unix_seconds()).unwrap_or(u32::MAX);
        pending.is_empty &= batch.is_empty();
        for mut change in batch.drain(..) {
            pending.triggered.extend(self.trigger_of(&change));
            if let Change::ListEnd(kind) | Change::Reached(kind, _) = change {
                pending.listed.push(kind);
            }
            if let Some(keeper) = &mut self.keeper {
                keeper.note(&mut change);
            }
            self.index.apply(change, now);
        }
    }

    /// Publishes what came of the batches since the last time.
    fn publish(&mut self, pending: &mut Pending) {
        if let Some(snapshot) = self.index.publish() {
            self.picture.store(snapshot);
        }
        let Pending { listed, triggered, .. } = std::mem::take(pending);
        if !listed.is_empty() {
            listed.into_iter().for_each(|kind| self.lists.mark(kind));
            if let Some(keeper) = self.keeper.as_ref().filter(|_| self.lists.missing().is_empty()) {
                keeper.confirm();
            }
        }
        triggered.iter().for_each(|change| self.count(change));
    }

    /// Returns when a change of endpoints was triggered, if its service is known.
    fn trigger_of(&self, change: &Change) -> Option<Triggered> {
        let (trigger, path, service) = match change {
            Change::Apply(Object::EndpointSlice(slice)) => {
                let name = slice.metadata.label(SERVICE_NAME)?;
                let service = self.index.service(&slice.metadata.namespace, name);
                (slice.metadata.change_trigger()?, slice.metadata.path(), service?)
            }
            Change::Delete(gone) if gone.key.kind == Kind::EndpointSlice => {
                let service = self.index.service_of_slice(&gone.key.namespace, &gone.key.name);
                (gone.change_trigger.as_deref()?, (&*gone.key.namespace, &*gone.key.name), service?)
            }
            _ => return None,
        };
        let label = if service == ServiceKind::Headless { ServiceLabel::Headless } else { ServiceLabel::ClusterIp };
        Some(Triggered { label, trigger: trigger.into(), path: format!("{}/{}", path.0, path.1) })
    }

    /// Counts a change that can be asked for now.
    fn count(&self, change: &Triggered) {
        let Triggered { label, trigger, path } = change;
        if self.programming.observe(*label, trigger, self.clock.wall()).is_err() {
            tracing::warn!(
                target: LOG,
                "DnsProgrammingLatency cannot be calculated for Endpoints '{path}'; invalid {CHANGE_TRIGGER:?} annotation RFC3339 value of {trigger:?}"
            );
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::objects::{Deleted, Key};
    use crate::trial::Logged;
    use plugin_api::Metrics;

    /// Decodes an object.
    fn object(kind: Kind, json: &str) -> Change {
        Change::Apply(Object::decode(kind, &mut serde_json::Deserializer::from_str(json)).unwrap())
    }

    /// A slice of service `web` with this trigger.
    fn slice(trigger: &str) -> Change {
        let json = r#"{"metadata":{"name":"web-1","namespace":"a","labels":{"kubernetes.io/service-name":"web"},
            "annotations":{"endpoints.kubernetes.io/last-change-trigger-time":"TRIGGER"}}}"#;
        object(Kind::EndpointSlice, &json.replace("TRIGGER", trigger))
    }

    /// A writer, and the metrics in text.
    fn writer() -> (Writer, impl Fn() -> String) {
        let metrics = Metrics::default();
        let writer = Writer {
            index: Index::new(crate::kubernetes::index::Options::default()),
            picture: Arc::new(ArcSwap::from_pointee(Snapshot::default())),
            lists: FirstLists::new(&[Kind::Service]),
            clock: Clock::manual(),
            programming: Programming::new(&metrics),
            keeper: None,
        };
        let text = move || {
            let mut text = String::new();
            metrics.with(|registry| prometheus_client::encoding::text::encode(&mut text, registry)).unwrap();
            text
        };
        (writer, text)
    }

    /// Applies and publishes changes.
    fn see(writer: &mut Writer, mut changes: Vec<Change>) {
        let mut pending = Pending::default();
        writer.fold(&mut changes, &mut pending);
        writer.publish(&mut pending);
    }

    #[test]
    fn changes_of_endpoints_are_timed_once_their_service_is_known() {
        let (mut writer, text) = writer();
        let count = |kind: &str| format!(r#"dns_programming_duration_seconds_count{{service_kind="{kind}"}} "#);
        see(&mut writer, vec![slice("2020-01-01T00:00:00Z")]);
        assert!(!text().contains(&format!("{}1", count("cluster_ip"))));
        let service = r#"{"metadata":{"name":"web","namespace":"a"},"spec":{"clusterIP":"10.0.0.1"}}"#;
        see(&mut writer, vec![object(Kind::Service, service), slice("2020-01-01T00:00:00.123Z")]);
        assert!(text().contains(&format!("{}1", count("cluster_ip"))), "{}", text());
        let key = Key { kind: Kind::EndpointSlice, namespace: "a".into(), name: "web-1".into() };
        let change_trigger = Some("2020-01-01T00:00:00Z".into());
        see(&mut writer, vec![Change::Delete(Deleted { key, change_trigger })]);
        assert!(text().contains(&format!("{}2", count("cluster_ip"))));
    }

    #[test]
    fn a_trigger_that_is_no_time_is_warned_of() {
        let (mut writer, _) = writer();
        let service = r#"{"metadata":{"name":"web","namespace":"a"},"spec":{"clusterIP":"None"}}"#;
        let logged = Logged::during(|| see(&mut writer, vec![object(Kind::Service, service), slice("yesterday")]));
        let line = r#"DnsProgrammingLatency cannot be calculated for Endpoints 'a/web-1'; invalid "endpoints.kubernetes.io/last-change-trigger-time" annotation RFC3339 value of "yesterday""#;
        assert_eq!(logged, [format!("[WARN] plugin/kubernetes: {line}")]);
    }

    #[test]
    fn a_picture_is_there_before_its_list_is_reported() {
        let (mut writer, _) = writer();
        let is_synced = writer.lists.watch();
        see(&mut writer, vec![Change::ListBegin(Kind::Service)]);
        assert!(!*is_synced.borrow());
        see(&mut writer, vec![Change::ListEnd(Kind::Service)]);
        assert!(*is_synced.borrow());
        assert!(writer.picture.load().synced.contains(Kind::Service));
    }
}
