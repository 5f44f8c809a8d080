//! Wrong and hostile input: files that cannot be read, places that are taken, APIs that are gone, octets that are no query.
//!
//! Words and exit statuses are CoreDNS's, where it has any.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::{PermissionsExt as _, symlink};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use test_support::subject::Signal;

use crate::process::{LIMIT, Life, Scene};

/// A Corefile that is good.
const WHOAMI: &str = ".:{$PORT} {\n bind 127.0.0.1\n errors\n whoami\n}\n";

/// The query `a.example. IN A` with RD.
const QUERY: &[u8] = b"\x2b\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x07example\x00\x00\x01\x00\x01";

/// How many wrong messages are sent over UDP, and over TCP.
const MESSAGES: usize = 2000;

/// How many wrong messages are sent before somebody asks whether the server still answers.
const ROUND: usize = 50;

#[test]
fn a_corefile_that_cannot_be_read_is_refused() {
    let scene = Scene::new(WHOAMI);
    let corefile = scene.path("Corefile");
    fs::remove_file(&corefile).unwrap();
    symlink("Corefile", &corefile).unwrap();
    let message = "loading Caddyfile via flag: open Corefile: too many levels of symbolic links";
    assert_eq!(scene.refusal(), (Some(1), message.to_owned()));

    let scene = Scene::new(WHOAMI);
    let corefile = scene.path("Corefile");
    fs::set_permissions(&corefile, fs::Permissions::from_mode(0o0)).unwrap();
    // Root reads it all the same.
    if fs::read(&corefile).is_err() {
        let message = "loading Caddyfile via flag: open Corefile: permission denied";
        assert_eq!(scene.refusal(), (Some(1), message.to_owned()));
    }
}

#[test]
fn a_corefile_that_is_no_file_is_refused() {
    let scene = Scene::new(WHOAMI);
    fs::remove_file(scene.path("Corefile")).unwrap();
    fs::create_dir(scene.path("Corefile")).unwrap();
    assert_eq!(scene.refusal(), (Some(1), "loading Caddyfile via flag: read Corefile: is a directory".to_owned()));

    let scene = Scene::new(WHOAMI);
    fs::remove_file(scene.path("Corefile")).unwrap();
    let message = "loading Caddyfile via flag: open Corefile: no such file or directory";
    assert_eq!(scene.refusal(), (Some(1), message.to_owned()));
}

#[test]
fn a_bad_corefile_is_refused() {
    let long = format!("{}.example", "a".repeat(64));
    for (corefile, message) in [
        ("a..b:{$PORT} {\n whoami\n}\n", "error inspecting server blocks: zone is not a valid domain name: a..b"),
        (
            &*format!("{long} {{\n whoami\n}}\n"),
            &*format!("error inspecting server blocks: zone is not a valid domain name: {long}"),
        ),
        (".:{$PORT} {\n bogus\n}\n", "Corefile:2 - Error during parsing: Unknown directive 'bogus'"),
        (
            ".:{$PORT} {\n whoami x\n}\n",
            "plugin/whoami: Corefile:2 - Error during parsing: Wrong argument count or unexpected line ending after 'x'",
        ),
        (".:70000 {\n whoami\n}\n", "address 70000: invalid port"),
        ("a.test:{$PORT} a.test:{$PORT} {\n whoami\n}\n", "cannot serve dns://a.test.:PORT - it is already defined"),
    ] {
        let scene = Scene::new(corefile);
        let port = scene.address.port().to_string();
        assert_eq!(scene.refusal(), (Some(1), message.replace("PORT", &port)), "{corefile}");
    }
}

#[test]
fn a_place_that_is_taken_is_refused() {
    let scene = Scene::new(WHOAMI);
    let (address, side) = (scene.address, scene.side);
    let _tcp = TcpListener::bind(address).unwrap();
    assert_eq!(scene.refusal(), (Some(1), format!("Listen: listen tcp {address}: bind: address already in use")));

    let mut scene = Scene::new(WHOAMI);
    scene.command.env("PORT", side.port().to_string());
    let _udp = UdpSocket::bind(side).unwrap();
    assert_eq!(scene.refusal(), (Some(1), format!("ListenPacket: listen udp {side}: bind: address already in use")));

    let scene = Scene::new(".:{$PORT} {\n bind 127.0.0.1\n health 127.0.0.1:{$SIDE}\n whoami\n}\n");
    let side = scene.side;
    let _health = TcpListener::bind(side).unwrap();
    assert_eq!(scene.refusal(), (Some(1), format!("listen tcp {side}: bind: address already in use")));

    let mut scene = Scene::new(&WHOAMI.replace("127.0.0.1", "203.0.113.7"));
    scene.command.env("PORT", "5300");
    let message = "Listen: listen tcp 203.0.113.7:5300: bind: cannot assign requested address";
    assert_eq!(scene.refusal(), (Some(1), message.to_owned()));
}

