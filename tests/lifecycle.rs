//! The life of the program under load: reloads, signals, the end. What happens is awaited in its log.

use std::fs;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use test_support::subject::{Signal, Subject};
use test_support::{Client, http};

use crate::harness::say;
use crate::process::{LIMIT, Life, Scene};

/// How often the configuration is loaded again under load.
const RELOADS: u8 = 20;

/// How many answers come between two reloads at least.
const BETWEEN: usize = 50;

/// The pause between two queries of one client: a few hundred a second.
const PAUSE: Duration = Duration::from_millis(2);

/// A Corefile whose answer tells which one it is.
fn generation(number: u8) -> String {
    format!(
        ".:{{$PORT}} {{\n bind 127.0.0.1\n health 127.0.0.1:{{$SIDE}}\n hosts {{\n  192.0.2.{number} a.example\n }}\n}}\n"
    )
}

/// What clients must see: at least what was loaded when they asked, at most what is being loaded.
#[derive(Default)]
struct Truth {
    loaded: AtomicU8,
    written: AtomicU8,
    /// Right answers and pages, of all clients.
    answers: AtomicUsize,
    is_over: AtomicBool,
}

impl Truth {
    /// Asks until it is over; how many answers came, or the first that was not as it should be.
    fn hold(&self, mut client: Client, line: &str) -> Result<usize, String> {
        let mut asked = 0;
        while !self.is_over.load(Ordering::Acquire) {
            let least = self.loaded.load(Ordering::Acquire);
            let answer = client.ask(line).map_err(|error| error.to_string())?;
            let most = self.written.load(Ordering::Acquire);
            let right = (least..=most).map(|number| format!("a.example. 3600 IN A 192.0.2.{number}"));
            if answer.answer.len() != 1 || !right.into_iter().any(|record| answer.answer.contains(&record)) {
                return Err(format!("{line}, after {asked}, in {least} to {most}: {answer:?}"));
            }
            asked += 1;
            self.answers.fetch_add(1, Ordering::AcqRel);
            thread::sleep(PAUSE);
        }
        Ok(asked)
    }

    /// Waits for more answers, until it is clear that something is wrong.
    fn await_answers(&self) {
        let (end, wanted) = (Instant::now() + LIMIT, self.answers.load(Ordering::Acquire) + BETWEEN);
        while self.answers.load(Ordering::Acquire) < wanted && Instant::now() < end {
            thread::sleep(PAUSE);
        }
    }

    /// Gets pages until it is over; how many, or the first that failed.
    fn watch(&self, address: SocketAddr, path: &str) -> Result<usize, String> {
        let mut got = 0;
        while !self.is_over.load(Ordering::Acquire) {
            match http::get(address, path) {
                Ok((200, _)) => got += 1,
                other => return Err(format!("{path}, after {got}: {other:?}")),
            }
            self.answers.fetch_add(1, Ordering::AcqRel);
            thread::sleep(PAUSE);
        }
        Ok(got)
    }
}

#[test]
fn twenty_reloads_under_load_lose_nothing() {
    let mut life = Life::start(&generation(0));
    let truth = Truth::default();
    let (address, side) = (life.address, life.side);
    let counts = thread::scope(|scope| {
        let clients = [
            scope.spawn(|| truth.hold(Client::udp(address), "a.example A")),
            scope.spawn(|| truth.hold(Client::tcp(address), "a.example A")),
            scope.spawn(|| truth.hold(Client::tcp(address), "a.example A conn=kept")),
            scope.spawn(|| truth.watch(side, "/health")),
        ];
        for number in 1..=RELOADS {
            truth.await_answers();
            truth.written.store(number, Ordering::Release);
            life.load(&generation(number));
            life.await_log("[INFO] Reloading complete", number.into());
            truth.loaded.store(number, Ordering::Release);
        }
        truth.is_over.store(true, Ordering::Release);
        clients.map(|client| client.join().unwrap())
    });
    say(&format!("lifecycle: answers over UDP, TCP, a kept connection, health pages: {counts:?}"));
    for count in counts {
        assert!(count.unwrap() >= usize::from(RELOADS));
    }
    assert_eq!(life.end(Signal::SIGTERM), Some(0));
}

