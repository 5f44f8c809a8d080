//! Faults: answers, streams, versions, connections, identity.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use kubesim::{Connections, End, EventFault, Fault, Flow, Hook, KubeSim, Recorded, Rule, Step, Verb, Verdict};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::{SERVICES, get, letters, request, send, service, watch};

/// Longer than anything that comes at once takes; used only where nothing is to come.
const QUIET: Duration = Duration::from_millis(200);

/// A rule that does this to requests.
fn answer(verdict: Verdict) -> Rule {
    Rule::new(Fault::Request(verdict))
}

/// A rule that does this to events of services.
fn event(fault: EventFault) -> Rule {
    Rule::new(Fault::Event(fault)).of("services")
}

/// GET without expecting anything of the answer.
fn list() -> http::Request<Full<Bytes>> {
    request("GET", SERVICES).body(Full::default()).unwrap()
}

/// Opens a connection and sends one request, which may fail.
async fn try_get(sim: &KubeSim) -> Result<usize, hyper::Error> {
    let stream = TcpStream::connect(sim.address()).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let response = sender.send_request(list()).await?;
    Ok(response.into_body().collect().await?.to_bytes().len())
}

#[tokio::test]
async fn answers_by_type_verb_and_number() {
    let sim = letters(KubeSim::builder(), 3).await;
    let busy = Verdict::Refuse { code: 429, retry_after: Some(5) };
    sim.inject(answer(busy).of("services").on(Verb::List).numbers(1..2));
    let codes = async |path: &str| get(&sim, path).await.code.as_u16();
    assert_eq!(codes("/api/v1/pods").await, 200);
    assert_eq!(codes(SERVICES).await, 200);
    let busy = get(&sim, SERVICES).await;
    assert_eq!((busy.code.as_u16(), busy.headers["retry-after"].to_str().unwrap()), (429, "5"));
    assert_eq!(busy.json()["reason"], "TooManyRequests");
    assert_eq!(codes(SERVICES).await, 200);
    sim.inject(answer(Verdict::Refuse { code: 410, retry_after: None }).on(Verb::Continue));
    sim.inject(answer(Verdict::Refuse { code: 410, retry_after: None }).on(Verb::Watch));
    assert_eq!(codes(&format!("{SERVICES}?limit=1")).await, 200);
    assert_eq!(codes(&format!("{SERVICES}?limit=1&continue=x")).await, 410);
    assert_eq!(codes(&format!("{SERVICES}?watch=true")).await, 410);
    sim.heal();
    assert_eq!(codes(&format!("{SERVICES}?limit=1&continue=x")).await, 400);
}

#[tokio::test]
async fn bodies_are_cut_closed_hung_and_dripped() {
    let sim = letters(KubeSim::builder(), 1).await;
    let whole = try_get(&sim).await.unwrap();
    let shape = |flow| sim.inject(answer(Verdict::Shape(flow)));
    shape(Flow { end: Some((10, End::Cut)), ..Flow::default() });
    let mut body = send(&sim, list()).await.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap().len(), 10);
    assert!(body.frame().await.unwrap().is_err());
    sim.heal();
    shape(Flow { end: Some((10, End::Close)), ..Flow::default() });
    assert_eq!(try_get(&sim).await.unwrap(), 10);
    sim.heal();
    for bytes in [0, 10] {
        shape(Flow { end: Some((bytes, End::Hang)), ..Flow::default() });
        let mut body = send(&sim, list()).await.into_body();
        if bytes > 0 {
            assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap().len(), bytes);
        }
        assert!(timeout(QUIET, body.frame()).await.is_err());
        sim.heal();
    }
    let start = Instant::now();
    shape(Flow { bytes_per_second: Some(whole as u64 * 10), delay: QUIET, ..Flow::default() });
    assert_eq!(try_get(&sim).await.unwrap(), whole);
    assert!(start.elapsed() >= QUIET + Duration::from_millis(100));
    sim.heal();
    sim.inject(answer(Verdict::Cut));
    assert!(try_get(&sim).await.is_err());
    sim.heal();
    sim.inject(answer(Verdict::Hang));
    assert!(timeout(QUIET, try_get(&sim)).await.is_err());
}

