//! The query that must not come back: sends it, counts it, and says what to change when it does.

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

/// Sightings from which on there is a loop (CoreDNS's).
const LOOP: u32 = 3;
/// How long the query is tried while the listener does not answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between tries.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest wait for the reply to one try (miekg/dns: dnsTimeout).
const TIMEOUT: Duration = Duration::from_secs(2);

/// Looks for a loop in one server block.
pub(super) struct Detector {
    zone: Zone,
    name: Name,
    /// The listener that is asked: its name in messages, its address.
    listener: OnceLock<(String, SocketAddr)>,
    seen: Arc<AtomicU32>,
    is_done: Arc<AtomicBool>,
    upstream: Mutex<Option<String>>,
    control: Arc<dyn Control>,
    task: Mutex<Option<AbortHandle>>,
}

impl Detector {
    /// A detector with a name of its own in `zone`.
    pub(super) fn new(zone: Zone, control: Arc<dyn Control>) -> Self {
        let label = || (rand::random::<u64>() >> 2).to_string();
        let text =
            format!("{}.{}.{}", label(), label(), if zone.name().is_root() { String::new() } else { zone.to_string() });
        let name = Name::from_text(&text).unwrap_or_else(|_| zone.name().clone());
        let (seen, is_done) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
        let (listener, upstream, task) = (OnceLock::new(), Mutex::new(None), Mutex::new(None));
        Self { zone, name, listener, seen, is_done, upstream, control, task }
    }

    /// Looks for this name instead, for tests.
    #[cfg(test)]
    pub(super) fn rename(&mut self, name: &str) {
        self.name = Name::from_text(name).unwrap_or_else(|_| Name::root());
    }

    /// Learns the listeners of the block; the first is asked.
    pub(super) fn link(&self, servers: &[Arc<str>], addresses: &[SocketAddr]) {
        if let (Some(server), Some(address)) = (servers.first(), addresses.first()) {
            let shown = server.split_once("://").map_or(&**server, |(_, rest)| rest).to_owned();
            self.listener.get_or_init(|| (shown, *address));
        }
    }

    /// Whether this is the detector's query, while it still looks.
    pub(super) fn is_own(&self, name: &Name) -> bool {
        !self.is_done.load(Ordering::Relaxed) && *name == self.name
    }

    /// Counts a sighting; the third ends the process.
    pub(super) fn see(&self, peer: SocketAddr) {
        if self.seen.fetch_add(1, Ordering::AcqRel) + 1 >= LOOP {
            self.is_done.store(true, Ordering::Relaxed);
            self.control.fail(self.verdict(peer));
        }
    }

    /// Notes whom the query was sent on to.
    pub(super) fn note_upstream(&self, upstream: Option<String>) {
        let mut last = self.upstream.lock().unwrap_or_else(PoisonError::into_inner);
        *last = upstream.or_else(|| last.take());
    }

    /// CoreDNS's line, and one that says what to change.
    fn verdict(&self, peer: SocketAddr) -> String {
        let Self { zone, name, .. } = self;
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

    /// The query on the wire.
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
}

/// Asks once and waits for any reply.
async fn exchange(to: SocketAddr, (id, query): (u16, Vec<u8>)) -> io::Result<()> {
    let local = if to.is_ipv4() { IpAddr::from(Ipv4Addr::UNSPECIFIED) } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((local, 0)).await?;
    socket.connect(to).await?;
    socket.send(&query).await?;
    let mut buffer = [0; 512];
    loop {
        let length = tokio::time::timeout(TIMEOUT, socket.recv(&mut buffer)).await??;
        if length >= HEADER && plugin_api::wire::read_u16(&buffer, 0) == Some(id) {
            return Ok(());
        }
    }
}

/// Where a listener on all addresses is asked.
const fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port()),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), address.port()),
        _ => address,
    }
}

impl Lifecycle for Detector {
    fn activate(&self) {
        let (is_done, seen) = (Arc::clone(&self.is_done), Arc::clone(&self.seen));
        let Some((_, address)) = self.listener.get().filter(|(_, address)| address.port() != 0) else {
            is_done.store(true, Ordering::Relaxed);
            return;
        };
        let (to, query) = (reachable(*address), self.query());
        let task = tokio::spawn(async move {
            let tries = async {
                while exchange(to, query.clone()).await.is_err() {
                    // A query that got no reply is asked again, and must not be taken for one that came back: an upstream that
                    // is down at the start is no loop.
                    seen.store(0, Ordering::Release);
                    tokio::time::sleep(PAUSE).await;
                }
            };
            // Whether it came through or not: a loop would have shown by now.
            drop(tokio::time::timeout(PATIENCE, tries).await);
            is_done.store(true, Ordering::Relaxed);
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