#[test]
fn metrics_whose_place_is_taken_do_not_stop_the_start() {
    let scene = Scene::new(".:{$PORT} {\n bind 127.0.0.1\n prometheus 127.0.0.1:{$SIDE}\n whoami\n}\n");
    let side = scene.side;
    let _taken = TcpListener::bind(side).unwrap();
    let mut life = scene.start();
    life.await_log(
        &format!("[ERROR] Failed to start metrics handler: listen tcp {side}: bind: address already in use"),
        1,
    );
    assert_eq!(life.ask("a.example A").rcode.as_deref(), Some("NOERROR"));
}

#[test]
fn wrong_flags_end_with_status_2() {
    let mut scene = Scene::new(WHOAMI);
    scene.command.arg("-bogus");
    assert_eq!(scene.refusal(), (Some(2), "flag provided but not defined: -bogus".to_owned()));
    let mut scene = Scene::new(WHOAMI);
    scene.command.arg("more");
    let (code, text) = scene.refusal();
    assert_eq!((code, text.ends_with(" extra command line arguments: [more]")), (Some(1), true), "{text}");
}

#[test]
fn an_unreachable_api_delays_the_start_and_denies_nothing() {
    let corefile = ".:{$PORT} {\n bind 127.0.0.1\n errors\n kubernetes cluster.local {\n  endpoint http://127.0.0.1:{$SIDE}\n  \
                    startup_timeout 1s\n }\n}\n";
    let mut life = Scene::new(corefile).start();
    life.await_log("[INFO] plugin/kubernetes: waiting for Kubernetes API before starting server", 1);
    life.await_log("[WARNING] plugin/kubernetes: starting server with unsynced Kubernetes API", 1);
    for line in ["web.default.svc.cluster.local A", "cluster.local SOA tcp"] {
        let answer = life.ask(line);
        assert!(answer.rcode.as_deref() != Some("NXDOMAIN"), "{answer:?}");
    }
    assert_eq!(life.ask("web.default.svc.cluster.local A").rcode.as_deref(), Some("SERVFAIL"));
    assert_eq!(life.end(Signal::SIGTERM), Some(0));
}

/// A Namespace and a Service with an address.
fn manifest(address: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Namespace\nmetadata: {{name: default}}\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: web, \
         namespace: default}}\nspec: {{clusterIP: {address}, clusterIPs: [{address}], ports: [{{port: 80, protocol: TCP}}]}}\n"
    )
}

/// A scene whose objects come from the file `objects.yaml`.
fn from_manifest(text: &str) -> Scene {
    let mut scene = Scene::new(".:{$PORT} {\n bind 127.0.0.1\n errors\n kubernetes cluster.local\n}\n");
    fs::write(scene.path("objects.yaml"), text).unwrap();
    scene.command.args(["-kubernetes.manifests", "objects.yaml"]);
    scene
}

#[test]
fn a_broken_manifest_is_refused_with_its_place() {
    let (code, text) = from_manifest("apiVersion: v1\nkind: Service\nmetadata: [\n").refusal();
    assert_eq!(code, Some(1), "{text}");
    assert!(text.starts_with("plugin/kubernetes: objects.yaml:3:"), "{text}");
}

#[test]
fn a_manifest_that_breaks_changes_nothing() {
    let mut life = from_manifest(&manifest("10.96.0.20")).start();
    let web = |life: &Life| life.ask("web.default.svc.cluster.local A").answer;
    assert_eq!(web(&life), ["web.default.svc.cluster.local. 5 IN A 10.96.0.20"]);
    life.write("objects.yaml", &manifest("[10.96.0.21"));
    life.await_log("[ERROR] plugin/kubernetes: manifests cannot be read, nothing changes: objects.yaml:8:", 1);
    assert_eq!(web(&life), ["web.default.svc.cluster.local. 5 IN A 10.96.0.20"]);
    life.write("objects.yaml", &manifest("10.96.0.22"));
    life.await_log("[INFO] plugin/kubernetes: manifests changed, 1 objects are different", 1);
    // The index takes the change in a moment after the source has told it.
    let end = std::time::Instant::now() + LIMIT;
    while web(&life) != ["web.default.svc.cluster.local. 5 IN A 10.96.0.22"] {
        assert!(std::time::Instant::now() < end, "the new address does not come");
    }
}

