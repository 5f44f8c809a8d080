//! The source against a simulated API server, over real sockets: what it holds in the end, and what it asked on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use kubesim::{Hook, KubeSim, Recorded, Step, Verdict, WatchExpired, WatchList};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::timing::Chance;
use super::{Access, Api, Status, Timing};
use crate::kubernetes::objects::{Change, Key, Kind, Object};
use crate::kubernetes::source::selector::Selector;
use crate::kubernetes::source::{Running, Source, Wanted, feed};
use crate::trial::Logged;

#[path = "credentials_tests.rs"]
mod credentials;
#[path = "ways_tests.rs"]
mod ways;

/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// Times that let tests end soon. What is counted over a while has wide bounds: a machine may be slow, but a storm is
/// thousands.
fn quick() -> Timing {
    let ms = Duration::from_millis;
    Timing {
        first_byte: ms(1000),
        stall: ms(500),
        floor_bytes: 1,
        watch_min: ms(2000),
        watch_max: ms(2000),
        grace: ms(500),
        watch_interval: ms(40),
        short_watch: ms(100),
        watch_burst: 3,
        away_interval: ms(30),
        refusal_grace: ms(200),
        backoff_max: ms(300),
        list_burst: 5,
        list_interval: ms(500),
        list_jitter: ms(10),
        audit_pace: ms(60_000),
        audit_max: ms(60_000),
        audit_settle: ms(200),
        stale_after: ms(3000),
        chance: Chance::default(),
    }
}

/// What an index would hold: the version of each object.
#[derive(Debug, Default)]
struct Model {
    /// The objects.
    held: BTreeMap<Key, String>,
    /// What the lists that have begun have shown.
    lists: BTreeMap<Kind, BTreeSet<Key>>,
    /// Which kinds had a whole list, and how many.
    whole: BTreeMap<Kind, usize>,
}

impl Model {
    /// Applies one change.
    fn apply(&mut self, change: Change) {
        match change {
            Change::ListBegin(kind) => drop(self.lists.insert(kind, BTreeSet::new())),
            Change::Apply(object) => {
                let key = object.key();
                if let Some(list) = self.lists.get_mut(&key.kind) {
                    list.insert(key.clone());
                }
                self.held.insert(key, object.metadata().resource_version.to_string());
            }
            Change::Delete(gone) => drop(self.held.remove(&gone.key)),
            Change::ListEnd(kind) => {
                let list = self.lists.remove(&kind).expect("a list ends that has begun");
                self.held.retain(|key, _| key.kind != kind || list.contains(key));
                *self.whole.entry(kind).or_default() += 1;
            }
            Change::Reached(..) => {}
        }
    }

    /// Names what is held of a kind.
    fn names(&self, kind: Kind) -> Vec<&str> {
        self.held.keys().filter(|key| key.kind == kind).map(|key| &*key.name).collect()
    }
}

/// A source that runs, and what came out of it.
struct Run {
    /// Its tasks.
    running: Running,
    /// Its changes.
    changes: mpsc::Receiver<Change>,
    /// What they amount to.
    model: Model,
    /// What it tells of itself.
    status: Arc<Status>,
}

impl Run {
    /// Takes the next change of an object or a list; none if the source has ended.
    async fn next(&mut self) -> Option<Change> {
        loop {
            match self.changes.recv().await {
                Some(Change::Reached(..)) => {}
                change => return change,
            }
        }
    }

    /// Starts to read `kinds` from `url`.
    async fn start(url: &str, kinds: &[Kind]) -> Self {
        let access = Access::Endpoint { url: url.to_owned(), tls: None };
        Self::with(access, Wanted { kinds: kinds.to_vec(), ..Wanted::default() }, quick()).await
    }

    /// Starts to read what is wanted.
    async fn with(access: Access, wanted: Wanted, timing: Timing) -> Self {
        let api = Api::new(access).unwrap().with_timing(timing);
        let (feed, changes) = feed();
        let status = api.status();
        let running = Source::Api(Box::new(api)).start(&wanted, feed).await.unwrap();
        Self { running, changes, model: Model::default(), status }
    }