#[test]
fn side_endpoints_stay_up_over_reloads() {
    for (directive, path) in [("ready", "/ready"), ("prometheus", "/metrics")] {
        let corefile =
            |ttl| format!(". {{\n bind 127.0.0.1\n {directive} 127.0.0.1:{{$SIDE}}\n cache {ttl}\n whoami\n}}\n");
        let mut scene = Scene::new(&corefile(1));
        let port = scene.address.port().to_string();
        scene.command.args(["-p", &port]);
        let mut life = scene.start();
        let truth = Truth::default();
        let side = life.side;
        // Ready only after the first second in which all plugins are.
        while http::get(side, path).is_ok_and(|(status, _)| status != 200) {
            thread::sleep(PAUSE);
        }
        let pages = thread::scope(|scope| {
            let watcher = scope.spawn(|| truth.watch(side, path));
            for round in 1..=5 {
                truth.await_answers();
                life.load(&corefile(round + 1));
                life.await_log("[INFO] Reloading complete", round);
            }
            truth.is_over.store(true, Ordering::Release);
            watcher.join().unwrap()
        });
        assert!(pages.unwrap() >= 5);
    }
}

#[test]
fn a_broken_file_changes_nothing_and_says_why() {
    let mut life = Life::start(&generation(1));
    for (round, (corefile, message)) in [
        (".:{$PORT} {\n  bogus\n}\n", "Corefile:2 - Error during parsing: Unknown directive 'bogus' (Corefile:2:3)"),
        (".:{$PORT} {\n", "Corefile:1 - Syntax error: Unexpected token '{', expecting '}' (Corefile:1:"),
        (
            ".:{$PORT} {\n bind 127.0.0.1\n whoami x\n}\n",
            "plugin/whoami: Corefile:3 - Error during parsing: Wrong argument count or unexpected line ending after 'x' (Corefile:3:9)",
        ),
        (
            ".:{$PORT} {\n bind 203.0.113.7\n whoami\n}\n",
            "Listen: listen tcp 203.0.113.7:PORT: bind: cannot assign requested address",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let message = message.replace("PORT", &life.address.port().to_string());
        life.load(corefile);
        life.await_log("[ERROR] SIGUSR1: starting with listener file descriptors: ", round + 1);
        life.await_log(&format!("[ERROR] Restart failed: {message}"), 1);
        assert_eq!(life.ask("a.example A").answer, ["a.example. 3600 IN A 192.0.2.1"]);
        assert_eq!(http::get(life.side, "/health").unwrap().0, 200);
    }
    life.load(&generation(2));
    life.await_log("[INFO] Reloading complete", 1);
    assert_eq!(life.ask("a.example A").answer, ["a.example. 3600 IN A 192.0.2.2"]);
}

#[test]
fn an_empty_or_missing_file_keeps_what_runs() {
    let mut life = Life::start(&generation(1));
    life.load("# nothing\n");
    life.await_log("[ERROR] SIGUSR1: no server block in it; the running configuration stays", 1);
    fs::remove_file(life.path("Corefile")).unwrap();
    life.subject.signal(Signal::SIGUSR1).unwrap();
    life.await_log("[ERROR] SIGUSR1: loading updated Caddyfile: open Corefile: no such file or directory", 1);
    assert_eq!(life.ask("a.example A").answer, ["a.example. 3600 IN A 192.0.2.1"]);
    life.load(&generation(2));
    life.await_log("[INFO] Reloading complete", 1);
    assert_eq!(life.ask("a.example A").answer, ["a.example. 3600 IN A 192.0.2.2"]);
}

#[test]
fn the_plugin_reload_follows_the_file() {
    let corefile = |number| generation(number).replace(" hosts", " reload 2s 0s\n hosts");
    let mut life = Life::start(&corefile(1));
    life.await_log("[INFO] plugin/reload: Running configuration SHA512 = ", 1);
    life.write("Corefile", &corefile(2));
    life.await_log("[INFO] Reloading complete", 1);
    life.await_log("[INFO] plugin/reload: Running configuration SHA512 = ", 2);
    assert_eq!(life.ask("a.example A").answer, ["a.example. 3600 IN A 192.0.2.2"]);
    life.write("Corefile", ".:{$PORT} {\n bogus {\n");
    life.await_log("[WARNING] plugin/reload: Corefile parse failed: Corefile:", 1);
    // SIGUSR1 does not end the watching.
    life.load(&corefile(3));
    life.await_log("[INFO] Reloading complete", 2);
    life.write("Corefile", &corefile(4));
    life.await_log("[INFO] Reloading complete", 3);
    assert_eq!(life.ask("a.example A").answer, ["a.example. 3600 IN A 192.0.2.4"]);
}

#[test]
fn a_file_that_vanishes_or_is_empty_is_told_of_once() {
    let corefile = |number| generation(number).replace(" hosts", " reload 2s 0s\n hosts");
    let mut life = Life::start(&corefile(1));
    let stays = ": the running configuration stays, but a restart would fail";
    fs::remove_file(life.path("Corefile")).unwrap();
    life.await_log(&format!("[WARNING] plugin/reload: open Corefile: no such file or directory{stays}"), 1);
    life.write("Corefile", "# nothing\n");
    life.await_log("[WARNING] plugin/reload: Corefile has no server block: the running configuration stays, but a restart would serve the built-in one", 1);
    life.write("Corefile", &corefile(1));
    life.await_log("[WARNING] plugin/reload: Corefile can be used again", 1);
    life.write("Corefile", "{\n \"apiVersion\": \"v1\"\n");
    life.await_log("[WARNING] plugin/reload: Corefile looks like JSON, not like a Corefile; ", 1);
    life.write("Corefile", &corefile(2));
    life.await_log("[WARNING] plugin/reload: Corefile can be used again", 2);
    life.await_log("[INFO] Reloading complete", 1);
    assert_eq!(life.ask("a.example A").answer, ["a.example. 3600 IN A 192.0.2.2"]);
    let output = life.subject.output();
    let told =
        output.lines().filter(|line| line.starts_with("[WARNING] plugin/reload: ") && !line.contains("parse failed"));
    assert_eq!(told.count(), 5, "each once: {output}");
}

#[test]
fn sigterm_answers_what_is_under_way() {
    for transport in ["", " tcp"] {
        let upstream = UdpSocket::bind("127.0.0.1:0").unwrap();
        upstream.set_read_timeout(Some(LIMIT)).unwrap();
        let mut scene = Scene::new(".:{$PORT} {\n bind 127.0.0.1\n forward . {$UPSTREAM} {\n  prefer_udp\n }\n}\n");
        scene.command.env("UPSTREAM", upstream.local_addr().unwrap().to_string());
        let mut life = scene.start();
        let mut client = Client::udp(life.address);
        let line = format!("a.example A wait=10{transport}");
        let asking = thread::spawn(move || client.ask(&line).unwrap());
        let mut buffer = [0; 512];
        let (length, from) = upstream.recv_from(&mut buffer).unwrap();
        life.subject.signal(Signal::SIGTERM).unwrap();
        life.await_log("[INFO] SIGTERM: Shutting down servers then terminating", 1);
        // The query comes back as a reply, without records.
        buffer[2] |= 0x80;
        upstream.send_to(&buffer[..length], from).unwrap();
        let answer = asking.join().unwrap();
        assert_eq!(answer.rcode.as_deref(), Some("NOERROR"), "{answer:?}");
        assert_eq!(life.subject.wait(LIMIT).unwrap().code(), Some(0));
    }
}

#[test]
fn signals_end_the_program_and_its_pidfile() {
    for (signal, line) in [
        (Signal::SIGTERM, "[INFO] SIGTERM: Shutting down servers then terminating"),
        (Signal::SIGINT, "[INFO] SIGINT: Shutting down"),
        (Signal::SIGQUIT, "[INFO] SIGQUIT: Quitting process immediately"),
    ] {
        let mut scene = Scene::new(&generation(1));
        scene.command.args(["-pidfile", "pid"]);
        let mut life = scene.start();
        assert_eq!(fs::read_to_string(life.path("pid")).unwrap(), format!("{}\n", life.subject.id()));
        life.subject.signal(Signal::SIGHUP).unwrap();
        assert_eq!(life.ask("a.example A").answer.len(), 1);
        assert_eq!(life.end(signal), Some(0), "{signal}");
        life.await_log(line, 1);
        assert!(!life.path("pid").exists(), "{signal}");
    }
}

#[test]
fn the_query_log_is_whole_when_the_program_ends() {
    let mut life = Life::start(".:{$PORT} {\n bind 127.0.0.1\n log\n whoami\n}\n");
    for number in 0..50 {
        assert_eq!(life.ask(&format!("a{number}.example A")).rcode.as_deref(), Some("NOERROR"));
    }
    assert_eq!(life.end(Signal::SIGTERM), Some(0));
    let output = life.subject.output();
    let lines = output.lines().filter(|line| line.starts_with("[INFO] 127.0.0.1:") && line.contains("\"A IN a"));
    assert_eq!(lines.count(), 50, "{output}");
}

#[test]
fn the_query_log_says_what_was_cut_short() {
    let hosts: String = (1..=100).map(|last| format!("192.0.2.{last} many.test\n")).collect();
    let log = "log . \"{name} {proto} {>bufsize} {>rflags} {rsize}\"";
    let mut life = Life::start(&format!(".:{{$PORT}} {{\n bind 127.0.0.1\n {log}\n hosts missing {{\n{hosts}}}\n}}\n"));
    // What CoreDNS 1.14.7 writes for the same.
    for (query, line) in [
        ("many.test A", "udp 512 qr,aa,tc,rd 2527"),
        ("many.test A bufsize=1232", "udp 1232 qr,aa,tc,rd 2527"),
        ("many.test A bufsize=1638", "udp 1638 qr,aa,rd 2527"),
        ("many.test A bufsize=1637", "udp 1637 qr,aa,tc,rd 2527"),
        ("many.test A tcp", "tcp 65535 qr,aa,rd 2527"),
    ] {
        assert_eq!(life.ask(query).rcode.as_deref(), Some("NOERROR"));
        life.await_log(&format!("[INFO] many.test. {line}"), 1);
    }
}

#[test]
fn a_second_process_shares_the_port() {
    let corefile = ".:{$PORT} {\n bind 127.0.0.1\n whoami\n}\n";
    let mut first = Life::start(corefile);
    let mut scene = Scene::new(corefile);
    scene.command.env("PORT", first.address.port().to_string());
    let mut second = scene.start();
    for _ in 0..20 {
        assert_eq!(first.ask("a.example A").rcode.as_deref(), Some("NOERROR"));
        assert_eq!(first.ask("a.example A tcp").rcode.as_deref(), Some("NOERROR"));
    }
    assert_eq!(first.end(Signal::SIGTERM), Some(0));
    for _ in 0..20 {
        assert_eq!(first.ask("a.example A").rcode.as_deref(), Some("NOERROR"));
        assert_eq!(first.ask("a.example A tcp").rcode.as_deref(), Some("NOERROR"));
    }
    assert_eq!(second.end(Signal::SIGTERM), Some(0));
}

/// A server block whose set-up asks a silent host for addresses twenty times, two seconds each; longer than anything is awaited.
fn slow_block(silent: &UdpSocket) -> String {
    let silent = format!(" {}", silent.local_addr().unwrap()).repeat(20);
    format!(
        "slow.example:{{$PORT}} {{\n bind 127.0.0.1\n forward . dns.upstream.test {{\n  resolver{silent}\n }}\n}}\n"
    )
}

/// A socket that never answers.
fn silent() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    socket
}

