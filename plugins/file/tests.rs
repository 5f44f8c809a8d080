//! Replies out of zones, and zones that follow their files.

use super::served::{Served, Settings};
use crate::trial::{Trial, setup_error};
use plugin_api::{Name, Rcode, Response};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const ZONE: &str = "\
$ORIGIN zone.test.
$TTL 300
@ SOA ns1 hostmaster 7 2 3 4 60
@ NS ns1
@ MX 10 Mail
ns1 A 192.0.2.53
mail A 192.0.2.25
WWW 60 A 192.0.2.80
www A 192.0.2.81
alias CNAME www
chain CNAME alias
out CNAME api.example.com.
dangle CNAME nothere
*.wild A 192.0.2.99
sub.exact.wild A 192.0.2.101
sub.ent.wild A 192.0.2.102
*.wcname CNAME www
a.b.ent A 192.0.2.110
child NS ns1.child
child DS 1 13 2 00
ns1.child A 192.0.2.60
todel CNAME x.child
dname DNAME target
www.target A 192.0.2.120
_s._tcp SRV 0 0 1 WWW
";

const SIGNED: &str = "\
$ORIGIN zone.test.
$TTL 300
@ SOA ns hostmaster 7 2 3 4 60
@ RRSIG SOA 13 2 300 20550101000000 20250101000000 1 zone.test. AAAA
@ NS ns
@ NSEC b A NSEC
@ RRSIG NSEC 13 2 300 20550101000000 20250101000000 1 zone.test. AAAA
b A 192.0.2.1
b RRSIG A 13 2 300 20550101000000 20250101000000 1 zone.test. AAAA
b NSEC zone.test. A NSEC
ns A 192.0.2.2
";

/// A zone file of its own for a test, removed with this value.
struct ZoneFile(PathBuf);

