//! The query that must not come back: sends it, counts it, and says what to change when it does.

use futures_util::stream::{self, StreamExt as _};
use plugin_api::setup::Control;
use plugin_api::wire::HEADER;
use plugin_api::{BoxFuture, Lifecycle, Name, Type, Zone, flag};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// Sightings from which on there is a loop (CoreDNS's).
const LOOP: u32 = 3;
/// How long the query is tried while the listener does not answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between tries.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest wait for the reply to one try (miekg/dns: dnsTimeout).
const TIMEOUT: Duration = Duration::from_secs(2);

/// Zones of a block that are searched at the same time.
const CONCURRENT: usize = 8;

/// Looks for a loop in one server block: in each of its zones, since each may have an upstream of its own.
pub(super) struct Detector {
    probes: Vec<Arc<Probe>>,
    /// The listener that is asked: its name in messages, its address.
    listener: OnceLock<(String, SocketAddr)>,
    upstream: Mutex<Option<String>>,
    control: Arc<dyn Control>,
    task: Mutex<Option<AbortHandle>>,
}

/// The query for one zone.
pub(super) struct Probe {
    zone: Zone,
    name: Name,
    seen: AtomicU32,
    is_done: AtomicBool,
}

impl Probe {
    /// A probe with a name of its own in `zone`; none in a zone whose name is too long to have one.
    fn new(zone: &Zone) -> Option<Self> {
        let label = || (rand::random::<u64>() >> 2).to_string();
        let parent = if zone.name().is_root() { String::new() } else { zone.to_string() };
        let name = Name::from_text(&format!("{}.{}.{parent}", label(), label())).ok()?;
        Some(Self { zone: zone.clone(), name, seen: AtomicU32::new(0), is_done: AtomicBool::new(false) })
    }

    /// The query on the wire, behind its id.
    fn query(&self) -> (u16, Vec<u8>) {
        let id = rand::random();
        let mut octets = Vec::with_capacity(HEADER + 64);
        for field in [id, flag::RD, 1, 0, 0, 0] {
            octets.extend_from_slice(&u16::to_be_bytes(field));
        }
        octets.extend_from_slice(self.name.as_wire());
        octets.extend_from_slice(&Type::HINFO.0.to_be_bytes());
        octets.extend_from_slice(&1_u16.to_be_bytes());
        (id, octets)
    }

    /// Asks until a reply comes, at most until `end`; gives the error if no address could be asked in all that time.
    async fn search(self: Arc<Self>, addresses: Arc<[SocketAddr]>, end: Instant) -> Option<io::Error> {
        let query = self.query();
        let mut failure = None;
        let mut was_asked = false;
        let tries = async {
            loop {
                let result = ask(&addresses, &query).await;
                was_asked |= result.as_ref().err().is_none_or(|error| error.kind() == io::ErrorKind::TimedOut);
                match result {
                    Ok(()) => break,
                    Err(error) => failure = Some(error),
                }
                // A query that got no reply is asked again, and must not be taken for one that came back: an upstream that
                // is down at the start is no loop.
                self.seen.store(0, Ordering::Release);
                tokio::time::sleep(PAUSE).await;
            }
        };
        // Whether it came through or not: a loop would have shown by now.
        drop(tokio::time::timeout_at(end, tries).await);
        self.is_done.store(true, Ordering::Relaxed);
        failure.filter(|_| !was_asked)
    }
}

impl Detector {
    /// A detector for the zones of a block.
    pub(super) fn new(zones: &[Zone], control: Arc<dyn Control>) -> Self {
        let probes = zones.iter().filter_map(Probe::new).map(Arc::new).collect();
        Self { probes, listener: OnceLock::new(), upstream: Mutex::new(None), control, task: Mutex::new(None) }
    }

    /// Looks for this name in its first zone instead, for tests.
    #[cfg(test)]
    pub(super) fn rename(&mut self, name: &str) {
        if let Some(probe) = self.probes.first_mut().and_then(Arc::get_mut) {
            probe.name = Name::from_text(name).unwrap_or_else(|_| Name::root());
        }
    }

    /// Learns the listeners of the block; the first is asked.
    pub(super) fn link(&self, servers: &[Arc<str>], addresses: &[SocketAddr]) {
        if let (Some(server), Some(address)) = (servers.first(), addresses.first()) {
            let shown = server.split_once("://").map_or(&**server, |(_, rest)| rest).to_owned();
            self.listener.get_or_init(|| (shown, *address));
        }
    }

    /// The probe with this name, while it still looks.
    pub(super) fn probe(&self, name: &Name) -> Option<&Probe> {
        self.probes
            .iter()
            .map(|probe| &**probe)
            .find(|probe| !probe.is_done.load(Ordering::Relaxed) && *name == probe.name)
    }

