//! The one who changes the index: applies what a source tells, and publishes pictures.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use plugin_api::Clock;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::index::{Index, Kinds, Options, ServiceKind, Snapshot};
use super::metrics::{Programming, ServiceLabel};
use super::objects::{CHANGE_TRIGGER, Change, Key, Kind, Object, SERVICE_NAME};
use super::source::LOG;
use super::source::sync::Sync as FirstLists;
use super::warm::Keeper;

/// The most changes that are folded at once: some milliseconds of work.
const FOLD: usize = 256;
/// The longest that a change waits for others in a flood of them.
const MAX_DELAY: Duration = Duration::from_millis(100);
/// How long an index that is built anew is kept from the readers until it knows all kinds that the last picture has.
const REBUILD_PATIENCE: Duration = Duration::from_secs(60);
/// How many objects are left out at most; if it is more than some odd ones, the fault is not theirs.
const MAX_CULPRITS: usize = 64;

/// Applies changes, the only one who does.
pub(super) struct Writer {
    /// What the index keeps.
    options: Options,
    /// The index.
    index: Index,
    /// Where pictures go.
    picture: Arc<ArcSwap<Snapshot>>,
    /// Which kinds were listed.
    lists: Arc<Mutex<FirstLists>>,
    /// The time.
    clock: Clock,
    /// How long changes take.
    programming: Programming,
    /// The kinds without which nothing is published, and until when: those of the picture that is served.
    awaited: Option<(Kinds, Instant)>,
    /// Where an object goes that makes the index panic.
    culprits: Culprits,
    /// Those that are left out.
    left_out: HashSet<Key>,
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
    at: SystemTime,
}

/// Objects that made the index panic.
#[derive(Debug, Clone, Default)]
pub(super) struct Culprits(Arc<Mutex<Vec<Key>>>);

impl Culprits {
    /// Names the last one.
    pub(super) fn newest(&self) -> Option<String> {
        let culprits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        culprits.last().map(|key| format!("{:?} {}/{}", key.kind, key.namespace, key.name))
    }

    /// Returns all.
    fn all(&self) -> HashSet<Key> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// Blames the object at hand if the thread panics.
struct Blame<'a> {
    /// The change of it.
    change: &'a Change,
    /// Where it goes.
    culprits: &'a Culprits,
}

impl Drop for Blame<'_> {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(key) = key_of(self.change)
        {
            let mut culprits = self.culprits.0.lock().unwrap_or_else(PoisonError::into_inner);
            if culprits.len() < MAX_CULPRITS {
                culprits.push(key);
            }
        }
    }
}

/// Returns which object a change is of, if it is of one.
fn key_of(change: &Change) -> Option<Key> {
    match change {
        Change::Apply(object) => Some(object.key()),
        Change::Delete(gone) => Some(gone.key.clone()),
        Change::ListBegin(_) | Change::ListEnd(_) | Change::Reached(..) => None,
    }
}

impl Writer {
    /// Makes a writer of an empty index.
    pub(super) fn new(
        options: Options,
        picture: Arc<ArcSwap<Snapshot>>,
        lists: FirstLists,
        (clock, programming): (Clock, Programming),
    ) -> Self {
        Self {
            options,
            index: Index::new(options),
            picture,
            lists: Arc::new(Mutex::new(lists)),
            clock,
            programming,
            awaited: None,
            culprits: Culprits::default(),
            left_out: HashSet::new(),
            keeper: None,
        }
    }

    /// Makes another writer of an empty index for the same picture. What is served stays until as much is known again.
    pub(super) fn fresh(&self, culprits: &Culprits) -> Self {
        let served = self.picture.load().synced;
        Self {
            options: self.options,
            index: Index::new(self.options),
            picture: Arc::clone(&self.picture),
            lists: Arc::clone(&self.lists),
            clock: self.clock.clone(),
            programming: self.programming.clone(),
            awaited: (served != Kinds::default()).then(|| (served, Instant::now() + REBUILD_PATIENCE)),
            culprits: culprits.clone(),
            left_out: culprits.all(),
            keeper: None,
        }
    }

    /// Lets `keeper` see every change.
    pub(super) fn keeping_with(mut self, keeper: Option<Keeper>) -> Self {
        self.keeper = keeper;
        self
    }

    /// Goes on from what an earlier run has known, and serves it.
    pub(super) fn take_up(&mut self, index: Index) {
        self.index = index;
        self.publish(&mut Pending::default());
    }