    /// Applies changes until the model is as expected.
    async fn until(&mut self, what: &str, is_right: impl Fn(&Model) -> bool) {
        let wait = async {
            while !is_right(&self.model) {
                self.model.apply(self.changes.recv().await.expect("the source runs"));
            }
        };
        if timeout(PATIENCE, wait).await.is_err() {
            panic!("waited in vain for: {what}; {:?}", self.model);
        }
    }

    /// Applies changes until these services are held.
    async fn until_services(&mut self, names: &[&str]) {
        self.until(&format!("{names:?}"), |model| {
            model.whole.contains_key(&Kind::Service) && model.names(Kind::Service) == names
        })
        .await;
    }

    /// Applies changes for a while.
    async fn during(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while let Ok(change) = tokio::time::timeout_at(end, self.changes.recv()).await {
            self.model.apply(change.expect("the source runs"));
        }
    }
}

/// A service.
fn service(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "n"},
        "spec": {"clusterIP": "10.0.0.1"}})
}

/// Starts a server with these services.
async fn sim(names: &[&str]) -> KubeSim {
    sim_of(KubeSim::builder(), names).await
}

/// Starts a server as built with these services.
async fn sim_of(builder: kubesim::Builder, names: &[&str]) -> KubeSim {
    let sim = builder.start().await.unwrap();
    put(&sim, names);
    sim
}

/// Puts services.
fn put(sim: &KubeSim, names: &[&str]) {
    for name in names {
        sim.put(service(name));
    }
}

/// Names that many services, and puts them.
fn put_many(sim: &KubeSim, count: usize) -> Vec<String> {
    let names: Vec<String> = (0..count).map(|at| format!("s{at:04}")).collect();
    put(sim, &names.iter().map(String::as_str).collect::<Vec<_>>());
    names
}

/// Counts the requests that are wanted.
fn count(sim: &KubeSim, is_wanted: impl Fn(&Recorded) -> bool) -> usize {
    sim.requests().iter().filter(|request| is_wanted(request)).count()
}

/// A hook made of two closures.
struct Meddle<R, E>(R, E);

impl<R, E> Hook for Meddle<R, E>
where
    R: Fn(&Recorded) -> Verdict + Send + Sync + 'static,
    E: Fn(&Recorded, Bytes) -> Vec<Step> + Send + Sync + 'static,
{
    fn request(&self, request: &Recorded) -> Verdict {
        self.0(request)
    }

    fn event(&self, request: &Recorded, line: Bytes) -> Vec<Step> {
        self.1(request, line)
    }
}

/// A hook that decides over requests.
fn on_request(decide: impl Fn(&Recorded) -> Verdict + Send + Sync + 'static) -> impl Hook {
    Meddle(decide, |_: &Recorded, line: Bytes| vec![Step::Send(line)])
}

/// A hook that decides over events.
fn on_event(decide: impl Fn(&Recorded, Bytes) -> Vec<Step> + Send + Sync + 'static) -> impl Hook {
    Meddle(|_: &Recorded| Verdict::Answer, decide)
}

/// A hook that changes nothing.
fn honest() -> impl Hook {
    on_request(|_| Verdict::Answer)
}

/// Says whether a line is a bookmark.
fn is_bookmark(line: &Bytes) -> bool {
    serde_json::from_slice::<Value>(line).is_ok_and(|event| event["type"] == "BOOKMARK")
}

/// Refuses with a code.
fn refuse(code: u16) -> Verdict {
    Verdict::Refuse { code, retry_after: None }
}

#[tokio::test]
async fn everything_is_read_and_followed() {
    let sim = sim(&["a", "b"]).await;
    let mut run = Run::start(&sim.url(), &[Kind::Service, Kind::Namespace]).await;
    run.until_services(&["a", "b"]).await;
    sim.put(service("c"));
    sim.delete("Service", "n", "a");
    run.until_services(&["b", "c"]).await;
    sim.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}}));
    run.until("the namespace", |model| model.names(Kind::Namespace) == ["n"]).await;
    let version = sim.put(service("b")).to_string();
    run.until("the new version", |model| model.held.values().any(|held| *held == version)).await;
    assert_eq!(count(&sim, |_| true), 2, "one watch for each kind: {:?}", sim.requests());
    let agent = &sim.requests()[0].user_agent;
    assert!(agent.starts_with("ferrodns/"), "{agent}");
    let status = run.status.of(Kind::Service);
    assert_eq!((status.version(), status.counters.lists.get()), (version, 1));
    assert!(status.age().is_some_and(|age| age < PATIENCE));
    run.running.stop().await;
    sim.shutdown().await;
}

