//! A response that breaks off at every octet: the picture is always right in the end, and little is asked.

use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use kubesim::{Builder, End, Fault, Flow, KubeSim, Rule, Verb, Verdict, WatchList};

use super::target::Target;
use super::world_tests::{World, put, service};
use crate::kubernetes::objects::Kind;
use crate::kubernetes::source::Wanted;

/// When a script of three events must be over, whatever happens to it.
const ENOUGH: Duration = Duration::from_secs(70);
/// The paths whose responses are cut.
const LIST: &str = "/api/v1/services?limit=500&resourceVersion=0";
const WATCH: &str = "/api/v1/services?watch=true&allowWatchBookmarks=true&resourceVersion=1003&timeoutSeconds=3";
const WATCH_LIST: &str = "/api/v1/services?watch=true&allowWatchBookmarks=true&sendInitialEvents=true&timeoutSeconds=3&\
    resourceVersionMatch=NotOlderThan";

/// Runs a script in time that costs nothing.
fn run<T>(script: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(script)
}

/// The first state of the server.
fn begin(sim: &KubeSim) {
    put(sim, [service("a", 1), service("b", 1), service("d", 4)]);
}

/// What happens: one changed, one gone, one new; the last of them stays as it is.
fn go_on(sim: &KubeSim) {
    sim.put(service("a", 7));
    sim.delete("Service", "n", "b");
    sim.put(service("c", 3));
}

/// Returns the number of octets of an undisturbed response.
async fn length(path: &str, is_protobuf: bool) -> usize {
    let sim = KubeSim::builder().protobuf(is_protobuf).start().await.unwrap();
    begin(&sim);
    let accept = Target::new(Kind::Service, &Wanted::default()).accept();
    let request =
        http::Request::get(path).header(http::header::ACCEPT, accept).body(Empty::<bytes::Bytes>::new()).unwrap();
    let response = sim.direct().send(request).await.unwrap();
    go_on(&sim);
    response.into_body().collect().await.unwrap().to_bytes().len()
}

/// Cuts the first two responses of a verb after each number of octets that `path` is answered with.
fn cut_everywhere(mode: WatchList, verb: Verb, path: &str, ends: &[End]) {
    for is_protobuf in [false, true] {
        let octets = run(length(path, is_protobuf));
        assert!(octets > 250, "{octets}");
        let flow = |octets, end| Flow { end: Some((octets, end)), ..Flow::default() };
        let builder = || KubeSim::builder().watch_list(mode).protobuf(is_protobuf);
        for end in ends {
            (0..=octets).for_each(|octets| run(script(builder(), verb, flow(octets, *end))));
        }
        println!("{mode:?} {verb:?}: {ends:?} after each of {octets} octets, in Protocol Buffers: {is_protobuf}");
    }
}

/// Plays both states with responses that break off.
async fn script(builder: Builder, verb: Verb, flow: Flow) {
    let prepare = async |sim: &KubeSim| {
        begin(sim);
        sim.inject(Rule::new(Fault::Request(Verdict::Shape(flow))).on(verb).numbers(0..2));
    };
    let world = World::new(builder, &[Kind::Service], prepare).await;
    go_on(&world.sim);
    let is_right = |world: &World| world.has(&["a", "c", "d"]) && world.address("a") == "V4(10.0.0.7)";
    let took = world.until_roughly(is_right).await;
    assert!(took <= ENOUGH, "{flow:?}: {took:?}");
    // Nothing is taken for whole that is not, and then put right by chance.
    world.during(Duration::from_millis(50), is_right).await;
    let asked = world.sim.requests().len();
    assert!(asked <= 12, "{flow:?}: {asked} requests in {took:?}");
    world.end().await;
}

#[test]
fn a8_a_watch_that_breaks_off_at_every_octet_converges() {
    cut_everywhere(WatchList::Supported, Verb::Watch, WATCH_LIST, &[End::Cut, End::Hang]);
}

#[test]
fn a8_a_list_that_breaks_off_at_every_octet_converges() {
    cut_everywhere(WatchList::Refused(422), Verb::List, LIST, &[End::Cut, End::Close, End::Hang]);
}

#[test]
fn a8_a_watch_after_a_list_that_breaks_off_at_every_octet_converges() {
    cut_everywhere(WatchList::Refused(422), Verb::Watch, WATCH, &[End::Cut, End::Close, End::Hang]);
}
