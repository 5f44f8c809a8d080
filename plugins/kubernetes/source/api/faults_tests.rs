//! The catalogue of failures of the API server, one test each, in the time that the program takes in a cluster.
//!
//! Connections, certificates and tokens are tested over real sockets, in `tests`.

use std::time::Duration;

use kubesim::{Builder, Connections, End, EventFault, Fault, Flow, KubeSim, Recorded, Rule, Step, Verb, Verdict};
use kubesim::{WatchExpired, WatchList};
use serde_json::json;
use tokio::time::sleep;

use super::world_tests::{PANICS, World, put, service};
use crate::kubernetes::index::tests::at;
use crate::kubernetes::objects::Kind;

/// The longest that a picture may be wrong while the server can be reached.
const BOUND: Duration = Duration::from_secs(65);
/// How soon a new object must be seen once the server is there again.
const BACK: Duration = Duration::from_secs(1);

/// Shortens a number of seconds.
const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Refuses requests.
fn refuse(code: u16, retry_after: Option<u64>) -> Rule {
    Rule::new(Fault::Request(Verdict::Refuse { code, retry_after }))
}

/// Shapes responses.
fn shape(flow: Flow) -> Rule {
    Rule::new(Fault::Request(Verdict::Shape(flow)))
}

/// Does something to events.
fn event(fault: EventFault) -> Rule {
    Rule::new(Fault::Event(fault))
}

/// Whether a request is a list.
fn is_list(request: &Recorded) -> bool {
    !request.is_watch() || request.param("sendInitialEvents") == "true"
}

/// A server whose watches bring bookmarks so seldom that only their ends do.
fn builder() -> Builder {
    KubeSim::builder()
}

