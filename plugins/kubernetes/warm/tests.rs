//! Files of a warm start: whole, damaged, foreign, old; and when they are written.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use plugin_api::Clock;

use super::codec::{Input, put_number};
use super::file::{Head, read, save};
use super::*;
use crate::kubernetes::index::{Serials, Snapshot};
use crate::kubernetes::objects::{Deleted, Key, Object};
use crate::trial::Logged;

/// Everything is kept.
const ALL: Options =
    Options { endpoint_pod_names: true, zonal: true, pod_addresses: true, pod_labels: true, external: true };

/// A folder that is removed again.
struct Folder(PathBuf);

impl Folder {
    /// Makes one that no other test has.
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("ferrodns-warm-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The file in it.
    fn file(&self) -> PathBuf {
        self.0.join("picture")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// An object of each kind.
fn objects() -> Vec<Object> {
    let decode = |kind, json: &str| Object::decode(kind, &mut serde_json::Deserializer::from_str(json)).unwrap();
    vec![
        decode(Kind::Namespace, r#"{"metadata":{"name":"a"}}"#),
        decode(
            Kind::Service,
            r#"{"metadata":{"name":"web","namespace":"a"},"spec":{"clusterIPs":["10.0.0.1","fd00::1"],
            "externalIPs":["192.0.2.1"],"ports":[{"name":"http","protocol":"TCP","port":80}]}}"#,
        ),
        decode(
            Kind::EndpointSlice,
            r#"{"metadata":{"name":"s","namespace":"a","labels":{"kubernetes.io/service-name":"web"}},
            "ports":[{"name":"http","protocol":"TCP"}],
            "endpoints":[{"addresses":["10.1.0.1"],"hostname":"first","zone":"z"},{"addresses":["fd00::2"]}]}"#,
        ),
        decode(
            Kind::Pod,
            r#"{"metadata":{"name":"p","namespace":"a","labels":{"k":"v"}},"status":{"podIP":"10.2.0.1"}}"#,
        ),
        decode(
            Kind::ServiceImport,
            r#"{"metadata":{"name":"far","namespace":"a"},"spec":{"type":"ClusterSetIP","ips":["10.3.0.1"]}}"#,
        ),
        decode(
            Kind::ImportedSlice,
            r#"{"metadata":{"name":"i","namespace":"a","labels":{"multicluster.kubernetes.io/service-name":"far",
            "multicluster.kubernetes.io/source-cluster":"west"}},"endpoints":[{"addresses":["10.4.0.1"]}]}"#,
        ),
    ]
}

/// A picture of these objects.
fn picture(objects: Vec<Object>) -> Arc<Snapshot> {
    let mut index = Index::new(ALL);
    objects.into_iter().for_each(|object| index.apply(&Change::Apply(object), 7));
    Kind::ALL.into_iter().for_each(|kind| index.apply(&Change::ListEnd(kind), 7));
    index.publish().unwrap()
}

/// What is said about a picture of all kinds that was right at `heard`.
fn head(identity: &str, heard: u64) -> Head {
    Head {
        identity: identity.to_owned(),
        heard,
        serials: Serials { own: 5, imported: 6, external: u32::MAX },
        versions: Kind::ALL.into_iter().map(|kind| (kind, format!("4{}", number_of(kind)).into())).collect(),
    }
}

/// All objects of a picture.
fn all(picture: &Snapshot) -> Vec<Object> {
    Kind::ALL.into_iter().flat_map(|kind| picture.objects(kind)).collect()
}

/// A file's octets.
fn saved() -> Vec<u8> {
    let folder = Folder::new();
    save(&folder.file(), &head("me", 9), &picture(objects())).unwrap();
    fs::read(folder.file()).unwrap()
}

/// Puts the right checksum behind octets whose checksum is wrong.
fn mend(octets: &mut [u8]) {
    let Some((all, sum)) = octets.split_last_chunk_mut::<4>() else { return };
    let mut crc = flate2::Crc::new();
    crc.update(all);
    *sum = crc.sum().to_le_bytes();
}

