//! What a real API server (1.36) said in Protocol Buffers, against what it said in JSON of the same objects.

use http::{HeaderMap, HeaderValue, StatusCode, header};
use proptest::prelude::*;

use super::event::{Event, ListMetadata};
use super::failure::Failure;
use super::format::{Format, Pieces};
use super::split::Piece;
use crate::kubernetes::objects::{Kind, Metadata, Object};

/// Reads a response of the server.
macro_rules! recorded {
    ($name:literal) => {
        (
            include_bytes!(concat!("testdata/", $name, ".json")).as_slice(),
            include_bytes!(concat!("testdata/", $name, ".pb")).as_slice(),
        )
    };
}

/// A response in JSON and in Protocol Buffers.
type Both = (&'static [u8], &'static [u8]);
/// The pieces of a response, with whether each is an item, and whether the response may end behind them.
type Split = (Vec<(bool, Vec<u8>)>, bool);

/// Lists in both forms.
const LISTS: [(Kind, Both); 4] = [
    (Kind::Service, recorded!("services.list")),
    (Kind::EndpointSlice, recorded!("endpointslices.list")),
    (Kind::Pod, recorded!("pods.list")),
    (Kind::Namespace, recorded!("namespaces.list")),
];
/// A watch in both forms.
const WATCH: Both = recorded!("services.watch");

/// Splits a response that comes in the chunks that `cuts` make of it; whether it may end there.
fn split(mut pieces: Pieces, octets: &[u8], cuts: &[usize]) -> Result<Split, Failure> {
    let (mut found, mut start) = (Vec::new(), 0);
    for end in cuts.iter().copied().chain([octets.len()]) {
        let mut chunk = &octets[start..end];
        start = end;
        while let Some(piece) = pieces.next(&mut chunk).map_err(|error| Failure::Broken(error.to_string()))? {
            found.push(match piece {
                Piece::Item(octets) => (true, octets.to_vec()),
                Piece::Metadata(octets) => (false, octets.to_vec()),
            });
        }
    }
    Ok((found, pieces.is_between()))
}

/// Reads a whole list.
fn list(format: Format, kind: Kind, octets: &[u8]) -> Result<(ListMetadata, Vec<Object>), Failure> {
    let (mut metadata, mut objects) = (ListMetadata::default(), Vec::new());
    let (pieces, is_whole) = split(format.list(), octets, &[])?;
    assert!(is_whole, "the list has an end");
    for (is_item, piece) in pieces {
        if is_item {
            objects.push(format.item(kind, &piece)?.map_err(|object| Failure::Broken(object.why))?);
        } else {
            metadata = format.list_metadata(&piece)?;
        }
    }
    Ok((metadata, objects))
}

/// Reads the events of a watch of services; versions, which differ between two watches, are only looked at.
fn watch(format: Format, octets: &[u8]) -> Vec<String> {
    let (pieces, is_between) = split(format.events(), octets, &[]).unwrap();
    assert!(is_between);
    let read = |(_, piece): (bool, Vec<u8>)| {
        let mut event = format.event(Kind::Service, &piece).unwrap().unwrap();
        match &mut event {
            Event::Applied(object) | Event::Deleted(object) => {
                let Metadata { resource_version, .. } = object.metadata_mut();
                assert!(resource_version.parse::<u64>().is_ok_and(|version| version > 0));
                *resource_version = Box::default();
            }
            Event::Bookmark { version, .. } => {
                assert!(version.parse::<u64>().is_ok_and(|version| version > 0));
                version.clear();
            }
            Event::Failed(_) | Event::Unknown(_) => {}
        }
        // Addresses are given out anew each time.
        let text = format!("{event:?}");
        text.split("cluster_ip:").next().unwrap_or_default().to_owned()
    };
    let mut events: Vec<_> = pieces.into_iter().map(read).collect();
    // How many bookmarks come is a matter of time.
    events.dedup();
    events
}

