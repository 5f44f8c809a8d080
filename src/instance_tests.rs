//! Tests of a life: start, reload, stop; with real sockets and a Corefile in a folder of its own.

use super::{Instance, Settings};
use crate::load::Origin;
use crate::server::testing::query;
use crate::transport::Handoff;
use plugin_api::{Message, Rcode, Reloaded, Type};
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;

/// A process with its Corefile.
struct Life {
    folder: tempfile::TempDir,
    runtime: Runtime,
    instance: Arc<Instance>,
}

impl Life {
    /// A process that is not started.
    fn new(corefile: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = Runtime::new().unwrap();
        let settings = Settings {
            origin: Origin { conf: folder.path().join("Corefile").display().to_string(), port: "0".to_owned() },
            manifests: Vec::new(),
            plugins: plugins::PLUGINS,
            threads: 2,
        };
        let instance = Instance::new(settings, Handoff::new(runtime.handle().clone()));
        let life = Self { folder, runtime, instance };
        life.write(corefile);
        life
    }

    /// The same, started.
    fn started(corefile: &str) -> Self {
        let life = Self::new(corefile);
        life.runtime.block_on(life.instance.start()).unwrap();
        life
    }

    /// The Corefile.
    fn path(&self) -> PathBuf {
        self.folder.path().join("Corefile")
    }

    /// Replaces the Corefile.
    fn write(&self, corefile: &str) {
        std::fs::write(self.path(), corefile).unwrap();
    }

    /// Looks for a change, as plugin `reload` does.
    fn look(&self) -> Reloaded {
        let control = Arc::clone(&self.instance.process.control);
        self.runtime.block_on(async move { control.reload_if_changed().await })
    }

    /// A socket that is connected to the only address.
    fn client(&self) -> UdpSocket {
        let addresses = self.runtime.block_on(self.instance.addresses());
        let port = addresses.first().unwrap().2.port();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        socket.connect(SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
        socket
    }
}

/// The rcode of the reply to a query.
fn ask(socket: &UdpSocket, name: &str) -> Rcode {
    socket.send(&query(1, name, Type::A, None)).unwrap();
    let mut octets = [0; 512];
    let length = socket.recv(&mut octets).unwrap();
    Message::read(&octets[..length]).unwrap().rcode()
}

#[test]
fn a_reload_loses_no_query() {
    let life = Life::started("a.test {\n whoami\n}\n");
    let socket = life.client();
    assert_eq!(ask(&socket, "a.test"), Rcode::NOERROR);
    assert_eq!(ask(&socket, "b.test"), Rcode::REFUSED);
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..2)
        .map(|_| {
            let (socket, stop) = (life.client(), Arc::clone(&stop));
            std::thread::spawn(move || {
                let mut asked = 0;
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(ask(&socket, "a.test"), Rcode::NOERROR);
                    asked += 1;
                }
                asked
            })
        })
        .collect();
    for round in 0..10 {
        life.write(&format!("a.test b.test {{\n whoami\n}}\nx{round}.test {{\n whoami\n}}\n"));
        assert_eq!(life.look(), Reloaded::Done);
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        assert!(client.join().unwrap() > 0);
    }
    assert_eq!(ask(&socket, "b.test"), Rcode::NOERROR);
    life.runtime.block_on(life.instance.stop());
}

