//! Tests of a life: start, reload, stop; with real sockets and a Corefile in a folder of its own.

use super::{Instance, Settings};
use crate::load::Origin;
use crate::server::testing::query;
use crate::transport::Handoff;
use plugin_api::{Message, Plugin, Rcode, Reloaded, Setup, Type};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// A process with its Corefile.
struct Life {
    folder: tempfile::TempDir,
    runtime: Runtime,
    instance: Arc<Instance>,
}

impl Life {
    /// A process that is not started.
    fn new(corefile: &str) -> Self {
        Self::on(Runtime::new().unwrap(), plugins::PLUGINS, corefile)
    }

    /// The same with a runtime and plugins of its own.
    fn on(runtime: Runtime, plugins: &'static [Plugin], corefile: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            origin: Origin { conf: folder.path().join("Corefile").display().to_string(), port: "0".to_owned() },
            manifests: Vec::new(),
            plugins,
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
        ("", Reloaded::Unchanged),
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

/// A set-up that waits until the test lets it go.
#[derive(Default)]
struct Gate {
    /// Whether the set-up has come, and whether it may go on.
    state: Mutex<(bool, bool)>,
    changed: Condvar,
}

impl Gate {
    const fn new() -> Self {
        Self { state: Mutex::new((false, false)), changed: Condvar::new() }
    }

    /// The set-up of a plugin.
    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.0 = true;
        self.changed.notify_all();
        drop(self.changed.wait_while(state, |state| !state.1).unwrap());
    }

    /// Waits until the set-up has come.
    fn await_visitor(&self) {
        let (state, limit) = (self.state.lock().unwrap(), Duration::from_secs(20));
        assert!(self.changed.wait_timeout_while(state, limit, |state| !state.0).unwrap().0.0);
    }

    /// Lets the set-up go on.
    fn open(&self) {
        self.state.lock().unwrap().1 = true;
        self.changed.notify_all();
    }
}

/// The set-up of `whoami`.
fn whoami(setup: &mut Setup<'_>) -> Result<(), corefile::Diagnostic> {
    let whoami = plugins::PLUGINS.iter().find(|plugin| plugin.name == "whoami").unwrap();
    (whoami.setup)(setup)
}

/// A runtime with a single worker, as a container with one processor has.
fn one_worker() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Begins to look for a change on a thread of its own.
fn begin_to_look(life: &Life) -> std::thread::JoinHandle<Reloaded> {
    let control = Arc::clone(&life.instance.process.control);
    let runtime = life.runtime.handle().clone();
    std::thread::spawn(move || runtime.block_on(async move { control.reload_if_changed().await }))
}

/// The rcode of the reply to a query over TCP, which a worker of the runtime gives.
fn ask_over_tcp(life: &Life, name: &str) -> std::io::Result<Rcode> {
    let addresses = life.runtime.block_on(life.instance.addresses());
    let port = addresses.first().unwrap().1.port();
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let message = query(1, name, Type::A, None);
    stream.write_all(&[&u16::try_from(message.len()).unwrap().to_be_bytes()[..], &message].concat())?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut octets = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut octets)?;
    Ok(Message::read(&octets).unwrap().rcode())
}

#[test]
fn a_set_up_that_blocks_stops_no_worker() {
    static GATE: Gate = Gate::new();
    fn gated(_: &mut Setup<'_>) -> Result<(), corefile::Diagnostic> {
        GATE.pass();
        Ok(())
    }
    static PLUGINS: &[Plugin] = &[Plugin { name: "erratic", setup: gated }, Plugin { name: "whoami", setup: whoami }];
    let life = Life::on(one_worker(), PLUGINS, "a.test {\n whoami\n}\n");
    life.runtime.block_on(life.instance.start()).unwrap();
    life.write("a.test {\n erratic\n whoami\n}\nb.test {\n whoami\n}\n");
    let looking = begin_to_look(&life);
    GATE.await_visitor();
    let asked = ask_over_tcp(&life, "a.test").map_err(|error| error.kind());
    GATE.open();
    assert_eq!(looking.join().unwrap(), Reloaded::Done);
    assert_eq!(asked, Ok(Rcode::NOERROR), "the worker was free");
    assert_eq!(ask_over_tcp(&life, "b.test").unwrap(), Rcode::NOERROR);
    life.runtime.block_on(life.instance.stop());
}

#[test]
fn the_end_does_not_wait_for_a_set_up() {
    static GATE: Gate = Gate::new();
    fn gated(_: &mut Setup<'_>) -> Result<(), corefile::Diagnostic> {
        GATE.pass();
        Ok(())
    }
    static PLUGINS: &[Plugin] = &[Plugin { name: "erratic", setup: gated }, Plugin { name: "whoami", setup: whoami }];
    let life = Life::on(one_worker(), PLUGINS, "a.test {\n whoami\n}\n");
    life.runtime.block_on(life.instance.start()).unwrap();
    let socket = life.client();
    life.write("b.test {\n erratic\n whoami\n}\n");
    let looking = begin_to_look(&life);
    GATE.await_visitor();
    let limit = Duration::from_secs(20);
    let told = life.runtime.block_on(async { timeout(limit, life.instance.before_shutdown()).await });
    // Queries are answered until the end, and a set-up that is done by now changes nothing.
    let in_between = (ask(&socket, "a.test"), ask_over_tcp(&life, "a.test").map_err(|error| error.kind()));
    let stopped = life.runtime.block_on(async { timeout(limit, life.instance.stop()).await });
    GATE.open();
    assert_eq!(looking.join().unwrap(), Reloaded::Unchanged);
    assert_eq!((told, stopped), (Ok(()), Ok(())), "the set-up was still waiting");
    assert_eq!(in_between, (Rcode::NOERROR, Ok(Rcode::NOERROR)));
    assert!(life.runtime.block_on(life.instance.is_idle()), "the reload is undone");
}

#[test]
fn a_set_up_that_panics_changes_nothing() {
    fn panics(_: &mut Setup<'_>) -> Result<(), corefile::Diagnostic> {
        panic!("a set-up")
    }
    static PLUGINS: &[Plugin] = &[Plugin { name: "erratic", setup: panics }, Plugin { name: "whoami", setup: whoami }];
    let life = Life::on(one_worker(), PLUGINS, "a.test {\n whoami\n}\n");
    life.runtime.block_on(life.instance.start()).unwrap();
    life.write("a.test {\n erratic\n}\n");
    assert!(matches!(life.look(), Reloaded::Failed(error) if error.contains("the set-up ended early")));
    assert_eq!(ask(&life.client(), "a.test"), Rcode::NOERROR);
    life.runtime.block_on(life.instance.stop());
}
