//! The table as a whole: its order, its names, what is said of names that are not in it.

use super::*;

#[test]
fn the_table_keeps_coredns_order() {
    let places: Vec<_> = names()
        .map(|name| COREDNS_DIRECTIVES.iter().position(|known| *known == name).expect("a name of CoreDNS"))
        .collect();
    assert!(places.is_sorted_by(|one, next| one < next), "{:?}", names().collect::<Vec<_>>());
}

#[test]
fn every_directive_is_listed_once() {
    let mut sorted = COREDNS_DIRECTIVES.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!((sorted.len(), COREDNS_DIRECTIVES.len()), (60, 60));
}

#[test]
fn hints_speak_only_of_what_is_missing() {
    let hints = hints();
    assert!(hints.iter().all(|(name, _)| !names().any(|known| known == *name)));
    assert!(hints.iter().any(|(name, hint)| *name == "geoip" && hint.contains("not have yet")));
    assert!(hints.iter().any(|(name, hint)| *name == "fanout" && hint.contains("external")));
}
