//! Tests of what comes of a Corefile.

use super::{Building, inspect};
use super::{check_overlap, is_preferred, resolve, shown};
use plugin_api::setup::Settings;

#[test]
fn ports_are_read_as_go_does() {
    assert_eq!(resolve("", "53").unwrap().to_string(), "[::]:53");
    assert_eq!(resolve("127.0.0.1", "").unwrap().to_string(), "127.0.0.1:0");
    for (port, error) in [
        ("65536", "address 65536: invalid port"),
        ("-5", "address -5: invalid port"),
        ("abc", "lookup tcp/abc: unknown port"),
    ] {
        assert_eq!(resolve("", port).unwrap_err(), error);
    }
}

#[test]
fn addresses_are_named_as_go_does() {
    for (host, expected) in [
        ("", ":53"),
        ("0.0.0.0", "0.0.0.0:53"),
        ("::", "[::]:53"),
        ("2001:db8::1", "[2001:db8::1]:53"),
        ("::ffff:127.0.0.1", "127.0.0.1:53"),
        ("fe80::1%lo", "[fe80::1%lo]:53"),
    ] {
        let address = resolve(host, "53").unwrap();
        assert_eq!(shown(host, address), expected);
        let scope = if let std::net::SocketAddr::V6(v6) = address { v6.scope_id() } else { 0 };
        assert_eq!(scope > 0, host.contains('%'), "{host}");
    }
}

/// What the check says of blocks, each given as its key and the hosts that it is bound to.
fn overlap(blocks: &[(&str, &[&str])]) -> Result<(), String> {
    let text: String = blocks.iter().map(|(key, _)| format!("{key} {{\n whoami\n}}\n")).collect();
    let options =
        corefile::Options { directives: None, hints: &[], env: &corefile::ProcessEnv, files: &corefile::DiskFiles };
    let parsed = corefile::parse(corefile::Input { name: "Corefile", text: text.as_bytes() }, options).unwrap();
    let keys = inspect(&parsed.blocks, "53", &parsed.sources).unwrap();
    let mut building: Vec<_> = parsed.blocks.iter().zip(keys).map(|(block, keys)| Building::new(block, keys)).collect();
    for (block, (_, hosts)) in building.iter_mut().zip(blocks) {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>();
        block.drawer.settings = Settings { is_bound: !hosts.is_empty(), hosts, ..Settings::default() };
        block.find_places()?;
    }
    check_overlap(&building).map_err(|(_, text)| text)
}

#[test]
fn what_two_blocks_would_serve_is_refused() {
    let one = &["127.0.0.1"][..];
    for (blocks, error) in [
        (&[(".", &[][..]), ("x", &[])][..], None),
        (&[(".", &[]), (".:53", &[])], Some("cannot serve dns://.:53 - it is already defined")),
        (&[("a a", &[])], Some("cannot serve dns://a.:53 - it is already defined")),
        (&[(".", one), (".", &["127.0.0.2"])], None),
        (&[(".", one), (".", one)], Some("cannot serve dns://.:53 on 127.0.0.1 - it is already defined")),
        (
            &[(".", &[]), (".", one)],
            Some("cannot serve dns://.:53 on 127.0.0.1 - zone overlap listener capacity with dns://.:53"),
        ),
        (
            &[(".", one), (".", &[])],
            Some("cannot serve dns://.:53 - zone overlap listener capacity with dns://.:53 on 127.0.0.1"),
        ),
    ] {
        assert_eq!(overlap(blocks).err().as_deref(), error, "{blocks:?}");
    }
}

#[test]
fn zones_with_odd_letters_are_pointed_out() {
    for (zone, expected) in [
        (".", true),
        ("a.test.", true),
        ("a-1.test.", true),
        ("0.0.10.in-addr.arpa.", true),
        ("_x.test.", false),
        ("1.test.", false),
        ("a-.test.", false),
        ("*.test.", false),
    ] {
        assert_eq!(is_preferred(zone), expected, "{zone}");
    }
}