#[tokio::test(start_paused = true)]
async fn a1_an_api_that_is_down_at_the_start_is_asked_twice_a_second() {
    let kinds = [Kind::Namespace, Kind::Service, Kind::EndpointSlice];
    let world = World::new(builder(), &kinds, async |sim| sim.inject(refuse(503, None))).await;
    sleep(seconds(55)).await;
    let asked = world.asked(|_| true);
    assert!((100..=160).contains(&asked), "{asked} requests in 60 s");
    let lines = world.lines();
    assert!(
        lines.iter().any(|line| {
            let why = line.strip_prefix("[WARN] plugin/kubernetes: starting server with unsynced Kubernetes API: ");
            why.is_some_and(|why| !why.contains("has not answered"))
        }),
        "{lines:#?}"
    );
    let told = lines.iter().filter(|line| line.contains("has not given")).count();
    assert_eq!(told, kinds.len(), "{lines:#?}");
    world.sim.put(service("a", 1));
    world.sim.heal();
    let took = world.until(|world| world.has(&["a"])).await;
    assert!(took <= BACK, "{took:?}");
    assert!(world.metric("request_failures_total{reason=\"away\",resource=\"services\"}") >= 20.0);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a2_an_api_that_is_away_for_ten_minutes_is_told_of_once_and_seen_at_once() {
    for refused in [Connections::Refuse, Connections::Reset] {
        let world = World::with_services(builder()).await;
        world.sim.set_connections(refused).await;
        world.sim.cut_connections();
        world.lines();
        world.during(seconds(600), |world| world.has(&["a", "b"])).await;
        assert!(world.metric("watch_age_seconds{resource=\"services\"}") >= 600.0);
        let lines = world.lines();
        assert_eq!(lines.len(), 1, "{lines:#?}");
        assert!(lines[0].starts_with(
            "[WARN] plugin/kubernetes: the picture of services is 62 s old, nothing has been heard since "
        ));
        assert!(lines[0].contains("https://kubernetes.test/"), "{lines:#?}");
        world.sim.put(service("c", 3));
        world.sim.set_connections(Connections::Serve).await;
        let took = world.until(|world| world.has(&["a", "b", "c"])).await;
        assert!(took <= BACK, "{refused:?}: {took:?}");
        sleep(seconds(3)).await;
        let lines = world.lines();
        assert_eq!(lines.len(), 1, "{lines:#?}");
        assert!(
            lines[0].starts_with("[INFO] plugin/kubernetes: the picture of services is right again, it was up to 59")
        );
        assert_eq!(world.services().counters.lists.get(), 1, "the watch goes on where it was");
        world.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a2_outages_of_any_length_are_over_within_a_second() {
    for away in [0, 1, 4, 17, 40, 95, 300] {
        for is_compacted in [false, true] {
            let world = World::with_services(builder()).await;
            sleep(seconds(6)).await;
            world.sim.set_connections(Connections::Refuse).await;
            world.sim.cut_connections();
            sleep(seconds(away)).await;
            world.sim.put(service("c", 3));
            if is_compacted {
                world.sim.compact();
            }
            // A server that starts refuses everybody for a moment.
            world.sim.inject(refuse(403, None));
            world.sim.set_connections(Connections::Serve).await;
            sleep(Duration::from_millis(away * 700 % 3000)).await;
            world.sim.heal();
            let took = world.until(|world| world.has(&["a", "b", "c"])).await;
            assert!(took <= BACK, "{away} s away, compacted {is_compacted}: {took:?}");
            let lines = world.lines();
            assert!(!lines.iter().any(|line| line.starts_with("[ERROR]")), "nobody need act: {lines:#?}");
            world.end().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a3_flapping_costs_no_lists() {
    let world = World::with_services(builder()).await;
    let before = world.asked(|_| true);
    for _ in 0..50 {
        world.sim.set_connections(Connections::Refuse).await;
        world.sim.cut_connections();
        world.during(seconds(3), |world| world.has(&["a", "b"])).await;
        world.sim.set_connections(Connections::Serve).await;
        world.during(seconds(3), |world| world.has(&["a", "b"])).await;
    }
    let asked = world.asked(|_| true) - before;
    assert!(asked <= 50 * 3, "{asked} requests in 50 rounds: a probe and a watch each");
    assert_eq!(world.services().counters.lists.get(), 1);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a4_what_happened_while_we_were_cut_off_is_seen() {
    let world = World::with_services(builder()).await;
    world.sim.set_connections(Connections::Refuse).await;
    world.sim.cut_connections();
    world.sim.delete("Service", "n", "a");
    world.sim.put(service("c", 3));
    sleep(seconds(20)).await;
    world.sim.set_connections(Connections::Serve).await;
    let took = world.until(|world| world.has(&["b", "c"])).await;
    assert!(took <= BACK, "{took:?}");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a5_gone_leads_to_a_list_and_no_empty_window() {
    for how in [WatchExpired::Event, WatchExpired::Http] {
        let world = World::with_services(builder().watch_expired(how)).await;
        world.sim.set_connections(Connections::Refuse).await;
        world.sim.cut_connections();
        world.sim.delete("Service", "n", "b");
        world.sim.put(service("c", 3));
        world.sim.compact();
        // The list takes some seconds, and what was known is answered meanwhile.
        world.sim.inject(shape(Flow { pause: Duration::from_millis(700), ..Flow::default() }));
        world.sim.set_connections(Connections::Serve).await;
        world.during(Duration::from_millis(500), |world| world.has(&["a", "b"])).await;
        world.until(|world| world.address("a") != "nxdomain" && world.has(&["a", "c"])).await;
        assert_eq!(world.services().counters.lists.get(), 2);
        assert!(world.metric("request_failures_total{reason=\"expired\",resource=\"services\"}") >= 1.0);
        world.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a5_a_server_where_every_version_is_gone_is_not_stormed() {
    let world = World::with_services(builder()).await;
    world.sim.inject(event(EventFault::Expired).on(Verb::Watch));
    world.sim.cut_connections();
    for at in 0..600 {
        sleep(seconds(1)).await;
        world.sim.put(service("a", u8::try_from(at % 200).unwrap()));
    }
    let asked = world.asked(is_list);
    assert!((10..=140).contains(&asked), "{asked} lists in ten minutes");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a5_pages_that_expire_give_way_to_one_list() {
    let put = async |sim: &KubeSim| {
        (0..1200).for_each(|at| put(sim, [service(&format!("s{at}"), 1)]));
        sim.put(service("e", 5));
        sim.inject(refuse(410, None).on(Verb::Continue));
    };
    let kinds = [Kind::Service];
    let world = World::new(builder().watch_list(WatchList::Refused(400)), &kinds, put).await;
    let took = world.until(|world| world.has(&["e"])).await;
    assert!(took <= BACK && world.metric("objects{resource=\"services\"}") == 1201.0, "{took:?}");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a6_a_watch_that_falls_silent_is_noticed_within_65_s() {
    for round in 0..20 {
        let world = World::with_services(builder()).await;
        // From a moment on nothing comes any more, not even the end; new watches are all right.
        sleep(seconds(round * 3)).await;
        let watches = world.services().counters.watches_started.get();
        let silent = event(EventFault::End(Step::Hang)).numbers(0..1);
        world.sim.inject(silent);
        world.sim.put(service("c", 3));
        let took = world.until(|world| world.has(&["a", "b", "c"])).await;
        assert!(took <= BOUND, "{took:?}");
        assert!(world.services().counters.lists.get() <= 2, "the next watch tells; only an audit may be earlier");
        assert!(world.services().counters.watches_started.get() <= watches + 2);
        world.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a6_watches_that_stay_mute_are_told_of_and_a_list_tells_the_truth() {
    let world = World::with_services(builder()).await;
    world.lines();
    // Something on the way keeps all events back, bookmarks too; other requests pass.
    world.sim.inject(event(EventFault::End(Step::Hang)));
    world.sim.cut_connections();
    world.sim.put(service("c", 3));
    let took = world.until(|world| world.has(&["a", "b", "c"])).await;
    assert!(took <= seconds(190), "{took:?}");
    let lines = world.lines();
    assert!(lines[0].starts_with("[WARN] plugin/kubernetes: the picture of services is 62 s old"), "{lines:#?}");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a7_a_response_that_never_begins_is_given_up() {
    for verb in [Verb::Watch, Verb::List] {
        let builder =
            builder().watch_list(if verb == Verb::List { WatchList::Refused(422) } else { WatchList::Supported });
        let hang = async |sim: &KubeSim| {
            sim.put(service("a", 1));
            sim.inject(Rule::new(Fault::Request(Verdict::Hang)).on(verb).numbers(0..1));
        };
        let world = World::new(builder, &[Kind::Service], hang).await;
        let took = world.until(|world| world.has(&["a"])).await;
        assert!(took <= seconds(16), "{verb:?}: {took:?}");
        assert_eq!(world.services().counters.failures.of("silent"), 1);
        world.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a7_a_response_that_hangs_after_its_head_or_drips_is_given_up() {
    let drip = Flow { bytes_per_second: Some(4), ..Flow::default() };
    let hang = Flow { end: Some((0, End::Hang)), ..Flow::default() };
    for flow in [drip, hang] {
        for mode in [WatchList::Supported, WatchList::Refused(422)] {
            let prepare = async |sim: &KubeSim| {
                sim.put(service("a", 1));
                sim.inject(shape(flow).numbers(0..2));
            };
            let world = World::new(builder().watch_list(mode), &[Kind::Service], prepare).await;
            let took = world.until(|world| world.has(&["a"])).await;
            assert!(took <= seconds(30), "{flow:?} {mode:?}: {took:?}");
            assert!(world.services().counters.failures.of("cut") >= 1);
            world.end().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a7_a_slow_but_steady_list_is_waited_for() {
    let prepare = async |sim: &KubeSim| {
        (0..400).for_each(|at| put(sim, [service(&format!("s{at}"), 1)]));
        sim.put(service("a", 1));
        sim.inject(shape(Flow { bytes_per_second: Some(2000), delay: seconds(5), ..Flow::default() }));
    };
    let world = World::new(builder().watch_list(WatchList::Refused(422)), &[Kind::Service], prepare).await;
    let took = world.until(|world| world.services().counters.lists.get() == 1).await;
    assert!((seconds(30)..seconds(120)).contains(&took), "{took:?}");
    assert_eq!(world.services().counters.failures.of("cut"), 0);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a8_watches_that_break_off_at_once_are_no_storm() {
    let mid_json = Flow { end: Some((20, End::Cut)), ..Flow::default() };
    for flow in [mid_json, Flow { end: Some((0, End::Close)), ..Flow::default() }] {
        let world = World::with_services(builder()).await;
        world.sim.inject(shape(flow).on(Verb::Watch));
        world.sim.cut_connections();
        let before = world.asked(|_| true);
        for at in 0..60 {
            world.sim.put(service("a", at));
            sleep(seconds(10)).await;
        }
        let asked = world.asked(|_| true) - before;
        assert!((20..=200).contains(&asked), "{flow:?}: {asked} requests in ten minutes");
        world.sim.heal();
        let took = world.until(|world| world.address("a") == "V4(10.0.0.59)").await;
        assert!(took <= seconds(16), "{took:?}");
        world.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a9_an_event_that_is_lost_is_found_by_the_audit() {
    for change in ["new", "changed", "gone"] {
        let world = World::with_services(builder().bookmark_period(seconds(10))).await;
        world.lines();
        world.sim.inject(event(EventFault::Skip).numbers(0..1));
        match change {
            "new" => put(&world.sim, [service("c", 3)]),
            "changed" => put(&world.sim, [service("a", 9)]),
            _ => assert!(world.sim.delete("Service", "n", "b").is_some()),
        }
        world.sim.put(service("d", 4));
        let is_right = |world: &World| match change {
            "new" => world.has(&["a", "b", "c", "d"]),
            "changed" => world.address("a") == "V4(10.0.0.9)" && world.has(&["a", "b", "d"]),
            _ => world.has(&["a", "d"]),
        };
        let took = world.until(is_right).await;
        // A minute to a minute and a half in small clusters, and 5 s for events that are on their way.
        assert!((seconds(30)..=seconds(96)).contains(&took), "{change}: {took:?}");
        assert_eq!(world.metric("drift_repaired_total{resource=\"services\"}"), 1.0);
        let line = "[WARN] plugin/kubernetes: 1 of the services held differ from the API server's and no event says why; they are read anew";
        assert_eq!(world.lines(), [line]);
        world.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a9_audits_find_nothing_where_nothing_was_lost() {
    let world = World::with_services(builder()).await;
    for at in 0..3000 {
        sleep(Duration::from_millis(300)).await;
        if at % 3 == 0 {
            world.sim.delete("Service", "n", "c");
        } else {
            world.sim.put(service("c", u8::try_from(at % 200).unwrap()));
        }
    }
    let audits = world.services().counters.audits.get();
    assert!((9..=15).contains(&audits), "{audits} audits in 15 minutes");
    assert_eq!((world.services().counters.lists.get(), world.services().counters.drift_repaired.get()), (1, 0));
    let metadata = world.asked(|request| request.accept.contains("as=PartialObjectMetadataList"));
    assert_eq!(metadata, usize::try_from(audits).unwrap(), "one page each");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a9_an_audit_gives_way_to_trouble_and_to_a_replica_that_lags() {
    let world = World::with_services(builder()).await;
    let version = world.sim.version();
    world.sim.put(service("a", 9));
    world.until(|world| world.address("a") == "V4(10.0.0.9)").await;
    world.sim.set_stale(Some(version - 1));
    world.during(seconds(300), |world| world.has(&["a", "b"])).await;
    assert_eq!(world.services().counters.drift_repaired.get(), 0);
    world.sim.set_stale(None);
    world.sim.inject(refuse(429, Some(1)).on(Verb::List));
    world.during(seconds(300), |world| world.has(&["a", "b"])).await;
    let lists = world.asked(|request| request.accept.contains("as=Partial"));
    assert!(lists <= 12, "{lists} audits in ten minutes");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a10_a_server_that_was_restored_from_a_backup_is_noticed() {
    let world = World::with_services(builder()).await;
    let old = world.sim.version();
    for at in 0..20 {
        world.sim.put(service("c", at));
    }
    world.until(|world| world.has(&["a", "b", "c"])).await;
    assert!(world.sim.restore(old));
    world.sim.cut_connections();
    world.sim.put(service("d", 4));
    // The version that we hold is in its future: a watch from there would be open and silent.
    let took = world.until(|world| world.has(&["a", "b", "d"])).await;
    assert!(took <= seconds(2), "{took:?}");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a10_an_event_older_than_what_is_held_is_refused() {
    let world = World::with_services(builder()).await;
    world.sim.inject(event(EventFault::Reorder).numbers(0..1));
    world.sim.put(service("a", 7));
    world.sim.put(service("a", 8));
    let took = world.until(|world| world.address("a") == "V4(10.0.0.8)").await;
    world.during(seconds(30), |world| world.address("a") == "V4(10.0.0.8)").await;
    assert!(took <= BACK, "{took:?}");
    assert_eq!(world.services().counters.lists.get(), 2, "order was lost, so a list");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a11_duplicates_and_strangers_do_no_harm() {
    let world = World::with_services(builder()).await;
    world.sim.inject(event(EventFault::Duplicate));
    world.sim.put(service("a", 7));
    world.sim.put(service("c", 3));
    world.sim.delete("Service", "n", "c");
    world.until(|world| world.has(&["a", "b"]) && world.address("a") == "V4(10.0.0.7)").await;
    world.sim.inject(event(EventFault::UnknownType).numbers(0..1));
    world.sim.put(service("d", 4));
    world.sim.put(service("e", 5));
    world.until(|world| world.has(&["a", "b", "e"]) || world.has(&["a", "b", "d", "e"])).await;
    assert_eq!(world.services().counters.lists.get(), 1);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a12_a_thousand_events_a_second_are_seen_as_they_come() {
    let world = World::with_services(builder()).await;
    for second in 0..20 {
        for at in 0..1000 {
            world.sim.put(service(&format!("s{}", at % 100), u8::try_from(at % 250).unwrap()));
        }
        world.sim.put(service("c", second + 1));
        let wanted = format!("V4(10.0.0.{})", second + 1);
        let took = world.until(|world| world.address("c") == wanted).await;
        assert!(took <= Duration::from_millis(100), "{took:?}");
        sleep(seconds(1)).await;
    }
    assert_eq!(world.services().counters.lists.get(), 1, "whoever keeps up needs no list");
    assert_eq!(world.services().counters.drift_repaired.get(), 0);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a22_an_address_that_moves_to_another_slice_is_never_missing() {
    let slice = |name: &str, addresses: &[&str]| {
        json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": name, "namespace": "n", "labels": {"kubernetes.io/service-name": "a"}},
            "endpoints": addresses.iter().map(|address| json!({"addresses": [address]})).collect::<Vec<_>>()})
    };
    let (first, second) = (slice("a-1", &["10.1.0.1", "10.1.0.2"]), slice("a-2", &["10.1.0.3"]));
    let objects = [service("a", 1), first, second];
    let world = World::new(builder(), &[Kind::Service, Kind::EndpointSlice], async |sim| put(sim, objects)).await;
    let found = |world: &World| at(&world.picture(), "10.1.0.2").len();
    world.until(|world| found(world) == 1).await;
    world.sim.put(slice("a-2", &["10.1.0.3", "10.1.0.2"]));
    world.during(seconds(1), |world| found(world) == 1).await;
    world.sim.put(slice("a-1", &["10.1.0.1"]));
    world.during(seconds(1), |world| found(world) == 1).await;
    world.sim.delete("EndpointSlice", "n", "a-2");
    world.until(|world| found(world) == 0).await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a14_an_object_that_is_wrong_strange_or_huge_costs_itself() {
    let mut wrong = service("b", 2);
    wrong["spec"]["ports"] = json!("http");
    let mut strange = service("c", 3);
    strange["spec"]["new"] = json!({"field": [1, null]});
    let mut huge = service("d", 4);
    huge["metadata"]["annotations"] = json!({"text": "x".repeat(1_500_000)});
    let modes = [WatchList::Supported, WatchList::Refused(422)];
    for (mode, is_protobuf) in modes.into_iter().flat_map(|mode| [(mode, false), (mode, true)]) {
        let objects = [service("a", 1), wrong.clone(), strange.clone(), huge.clone()];
        let builder = builder().watch_list(mode).protobuf(is_protobuf);
        let world = World::new(builder, &[Kind::Service], async |sim| put(sim, objects)).await;
        world.until(|world| world.has(&["a", "c", "d"])).await;
        sleep(seconds(600)).await;
        assert!(world.has(&["a", "c", "d"]));
        assert_eq!(world.services().counters.lists.get(), 2, "audits have made sure once, and do not mind any more");
        let told: Vec<String> = world.lines();
        let left_out = "[WARN] plugin/kubernetes: *v1.Service n/b is left out, it cannot be decoded: ";
        assert_eq!(told.iter().filter(|line| line.starts_with(left_out)).count(), 1, "{told:?}");
        assert_eq!(world.metric("decode_errors_total{resource=\"services\"}"), 2.0);
        world.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a14_an_event_that_was_garbled_is_repaired() {
    let faults = [(EventFault::Undecodable, seconds(96)), (EventFault::Garbage, BACK)];
    for ((fault, bound), is_protobuf) in faults.iter().flat_map(|fault| [(fault, false), (fault, true)]) {
        let world = World::with_services(builder().bookmark_period(seconds(10)).protobuf(is_protobuf)).await;
        world.sim.inject(event(fault.clone()).numbers(0..1));
        world.sim.put(service("a", 9));
        let took = world.until(|world| world.address("a") == "V4(10.0.0.9)").await;
        assert!(took <= *bound, "{fault:?}: {took:?}, in Protocol Buffers: {is_protobuf}");
        world.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a17_a_kind_that_is_forbidden_is_named_with_the_rule_that_is_missing() {
    let prepare = async |sim: &KubeSim| {
        sim.put(service("a", 1));
        sim.forbid("endpointslices");
    };
    let world = World::new(builder(), &[Kind::Service, Kind::EndpointSlice], prepare).await;
    world.until(|world| world.has(&["a"])).await;
    sleep(seconds(595)).await;
    let asked = world.asked(|request| request.path.ends_with("endpointslices"));
    assert!((40..=100).contains(&asked), "{asked} requests in ten minutes");
    let lines = world.lines();
    let told: Vec<&String> = lines.iter().filter(|line| line.starts_with("[ERROR]")).collect();
    let line = "[ERROR] plugin/kubernetes: Failed to watch: failed to list *v1.EndpointSlice: endpointslices is forbidden: \
        User \"system:serviceaccount:kube-system:coredns\" cannot watch resource \"endpointslices\" in API group \
        \"discovery.k8s.io\" at the cluster scope (allow us the verbs list and watch on endpointslices.discovery.k8s.io: add the \
        rule {apiGroups: [\"discovery.k8s.io\"], resources: [\"endpointslices\"], verbs: [\"list\", \"watch\"]} to our ClusterRole)";
    assert_eq!(told, [line]);
    world.sim.allow("endpointslices");
    let took = world.until(|world| world.status.of(Kind::EndpointSlice).age().is_some()).await;
    assert!(took <= seconds(16), "{took:?}");
    assert!(world.lines().iter().any(|line| line.ends_with("the Kubernetes API answers again for *v1.EndpointSlice")));
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a18_a_busy_server_is_obeyed() {
    let prepare = async |sim: &KubeSim| {
        sim.put(service("a", 1));
        sim.inject(refuse(429, Some(5)).numbers(0..20));
    };
    let world = World::new(builder(), &[Kind::Service], prepare).await;
    sleep(seconds(55)).await;
    let asked = world.asked(|_| true);
    assert!((11..=13).contains(&asked), "{asked} requests in 60 s, 5 s apart");
    let told = world.lines();
    let told: Vec<&String> =
        told.iter().filter(|line| line.contains("has not given") && line.contains("asks to wait")).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0]
            .ends_with("the server asks to wait for 5 s (the API server is overloaded; we ask again when it says so)")
    );
    world.until(|world| world.has(&["a"])).await;
    assert_eq!(world.services().counters.failures.of("throttled"), 20);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a18_errors_of_the_server_are_waited_out() {
    for code in [500, 503, 504, 401, 403] {
        let world = World::with_services(builder()).await;
        world.sim.inject(refuse(code, None));
        world.sim.cut_connections();
        let before = world.asked(|_| true);
        world.during(seconds(120), |world| world.has(&["a", "b"])).await;
        let asked = world.asked(|_| true) - before;
        assert!((10..=300).contains(&asked), "{code}: {asked} requests in two minutes");
        world.sim.put(service("c", 3));
        world.sim.heal();
        let took = world.until(|world| world.has(&["a", "b", "c"])).await;
        assert!(took <= seconds(16), "{code}: {took:?}");
        assert_eq!(world.services().counters.lists.get(), 1, "{code}");
        world.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a19_a_server_without_watch_lists_is_listed() {
    for mode in [WatchList::Refused(400), WatchList::Refused(422)] {
        let world = World::with_services(builder().watch_list(mode)).await;
        assert!(world.asked(|_| true) <= 3, "{:?}", world.sim.requests());
        world.end().await;
    }
    let prepare = async |sim: &KubeSim| {
        sim.put(service("a", 1));
        sim.inject(Rule::new(Fault::NoInitialEnd));
    };
    let world = World::new(builder(), &[Kind::Service], prepare).await;
    let took = world.until(|world| world.has(&["a"])).await;
    assert!(took <= seconds(6), "{took:?}");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a21_a_namespace_that_goes_and_comes_again_leaves_no_ghosts() {
    let world = World::with_services(builder()).await;
    let names: Vec<String> = (0..1000).map(|at| format!("s{at}")).collect();
    let put_all = |world: &World| put(&world.sim, names.iter().map(|name| service(name, 1)));
    put_all(&world);
    world.until(|world| world.metric("objects{resource=\"services\"}") == 1002.0).await;
    for name in &names {
        world.sim.delete("Service", "n", name);
    }
    world.until(|world| world.metric("objects{resource=\"services\"}") == 2.0).await;
    assert_eq!(world.address("s500"), "nxdomain");
    put_all(&world);
    let took = world.until(|world| world.address("s999") != "nxdomain").await;
    assert!(took <= BACK && world.has(&["a", "b"]), "{took:?}");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_index_costs_the_object_and_nothing_else() {
    let world = World::with_services(builder()).await;
    world.lines();
    world.sim.put(service("panics-in-index", 66));
    world.sim.put(service("c", 3));
    world.during(Duration::from_millis(900), |world| world.has(&["a", "b"])).await;
    let took = world.until(|world| world.has(&["a", "b", "c"])).await;
    assert!(took <= seconds(2), "{took:?}");
    assert_eq!(world.metric("restarts_total{task=\"index\"}"), 1.0);
    let lines = world.lines();
    let line = "[ERROR] plugin/kubernetes: the index panicked at Service n/panics-in-index, which is left out from now on, and is \
        built anew; names are answered from the last picture meanwhile; please report this: as the test wants";
    assert_eq!(lines, [line]);
    world.sim.delete("Service", "n", "a");
    world.until(|world| world.has(&["b", "c"])).await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_a_watch_is_followed_by_a_list() {
    let world = World::with_services(builder()).await;
    world.lines();
    world.sim.put(service(PANICS, 66));
    world.during(seconds(20), |world| world.has(&["a", "b"])).await;
    let restarts = world.metric("restarts_total{task=\"watch\"}");
    assert!((3.0..=6.0).contains(&restarts), "{restarts}");
    let lines = world.lines();
    assert!(
        lines[0].starts_with("[ERROR] plugin/kubernetes: the watch of services panicked and is begun anew"),
        "{lines:#?}"
    );
    world.sim.delete("Service", "n", PANICS);
    world.sim.put(service("c", 3));
    let took = world.until(|world| world.has(&["a", "b", "c"])).await;
    assert!(took <= seconds(61), "{took:?}");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_calm_cluster_is_asked_little_and_its_picture_is_never_called_old() {
    let kinds = [Kind::Namespace, Kind::Service, Kind::EndpointSlice];
    let world = World::new(builder(), &kinds, async |sim| put(sim, [service("a", 1)])).await;
    world.lines();
    world.during(seconds(1800), |world| world.services().age() < Some(seconds(60))).await;
    assert_eq!(world.lines(), Vec::<String>::new());
    let asked = world.asked(|_| true);
    assert!(asked <= 200, "{asked} requests in half an hour");
    assert_eq!(world.services().counters.lists.get(), 1);
    assert!(world.metric("resource_version{resource=\"services\"}") > 1000.0);
    let started = world.metric("watches_started_total{resource=\"services\"}");
    assert_eq!(started, world.metric("watches_ended_total{resource=\"services\"}") + 1.0);
    world.end().await;
}
