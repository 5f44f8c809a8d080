//! Watches: frames, bookmarks, errors, and the same faults as in JSON.

use bytes::Bytes;
use kubesim::{EventFault, Fault, Hook, KubeSim, Recorded, Rule, Step};
use prost::Message;
use serde_json::{Value, json};

use super::messages::{PartialObjectMetadata, Service, Status, WatchEvent};
use super::{Frames, PROTOBUF};
use crate::client::{SERVICES, labelled, letters, service};

/// A query for a watch that shows all first, with bookmarks.
const INITIAL: &str = "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";

/// Opens a watch of services from now on.
async fn watch(sim: &KubeSim) -> Frames {
    Frames::open(sim, &format!("{SERVICES}?watch=true&resourceVersion={}", sim.version()), PROTOBUF).await
}

#[tokio::test]
async fn events_are_frames() {
    let sim = letters(KubeSim::builder(), 1).await;
    let start = sim.version();
    // With and without the parameter, the stream is the same.
    for accept in [PROTOBUF.to_owned(), format!("{PROTOBUF};stream=watch,application/json")] {
        let mut frames = Frames::open(&sim, &format!("{SERVICES}?{INITIAL}"), &accept).await;
        assert!(frames.short().await.unwrap().starts_with("ADDED v1 Service a"));
        let (kind, bookmark) = frames.next().await.unwrap();
        let bookmark: Service = bookmark.read();
        let metadata = bookmark.metadata.unwrap();
        assert_eq!((kind.as_str(), metadata.resource_version), ("BOOKMARK", Some(sim.version().to_string())));
        assert_eq!(metadata.annotations["k8s.io/initial-events-end"], "true");
        assert_eq!(bookmark.spec.unwrap().cluster_ip.as_deref(), Some(""), "all of it is there");
        if sim.version() > start {
            continue;
        }
        sim.put(service("b"));
        sim.put(labelled("b", &json!({"new": "label"})));
        sim.delete("Service", "default", "b");
        assert_eq!(frames.short().await.unwrap(), format!("ADDED v1 Service b {}", start + 1));
        assert_eq!(frames.short().await.unwrap(), format!("MODIFIED v1 Service b {}", start + 2));
        let (kind, object) = frames.next().await.unwrap();
        let service: Service = object.read();
        let metadata = service.metadata.unwrap();
        assert_eq!((kind.as_str(), metadata.resource_version), ("DELETED", Some((start + 3).to_string())));
        assert_eq!(metadata.labels["new"], "label");
    }
}

