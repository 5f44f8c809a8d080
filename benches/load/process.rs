//! Servers as processes: the echo, the program, and others that are installed, each on one core and ready when it is given.

use crate::kit::cluster::{Cluster, HEADLESS};
use crate::kit::work::{Query, Surroundings, Work};
use crate::kit::{Failure, Scratch};
use crate::system;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use test_support::subject;

/// The core of servers; clients have the other one.
pub(crate) const CORE: usize = 0;
/// How long a server may take until it answers.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server; ended when dropped.
pub(crate) struct Server {
    /// What it is.
    pub(crate) name: String,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Server {
    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The echo that is the measure of all: this program, told to be it.
    pub(crate) fn echo(flag: &str) -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = on_core(command.arg(flag).stdout(Stdio::piped()))?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        Ok(Self { name: "echo".to_owned(), address: line.trim().parse()?, child })
    }

    /// The program, or another build of it that `FERRODNS_SUBJECT` names, with the Corefile of a kind of work.
    pub(crate) fn program(work: &Work, at: &Surroundings<'_>) -> Result<Self, Failure> {
        let port = free_port()?;
        let corefile = at.folder.join(format!("Corefile.{}", work.name));
        fs::write(&corefile, (work.corefile)(&Surroundings { port, ..*at }))?;
        let mut command = Command::new(subject::program(env!("CARGO_BIN_EXE_ferrodns")));
        command.arg("-conf").arg(&corefile).stdout(Stdio::null());
        Self::start("ferrodns", command, port)
    }

    /// CoreDNS with the same Corefile, its objects from an API server.
    pub(crate) fn coredns(binary: &str, work: &Work, at: &Surroundings<'_>, api: &str) -> Result<Self, Failure> {
        let port = free_port()?;
        let corefile = at.folder.join(format!("Corefile.coredns.{}", work.name));
        let text = (work.corefile)(&Surroundings { port, ..*at });
        let manifests = format!("manifests {}", at.manifest.display());
        // Two of its side listeners cannot share a port chosen by the system; nobody asks them here.
        let text = text.replace(&manifests, &format!("endpoint {api}"));
        fs::write(&corefile, text)?;
        let mut command = Command::new(binary);
        command.arg("-conf").arg(&corefile).stdout(Stdio::null()).stderr(Stdio::null());
        Self::start("coredns", command, port)
    }

    /// Another server that serves the names of the cluster as a zone, or forwards; none if it is not installed or cannot.
    pub(crate) fn peer(
        name: &str,
        work: &Work,
        at: &Surroundings<'_>,
        scratch: &Scratch,
    ) -> Result<Option<Self>, Failure> {
        let port = free_port()?;
        let folder = scratch.path();
        let zone = folder.join("peer.zone");
        let is_forwarded = matches!(work.name, "cached" | "forward");
        let config = folder.join(format!("{name}.{}.conf", work.name));
        let text = match name {
            "nsd" if !is_forwarded => nsd(port, folder, &zone),
            "knotd" if !is_forwarded => knot(port, folder, &zone),
            "unbound" if work.name == "cached" => unbound(port, at.upstream),
            _ => return Ok(None),
        };
        write_zone(&zone, at.services)?;
        fs::create_dir_all(folder.join(format!("knot.{port}")))?;
        fs::write(&config, text)?;
        let mut command = Command::new(name);
        match name {
            "nsd" => command.arg("-d").arg("-c").arg(&config),
            "unbound" => command.arg("-d").arg("-p").arg("-c").arg(&config),
            _ => command.arg("-c").arg(&config),
        };
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdout(Stdio::null()).stderr(Stdio::null());
        Self::start(name, command, port).map(Some).or(Ok(None))
    }

    /// Starts it on its core.
    fn start(name: &str, mut command: Command, port: u16) -> Result<Self, Failure> {
        let child = on_core(&mut command)?;
        Ok(Self { name: name.to_owned(), address: SocketAddr::from(([127, 0, 0, 1], port)), child })
    }

