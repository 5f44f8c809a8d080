//! Sends NOTIFY to those who may have a zone (RFC 1996).

use super::{Rule, rule_for};
use plugin_api::link::Notifier;
use plugin_api::wire::{HEADER, read_u16};
use plugin_api::{BoxFuture, Class, Lifecycle, Name, Opcode, Rcode, Type, flag};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

/// How often a secondary is told (CoreDNS: 3).
const TRIES: usize = 3;
/// How long each try waits for the reply (miekg/dns: dnsTimeout).
const PATIENCE: Duration = Duration::from_secs(2);
/// Zones for which NOTIFY is under way at a time; a thousand tasks hold a few megabytes, and more zones are not told.
const MAX_TASKS: usize = 1024;

/// Sends NOTIFY.
pub(super) struct Sender {
    rules: Arc<[Rule]>,
    /// What is under way; ends with the configuration.
    tasks: Mutex<JoinSet<()>>,
}

impl Sender {
    /// A sender for those that the rules name.
    pub(super) fn new(rules: Arc<[Rule]>) -> Self {
        Self { rules, tasks: Mutex::default() }
    }
}

impl Notifier for Sender {
    fn notify(&self, zone: &Name) {
        let Some(rule) = rule_for(&self.rules, zone).filter(|rule| !rule.to.is_empty()) else { return };
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        if tasks.len() >= MAX_TASKS {
            tracing::warn!(target: "plugin/transfer", "Too many notifies under way, none sent for zone \"{zone}\"");
            return;
        }
        tasks.spawn(tell_all(zone.clone(), rule.to.clone(), rule.source));
    }
}

impl Lifecycle for Sender {
    fn stop(&self) -> BoxFuture<'_, ()> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
        Box::pin(async {})
    }
}

/// Tells one after the other.
async fn tell_all(zone: Name, to: Vec<SocketAddr>, source: Option<IpAddr>) {
    for target in &to {
        if let Err(error) = tell(&zone, *target, source).await {
            let text = format!("notify for zone \"{zone}\" was not accepted by \"{target}\": {error}");
            tracing::warn!(target: "plugin/transfer", "Failed sending notifies: {text}");
        }
    }
    tracing::debug!(target: "plugin/transfer", "Sent notifies for zone \"{zone}\" to {to:?}");
}

/// Tells one secondary, until it says that it has heard.
async fn tell(zone: &Name, target: SocketAddr, source: Option<IpAddr>) -> Result<(), String> {
    let mut last = String::new();
    for _ in 0..TRIES {
        match tokio::time::timeout(PATIENCE, exchange(zone, target, source)).await {
            Ok(Ok(Rcode::NOERROR)) => return Ok(()),
            Ok(Ok(rcode)) => last = format!("rcode was \"{rcode}\""),
            Ok(Err(error)) => last = corefile::args::go_quote(&corefile::os_error_text(&error)),
            Err(_) => last = "\"i/o timeout\"".to_owned(),
        }
    }
    Err(last)
}

/// Sends one NOTIFY and waits for its reply.
async fn exchange(zone: &Name, target: SocketAddr, source: Option<IpAddr>) -> io::Result<Rcode> {
    let any: IpAddr = if target.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((source.unwrap_or(any), 0)).await?;
    socket.connect(target).await?;
    let id: u16 = rand::random();
    socket.send(&message(zone, id)).await?;
    let mut reply = [0; 512];
    loop {
        let length = socket.recv(&mut reply).await?;
        let reply = reply.get(..length).unwrap_or_default();
        let head = read_u16(reply, 2).filter(|head| length >= HEADER && head & flag::QR != 0);
        if let Some(head) = head.filter(|_| read_u16(reply, 0) == Some(id)) {
            return Ok(Rcode(head & 0xf));
        }
    }
}

/// A NOTIFY for the SOA of a zone.
fn message(zone: &Name, id: u16) -> Vec<u8> {
    let mut message = Vec::new();
    for field in [id, Opcode::NOTIFY.0 << 11 | flag::AA, 1, 0, 0, 0] {
        message.extend_from_slice(&field.to_be_bytes());
    }
    message.extend_from_slice(zone.as_wire());
    message.extend_from_slice(&Type::SOA.0.to_be_bytes());
    message.extend_from_slice(&Class::IN.0.to_be_bytes());
    message
}