#[tokio::test]
async fn a_stopped_source_asks_nothing_more() {
    let sim = sim(&["a"]).await;
    let mut run = Run::start(&sim.url(), &[Kind::Service]).await;
    run.until_services(&["a"]).await;
    std::mem::take(&mut run.running).stop().await;
    assert!(run.next().await.is_none());
    sim.shutdown().await;
}

#[tokio::test]
async fn what_an_earlier_run_knew_is_listed_by_the_first_audit() {
    let sim = sim(&["a"]).await;
    let known = [(Kind::Service, sim.version().to_string().into())].into();
    let wanted = Wanted { kinds: vec![Kind::Service], known, ..Wanted::default() };
    let access = Access::Endpoint { url: sim.url(), tls: None };
    let timing = Timing { audit_pace: Duration::from_millis(50), ..quick() };
    let mut run = Run::with(access, wanted, timing).await;
    // The watch goes on from that version, so nothing but a list tells of the service.
    run.until_services(&["a"]).await;
    assert_eq!(run.status.of(Kind::Service).counters.drift_repaired.get(), 0, "nothing was known to be wrong");
    run.running.stop().await;
    sim.shutdown().await;
}

#[tokio::test]
async fn an_old_server_is_listed_in_pages() {
    for code in [400, 422] {
        let sim = KubeSim::builder().watch_list(WatchList::Refused(code)).start().await.unwrap();
        let names = put_many(&sim, 1201);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        // A first list of version 0 comes whole; only the newest comes in pages.
        sim.set_hook(on_request(
            |request| {
                if request.param("resourceVersion") == "0" { refuse(410) } else { Verdict::Answer }
            },
        ));
        let mut run = Run::start(&sim.url(), &[Kind::Service]).await;
        run.until_services(&names).await;
        sim.delete("Service", "n", "s0000");
        run.until_services(&names[1..]).await;
        let pages =
            count(&sim, |request| request.param("limit") == "500" && request.param("resourceVersion").is_empty());
        let tokens = count(&sim, |request| !request.param("continue").is_empty());
        assert_eq!((pages, tokens), (3, 2), "{:?}", sim.requests());
        run.running.stop().await;
        sim.shutdown().await;
    }
}

#[tokio::test]
async fn initial_events_without_an_end_give_way_to_a_list() {
    let sim = sim(&["a"]).await;
    sim.set_hook(on_event(|request, line| {
        let is_end = is_bookmark(&line) && request.param("sendInitialEvents") == "true";
        if is_end { Vec::new() } else { vec![Step::Send(line)] }
    }));
    let mut run = Run::start(&sim.url(), &[Kind::Service]).await;
    run.until_services(&["a"]).await;
    sim.put(service("b"));
    run.until_services(&["a", "b"]).await;
    run.running.stop().await;
    sim.shutdown().await;
}