#[test]
fn a_slow_reload_stops_nothing_and_holds_no_end_up() {
    for (signal, line) in
        [(Signal::SIGTERM, "[INFO] SIGTERM: Shutting down servers"), (Signal::SIGINT, "[INFO] SIGINT: Shutting down")]
    {
        let (silent, upstream) = (silent(), UdpSocket::bind("127.0.0.1:0").unwrap());
        upstream.set_read_timeout(Some(LIMIT)).unwrap();
        let good = ".:{$PORT} {\n bind 127.0.0.1\n reload 2s 0s\n health 127.0.0.1:{$SIDE}\n forward . {$UPSTREAM} {\n  prefer_udp\n }\n}\n";
        let mut scene = Scene::new(good);
        scene.command.env("UPSTREAM", upstream.local_addr().unwrap().to_string()).env("GOMAXPROCS", "1");
        let mut life = scene.start();
        life.write("Corefile", &format!("{good}{}", slow_block(&silent)));
        silent.recv_from(&mut [0; 512]).unwrap();
        // A single worker has all of this to do while the set-up waits.
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..2 {
                    let mut buffer = [0; 512];
                    let (length, from) = upstream.recv_from(&mut buffer).unwrap();
                    buffer[2] |= 0x80;
                    upstream.send_to(&buffer[..length], from).unwrap();
                }
            });
            for transport in ["", " tcp"] {
                let answer = life.ask(&format!("a.example A{transport}"));
                assert_eq!(answer.rcode.as_deref(), Some("NOERROR"), "{answer:?}");
            }
            assert_eq!(http::get(life.side, "/health").unwrap().0, 200);
        });
        assert_eq!(life.end(signal), Some(0), "the end waits for no set-up");
        life.await_log(line, 1);
        assert!(!life.subject.output().contains("Reloading complete"));
    }
}