#[test]
fn a_failed_reload_changes_nothing() {
    let life = Life::started("a.test {\n whoami\n}\n");
    let socket = life.client();
    let hash = life.instance.process.control.configuration_hash();
    let file = life.path().display().to_string();
    assert_eq!(life.look(), Reloaded::Unchanged);
    let failed = |text: String| Reloaded::Failed(format!("starting with listener file descriptors: {text}"));
    for (corefile, expected) in [
        ("a.test {\n", Reloaded::Unparsable(String::new())),
        ("", Reloaded::Unparsable("no server block in it; the running configuration stays".to_owned())),
        (
            "a.test {\n whoami x\n}\n",
            failed(format!(
                "plugin/whoami: {file}:2 - Error during parsing: Wrong argument count or unexpected line ending after 'x' ({file}:2:9)"
            )),
        ),
        (
            "a.test a.test {\n whoami\n}\n",
            failed(format!("cannot serve dns://a.test.:0 - it is already defined ({file}:1:1)")),
        ),
        (
            "a.test {\n bind 203.0.113.7\n whoami\n}\n",
            failed("Listen: listen tcp 203.0.113.7:0: bind: cannot assign requested address".to_owned()),
        ),
    ] {
        life.write(corefile);
        match (life.look(), expected) {
            (Reloaded::Unparsable(_), Reloaded::Unparsable(text)) if text.is_empty() => (),
            (got, expected) => assert_eq!(got, expected, "{corefile}"),
        }
        if !matches!(life.look(), Reloaded::Unparsable(_)) {
            assert_eq!(life.look(), Reloaded::Unchanged, "not tried twice: {corefile}");
        }
        assert_eq!(ask(&socket, "a.test"), Rcode::NOERROR);
        assert_eq!(life.instance.process.control.configuration_hash(), hash);
    }
    std::fs::remove_file(life.path()).unwrap();
    assert_eq!(life.look(), Reloaded::Unchanged);
    assert_eq!(ask(&socket, "a.test"), Rcode::NOERROR);
}

#[test]
fn addresses_come_and_go() {
    let life = Life::started("a.test {\n bind 127.0.0.1\n whoami\n}\n");
    let before = life.runtime.block_on(life.instance.addresses());
    life.write("a.test {\n bind 127.0.0.1 127.0.0.2\n whoami\n}\n");
    assert_eq!(life.look(), Reloaded::Done);
    let both = life.runtime.block_on(life.instance.addresses());
    assert_eq!(both.len(), 2);
    assert_eq!(both.first(), before.first(), "an address that stays keeps its sockets");
    life.write("a.test {\n bind 127.0.0.2\n whoami\n}\n");
    assert_eq!(life.look(), Reloaded::Done);
    assert_eq!(life.runtime.block_on(life.instance.addresses()), both[1..]);
    life.runtime.block_on(life.instance.stop());
    assert!(life.runtime.block_on(life.instance.is_idle()));
}

#[test]
fn a_start_that_fails_names_the_first_error_first() {
    for (corefile, first) in [
        ("a.test {\n bogus\n}\nb..test {\n whoami x\n}\n", "FILE:2 - Error during parsing: Unknown directive 'bogus'"),
        ("b..test {\n whoami x\n}\n", "error inspecting server blocks: zone is not a valid domain name: b..test"),
        (
            "a.test {\n whoami x\n}\na.test {\n errors {\n  bogus\n }\n}\n",
            "plugin/errors: FILE:6 - Syntax error: Unexpected token 'bogus', expecting 'Unknown field bogus'",
        ),
        ("a.test:70000 {\n whoami\n}\n", "address 70000: invalid port"),
        ("tls://a.test {\n whoami\n}\n", "cannot serve tls://a.test.:853 - ferrodns does not speak 'tls'"),
    ] {
        let life = Life::new(corefile);
        let failure = life.runtime.block_on(life.instance.start()).unwrap_err();
        let text = failure.to_string().replace(&life.path().display().to_string(), "FILE");
        assert_eq!(text.lines().next(), Some(first), "{text}");
    }
}

#[test]
fn the_listing_is_coredns() {
    let life = Life::new("_x.test 10.0.0.0/23 B.test {\n whoami\n}\na.test {\n bind ::1\n whoami\n}\n");
    let listing = life.runtime.block_on(life.instance.start()).unwrap();
    let expected = [
        "0.0.10.in-addr.arpa.:0",
        "1.0.10.in-addr.arpa.:0",
        "Warning: Domain \"_x.test.\" does not follow RFC1035 preferred syntax",
        "_x.test.:0",
        "b.test.:0",
        "a.test.:0 on ::1",
    ];
    assert_eq!(listing, expected);
}