/// A head of a response in Protocol Buffers.
fn head() -> HeaderMap {
    let value = HeaderValue::from_static("application/vnd.kubernetes.protobuf;stream=watch");
    HeaderMap::from_iter([(header::CONTENT_TYPE, value)])
}

#[test]
fn lists_say_the_same_in_both_forms() {
    for (kind, (json, protobuf)) in LISTS {
        let (metadata, objects) = list(Format::Json, kind, json).unwrap();
        let (same, equal) = list(Format::Protobuf, kind, protobuf).unwrap();
        assert_eq!(objects, equal);
        assert!(objects.len() > 1, "{kind:?}");
        assert!(metadata.resource_version.is_some() && same.resource_version.is_some());
        assert_eq!(same.next.unwrap_or_default(), "");
    }
}

#[test]
fn watches_say_the_same_in_both_forms() {
    let (json, protobuf) = (watch(Format::Json, WATCH.0), watch(Format::Protobuf, WATCH.1));
    assert_eq!(json, protobuf);
    let end = r#"Bookmark { version: "", is_initial_end: true }"#;
    assert_eq!(json.iter().filter(|event| *event == end).count(), 1, "{json:?}");
    assert!(json.iter().any(|event| event.starts_with("Deleted")), "{json:?}");
}

#[test]
fn pages_and_empty_lists_are_read() {
    let page = list(Format::Protobuf, Kind::Service, include_bytes!("testdata/services.page.pb")).unwrap();
    assert!(page.0.next.is_some_and(|next| next.len() > 10) && page.1.len() == 1);
    let empty = list(Format::Protobuf, Kind::Service, include_bytes!("testdata/services.empty.pb")).unwrap();
    assert!(empty.0.resource_version.is_some() && empty.1.is_empty());
}

#[test]
fn an_audit_reads_names_and_versions() {
    let octets = include_bytes!("testdata/services.metadata.pb");
    let (pieces, is_whole) = split(Format::Protobuf.list(), octets, &[]).unwrap();
    let marks = pieces.iter().filter(|(is_item, _)| *is_item);
    let marks: Vec<_> = marks.map(|(_, piece)| Format::Protobuf.mark(piece).unwrap()).collect();
    let objects = list(Format::Json, Kind::Service, LISTS[0].1.0).unwrap().1;
    let expected: Vec<_> = objects.iter().map(Object::metadata).collect();
    assert!(is_whole && marks.len() == expected.len());
    for (mark, expected) in marks.iter().zip(expected) {
        assert_eq!((&*mark.namespace, &*mark.name), expected.path());
        assert_eq!(*mark.version, *expected.resource_version);
    }
    assert!(Format::Protobuf.mark(b"\x0a\x00").is_err(), "an object without a name");
}

#[test]
fn refusals_are_read() {
    let forbidden = Failure::of_response(StatusCode::FORBIDDEN, &head(), include_bytes!("testdata/status.403.pb"));
    assert!(matches!(&forbidden, Failure::Forbidden(why) if why.starts_with("secrets is forbidden")), "{forbidden:?}");
    let future = Failure::of_response(StatusCode::GATEWAY_TIMEOUT, &head(), include_bytes!("testdata/status.504.pb"));
    assert_eq!(future, Failure::Future);
    let garbage = Failure::of_response(StatusCode::SERVICE_UNAVAILABLE, &head(), b"}{");
    assert_eq!(garbage, Failure::Away("the server answers 503".into()));
}

#[test]
fn responses_are_split_at_every_offset() {
    let lists = LISTS.iter().map(|(_, (_, protobuf))| (true, *protobuf));
    for (is_list, octets) in lists.chain([(false, WATCH.1)]) {
        let pieces = || if is_list { Format::Protobuf.list() } else { Format::Protobuf.events() };
        let whole = split(pieces(), octets, &[]).unwrap();
        for cut in 0..=octets.len() {
            assert_eq!(split(pieces(), octets, &[cut]).unwrap(), whole, "cut at {cut}");
            let part = split(pieces(), &octets[..cut], &[]).unwrap();
            // What stands before the end of a list, or between events, is no piece of it.
            assert!(whole.0.starts_with(&part.0), "cut at {cut}");
            assert!(!part.1 || part.0.len() == whole.0.len() || !is_list, "cut at {cut}");
        }
        let every: Vec<usize> = (1..octets.len()).collect();
        assert_eq!(split(pieces(), octets, &every).unwrap(), whole);
    }
}