impl ZoneFile {
    fn new(text: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("ferrodns-file-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn directive(&self) -> String {
        format!("file {} zone.test", self.0.display())
    }
}

impl Drop for ZoneFile {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

const SOA: &str = "zone.test. 300 IN SOA";
const NS: &str = "; authority: zone.test. 300 IN NS ns1.zone.test.";

/// Checks replies out of [`ZONE`].
fn check(cases: &[(&str, String)]) {
    let file = ZoneFile::new(ZONE);
    let trial = Trial::new(&file.directive());
    for (query, expected) in cases {
        assert!(trial.ask(query).starts_with(expected), "{query}: {}\n{expected}", trial.ask(query));
    }
}

#[test]
fn names_that_are_there() {
    let www = "answer: www.zone.test. 60 IN A 192.0.2.80, www.zone.test. 300 IN A 192.0.2.81";
    check(&[
        ("WWW.zone.test A", format!("NOERROR qr aa rd; {www}{NS}")),
        ("www.zone.test TXT", format!("NOERROR qr aa rd; authority: {SOA}")),
        (
            "zone.test SOA",
            format!("NOERROR qr aa rd; answer: {SOA} ns1.zone.test. hostmaster.zone.test. 7 2 3 4 60{NS}"),
        ),
        (
            "zone.test NS",
            "NOERROR qr aa rd; answer: zone.test. 300 IN NS ns1.zone.test.; additional: ns1.zone.test. 300 IN A".into(),
        ),
        (
            "zone.test MX",
            format!(
                "NOERROR qr aa rd; answer: zone.test. 300 IN MX 10 mail.zone.test.{NS}; additional: mail.zone.test. 300 IN A"
            ),
        ),
        (
            "_s._tcp.zone.test SRV",
            format!(
                "NOERROR qr aa rd; answer: _s._tcp.zone.test. 300 IN SRV 0 0 1 WWW.zone.test.{NS}; additional: www.zone"
            ),
        ),
        ("zone.test AXFR tcp", "unwritten REFUSED".into()),
        ("other.test A", "unwritten REFUSED".into()),
    ]);
}

#[test]
fn names_that_are_not_there() {
    check(&[
        ("none.zone.test A", format!("NXDOMAIN qr aa rd; authority: {SOA}")),
        ("ent.zone.test A", format!("NOERROR qr aa rd; authority: {SOA}")),
        ("x.ent.zone.test A", format!("NXDOMAIN qr aa rd; authority: {SOA}")),
    ]);
}

#[test]
fn an_apex_alone_is_no_name() {
    for (more, expected) in
        [("", "NXDOMAIN"), ("@ NS a.\n", "NXDOMAIN"), ("a A 192.0.2.1\n", "NOERROR"), ("@ TXT x\n", "NOERROR")]
    {
        let file = ZoneFile::new(&format!("@ 300 SOA a b 1 2 3 4 5\n{more}"));
        let reply = Trial::new(&file.directive()).ask("zone.test A");
        assert!(reply.starts_with(&format!("{expected} qr aa rd; authority: {SOA}")), "{more}: {reply}");
    }
}

#[test]
fn wildcards_stand_for_names_below_the_closest_encloser() {
    let www = "www.zone.test. 60 IN A 192.0.2.80, www.zone.test. 300 IN A 192.0.2.81";
    check(&[
        ("y.X.wild.zone.test A", format!("NOERROR qr aa rd; answer: y.x.wild.zone.test. 300 IN A 192.0.2.99{NS}")),
        ("x.wild.zone.test TXT", format!("NOERROR qr aa rd; authority: {SOA}")),
        ("x.exact.wild.zone.test A", format!("NXDOMAIN qr aa rd; authority: {SOA}")),
        ("ent.wild.zone.test A", format!("NOERROR qr aa rd; answer: ent.wild.zone.test. 300 IN A 192.0.2.99{NS}")),
        ("x.ent.wild.zone.test A", format!("NXDOMAIN qr aa rd; authority: {SOA}")),
        (
            "x.wcname.zone.test A",
            format!("NOERROR qr aa rd; answer: x.wcname.zone.test. 300 IN CNAME www.zone.test., {www}{NS}"),
        ),
    ]);
}

#[test]
fn cuts_lead_down() {
    let cut = "authority: child.zone.test. 300 IN NS ns1.child.zone.test.";
    let glue = "additional: ns1.child.zone.test. 300 IN A 192.0.2.60";
    check(&[
        ("child.zone.test A", format!("NOERROR qr rd; {cut}; {glue}")),
        ("a.child.zone.test A", format!("NOERROR qr rd; {cut}; {glue}")),
        ("a.child.zone.test A do", format!("NOERROR qr rd; {cut}, child.zone.test. 300 IN DS")),
        ("child.zone.test DS", "NOERROR qr aa rd; answer: child.zone.test. 300 IN DS".into()),
        (
            "todel.zone.test A",
            format!("NOERROR qr aa rd; answer: todel.zone.test. 300 IN CNAME x.child.zone.test.; {cut}; {glue}"),
        ),
    ]);
}

#[test]
fn aliases_are_followed() {
    let alias = "alias.zone.test. 300 IN CNAME www.zone.test.";
    let www = "www.zone.test. 60 IN A 192.0.2.80, www.zone.test. 300 IN A 192.0.2.81";
    check(&[
        ("alias.zone.test CNAME", format!("NOERROR qr aa rd; answer: {alias}{NS}")),
        (
            "chain.zone.test A",
            format!("NOERROR qr aa rd; answer: chain.zone.test. 300 IN CNAME alias.zone.test., {alias}, {www}{NS}"),
        ),
        // There is no server around this block: nothing is found outside.
        ("out.zone.test A", format!("NOERROR qr aa rd; answer: out.zone.test. 300 IN CNAME api.example.com.{NS}")),
        (
            "www.dname.zone.test A",
            "NOERROR qr aa rd; answer: dname.zone.test. 300 IN DNAME target.zone.test., www.dname.zone.test. 300 IN CNAME \
             www.target.zone.test., www.target.zone.test. 300 IN A 192.0.2.120"
                .into(),
        ),
        ("dname.zone.test A", format!("NOERROR qr aa rd; authority: {SOA}")),
    ]);
}

#[test]
fn a_name_that_a_dname_makes_too_long_is_yxdomain() {
    let file = ZoneFile::new(&format!("$TTL 9\n@ SOA a b 1 2 3 4 5\nd DNAME {}\n", vec!["x".repeat(60); 3].join(".")));
    let long = format!("{0}.{0}.d.zone.test A", "y".repeat(60));
    assert!(Trial::new(&file.directive()).ask(&long).starts_with("YXDOMAIN qr aa rd; answer: d.zone.test. 9 IN DNAME"));
}

#[test]
fn signed_zones_bring_their_proofs() {
    let file = ZoneFile::new(SIGNED);
    let trial = Trial::new(&file.directive());
    let count = |query: &str, word: &str| trial.ask(query).matches(word).count();
    assert_eq!((count("b.zone.test A do", " RRSIG "), count("b.zone.test A", " RRSIG ")), (1, 0));
    assert_eq!(count("none.zone.test A do", "b.zone.test. 300 IN NSEC "), 1, "the name lies behind b");
    assert_eq!(count("none.zone.test A do", "zone.test. 300 IN NSEC "), 2, "and no wildcard before it");
    assert_eq!(count("b.zone.test TXT do", " NSEC "), 1);
}

#[test]
fn what_finds_nothing_falls_through() {
    let file = ZoneFile::new(ZONE);
    let directive = format!("{} {{\n fallthrough none.zone.test ent.zone.test\n}}", file.directive());
    let trial = Trial::ending_in(&directive, |_| Ok(Response::Unwritten(Rcode::NOTIMP)));
    for (query, expected) in [
        ("none.zone.test A", "unwritten NOTIMP"),
        ("ent.zone.test A", "unwritten NOTIMP"),
        ("www.zone.test TXT", "NOERROR qr aa rd; auth"),
        ("else.zone.test A", "NXDOMAIN"),
        ("other.test A", "unwritten NOTIMP"),
    ] {
        assert!(trial.ask(query).starts_with(expected), "{query}: {}", trial.ask(query));
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_serial_is_taken_over() {
    let file = ZoneFile::new("@ 60 SOA a b 1 2 3 4 5\n");
    let settings = Settings { reload: Duration::from_secs(1), by_time: false };
    let served = Served::new(Name::from_text("zone.test").unwrap(), file.0.clone(), settings);
    served.load().unwrap();
    let serial = |served: &Served| served.zone().as_deref().map(|zone| zone.serial);
    for (text, expected) in [
        ("@ 60 SOA a b 1 2 3 4 5\nnew 60 A 192.0.2.1\n", Some(1)),
        ("broken\n", Some(1)),
        ("@ 60 SOA a b 9 2 3 4 5\n", Some(9)),
    ] {
        std::fs::write(&file.0, text).unwrap();
        served.look();
        assert_eq!(serial(&served), expected, "{text}");
    }
    assert_eq!(served.transfer(Some(9)).count(), 1);
    assert_eq!(served.transfer(None).count(), 2);
}

#[test]
fn a24_a_file_that_became_older_is_taken_over() {
    let file = ZoneFile::new("@ 60 SOA a b 1 2 3 4 5\n");
    let settings = Settings { reload: Duration::ZERO, by_time: true };
    let served = Served::new(Name::from_text("zone.test").unwrap(), file.0.clone(), settings);
    served.load().unwrap();
    // As after the clock was set back an hour, forward ten years, and right again.
    let now = std::time::SystemTime::now();
    let (hour, years) = (Duration::from_secs(3600), Duration::from_secs(315_360_000));
    for (records, time) in [(2, now - hour), (3, now + years), (4, now)] {
        let text: String = (1..records).map(|host| format!("h{host} 60 A 192.0.2.1\n")).collect();
        std::fs::write(&file.0, format!("@ 60 SOA a b 1 2 3 4 5\n{text}")).unwrap();
        std::fs::File::options().write(true).open(&file.0).unwrap().set_modified(time).unwrap();
        served.look();
        let transferred: usize = served.transfer(None).map(|batch| batch.len()).sum();
        assert_eq!(transferred, records + 1, "SOA twice, and the hosts");
    }
}

#[test]
fn errors_are_coredns_words() {
    let place = "plugin/file: Corefile:2 - Error during parsing: ";
    let missing = "plugin/file: plugin/file: open /nowhere/db: no such file or directory";
    for (directive, expected) in [
        ("file", format!("{place}Wrong argument count or unexpected line ending after 'file'")),
        ("file /nowhere/db zone.test {\n reload\n}", "plugin/file: reload duration value is expected".into()),
        (
            "file /nowhere/db zone.test {\n bogus\n}",
            "plugin/file: Corefile:3 - Error during parsing: unknown property 'bogus'".into(),
        ),
        ("file /nowhere/db zone.test {\n reload 0\n}", missing.into()),
        ("file /nowhere/db zone.test {\n reload -1s\n}", "plugin/file: reload duration must not be negative".into()),
        (
            "file /nowhere/db zone.test {\n reload abc\n}",
            "plugin/file: plugin/file: time: invalid duration \"abc\"".into(),
        ),
        (
            "file /etc zone.test",
            "plugin/file: failed to parse file \"/etc\" for origin zone.test. with error read /etc: is a directory"
                .into(),
        ),
    ] {
        assert_eq!(setup_error(directive), Some(expected), "{directive}");
    }
    let empty = ZoneFile::new("");
    let path = empty.0.display();
    let expected = format!("plugin/file: file \"{path}\" has no SOA record for origin zone.test.");
    assert_eq!(setup_error(&empty.directive()), Some(expected));
    let hashed = ZoneFile::new("@ 1 SOA a b 1 2 3 4 5\nX 1 NSEC3PARAM 1 0 0 -\n");
    let expected = "plugin/file: NSEC3 zone is not supported, dropping RR: x.zone.test. for zone: zone.test.";
    assert_eq!(setup_error(&hashed.directive()).as_deref(), Some(expected));
}

#[test]
fn old_words_are_taken_with_a_warning() {
    let file = ZoneFile::new(ZONE);
    let trial = Trial::new(&format!("{} {{\n upstream 192.0.2.1\n transfer to *\n no_reload\n}}", file.directive()));
    let warnings: Vec<String> = trial.block.warnings.iter().map(|warning| warning.message.clone()).collect();
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(trial.ask("www.zone.test A").starts_with("NOERROR"));
}

#[test]
fn zones_are_in_canonical_order() {
    // The example of RFC 4034 §6.1, shuffled.
    let sorted = ["@", "a", "yljkjljk.a", "Z.a", "zABC.a", "z", "\\001.z", "*.z", "\\200.z"];
    let shuffled = [4, 0, 8, 2, 6, 5, 1, 7, 3].map(|index: usize| format!("{} 1 TXT {index}\n", sorted[index]));
    let file = ZoneFile::new(&format!("@ 1 SOA a b 1 2 3 4 5\n{}", shuffled.concat()));
    let settings = Settings { reload: Duration::ZERO, by_time: false };
    let served = Served::new(Name::from_text("zone.test").unwrap(), file.0.clone(), settings);
    served.load().unwrap();
    let order: Vec<u8> = served.transfer(None).flatten().filter_map(|record| record.rdata.get(1).copied()).collect();
    let texts: Vec<u8> = order.into_iter().filter(u8::is_ascii_digit).collect();
    assert_eq!(texts, b"012345678");
}
