//! What is gathered, and the errors.

use super::handler::Metadata;
use crate::trial::{Trial, request, setup_error};
use plugin_api::link::MetadataProvider;
use plugin_api::{Request, Zone, Zones};
use std::sync::Arc;

/// Keeps one value.
struct One;

impl MetadataProvider for One {
    fn provide(&self, request: &Request) {
        request.set_metadata("one/value", "1");
    }
}

/// What is kept of a query for this name.
fn value(name: &str) -> Option<String> {
    let metadata = Metadata::new(Zones::new(vec![Zone::from_text("a.test").unwrap()]));
    metadata.link(vec![Arc::new(One)]);
    let request = request(&format!("{name} A"), &plugin_api::Clock::manual());
    metadata.provide(&request);
    request.set_metadata("later/value", "2");
    assert_eq!(request.metadata("later/value").as_deref(), Some("2"), "values may be added later");
    request.metadata("one/value")
}

#[test]
fn asks_providers_inside_its_zones() {
    assert_eq!(value("x.A.test").as_deref(), Some("1"));
    assert_eq!(value("x.b.test"), None);
}

#[test]
fn keeps_nothing_without_the_plugin() {
    let request = request("a.test A", &plugin_api::Clock::manual());
    One.provide(&request);
    assert_eq!(request.metadata("one/value"), None);
}

#[test]
fn is_offered_to_the_server() {
    let trial = Trial::new("metadata");
    assert!(trial.block.links.find::<dyn MetadataProvider>("metadata").is_some());
    assert_eq!(trial.ask("a.test A"), "error SERVFAIL: plugin/metadata: no next plugin found");
}

#[test]
fn refuses_in_the_words_of_coredns() {
    let twice = "plugin/metadata: Corefile:3 - Error during parsing: Wrong argument count or unexpected line ending after 'metadata'";
    assert_eq!(setup_error("metadata\nmetadata").as_deref(), Some(twice));
    let block =
        "plugin/metadata: Corefile:3 - Error during parsing: Wrong argument count or unexpected line ending after 'x'";
    assert_eq!(setup_error("metadata {\nx\n}").as_deref(), Some(block));
}