#[test]
fn no_octet_that_is_wrong_is_fatal() {
    for (kind, (_, protobuf)) in LISTS {
        for at in 0..protobuf.len() {
            let mut octets = protobuf.to_vec();
            octets[at] ^= 0xff;
            let (pieces, _) = split(Format::Protobuf.list(), &octets, &[]).unwrap_or_default();
            for (_, piece) in pieces {
                // Right, useless or broken, but never a panic.
                drop((Format::Protobuf.item(kind, &piece), Format::Protobuf.mark(&piece)));
                drop((Format::Protobuf.event(kind, &piece), Format::Protobuf.list_metadata(&piece)));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_octets_at_all_are_fatal(octets in prop::collection::vec(any::<u8>(), 0..60), kind in 0..6_usize, cut in 0..60_usize) {
        let cut = cut.min(octets.len());
        let (kind, format) = (Kind::ALL[kind], Format::Protobuf);
        drop((format.item(kind, &octets), format.event(kind, &octets), format.mark(&octets), format.list_metadata(&octets)));
        drop(format.status(&octets));
        for start in [&b""[..], b"k8s\0", b"k8s\0\x12\x20", b"k8s\0\x12\x20\x12"] {
            let octets = [start, &*octets].concat();
            drop(split(format.list(), &octets, &[cut]));
        }
        let framed = [&[0, 0, 0, u8::try_from(cut).unwrap()][..], &*octets].concat();
        drop(split(format.events(), &framed, &[cut]));
    }
}

#[test]
fn garbage_and_giants_are_refused() {
    for (octets, why) in [
        (&b"{\"kind\":1}"[..], "unexpected byte 0x7b in the response"),
        (b"k8s\0\x0b", "a field of the unknown wire type 3 in the response"),
        (b"k8s\0\x12\x03\x12\x05", "a field is longer than its message in the response"),
        (b"k8s\0\x12\xff\xff\xff\xff\x0f\x12\xff\xff\xff\x7f", "an object of more than 8388608 bytes in the response"),
    ] {
        assert_eq!(split(Format::Protobuf.list(), octets, &[]), Err(Failure::Broken(why.to_owned())));
    }
    let giant = split(Format::Protobuf.events(), b"}{ th", &[]).unwrap_err();
    assert_eq!(giant, Failure::Broken("an object of more than 8388608 bytes in the response".to_owned()));
    let is_useless = |octets: &[u8]| Format::Protobuf.event(Kind::Service, octets);
    assert!(matches!(is_useless(b"ab"), Err(Failure::Broken(_))));
    // An event whose object has a name and is cut short, and one that has none.
    let named = b"\x0a\x05ADDED\x12\x16\x0a\x14k8s\0\x12\x0e\x0a\x0a\x0a\x01a\x1a\x01n2\x02\x37\x37\x12\x05";
    let Ok(Err(object)) = is_useless(named) else { panic!("{:?}", is_useless(named)) };
    assert_eq!((&*object.namespace, &*object.name, &*object.version), ("n", "a", "77"));
    let nameless = b"\x0a\x05ADDED\x12\x0a\x0a\x08k8s\0\x12\x02\x12\x05";
    assert!(matches!(is_useless(nameless), Err(Failure::Broken(_))), "{:?}", is_useless(nameless));
}

#[test]
fn what_says_nothing_of_itself_is_json() {
    assert_eq!((Format::of(&head()), Format::of(&HeaderMap::new())), (Format::Protobuf, Format::Json));
}