#[tokio::test]
async fn pages_that_expire_give_way_to_one_list() {
    let sim = KubeSim::builder().watch_list(WatchList::Refused(422)).start().await.unwrap();
    let names = put_many(&sim, 600);
    sim.set_hook(on_request(|request| {
        let is_old = request.param("resourceVersion") == "0" || !request.param("continue").is_empty();
        if is_old { refuse(410) } else { Verdict::Answer }
    }));
    let mut run = Run::start(&sim.url(), &[Kind::Service]).await;
    run.until_services(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let lists = count(&sim, |request| !request.is_watch());
    assert_eq!(lists, 5, "version 0 twice, a page, its token, everything: {:?}", sim.requests());
    run.running.stop().await;
    sim.shutdown().await;
}

#[tokio::test]
async fn a_version_that_expired_leads_to_a_new_list() {
    for how in [WatchExpired::Event, WatchExpired::Http] {
        let sim = sim_of(KubeSim::builder().watch_expired(how), &["a", "b"]).await;
        let mut run = Run::start(&sim.url(), &[Kind::Service]).await;
        run.until_services(&["a", "b"]).await;
        // Away while things happen and are forgotten.
        sim.set_hook(Meddle(|_: &Recorded| refuse(503), |_: &Recorded, _| vec![Step::Cut]));
        sim.delete("Service", "n", "a");
        sim.put(service("c"));
        sim.compact();
        sim.put(service("d"));
        run.during(Duration::from_millis(200)).await;
        assert_eq!(run.model.names(Kind::Service), ["a", "b"], "what was known stays");
        let before = sim.requests().len();
        sim.set_hook(honest());
        run.until_services(&["b", "c", "d"]).await;
        assert_eq!(run.model.whole[&Kind::Service], 2);
        let asked = sim.requests().len() - before;
        assert!(asked <= 3, "{how:?}: {asked} requests");
        run.running.stop().await;
        sim.shutdown().await;
    }
}

#[tokio::test]
async fn bookmarks_keep_the_version_young() {
    let builder = KubeSim::builder().bookmark_period(Duration::from_millis(50));
    let sim = sim_of(builder, &["a"]).await;
    let mut run = Run::start(&sim.url(), &[Kind::Service]).await;
    run.until_services(&["a"]).await;
    let version =
        sim.put(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "n"}}));
    let status = Arc::clone(&run.status);
    let held = async {
        while status.of(Kind::Service).version() != version.to_string() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, held).await.expect("a bookmark with the version of another kind");
    sim.compact();
    sim.wait_for_requests(|requests| requests.len() >= 2).await;
    sim.put(service("b"));
    run.until_services(&["a", "b"]).await;
    assert_eq!(run.model.whole[&Kind::Service], 1, "no second list");
    run.running.stop().await;
    sim.shutdown().await;
}

#[tokio::test]
async fn selectors_are_asked_for() {
    let sim = sim(&["a"]).await;
    let mut labelled = service("b");
    labelled["metadata"]["labels"] = json!({"app": "web"});
    sim.put(labelled);
    for (name, phase) in [("live", "Running"), ("done", "Succeeded")] {
        sim.put(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "n",
            "labels": {"app": "web"}}, "status": {"phase": phase}}));
    }
    for (name, label) in [("own", "kubernetes.io/service-name"), ("far", "multicluster.kubernetes.io/service-name")] {
        sim.put(json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": name,
            "namespace": "n", "labels": {"app": "web", label: "b"}}, "addressType": "IPv4", "endpoints": []}));
    }
    let access = Access::Endpoint { url: sim.url(), tls: None };
    let labels = Selector::parse("app in (web)").unwrap();
    let mut run = Run::with(access, Wanted { kinds: Kind::ALL.to_vec(), labels, ..Wanted::default() }, quick()).await;
    run.until("all kinds", |model| model.whole.len() == Kind::ALL.len()).await;
    assert_eq!(run.model.names(Kind::Service), ["b"]);
    assert_eq!(run.model.names(Kind::Pod), ["live"]);
    assert_eq!(run.model.names(Kind::EndpointSlice), ["far", "own"]);
    assert_eq!(run.model.names(Kind::ImportedSlice), ["far"]);
    run.running.stop().await;
    sim.shutdown().await;
}

#[tokio::test]
async fn a_kind_that_is_forbidden_holds_up_no_other_and_comes_when_it_may() {
    let sim = sim(&["a"]).await;
    sim.forbid("endpointslices");
    let mut run = Run::start(&sim.url(), &[Kind::EndpointSlice, Kind::Service]).await;
    run.until_services(&["a"]).await;
    run.during(Duration::from_millis(1000)).await;
    assert!(!run.model.whole.contains_key(&Kind::EndpointSlice));
    let asked = count(&sim, |request| request.path.ends_with("endpointslices"));
    assert!((2..=20).contains(&asked), "{asked} requests in a second");
    sim.allow("endpointslices");
    run.until("the slices", |model| model.whole.contains_key(&Kind::EndpointSlice)).await;
    run.running.stop().await;
    sim.shutdown().await;
}

