//! WATCH: events, versions, bookmarks, ends.

use std::time::Duration;

use kubesim::{KubeSim, WatchExpired, WatchList};
use serde_json::{Value, json};

use crate::client::{SERVICES, get, labelled, letters, service, watch};

/// A path that watches services from a version on.
fn from(version: u64, more: &str) -> String {
    format!("{SERVICES}?watch=true&resourceVersion={version}{more}")
}

#[tokio::test]
async fn events_come_in_order_after_the_version() {
    let sim = letters(KubeSim::builder(), 2).await;
    let start = sim.version();
    sim.put(service("c"));
    let mut events = watch(&sim, &from(start, "")).await;
    assert_eq!(events.short().await.unwrap(), format!("ADDED c {}", start + 1));
    sim.put(json!({"kind": "Pod", "metadata": {"name": "of-another-type"}}));
    sim.put(labelled("a", &json!({"new": "label"})));
    sim.delete("Service", "default", "b");
    assert_eq!(events.short().await.unwrap(), format!("MODIFIED a {}", start + 3));
    let deleted = events.next().await.unwrap();
    assert_eq!(deleted["type"], "DELETED");
    assert_eq!(deleted["object"]["kind"], "Service");
    assert_eq!(deleted["object"]["metadata"]["resourceVersion"], (start + 4).to_string(), "a new version");
    assert_eq!(deleted["object"]["spec"]["ports"][0]["port"], 80, "with the last state");
}

#[tokio::test]
async fn without_a_version_everything_comes_first() {
    for path in [from(0, ""), format!("{SERVICES}?watch=1")] {
        let sim = letters(KubeSim::builder(), 2).await;
        let mut events = watch(&sim, &path).await;
        assert!(events.short().await.unwrap().starts_with("ADDED a"));
        assert!(events.short().await.unwrap().starts_with("ADDED b"));
        let version = sim.put(service("z"));
        assert_eq!(events.short().await.unwrap().split(' ').next_back().unwrap(), version.to_string());
    }
}

#[tokio::test]
async fn selectors_turn_changes_into_additions_and_deletions() {
    let sim = KubeSim::start().await.unwrap();
    let mut events = watch(&sim, &from(sim.version(), "&labelSelector=in%3Dyes")).await;
    sim.put(labelled("a", &json!({"in": "no"})));
    let second = sim.put(labelled("a", &json!({"in": "yes"})));
    let third = sim.put(labelled("a", &json!({"in": "no"})));
    sim.delete("Service", "default", "a");
    let fifth = sim.put(labelled("b", &json!({"in": "yes"})));
    assert_eq!(events.short().await.unwrap(), format!("ADDED a {second}"));
    assert_eq!(events.short().await.unwrap(), format!("DELETED a {third}"));
    assert_eq!(events.short().await.unwrap(), format!("ADDED b {fifth}"));
}

#[tokio::test]
async fn a_namespace_is_watched_alone() {
    let sim = KubeSim::start().await.unwrap();
    let path = format!("/api/v1/namespaces/mine/services?watch=true&resourceVersion={}", sim.version());
    let mut events = watch(&sim, &path).await;
    sim.put(service("theirs"));
    let version = sim.put(json!({"kind": "Service", "metadata": {"namespace": "mine", "name": "own"}}));
    assert_eq!(events.short().await.unwrap(), format!("ADDED own {version}"));
}

#[tokio::test]
async fn too_old_is_an_event_or_410() {
    let sim = letters(KubeSim::builder().history(3), 5).await;
    let oldest = sim.version() - 3;
    let mut events = watch(&sim, &from(oldest, "")).await;
    assert_eq!(events.short().await.unwrap(), format!("ADDED c {}", oldest + 1));
    let mut events = watch(&sim, &from(oldest - 1, "")).await;
    let error = events.next().await.unwrap();
    assert_eq!((&error["type"], &error["object"]["code"]), (&json!("ERROR"), &json!(410)));
    assert_eq!(error["object"]["reason"], "Expired");
    assert_eq!(events.next().await, None);

    let sim = letters(KubeSim::builder().history(3).watch_expired(WatchExpired::Http), 5).await;
    assert_eq!(get(&sim, &from(1, "")).await.code, 410);
}

#[tokio::test]
async fn time_runs_out_cleanly_and_bookmarks_come_in_between() {
    let sim = letters(KubeSim::builder().manual_clock().bookmark_period(Duration::from_secs(20)), 1).await;
    let start = sim.version();
    let mut events = watch(&sim, &from(start, "&allowWatchBookmarks=true&timeoutSeconds=50")).await;
    let mut silent = watch(&sim, &from(start, "&timeoutSeconds=50")).await;
    let version = sim.put(json!({"kind": "Pod", "metadata": {"name": "of-another-type"}}));
    sim.advance(Duration::from_secs(20));
    let bookmark = events.next().await.unwrap();
    assert_eq!((&bookmark["type"], &bookmark["object"]["kind"]), (&json!("BOOKMARK"), &json!("Service")));
    assert_eq!(bookmark["object"]["metadata"]["resourceVersion"], version.to_string());
    assert_eq!(bookmark["object"]["metadata"]["annotations"], Value::Null);
    sim.advance(Duration::from_secs(20));
    assert_eq!(events.next().await.unwrap()["type"], "BOOKMARK");
    sim.advance(Duration::from_secs(10));
    assert_eq!(events.next().await, None);
    assert_eq!(silent.next().await, None);
}

#[tokio::test]
async fn watch_lists_end_their_beginning_with_a_bookmark() {
    let sim = letters(KubeSim::builder(), 2).await;
    let query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let path = format!("{SERVICES}?watch=true&{query}");
    let mut events = watch(&sim, &path).await;
    assert!(events.short().await.unwrap().starts_with("ADDED a"));
    assert!(events.short().await.unwrap().starts_with("ADDED b"));
    let bookmark = events.next().await.unwrap();
    assert_eq!(bookmark["type"], "BOOKMARK");
    assert_eq!(bookmark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    assert_eq!(bookmark["object"]["metadata"]["resourceVersion"], sim.version().to_string());
    let version = sim.put(service("c"));
    assert_eq!(events.short().await.unwrap(), format!("ADDED c {version}"));

    assert_eq!(get(&sim, &format!("{path}&resourceVersion=999999")).await.code, 504);
    assert_eq!(get(&sim, &format!("{SERVICES}?watch=true&sendInitialEvents=true")).await.code, 422);
    for code in [422, 400] {
        let sim = letters(KubeSim::builder().watch_list(WatchList::Refused(code)), 2).await;
        assert_eq!(get(&sim, &path).await.code.as_u16(), code);
    }
}

#[tokio::test]
async fn many_changes_all_arrive() {
    let sim = KubeSim::start().await.unwrap();
    let mut events = watch(&sim, &from(sim.version(), "")).await;
    let mut picked = watch(&sim, &from(sim.version(), "&fieldSelector=metadata.name%3Dlast")).await;
    for number in 0..1000 {
        sim.put(service(&format!("service-{number}")));
    }
    sim.put(service("last"));
    for number in 0..1000 {
        assert!(events.short().await.unwrap().starts_with(&format!("ADDED service-{number} ")));
    }
    assert!(picked.short().await.unwrap().starts_with("ADDED last "));
}