    /// Waits until it answers a query rightly.
    pub(crate) fn wait(&mut self, query: &Query) -> Result<(), Failure> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(self.address)?;
        socket.set_read_timeout(Some(Duration::from_millis(200)))?;
        let begun = Instant::now();
        let mut reply = [0; 4096];
        while begun.elapsed() < PATIENCE {
            // While nobody listens this fails, and that is what is waited for.
            let received = socket.send(&query.octets).and_then(|_| socket.recv(&mut reply)).unwrap_or(0);
            if received > 12 && reply[3] & 0xf == query.rcode {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("{} ended: {status}", self.name).into());
            }
            std::thread::sleep(Duration::from_millis(if received == 0 { 20 } else { 100 }));
        }
        Err(format!("{} does not answer", self.name).into())
    }

    /// Its processes: some have children, which do the work.
    pub(crate) fn busiest(&self) -> u32 {
        let own = self.id();
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        let mut all: Vec<u32> = children.split_whitespace().filter_map(|id| id.parse().ok()).collect();
        for child in all.clone() {
            let more = fs::read_to_string(format!("/proc/{child}/task/{child}/children")).unwrap_or_default();
            all.extend(more.split_whitespace().filter_map(|id| id.parse::<u32>().ok()));
        }
        all.push(own);
        all.into_iter().max_by_key(|id| system::cpu_nanoseconds(*id)).unwrap_or(own)
    }

    /// Its resident memory in MiB.
    pub(crate) fn resident(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
    }
}

/// Starts a process on the core of servers.
fn on_core(command: &mut Command) -> Result<Child, Failure> {
    system::pin(Some(CORE));
    let child = command.spawn();
    system::pin(None);
    Ok(child?)
}

/// A port that is free for both transports just now.
fn free_port() -> Result<u16, Failure> {
    for _ in 0..100 {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err("no free port".into())
}

/// Writes the names of the cluster as a zone.
fn write_zone(path: &Path, services: usize) -> Result<(), Failure> {
    let mut text = String::from(
        "$ORIGIN cluster.local.\n$TTL 3600\n@ IN SOA ns.dns hostmaster 1 7200 1800 86400 5\n@ IN NS ns.dns\nns.dns IN A 127.0.0.1\n",
    );
    for at in 0..services {
        writeln!(text, "{}.svc IN A {}", Cluster::service(at), Cluster::address(at))?;
    }
    for count in HEADLESS.into_iter().filter(|count| *count <= 200) {
        for at in 0..count {
            let address = Cluster::endpoint(count, at);
            let label = address.to_string().replace('.', "-");
            writeln!(text, "many-{count}.ns-0.svc IN A {address}")?;
            writeln!(text, "{label}.many-{count}.ns-0.svc IN A {address}")?;
            writeln!(text, "_http._tcp.many-{count}.ns-0.svc IN SRV 0 1 8080 {label}.many-{count}.ns-0.svc")?;
        }
    }
    Ok(fs::write(path, text)?)
}

/// The configuration of NSD: one process, no limit of rates.
fn nsd(port: u16, folder: &Path, zone: &Path) -> String {
    let folder = folder.display();
    format!(
        "server:\n ip-address: 127.0.0.1@{port}\n server-count: 1\n username: \"\"\n chroot: \"\"\n zonesdir: \"{folder}\"\n \
         database: \"\"\n pidfile: \"{folder}/nsd.{port}.pid\"\n xfrdfile: \"{folder}/nsd.{port}.xfrd\"\n \
         xfrdir: \"{folder}\"\n zonelistfile: \"{folder}/nsd.{port}.list\"\n logfile: \"{folder}/nsd.log\"\n rrl-ratelimit: 0\n ipv4-edns-size: 4096\n \
         rrl-whitelist-ratelimit: 0\n tcp-count: 1000\nremote-control:\n control-enable: no\nzone:\n name: \"cluster.local\"\n \
         zonefile: \"{}\"\n",
        zone.display()
    )
}

/// The configuration of Knot: one thread of each kind.
fn knot(port: u16, folder: &Path, zone: &Path) -> String {
    let folder = folder.display();
    format!(
        "server:\n  listen: 127.0.0.1@{port}\n  rundir: \"{folder}/knot.{port}\"\n  udp-workers: 1\n  tcp-workers: 1\n  \
         background-workers: 1\ndatabase:\n  storage: \"{folder}/knot.{port}\"\nlog:\n  - target: stderr\n    any: error\ntemplate:\n  - id: default\n    \
         storage: \"{folder}\"\n    zonefile-sync: -1\n    journal-content: none\nzone:\n  - domain: cluster.local\n    file: \"{}\"\n",
        zone.display()
    )
}

/// The configuration of Unbound: one thread, everything forwarded, nothing validated.
fn unbound(port: u16, upstream: SocketAddr) -> String {
    format!(
        "server:\n interface: 127.0.0.1@{port}\n username: \"\"\n chroot: \"\"\n directory: \"\"\n pidfile: \"\"\n num-threads: 1\n \
         use-syslog: no\n do-daemonize: no\n do-not-query-localhost: no\n module-config: \"iterator\"\n msg-cache-size: 64m\n \
         rrset-cache-size: 64m\n ip-ratelimit: 0\nremote-control:\n control-enable: no\nforward-zone:\n name: \".\"\n \
         forward-addr: {}@{}\n",
        upstream.ip(),
        upstream.port()
    )
}