/// A warm start from a file, at second 1,000, with a limit of 100 s.
fn warm(file: PathBuf) -> (Arc<Warm>, Metrics) {
    let (clock, metrics) = (Clock::manual(), Metrics::default());
    (Warm::new(WarmStart { file, max_age: Duration::from_secs(100) }, false, clock, &metrics), metrics)
}

/// The value of a metric.
fn value(metrics: &Metrics, name: &str) -> String {
    let mut text = String::new();
    metrics.with(|registry| prometheus_client::encoding::text::encode(&mut text, registry)).unwrap();
    let line = text.lines().find(|line| line.starts_with(&format!("coredns_kubernetes_warm_start_{name}{{")));
    line.and_then(|line| line.rsplit(' ').next()).unwrap_or_default().to_owned()
}

#[test]
fn a_picture_comes_back_as_it_was_written() {
    let octets = saved();
    let (found, objects_found) = read(&octets).unwrap();
    assert_eq!(found, head("me", 9));
    let objects_found: Vec<Object> = objects_found.map(Result::unwrap).collect();
    assert_eq!(objects_found.len(), objects().len());
    assert_eq!(objects_found, all(&picture(objects())));
    assert_eq!(all(&picture(objects_found)), all(&picture(objects())));
}

#[test]
fn only_the_file_is_left_and_only_its_owner_reads_it() {
    let folder = Folder::new();
    for _ in 0..2 {
        save(&folder.file(), &head("me", 9), &picture(objects())).unwrap();
    }
    let names: Vec<_> = fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["picture"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(folder.file()).unwrap().permissions().mode() & 0o777, 0o600);
    }
    fs::create_dir(folder.0.join("folder")).unwrap();
    assert!(save(&folder.0.join("folder"), &head("me", 9), &picture(objects())).is_err());
    let count = fs::read_dir(&folder.0).unwrap().count();
    assert_eq!(count, 2, "a draft that did not take the place of the file is removed");
}

#[test]
fn every_damage_is_seen() {
    let whole = saved();
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut octets = whole.clone();
            octets[at] ^= 1 << bit;
            assert!(read(&octets).is_err(), "bit {bit} of octet {at}");
        }
        assert!(read(&whole[..at]).is_err(), "cut at {at}");
    }
    assert!(read(&[&whole[..], b"x"].concat()).is_err());
}

#[test]
fn nothing_that_stands_in_a_file_can_harm() {
    let whole = saved();
    let try_to_read = |mut octets: Vec<u8>| {
        mend(&mut octets);
        if let Ok((_, found)) = read(&octets) {
            let mut index = Index::new(ALL);
            let objects: Result<Vec<_>, _> = found.collect();
            objects.unwrap_or_default().into_iter().for_each(|object| index.apply(&Change::Apply(object), 1));
            index.publish();
        }
    };
    for at in 0..whole.len() {
        for octet in [0, 1, 4, 0x7f, 0x80, 0xff, whole[at].wrapping_add(1), whole[at].wrapping_sub(1)] {
            let mut octets = whole.clone();
            octets[at] = octet;
            try_to_read(octets);
        }
        try_to_read(whole[..at].to_vec());
        try_to_read([&whole[..at], &whole[at + 1..]].concat());
        try_to_read([&whole[..at], &[0xff; 9], &whole[at..]].concat());
    }
}

#[test]
fn numbers_are_read_as_written_and_no_others() {
    for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
        let mut octets = Vec::new();
        put_number(&mut octets, number);
        let mut input = Input(&octets);
        assert_eq!((input.number(), input.octet()), (Some(number), None));
        assert_eq!(Input(&octets[1..]).number().is_none(), octets.len() == 1);
    }
    assert_eq!(Input(&[0xff; 20]).number(), None);
    assert_eq!(Input(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]).number(), None);
}