#[tokio::test]
async fn a_server_that_is_gone_and_comes_back_with_another_history() {
    let first = sim(&["a", "b", "c", "d", "e"]).await;
    let address = first.address();
    let mut run = Run::start(&first.url(), &[Kind::Service, Kind::Namespace]).await;
    run.until_services(&["a", "b", "c", "d", "e"]).await;
    first.shutdown().await;
    run.during(Duration::from_millis(200)).await;
    assert_eq!(run.model.names(Kind::Service).len(), 5, "what was known stays");
    // Fewer changes than before: its versions are behind those that are held.
    let second = sim_of(KubeSim::builder().listen(address), &["x"]).await;
    let back = Instant::now();
    run.until_services(&["x"]).await;
    assert!(back.elapsed() < Duration::from_secs(5), "{:?}", back.elapsed());
    second.put(service("y"));
    run.until_services(&["x", "y"]).await;
    run.running.stop().await;
    second.shutdown().await;
}

#[tokio::test]
async fn a_server_that_is_not_there_yet_is_asked_in_turns() {
    let sim = sim(&["a"]).await;
    sim.set_hook(on_request(|_| refuse(500)));
    let kinds = [Kind::Service, Kind::Namespace, Kind::Pod, Kind::EndpointSlice];
    let mut run = Run::start(&sim.url(), &kinds).await;
    run.during(Duration::from_millis(900)).await;
    let asked = sim.requests().len();
    assert!((2..=50).contains(&asked), "{asked} requests where 30 ms apart were meant");
    sim.set_hook(honest());
    run.until("all kinds", |model| model.whole.len() == kinds.len()).await;
    run.running.stop().await;
    sim.shutdown().await;
}

#[tokio::test]
async fn one_bad_object_costs_itself() {
    let bad = |name: &str| {
        let mut object = service(name);
        object["spec"]["ports"] = json!("http");
        object
    };
    for mode in [WatchList::Supported, WatchList::Refused(422)] {
        let sim = sim_of(KubeSim::builder().watch_list(mode), &["a", "c"]).await;
        sim.put(bad("b"));
        let mut run = Run::start(&sim.url(), &[Kind::Service]).await;
        run.until_services(&["a", "c"]).await;
        sim.put(bad("d"));
        sim.put(service("e"));
        run.until_services(&["a", "c", "e"]).await;
        assert_eq!(run.status.of(Kind::Service).counters.decode_errors.get(), 2);
        assert_eq!(run.model.whole[&Kind::Service], 1);
        run.running.stop().await;
        sim.shutdown().await;
    }
}

#[tokio::test]
async fn garbage_in_a_watch_leads_to_a_new_list() {
    let sim = sim(&["a"]).await;
    let mut run = Run::start(&sim.url(), &[Kind::Service]).await;
    run.until_services(&["a"]).await;
    let sent = AtomicUsize::new(0);
    sim.set_hook(on_event(move |_, line| match sent.fetch_add(1, Ordering::Relaxed) {
        0 => vec![Step::Send(Bytes::from_static(b"garbage\n"))],
        _ => vec![Step::Send(line)],
    }));
    sim.put(service("b"));
    run.until("a second list", |model| model.whole[&Kind::Service] == 2).await;
    assert_eq!(run.model.names(Kind::Service), ["a", "b"]);
    run.running.stop().await;
    sim.shutdown().await;
}

#[tokio::test]
async fn a_version_that_goes_back_leads_to_a_new_list() {
    let sim = sim(&["a"]).await;
    let mut run = Run::start(&sim.url(), &[Kind::Service]).await;
    run.until_services(&["a"]).await;
    let sent = AtomicUsize::new(0);
    sim.set_hook(on_event(move |_, line| {
        if sent.fetch_add(1, Ordering::Relaxed) > 0 {
            return vec![Step::Send(line)];
        }
        let mut event: Value = serde_json::from_slice(&line).unwrap();
        event["object"]["metadata"]["resourceVersion"] = json!("1");
        vec![Step::Send(format!("{event}\n").into())]
    }));
    let version = sim.put(service("a")).to_string();
    run.until("the newest version", |model| model.held.values().all(|held| *held == version)).await;
    run.until("a second list", |model| model.whole[&Kind::Service] == 2).await;
    run.running.stop().await;
    sim.shutdown().await;
}

#[tokio::test]
async fn an_answer_that_never_comes_is_not_waited_for() {
    let sim = sim(&["a"]).await;
    let asked = AtomicUsize::new(0);
    let first =
        move |_: &Recorded| if asked.fetch_add(1, Ordering::Relaxed) < 2 { Verdict::Hang } else { Verdict::Answer };
    sim.set_hook(on_request(first));
    let mut run = Run::start(&sim.url(), &[Kind::Service]).await;
    run.until_services(&["a"]).await;
    run.running.stop().await;
    sim.shutdown().await;
}