#[test]
fn a_slow_start_can_be_ended() {
    for (signal, line) in [
        (Signal::SIGTERM, "[INFO] SIGTERM: Shutting down servers then terminating"),
        (Signal::SIGINT, "[INFO] SIGINT: Shutting down"),
        (Signal::SIGQUIT, "[INFO] SIGQUIT: Quitting process immediately"),
    ] {
        let silent = silent();
        let mut scene = Scene::new(&slow_block(&silent));
        let (log, errors) = (scene.path("log"), scene.path("errors"));
        let mut subject = Subject::start_apart(&mut scene.command, &log, &errors).unwrap();
        silent.recv_from(&mut [0; 512]).unwrap();
        subject.signal(signal).unwrap();
        assert_eq!(subject.wait(LIMIT).unwrap().code(), Some(0));
        assert!(subject.output().lines().any(|found| found == line), "{}", subject.output());
        assert_eq!(subject.errors(), "");
    }
}

#[test]
fn descriptors_are_kept_back_for_others_than_clients() {
    let upstream = UdpSocket::bind("127.0.0.1:0").unwrap();
    upstream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut scene = Scene::new(
        ".:{$PORT} {\n bind 127.0.0.1\n timeouts {\n  read 1h\n  idle 1h\n }\n health 127.0.0.1:{$SIDE}\n forward . {$UPSTREAM} {\n  prefer_udp\n }\n}\n",
    );
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 128 && exec \"$0\" -conf Corefile"]).arg(scene.command.get_program());
    command.current_dir(scene.folder.path()).env("UPSTREAM", upstream.local_addr().unwrap().to_string());
    command.env("PORT", scene.address.port().to_string()).env("SIDE", scene.side.port().to_string());
    scene.command = command;
    let mut life = scene.start();
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..20 {
                let mut buffer = [0; 512];
                let (length, from) = upstream.recv_from(&mut buffer).unwrap();
                buffer[2] |= 0x80;
                upstream.send_to(&buffer[..length], from).unwrap();
            }
        });
        // More clients than there are descriptors; each that comes later is served all the same, and so are probes and queries that
        // need a socket of their own.
        let mut silent = Vec::new();
        for round in 0..10 {
            silent.extend((0..40).map(|_| TcpStream::connect(life.address).unwrap()));
            for transport in ["", " tcp"] {
                let answer = life.ask(&format!("a{round}.example A wait=10{transport}"));
                assert_eq!(answer.rcode.as_deref(), Some("NOERROR"), "{answer:?}");
            }
            assert_eq!(http::get(life.side, "/health").unwrap().0, 200);
        }
    });
    assert_eq!(life.end(Signal::SIGTERM), Some(0));
}
