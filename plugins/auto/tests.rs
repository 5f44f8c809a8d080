//! Zones that come and go with their files, and the errors of the directive.

use super::folder::{Folder, Search};
use crate::trial::{Trial, setup_error};
use plugin_api::{Lifecycle, Name};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A folder of its own for a test, removed with this value.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("ferrodns-auto-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(path.join("deeper")).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, serial: u32) {
        std::fs::write(self.0.join(name), format!("$TTL 9\n@ SOA a b {serial} 1 1 1 1\nwww A 192.0.2.1\n")).unwrap();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// The zones that a folder has.
fn zones(folder: &Folder, names: &[&str]) -> Vec<bool> {
    folder.look();
    let found = folder.zones();
    names.iter().map(|name| found.find(&Name::from_text(name).unwrap()).is_some()).collect()
}

#[test]
fn zones_come_and_go_with_their_files() {
    let scratch = Scratch::new();
    scratch.write("db.Example.org", 1);
    scratch.write("deeper/db.example.net", 1);
    scratch.write("other", 1);
    std::fs::write(scratch.0.join("db.broken.org"), "broken").unwrap();
    let pattern = crate::pattern::compile("db\\.(.*)").unwrap();
    let template = "${1}".to_owned();
    let reload = Duration::ZERO;
    let folder = Folder::new(Search { directory: Some(scratch.0.clone()), pattern, template, reload });
    let names = ["www.example.org", "example.net", "broken.org", "org"];
    assert_eq!(zones(&folder, &names), [true, true, false, false]);
    std::fs::remove_file(scratch.0.join("db.Example.org")).unwrap();
    scratch.write("db.broken.org", 1);
    assert_eq!(zones(&folder, &names), [false, true, true, false]);
    // The same zone from another file.
    std::fs::remove_file(scratch.0.join("deeper/db.example.net")).unwrap();
    scratch.write("db.example.net", 2);
    assert_eq!(zones(&folder, &names), [false, true, true, false]);
    let found = folder.zones();
    let served = found.find(&Name::from_text("example.net").unwrap()).unwrap();
    assert_eq!(served.transfer(Some(2)).count(), 1, "the new file's serial is 2");
}

#[tokio::test]
async fn names_are_templates_and_queries_are_answered() {
    let scratch = Scratch::new();
    scratch.write("zone-one.test", 1);
    let directory = scratch.0.display();
    let block = format!("auto test {{\n directory {directory} zone-(.*)[.]([a-z]+) x{{1}}.{{2}}\n reload 0\n}}");
    let trial = Trial::new(&block);
    for (_, part) in &trial.block.managed {
        let part: &Arc<dyn Lifecycle> = part;
        part.start().await.unwrap();
    }
    assert!(trial.ask("www.xone.test A").starts_with("NOERROR qr aa rd; answer: www.xone.test. 9 IN A 192.0.2.1"));
    assert!(trial.ask("nope.xone.test A").starts_with("NXDOMAIN qr aa rd; authority: xone.test. 9 IN SOA"));
    assert_eq!(trial.ask("www.one.test A"), "unwritten REFUSED");
    assert_eq!(trial.ask("www.org A"), "error SERVFAIL: plugin/auto: no next plugin found");
}

#[test]
fn errors_are_coredns_words() {
    let place = "plugin/auto: Corefile:3 - Error during parsing: ";
    for (property, expected) in [
        ("reload abc", "plugin/auto: plugin/file: time: invalid duration \"abc\"".to_owned()),
        ("reload -1s", "plugin/auto: plugin/file: invalid duration".to_owned()),
        ("reload", "plugin/auto: reload duration value is expected".to_owned()),
        ("directory", format!("{place}Wrong argument count or unexpected line ending after 'directory'")),
        ("directory /tmp a b", format!("{place}Need at least one sub expression")),
        ("directory /tmp (a)", format!("{place}Wrong argument count or unexpected line ending after '(a)'")),
        ("bogus", format!("{place}unknown property 'bogus'")),
    ] {
        assert_eq!(setup_error(&format!("auto {{\n {property}\n}}")), Some(expected), "{property}");
    }
    assert_eq!(Trial::new("auto {\n upstream\n no_reload\n}").block.warnings.len(), 2);
}