#[tokio::test]
async fn events_are_spoilt_one_by_one() {
    let sim = KubeSim::start().await.unwrap();
    let path = format!("{SERVICES}?watch=true&resourceVersion={}", sim.version());
    let faults = [EventFault::Skip, EventFault::Duplicate, EventFault::Reorder, EventFault::UnknownType];
    for (number, fault) in faults.into_iter().enumerate() {
        // Each rule counts the events that the ones before it let pass.
        let place = if number > 2 { 1 } else { 0 };
        sim.inject(event(fault).numbers(place..place + 1));
    }
    let mut events = watch(&sim, &path).await;
    for name in ["a", "b", "c", "d", "e", "f"] {
        sim.put(service(name));
    }
    let mut seen = Vec::new();
    while seen.len() < 6 {
        let event = events.next().await.unwrap();
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        seen.push(format!("{} {}", text(&event["type"]), text(&event["object"]["metadata"]["name"])));
    }
    assert_eq!(seen, ["ADDED b", "ADDED b", "ADDED d", "ADDED c", "ADDED e", "CONFUSED f"]);

    sim.heal();
    sim.inject(event(EventFault::Garbage).numbers(0..1));
    sim.put(service("g"));
    assert!(serde_json::from_slice::<Value>(&events.line().await.unwrap()).is_err());
    sim.heal();
    sim.inject(event(EventFault::Undecodable));
    sim.put(service("h"));
    assert_eq!(events.next().await.unwrap()["object"]["metadata"]["labels"], 5);
    sim.heal();
    sim.inject(event(EventFault::Expired));
    sim.put(service("i"));
    assert_eq!(events.next().await.unwrap()["object"]["code"], 410);
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn streams_end_or_hang_and_the_end_bookmark_may_be_missing() {
    let sim = letters(KubeSim::builder(), 1).await;
    let query = "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let path = format!("{SERVICES}?{query}");
    sim.inject(Rule::new(Fault::NoInitialEnd));
    let mut events = watch(&sim, &path).await;
    assert!(events.short().await.unwrap().starts_with("ADDED a"));
    assert!(timeout(QUIET, events.next()).await.is_err());
    sim.heal();
    sim.inject(event(EventFault::End(Step::Hang)));
    let mut events = watch(&sim, &path).await;
    assert!(timeout(QUIET, events.next()).await.is_err());
    sim.heal();
    sim.inject(event(EventFault::End(Step::Close)).numbers(1..2));
    let mut events = watch(&sim, &path).await;
    assert!(events.short().await.unwrap().starts_with("ADDED a"));
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn versions_regress_and_are_reset() {
    let sim = letters(KubeSim::builder(), 2).await;
    let old = sim.version();
    sim.put(service("c"));
    sim.delete("Service", "default", "a");
    sim.set_stale(Some(old));
    let stale = get(&sim, SERVICES).await;
    assert_eq!((stale.version(), stale.names()), (old, vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(get(&sim, &format!("{SERVICES}?resourceVersion={}", old + 1)).await.code, 504);
    sim.set_stale(None);
    assert_eq!(get(&sim, SERVICES).await.names(), ["b", "c"]);

    assert!(sim.restore(old));
    assert_eq!(get(&sim, SERVICES).await.names(), ["a", "b"]);
    assert_eq!(
        sim.put(json!({"kind": "Namespace", "metadata": {"name": "new"}})),
        old + 1,
        "a version for the second time"
    );
    sim.compact();
    assert!(!sim.restore(old));
}

#[tokio::test]
async fn connections_are_refused_hung_reset_and_cut() {
    let sim = letters(KubeSim::builder(), 1).await;
    let mut events = send(&sim, request("GET", &format!("{SERVICES}?watch=1")).body(Full::default()).unwrap()).await;
    assert!(events.body_mut().frame().await.unwrap().is_ok());
    sim.set_connections(Connections::Refuse).await;
    assert!(TcpStream::connect(sim.address()).await.is_err());
    sim.cut_connections();
    assert!(events.body_mut().frame().await.unwrap().is_err());
    sim.set_connections(Connections::Reset).await;
    assert!(try_get(&sim).await.is_err());
    sim.set_connections(Connections::Hang).await;
    assert!(timeout(QUIET, try_get(&sim)).await.is_err());
    sim.set_connections(Connections::Serve).await;
    assert!(try_get(&sim).await.is_ok());
}

#[tokio::test]
async fn a_hook_sees_requests_and_events() {
    /// Refuses lists of pods, and doubles the line feed of events.
    struct Own;
    impl Hook for Own {
        fn request(&self, request: &Recorded) -> Verdict {
            let is_pods = request.resource.is_some_and(|resource| resource.plural == "pods");
            if is_pods { Verdict::Refuse { code: 500, retry_after: None } } else { Verdict::Answer }
        }
        fn event(&self, _: &Recorded, line: Bytes) -> Vec<Step> {
            vec![Step::Send(line), Step::Send(Bytes::from_static(b"\n"))]
        }
    }
    let sim = letters(KubeSim::builder(), 1).await;
    sim.set_hook(Own);
    assert_eq!(get(&sim, "/api/v1/pods").await.code, 500);
    let mut events = watch(&sim, &format!("{SERVICES}?watch=1")).await;
    assert!(events.short().await.unwrap().starts_with("ADDED a"));
    assert_eq!(events.line().await.unwrap(), "\n");
}