#[test]
fn wrong_messages_get_the_right_answer_or_none() {
    let life = Life::start(WHOAMI);
    // Each without its two octets of id.
    for (tail, rcode) in [
        ("010000010000000000000161076578616d706c650000010001", Some("NOERROR")),
        // A reply, and a header that is cut.
        ("810000010000000000000161076578616d706c650000010001", None),
        ("010000010000000000", None),
        // STATUS, UPDATE.
        ("110000010000000000000161076578616d706c650000010001", Some("NOTIMP")),
        ("290000010000000000000161076578616d706c650000010001", Some("NOTIMP")),
        // No question, two, none that is whole.
        ("01000000000000000000", Some("FORMERR")),
        ("01000002000000000000016107657861", Some("FORMERR")),
        ("01000001000000000000016107657861", Some("FORMERR")),
        // A name that points to itself, and a label of the type 01.
        ("01000001000000000000c00c00010001", Some("FORMERR")),
        ("01000001000000000000416100010001", Some("FORMERR")),
    ] {
        for transport in ["", " tcp"] {
            let answer =
                life.ask(&format!("- - hex=xid{tail} wait={}{transport}", if rcode.is_some() { 5.0 } else { 0.3 }));
            assert_eq!(answer.rcode.as_deref(), rcode, "{tail}{transport}: {answer:?}");
        }
    }
}

/// A wrong message: noise, a query cut or longer than it says, or one with octets changed.
fn garbage(random: &mut StdRng) -> Vec<u8> {
    let mut message = match random.random_range(0..4) {
        0 => (0..random.random_range(0..600)).map(|_| random.random()).collect(),
        1 => QUERY[..random.random_range(0..QUERY.len())].to_vec(),
        2 => [QUERY, &vec![0xc0; random.random_range(1..80)]].concat(),
        _ => QUERY.to_vec(),
    };
    for _ in 0..random.random_range(0..4) {
        let at = random.random_range(0..message.len().max(1));
        if let Some(octet) = message.get_mut(at) {
            *octet = random.random();
        }
    }
    message
}

#[test]
fn garbage_over_udp_harms_nobody() {
    let mut life = Life::start(WHOAMI);
    let mut random = StdRng::seed_from_u64(53);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(life.address).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut buffer = [0; 65535];
    for _ in 0..MESSAGES / ROUND {
        let sent: Vec<_> = (0..ROUND).map(|_| garbage(&mut random)).collect();
        sent.iter().for_each(|message| assert_eq!(socket.send(message).unwrap(), message.len()));
        assert_eq!(life.ask("a.example A").rcode.as_deref(), Some("NOERROR"));
        while let Ok(length) = socket.recv(&mut buffer) {
            assert!(length >= 12 && buffer[2] & 0x80 != 0, "not a reply: {:?}", &buffer[..length]);
        }
    }
    assert_eq!(life.subject.ended().unwrap(), None);
    assert!(!life.subject.output().contains("panic"), "{}", life.subject.output());
    assert_eq!(life.end(Signal::SIGTERM), Some(0));
}

#[test]
fn garbage_over_tcp_harms_nobody() {
    let mut life = Life::start(WHOAMI);
    let mut random = StdRng::seed_from_u64(54);
    for round in 0..MESSAGES / ROUND {
        let mut stream = TcpStream::connect(life.address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        for _ in 0..ROUND {
            let message = garbage(&mut random);
            let length = u16::try_from(message.len()).unwrap();
            // The server may have had enough of this connection.
            if stream.write_all(&[&length.to_be_bytes(), &*message].concat()).is_err() {
                break;
            }
        }
        // A length that more octets than come are announced by, and the end.
        if stream.write_all(&[0xff, 0xff, 0x00]).is_ok() && round % 2 == 0 {
            drop(stream.shutdown(std::net::Shutdown::Write));
            drop(stream.read_to_end(&mut Vec::new()));
        }
        assert_eq!(life.ask("a.example A tcp").rcode.as_deref(), Some("NOERROR"));
    }
    assert_eq!(life.subject.ended().unwrap(), None);
    assert!(!life.subject.output().contains("panic"), "{}", life.subject.output());
    assert_eq!(life.end(Signal::SIGTERM), Some(0));
}

#[test]
fn clients_that_say_nothing_do_not_keep_others_out() {
    let mut life = Life::start(WHOAMI);
    let silent: Vec<_> = (0..200).map(|_| TcpStream::connect(life.address).unwrap()).collect();
    assert_eq!(life.ask("a.example A tcp").rcode.as_deref(), Some("NOERROR"));
    assert_eq!(life.ask("a.example A").rcode.as_deref(), Some("NOERROR"));
    // Nor do they hold up the end.
    assert_eq!(life.end(Signal::SIGTERM), Some(0));
    drop(silent);
}