#[test]
fn a_file_that_is_no_use_is_refused_with_its_reason() {
    let folder = Folder::new();
    let (warm, _metrics) = warm(folder.file());
    let now = warm.clock.unix_seconds();
    let refusal = |octets: Option<&[u8]>, identity: &str| {
        if let Some(octets) = octets {
            fs::write(folder.file(), octets).unwrap();
        }
        let lines = Logged::during(|| assert!(warm.recall(identity, ALL).is_none()));
        lines.join("\n").replace(&folder.file().display().to_string(), "FILE")
    };
    let line =
        |level: &str, text: &str| format!("[{level}] plugin/kubernetes: no warm start: FILE {text}; starting without");
    assert_eq!(refusal(None, "me"), line("INFO", "is not there yet"));
    assert_eq!(refusal(Some(b"kind: List"), "me"), line("WARN", "is no file of a warm start"));
    let write = |heard: u64| {
        save(&folder.file(), &head("API server https://a/\nkinds Service", heard), &picture(objects())).unwrap();
        fs::read(folder.file()).unwrap()
    };
    let whole = write(now);
    assert_eq!(refusal(Some(&whole[..99]), "me"), line("WARN", "is damaged: its checksum is wrong"));
    let mut newer = whole.clone();
    newer[8] = 2;
    assert_eq!(refusal(Some(&newer), "me"), line("WARN", "has format 2, this program reads format 1"));
    assert_eq!(
        refusal(Some(&whole), "API server https://b/\nkinds Service"),
        line("WARN", r#"belongs to "API server https://a/", not to "API server https://b/""#)
    );
    let own = "API server https://a/\nkinds Service";
    assert_eq!(refusal(Some(&write(now - 101)), own), line("WARN", "is 101 s old, more than the 100 s allowed"));
    let ahead = line("WARN", "is from 301 s in the future, so its age is unknown");
    assert_eq!(refusal(Some(&write(now + 301)), own), ahead);
    assert!(refusal(None, own).contains("in the future"));
    fs::remove_file(folder.file()).unwrap();
    fs::create_dir(folder.file()).unwrap();
    assert!(refusal(None, own).starts_with("[WARN] plugin/kubernetes: no warm start: FILE cannot be read: "));
}

#[test]
fn a_picture_that_is_taken_up_is_marked_until_it_is_confirmed() {
    let folder = Folder::new();
    let (warm, metrics) = warm(folder.file());
    let now = warm.clock.unix_seconds();
    assert_eq!(value(&metrics, "age_seconds"), "0");
    save(&folder.file(), &head("me", now - 40), &picture(objects())).unwrap();
    let mut recalled = None;
    let lines = Logged::during(|| recalled = warm.recall("me", ALL));
    let path = folder.file().display().to_string();
    assert_eq!(
        lines,
        [format!(
            "[INFO] plugin/kubernetes: warm start: serving what {path} knows as of 40 s ago until the Kubernetes API is heard"
        )]
    );
    let Recalled { mut index, versions } = recalled.unwrap();
    let found = index.publish().unwrap();
    assert_eq!(all(&found), all(&picture(objects())));
    assert_eq!((found.serials, versions), (head("", 0).serials, head("", 0).versions));
    assert!(Kind::ALL.into_iter().all(|kind| found.synced.contains(kind)));
    warm.clock.advance(Duration::from_secs(2));
    assert_eq!(value(&metrics, "age_seconds"), "42");
    let lines = Logged::during(|| (warm.confirm(), warm.confirm()).0);
    let line =
        format!("[INFO] plugin/kubernetes: warm start: every kind is watched again, 42 s after {path} was right");
    assert_eq!(lines, [line]);
    assert_eq!(value(&metrics, "age_seconds"), "0");
}

#[test]
fn what_is_kept_and_where_it_comes_from_is_the_identity() {
    let wanted = Wanted { kinds: vec![Kind::Namespace, Kind::Service], ..Wanted::default() };
    let plain = identity("https://a/", &wanted, Options::default());
    assert_eq!(plain, "API server https://a/\nkinds Namespace Service\nlabels \nnamespace_labels \nkept details ");
    let labels = crate::kubernetes::source::selector::Selector::parse("a=b").unwrap();
    assert_ne!(plain, identity("https://a/", &Wanted { labels, ..wanted.clone() }, Options::default()));
    assert_ne!(plain, identity("https://b/", &wanted, Options::default()));
    assert!(identity("", &wanted, ALL).ends_with("endpoint_pod_names zonal pod_addresses pod_labels external"));
}

/// Applies what a source says of services: to a keeper, and to an index.
fn tell(keeper: &mut Keeper, index: &mut Index, changes: impl IntoIterator<Item = Change>) {
    for mut change in changes {
        keeper.note(&mut change);
        index.apply(&change, 1);
    }
}

/// A service of this version.
fn service(name: &str, version: &str) -> Change {
    let mut object = objects().swap_remove(1);
    object.metadata_mut().name = name.into();
    object.metadata_mut().resource_version = version.into();
    Change::Apply(object)
}

/// The versions of services and the names in a file.
fn state(file: &Path) -> (String, Vec<String>) {
    let octets = fs::read(file).unwrap();
    let (head, objects) = read(&octets).unwrap();
    let names = objects.map(|object| object.unwrap().metadata().name.to_string()).collect();
    (head.versions[&Kind::Service].to_string(), names)
}

#[tokio::test(start_paused = true)]
async fn files_are_written_at_a_bounded_rate_and_at_the_end() {
    let folder = Folder::new();
    let (warm, metrics) = warm(folder.file());
    let mut keeper = Keeper::new(Arc::clone(&warm), "me".into(), &[Kind::Service], Versions::new());
    let mut index = Index::new(ALL);
    let start = tokio::time::Instant::now();
    tell(&mut keeper, &mut index, [Change::ListBegin(Kind::Service), service("x", "7"), service("y", "3")]);
    assert_eq!(keeper.due(), None, "what is not whole is not written");
    tell(&mut keeper, &mut index, [Change::ListEnd(Kind::Service), Change::Reached(Kind::Service, "9".into())]);
    assert_eq!(keeper.due(), Some(start + Duration::from_secs(30)));
    tell(&mut keeper, &mut index, [service("z", "11")]);
    let gone = Key { kind: Kind::Service, namespace: "a".into(), name: "x".into() };
    tell(&mut keeper, &mut index, [Change::Delete(Deleted { key: gone, change_trigger: None })]);
    let picture = index.publish().unwrap();
    keeper.save_if_due(&picture);
    assert!(!folder.file().exists());
    tokio::time::advance(Duration::from_secs(30)).await;
    keeper.save_if_due(&picture);
    assert_eq!(keeper.due(), None, "nothing has come since");
    // A list that has begun says nothing of how far the kind is known.
    tell(&mut keeper, &mut index, [Change::Reached(Kind::Service, "12".into())]);
    assert_eq!(keeper.due(), Some(start + Duration::from_secs(330)));
    tell(&mut keeper, &mut index, [Change::ListBegin(Kind::Service), service("w", "99")]);
    keeper.finish(index.publish().unwrap()).await;
    assert_eq!(state(&folder.file()), ("12".into(), vec!["w".into(), "y".into(), "z".into()]));
    assert_eq!(value(&metrics, "saves_total"), "2");
}

#[tokio::test]
async fn a_disk_that_refuses_is_told_of_once() {
    let folder = Folder::new();
    let (warm, metrics) = warm(folder.0.join("none/picture"));
    let mut lines = Vec::new();
    for _ in 0..2 {
        let mut keeper = Keeper::new(Arc::clone(&warm), "me".into(), &[Kind::Service], Versions::new());
        let reached = [Change::ListEnd(Kind::Service), Change::Reached(Kind::Service, "1".into())];
        tell(&mut keeper, &mut Index::new(ALL), reached);
        let head = head("me", 1);
        lines.extend(Logged::during(|| warm.save(&head, &picture(objects()))));
        keeper.finish(picture(objects())).await;
    }
    let path = folder.0.join("none/picture").display().to_string();
    assert_eq!(
        lines,
        [format!("[WARN] plugin/kubernetes: warm start: cannot write {path}: No such file or directory (os error 2)")]
    );
    assert_eq!((value(&metrics, "saves_total"), value(&metrics, "save_failures_total")), ("0".into(), "4".into()));
}
