//! Which format an `Accept` header gets.

use kubesim::KubeSim;
use serde_json::{Value, json};

use super::{PROTOBUF, refusal};
use crate::client::{SERVICES, get_as, letters, write};

/// Where custom resources are.
const IMPORTS: &str = "/apis/multicluster.x-k8s.io/v1alpha1/serviceimports";

/// What a header gets: for Services, for a custom resource, and for Services where there is no protobuf. `j` is JSON, `p`
/// protobuf, each also as `m` for metadata; a number is a refusal, in one of the two. Real servers answered just so, but for
/// `application/*` (406 for Services) and YAML, which is not made here.
const TABLE: &[(&str, [&str; 3])] = &[
    ("", ["j", "j", "j"]),
    ("*/*", ["j", "j", "j"]),
    ("*", ["j", "j", "j"]),
    ("application/json", ["j", "j", "j"]),
    ("P", ["p", "406p", "406j"]),
    ("P,application/json", ["p", "j", "j"]),
    ("application/json,P", ["j", "j", "j"]),
    ("P , */*", ["p", "j", "j"]),
    ("*/*,P", ["p", "j", "j"]),
    ("application/*,P", ["p", "j", "j"]),
    ("P;q=0.5,application/json", ["j", "j", "j"]),
    ("P;q=0.5,application/json;q=0.4", ["p", "j", "j"]),
    ("P;q=0.4,*/*;q=0.5", ["j", "j", "j"]),
    ("P;charset=utf-8;x", ["p", "406p", "406j"]),
    ("P;stream=watch", ["p", "406p", "406j"]),
    ("P;stream=x", ["406j", "406j", "406j"]),
    ("text/html", ["406j", "406j", "406j"]),
    ("text/html,P", ["p", "406p", "406j"]),
    ("application", ["406j", "406j", "406j"]),
    ("APPLICATION/JSON", ["406j", "406j", "406j"]),
    ("P/x,application/json", ["j", "j", "j"]),
    ("PM", ["pm", "pm", "406j"]),
    ("PM,application/json;METADATA,application/json", ["pm", "pm", "jm"]),
    ("application/json;METADATA", ["jm", "jm", "jm"]),
    ("P;as=PartialObjectMetadataList,application/json", ["j", "j", "j"]),
    ("P;as=Table;v=v1;g=meta.k8s.io,application/json", ["j", "j", "j"]),
    ("P;as=Other;v=v1;g=meta.k8s.io", ["406j", "406j", "406j"]),
    ("P;ONE", ["406j", "406j", "406j"]),
];

/// What an answer is, in the letters of the table.
async fn letter(sim: &KubeSim, path: &str, accept: &str) -> String {
    let answer = get_as(sim, path, accept).await;
    let (format, is_part) = match answer.headers["content-type"].to_str().unwrap() {
        PROTOBUF => ("p", String::from_utf8_lossy(&answer.bytes).contains("PartialObjectMetadataList")),
        other => ("j", other == "application/json" && answer.json()["kind"] == "PartialObjectMetadataList"),
    };
    match answer.code.as_u16() {
        200 => format!("{format}{}", if is_part { "m" } else { "" }),
        code => format!("{code}{format}"),
    }
}

#[tokio::test]
async fn the_first_acceptable_format_is_answered() {
    let both = letters(KubeSim::builder(), 1).await;
    let json = letters(KubeSim::builder().protobuf(false), 1).await;
    for (short, expected) in TABLE {
        let accept = short
            .replace("PM", "P;METADATA")
            .replace("METADATA", "as=PartialObjectMetadataList;v=v1;g=meta.k8s.io")
            .replace("ONE", "as=PartialObjectMetadata;v=v1;g=meta.k8s.io")
            .replace("P;", &format!("{PROTOBUF};"))
            .replace("P,", &format!("{PROTOBUF},"))
            .replace("P ", &format!("{PROTOBUF} "))
            .replace("P/", &format!("{PROTOBUF}/"));
        let accept = if let Some(start) = accept.strip_suffix(['P']) { format!("{start}{PROTOBUF}") } else { accept };
        let seen = [
            letter(&both, SERVICES, &accept).await,
            letter(&both, IMPORTS, &accept).await,
            letter(&json, SERVICES, &accept).await,
        ];
        assert_eq!(&seen, expected, "{short}");
    }
}

#[tokio::test]
async fn refusals_name_what_there_is() {
    let sim = KubeSim::start().await.unwrap();
    let (code, status) = refusal(&get_as(&sim, IMPORTS, PROTOBUF).await);
    let message = format!("only the following media types are accepted: application/json, {PROTOBUF}");
    assert_eq!((code, status.code, status.message), (406, Some(406), Some(message)));
    assert_eq!(status.reason.as_deref(), Some("NotAcceptable"));
    // Refusals themselves may be in protobuf where the type may not, and are in JSON where only metadata is accepted.
    let missing = format!("{}/namespaces/default/serviceimports/no", IMPORTS.trim_end_matches("/serviceimports"));
    let (code, status) = refusal(&get_as(&sim, &missing, &format!("{PROTOBUF},application/json")).await);
    assert_eq!((code, status.details.unwrap().group.as_deref()), (404, Some("multicluster.x-k8s.io")));
    let metadata = format!("{PROTOBUF};as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
    let missing = get_as(&sim, "/api/v1/namespaces/default/services/no", &metadata).await;
    assert_eq!((missing.code.as_u16(), missing.json()["code"].as_u64()), (404, Some(404)));
    let list = get_as(&sim, SERVICES, &metadata).await.json();
    assert_eq!(list["message"], "you requested PartialObjectMetadata, but the requested object is a list");
}

#[tokio::test]
async fn writes_without_accept_are_answered_in_json() {
    let sim = KubeSim::start().await.unwrap();
    let namespace = json!({"metadata": {"name": "n"}}).to_string();
    let answer = write(&sim, "POST", "/api/v1/namespaces", "application/json", &namespace).await;
    assert_eq!((answer.code.as_u16(), &answer.headers["content-type"]), (201, &"application/json".parse().unwrap()));
    assert_eq!(answer.json()["metadata"]["uid"].as_str().map(str::len), Some(36));
    assert_ne!(answer.json(), Value::Null);
}