#[tokio::test]
async fn metadata_alone() {
    let sim = letters(KubeSim::builder(), 1).await;
    sim.put(json!({"kind": "ServiceImport", "metadata": {"name": "a"}, "spec": {"type": "x"}}));
    for path in [SERVICES, "/apis/multicluster.x-k8s.io/v1alpha1/serviceimports"] {
        let accept = format!("{PROTOBUF};as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
        let mut frames = Frames::open(&sim, &format!("{path}?{INITIAL}"), &accept).await;
        for expected in ["ADDED", "BOOKMARK"] {
            let (kind, object) = frames.next().await.unwrap();
            assert_eq!((kind.as_str(), object.names.as_str()), (expected, "meta.k8s.io/v1 PartialObjectMetadata"));
            object.read::<PartialObjectMetadata>();
        }
    }
}

#[tokio::test]
async fn too_old_is_a_status_in_a_frame() {
    let sim = letters(KubeSim::builder().history(3), 5).await;
    let mut frames = Frames::open(&sim, &format!("{SERVICES}?watch=true&resourceVersion=1"), PROTOBUF).await;
    let (kind, object) = frames.next().await.unwrap();
    assert_eq!((kind.as_str(), object.names.as_str()), ("ERROR", "v1 Status"));
    let status: Status = object.read();
    assert_eq!((status.code, status.reason.as_deref()), (Some(410), Some("Expired")));
    assert_eq!(frames.frame().await, None);
}

#[tokio::test]
async fn faults_strike_as_in_json() {
    let sim = KubeSim::start().await.unwrap();
    let mut frames = watch(&sim).await;
    let strike = |fault| sim.inject(Rule::new(Fault::Event(fault)).of("services").numbers(0..1));
    let mut names = ('a'..).map(String::from);
    let mut put = || sim.put(service(&names.next().unwrap()));

    strike(EventFault::Garbage);
    put();
    assert!(WatchEvent::decode(&*frames.frame().await.unwrap()).is_err());
    sim.heal();
    strike(EventFault::Undecodable);
    put();
    let (kind, object) = frames.next().await.unwrap();
    assert_eq!((kind.as_str(), object.names.as_str()), ("ADDED", "v1 Service"));
    assert!(object.try_read::<Service>().is_err());
    sim.heal();
    strike(EventFault::UnknownType);
    let version = put();
    assert_eq!(frames.short().await.unwrap(), format!("CONFUSED v1 Service c {version}"));
    sim.heal();
    strike(EventFault::Duplicate);
    put();
    assert_eq!(frames.frame().await, frames.frame().await);
    sim.heal();
    strike(EventFault::Reorder);
    let (first, second) = (put(), put());
    assert_eq!(frames.short().await.unwrap(), format!("ADDED v1 Service f {second}"));
    assert_eq!(frames.short().await.unwrap(), format!("ADDED v1 Service e {first}"));
    sim.heal();
    strike(EventFault::Skip);
    put();
    let version = put();
    assert_eq!(frames.short().await.unwrap(), format!("ADDED v1 Service h {version}"));
    sim.heal();
    strike(EventFault::Expired);
    put();
    let (kind, object) = frames.next().await.unwrap();
    assert_eq!((kind.as_str(), object.read::<Status>().code), ("ERROR", Some(410)));
    assert_eq!(frames.frame().await, None);

    sim.heal();
    sim.inject(Rule::new(Fault::NoInitialEnd));
    strike(EventFault::End(Step::Close));
    assert_eq!(Frames::open(&sim, &format!("{SERVICES}?{INITIAL}"), PROTOBUF).await.frame().await, None);
}

#[tokio::test]
async fn hooks_speak_json() {
    /// Lets `a` pass, relabels `b`, sends nothing for `c`, an odd object for `d`, an error for `e`.
    struct Own;
    impl Hook for Own {
        fn event(&self, _: &Recorded, line: Bytes) -> Vec<Step> {
            let mut event: Value = serde_json::from_slice(&line).unwrap();
            let name = event["object"]["metadata"]["name"].as_str().unwrap().to_owned();
            let line = match name.as_str() {
                "a" => return vec![Step::Send(line)],
                "b" => {
                    event["object"]["metadata"]["labels"] = json!({"by": "hook"});
                    event.to_string()
                }
                // As a message it would be fine: an event with nothing set.
                "c" => return vec![Step::Send(Bytes::new())],
                "d" => json!({"type": "ADDED", "object": 5}).to_string(),
                _ => {
                    json!({"type": "ERROR", "object": {"kind": "Status", "apiVersion": "v1", "code": 500}}).to_string()
                }
            };
            vec![Step::Send((line + "\n").into())]
        }
    }
    let sim = KubeSim::start().await.unwrap();
    let mut plain = watch(&sim).await;
    sim.put(service("a"));
    let untouched = plain.frame().await;
    sim.set_hook(Own);
    let mut frames = Frames::open(&sim, &format!("{SERVICES}?watch=true"), PROTOBUF).await;
    assert_eq!(frames.frame().await, untouched, "nothing is changed");
    for name in ["b", "c", "d", "e"] {
        sim.put(service(name));
    }
    let (_, object) = frames.next().await.unwrap();
    assert_eq!(object.names, "v1 Service");
    assert_eq!(object.read::<Service>().metadata.unwrap().labels["by"], "hook");
    for _ in ["c", "d"] {
        assert!(WatchEvent::decode(&*frames.frame().await.unwrap()).is_err());
    }
    let (kind, object) = frames.next().await.unwrap();
    assert_eq!((kind.as_str(), object.read::<Status>().code), ("ERROR", Some(500)));
}
