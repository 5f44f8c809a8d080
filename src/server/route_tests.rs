//! Tests of the choice of a block.

use super::{Block, Router};
use crate::server::testing::{Oracle, block, origin, query};
use plugin_api::link::View;
use plugin_api::{Request, Transport, Type, Zone};
use std::sync::Arc;
use tokio::sync::Notify;

/// A block with one handler.
fn some() -> Arc<Block> {
    block(vec![Arc::new(Oracle { gate: Arc::new(Notify::new()) })])
}

/// The zone of the block that serves a query.
fn check(zones: &[(&str, Arc<Block>)], name: &str, qtype: Type) -> Option<String> {
    let (zone, _) = zones.get(place(zones, name, qtype)?)?;
    Some((*zone).to_owned())
}

/// The place of the block that serves a query.
fn place(zones: &[(&str, Arc<Block>)], name: &str, qtype: Type) -> Option<usize> {
    let mut router = Router::default();
    for (zone, block) in zones {
        router.add(&Zone::from_text(zone).unwrap(), Arc::clone(block));
    }
    let request = Request::parse(&query(1, name, qtype, None), origin(Transport::Udp)).unwrap();
    let found = router.find(&request)?;
    zones.iter().position(|(_, block)| std::ptr::eq(&raw const **block, found))
}

#[test]
fn the_longest_zone_wins_whatever_the_letters() {
    let zones = [(".", some()), ("test", some()), ("b.test", some()), ("A.b.test", some())];
    for (name, expected) in [
        ("x.a.B.test", "A.b.test"),
        ("a.b.test", "A.b.test"),
        ("xa.b.test", "b.test"),
        ("b.TEST", "b.test"),
        ("xb.test", "test"),
        ("test", "test"),
        ("other", "."),
        (".", "."),
    ] {
        assert_eq!(check(&zones, name, Type::A).as_deref(), Some(expected), "{name}");
    }
    assert_eq!(check(&zones[1..], "other", Type::A), None);
    assert_eq!(check(&zones[1..], ".", Type::A), None);
}

#[test]
fn ds_goes_to_the_parent() {
    let zones = [("child.ds.test", some()), ("ds.test", some()), (".", some())];
    assert_eq!(check(&zones, "child.ds.test", Type::A).as_deref(), Some("child.ds.test"));
    assert_eq!(check(&zones, "child.ds.test", Type::DS).as_deref(), Some("ds.test"));
    assert_eq!(check(&zones, "other.test", Type::DS).as_deref(), Some("."));
    assert_eq!(check(&zones[..1], "child.ds.test", Type::DS).as_deref(), Some("child.ds.test"));
}

#[test]
fn a_block_without_handlers_refuses() {
    let zones = [("empty.test", block(Vec::new())), ("test", some())];
    assert_eq!(check(&zones, "x.empty.test", Type::A), None);
    assert_eq!(check(&zones, "x.test", Type::A).as_deref(), Some("test"));
}

/// A view that admits one type.
struct Only(Type);

impl View for Only {
    fn name(&self) -> &'static str {
        "only"
    }

    fn admits(&self, request: &Request) -> bool {
        request.qtype() == self.0
    }
}

#[test]
fn views_are_tried_in_order_and_then_shorter_zones() {
    let viewed = |qtype| {
        let chain = Arc::clone(&some().chain);
        Arc::new(Block { chain, view: Some(Arc::new(Only(qtype))), metadata: None })
    };
    let zones = [("x.test", viewed(Type::A)), ("x.test", viewed(Type::TXT)), ("test", some())];
    let found = |qtype| {
        let mut router = Router::default();
        for (zone, block) in &zones {
            router.add(&Zone::from_text(zone).unwrap(), Arc::clone(block));
        }
        let request = Request::parse(&query(1, "x.test", qtype, None), origin(Transport::Udp)).unwrap();
        let found = router.find(&request).unwrap();
        zones.iter().position(|(_, block)| std::ptr::eq(&raw const **block, found)).unwrap()
    };
    assert_eq!(found(Type::A), 0);
    assert_eq!(found(Type::TXT), 1);
    assert_eq!(found(Type::AAAA), 2);
    let roots = [(".", viewed(Type::DS)), (".", viewed(Type::A)), (".", some())];
    assert_eq!(place(&roots, ".", Type::DS), Some(2), "of several the last counts");
    assert_eq!(place(&roots, "x.test", Type::DS), Some(0));
}