    /// Applies changes until the source is gone. What waits in the channel becomes one picture, and a flood of changes a
    /// few: publishing has a fifth of the time at most, so that a list of everything is not copied over and over.
    pub(super) async fn run(mut self, mut changes: mpsc::Receiver<Change>) {
        let mut batch = Vec::with_capacity(FOLD);
        let mut pending = Pending::default();
        let mut publish_at = Instant::now();
        loop {
            let save_at = self.keeper.as_ref().and_then(Keeper::due).filter(|_| pending.is_empty);
            tokio::select! {
                biased;
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
        let culprits = self.culprits.clone();
        for mut change in batch.drain(..) {
            if !self.left_out.is_empty() && key_of(&change).is_some_and(|key| self.left_out.contains(&key)) {
                continue;
            }
            if let Some(keeper) = &mut self.keeper {
                keeper.note(&mut change);
            }
            let _blame = Blame { change: &change, culprits: &culprits };
            #[cfg(test)]
            assert!(key_of(&change).is_none_or(|key| &*key.name != tests::PANICS), "as the test wants");
            pending.triggered.extend(self.trigger_of(&change));
            if let Change::ListEnd(kind) | Change::Reached(kind, _) = change {
                pending.listed.push(kind);
            }
            self.index.apply(&change, now);
        }
    }

    /// Publishes what came of the batches since the last time.
    fn publish(&mut self, pending: &mut Pending) {
        if let Some(snapshot) = self.index.publish()
            && self.is_enough(&snapshot)
        {
            self.picture.store(snapshot);
        }
        let Pending { listed, triggered, .. } = std::mem::take(pending);
        if !listed.is_empty() {
            let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
            listed.into_iter().for_each(|kind| lists.mark(kind));
            if let Some(keeper) = self.keeper.as_ref().filter(|_| lists.missing().is_empty()) {
                keeper.confirm();
            }
        }
        let now = self.clock.wall();
        triggered.iter().for_each(|change| self.programming.observe(change.label, change.at, now));
    }

    /// Says whether a picture may take the place of the one that is served.
    fn is_enough(&mut self, snapshot: &Snapshot) -> bool {
        let is_enough =
            self.awaited.is_none_or(|(kinds, until)| snapshot.synced.covers(kinds) || Instant::now() >= until);
        if is_enough {
            self.awaited = None;
        }
        is_enough
    }

    /// Returns when a change of endpoints was triggered, if its service is known; warns of what is no time.
    fn trigger_of(&self, change: &Change) -> Option<Triggered> {
        let (trigger, path, service) = match change {
            Change::Apply(Object::EndpointSlice(slice)) => {
                let (trigger, name) = (slice.metadata.change_trigger()?, slice.metadata.label(SERVICE_NAME)?);
                let service = self.index.service(&slice.metadata.namespace, name);
                (trigger, slice.metadata.path(), service?)
            }
            Change::Delete(gone) if gone.key.kind == Kind::EndpointSlice => {
                let service = self.index.service_of_slice(&gone.key.namespace, &gone.key.name);
                (gone.change_trigger.as_deref()?, (&*gone.key.namespace, &*gone.key.name), service?)
            }
            _ => return None,
        };
        let label = if service == ServiceKind::Headless { ServiceLabel::Headless } else { ServiceLabel::ClusterIp };
        let Ok(time) = trigger.parse::<Timestamp>() else {
            let (namespace, name) = path;
            tracing::warn!(
                target: LOG,
                "DnsProgrammingLatency cannot be calculated for Endpoints '{namespace}/{name}'; invalid {CHANGE_TRIGGER:?} annotation RFC3339 value of {trigger:?}"
            );
            return None;
        };
        Some(Triggered { label, at: time.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::objects::Deleted;
    use crate::trial::Logged;
    use plugin_api::Metrics;

    /// The name of objects that make the index panic.
    pub(super) const PANICS: &str = "panics-in-index";

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
        let timed = (Clock::manual(), Programming::new(&metrics));
        let writer = Writer::new(Options::default(), Arc::default(), FirstLists::new(&[Kind::Service]), timed);
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

    #[tokio::test(start_paused = true)]
    async fn a_burst_becomes_one_picture() {
        let (writer, _) = writer();
        let picture = Arc::clone(&writer.picture);
        let (feed, changes) = crate::kubernetes::source::feed();
        for at in 0..250 {
            let json = r#"{"metadata":{"name":"web","namespace":"a"},"spec":{"clusterIP":"10.0.0.LAST"}}"#;
            feed.try_send(object(Kind::Service, &json.replace("LAST", &at.to_string()))).unwrap();
        }
        let running = tokio::spawn(writer.run(changes));
        let mut pictures = vec![picture.load_full()];
        for _ in 0..1000 {
            tokio::task::yield_now().await;
            pictures.push(picture.load_full());
        }
        pictures.dedup_by(|a, b| Arc::ptr_eq(a, b));
        assert_eq!(pictures.len(), 2, "the empty one and that of the end");
        drop(feed);
        running.await.unwrap();
    }

    #[test]
    fn a_picture_is_there_before_its_list_is_reported() {
        let (mut writer, _) = writer();
        let is_synced = writer.lists.lock().unwrap().watch();
        see(&mut writer, vec![Change::ListBegin(Kind::Service)]);
        assert!(!*is_synced.borrow());
        see(&mut writer, vec![Change::ListEnd(Kind::Service)]);
        assert!(*is_synced.borrow());
        assert!(writer.picture.load().synced.contains(Kind::Service));
    }
}