    /// Counts a sighting; the third ends the process.
    pub(super) fn see(&self, probe: &Probe, peer: SocketAddr) {
        if probe.seen.fetch_add(1, Ordering::AcqRel) + 1 >= LOOP {
            probe.is_done.store(true, Ordering::Relaxed);
            self.control.fail(self.verdict(probe, peer));
        }
    }

    /// Notes whom the query was sent on to.
    pub(super) fn note_upstream(&self, upstream: Option<String>) {
        let mut last = self.upstream.lock().unwrap_or_else(PoisonError::into_inner);
        *last = upstream.or_else(|| last.take());
    }

    /// CoreDNS's line, and one that says what to change.
    fn verdict(&self, Probe { zone, name, .. }: &Probe, peer: SocketAddr) -> String {
        let listener = self.listener.get().map_or("", |(shown, _)| shown);
        let upstream = self.upstream.lock().unwrap_or_else(PoisonError::into_inner).take();
        let culprit = upstream.map_or_else(
            || "an upstream of this server block sends queries".to_owned(),
            |upstream| format!("the upstream {upstream} sends queries"),
        );
        format!(
            "plugin/loop: Loop ({peer} -> {listener}) detected for zone \"{zone}\", see \
             https://coredns.io/plugins/loop#troubleshooting. Query: \"HINFO {name}\"\n\
             plugin/loop: {culprit} back to this server. Write another upstream in `forward`: the address of a real \
             resolver, or a file such as /run/systemd/resolve/resolv.conf in place of one that names a local stub \
             (127.0.0.53)"
        )
    }
}

/// Asks the addresses of a listener, one after the other, until one of them can be asked; waits for any reply.
///
/// # Errors
/// `TimedOut` without a reply, or the reason why the first of them could not be asked.
async fn ask(addresses: &[SocketAddr], query: &(u16, Vec<u8>)) -> io::Result<()> {
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for (index, address) in addresses.iter().enumerate() {
        match exchange(*address, query).await {
            Err(error) if error.kind() != io::ErrorKind::TimedOut => {
                if index == 0 {
                    failure = error;
                }
            }
            result => return result,
        }
    }
    Err(failure)
}

/// Asks once and waits for any reply.
async fn exchange(to: SocketAddr, (id, query): &(u16, Vec<u8>)) -> io::Result<()> {
    let local = if to.is_ipv4() { IpAddr::from(Ipv4Addr::UNSPECIFIED) } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((local, 0)).await?;
    socket.connect(to).await?;
    socket.send(query).await?;
    let mut buffer = [0; 512];
    loop {
        let length = tokio::time::timeout(TIMEOUT, socket.recv(&mut buffer)).await??;
        if length >= HEADER && plugin_api::wire::read_u16(&buffer, 0) == Some(*id) {
            return Ok(());
        }
    }
}

/// The addresses at which a listener is asked. One on all addresses takes both families, but the machine may have only one:
/// CoreDNS asks IPv4 alone, or IPv6 alone for `bind ::`.
fn reachable(shown: &str, address: SocketAddr) -> Vec<SocketAddr> {
    if !address.ip().is_unspecified() {
        return vec![address];
    }
    let mut loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    if shown.starts_with("[::]") {
        loopback.reverse();
    }
    loopback.map(|ip| SocketAddr::new(ip, address.port())).to_vec()
}

/// Says that no loop could be looked for.
fn warn(shown: &str, addresses: &[SocketAddr], error: &io::Error) {
    let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    tracing::warn!(
        target: "plugin/loop",
        "cannot tell whether forwarded queries come back: the listener {shown} could not be asked at {} for {PATIENCE:?}: {}",
        addresses.join(" or "),
        corefile::os_error_text(error)
    );
}

impl Lifecycle for Detector {
    fn activate(&self) {
        let probes = self.probes.clone();
        let Some((shown, address)) = self.listener.get().filter(|(_, address)| address.port() != 0).cloned() else {
            probes.iter().for_each(|probe| probe.is_done.store(true, Ordering::Relaxed));
            return;
        };
        let task = tokio::spawn(async move {
            let addresses: Arc<[_]> = reachable(&shown, address).into();
            let end = Instant::now() + PATIENCE;
            let searches = stream::iter(probes).map(|probe| probe.search(Arc::clone(&addresses), end));
            let ends: Vec<_> = searches.buffer_unordered(CONCURRENT).collect().await;
            let failures: Option<Vec<_>> = ends.into_iter().collect();
            if let Some(error) = failures.as_deref().and_then(<[_]>::first) {
                warn(&shown, &addresses, error);
            }
        });
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.abort_handle());
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
                task.abort();
            }
        })
    }
}