#[tokio::test]
async fn a_watch_that_falls_silent_is_begun_anew() {
    let sim = sim(&["a"]).await;
    let mut run = Run::start(&sim.url(), &[Kind::Service]).await;
    run.until_services(&["a"]).await;
    sim.set_hook(on_event(|request, line| if request.number == 0 { vec![Step::Hang] } else { vec![Step::Send(line)] }));
    sim.put(service("b"));
    let start = Instant::now();
    run.until_services(&["a", "b"]).await;
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    assert_eq!(run.model.whole[&Kind::Service], 1, "the watch tells, no list is needed");
    run.running.stop().await;
    sim.shutdown().await;
}

#[tokio::test]
async fn watches_that_end_at_once_are_no_storm() {
    for step in [Step::Close, Step::Cut] {
        let sim = sim_of(KubeSim::builder().bookmark_period(Duration::from_millis(10)), &["a"]).await;
        let mut run = Run::start(&sim.url(), &[Kind::Service]).await;
        run.until_services(&["a"]).await;
        let end = step.clone();
        sim.set_hook(on_event(
            move |_, line| if is_bookmark(&line) { vec![end.clone()] } else { vec![Step::Send(line)] },
        ));
        run.during(Duration::from_millis(1500)).await;
        let asked = count(&sim, Recorded::is_watch);
        assert!((2..=15).contains(&asked), "{step:?}: {asked} watches in 1.5 s");
        assert_eq!(run.model.whole[&Kind::Service], 1, "no list was needed");
        run.running.stop().await;
        sim.shutdown().await;
    }
}

#[tokio::test]
async fn a_server_where_every_watch_expires_is_not_stormed() {
    let sim = sim(&["a"]).await;
    let is_first = |request: &Recorded| request.param("sendInitialEvents") == "true";
    sim.set_hook(Meddle(
        move |request: &Recorded| if request.is_watch() && !is_first(request) { refuse(410) } else { Verdict::Answer },
        |_: &Recorded, line: Bytes| {
            let end = is_bookmark(&line).then_some(Step::Close);
            [Step::Send(line)].into_iter().chain(end).collect()
        },
    ));
    let mut run = Run::start(&sim.url(), &[Kind::Service]).await;
    run.during(Duration::from_millis(2000)).await;
    let lists = run.model.whole[&Kind::Service];
    assert!((2..=10).contains(&lists), "{lists} lists in 2 s");
    run.running.stop().await;
    sim.shutdown().await;
}

#[tokio::test]
async fn a_busy_server_is_given_the_time_that_it_asks_for() {
    let sim = sim(&["a"]).await;
    sim.set_hook(on_request(|request| {
        if request.number == 0 { Verdict::Refuse { code: 429, retry_after: Some(1) } } else { Verdict::Answer }
    }));
    let start = Instant::now();
    let mut run = Run::start(&sim.url(), &[Kind::Service]).await;
    run.until_services(&["a"]).await;
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_eq!(sim.requests().len(), 2);
    run.running.stop().await;
    sim.shutdown().await;
}

#[tokio::test]
async fn deletions_carry_the_time_of_their_cause() {
    let sim = KubeSim::start().await.unwrap();
    let time = "2026-01-01T00:00:00Z";
    sim.put(json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "x",
        "namespace": "n", "annotations": {"endpoints.kubernetes.io/last-change-trigger-time": time}}}));
    let mut run = Run::start(&sim.url(), &[Kind::EndpointSlice]).await;
    run.until("the slice", |model| model.names(Kind::EndpointSlice) == ["x"] && !model.whole.is_empty()).await;
    sim.delete("EndpointSlice", "n", "x");
    let Some(Change::Delete(gone)) = run.next().await else { panic!("no deletion") };
    assert_eq!(gone.change_trigger.as_deref(), Some(time));
    assert!(matches!(Object::decode(Kind::EndpointSlice, json!({})), Ok(Object::EndpointSlice(_))));
    run.running.stop().await;
    sim.shutdown().await;
}
