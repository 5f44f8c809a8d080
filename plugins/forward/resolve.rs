//! Host names of upstreams, looked up once at set-up: by the system, or by the servers of `resolver`.

use super::target::nameservers;
use corefile::args::go_quote;
use corefile::os_error_text;
use plugin_api::{Message, Name, Section, Type, flag};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::Duration;

/// Longest wait for one reply (CoreDNS's).
const TIMEOUT: Duration = Duration::from_secs(2);

/// Who looks names up.
#[derive(Clone, Debug, Default)]
pub(super) struct Resolver {
    /// Servers that are asked, in this order; none leaves it to the system.
    pub(super) servers: Vec<SocketAddr>,
}

impl Resolver {
    /// The addresses of a host, at least one.
    ///
    /// # Errors
    /// In Go's words, as far as they can be known.
    pub(super) fn lookup(&self, host: &str) -> Result<Vec<IpAddr>, String> {
        if self.servers.is_empty() { lookup_by_system(host) } else { self.lookup_by_servers(host) }
    }

    /// Asks the servers one after the other until one knows an address.
    fn lookup_by_servers(&self, host: &str) -> Result<Vec<IpAddr>, String> {
        let nothing = format!("no addresses found for {}", go_quote(host));
        let Ok(name) = Name::from_text(host) else { return Err(nothing) };
        let mut last = None;
        for server in &self.servers {
            let mut found = Vec::new();
            for qtype in [Type::A, Type::AAAA] {
                match ask(*server, &name, qtype) {
                    Ok(message) => found.extend(addresses(&message)),
                    Err(error) => last = Some(error),
                }
            }
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Err(last.map_or_else(|| nothing.clone(), |error| format!("{nothing}: {error}")))
    }
}

/// Asks the C library, and so hosts file, resolv.conf and search list.
fn lookup_by_system(host: &str) -> Result<Vec<IpAddr>, String> {
    let is_host = host.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.'));
    if !is_host || !host.bytes().any(|octet| octet.is_ascii_alphanumeric()) {
        return Err(format!("lookup {host}: no such host"));
    }
    let mut found: Vec<IpAddr> = Vec::new();
    for address in (host, 0).to_socket_addrs().into_iter().flatten() {
        if !found.contains(&address.ip()) {
            found.push(address.ip());
        }
    }
    if found.is_empty() { Err(why_not(host)) } else { Ok(found) }
}

/// Why the system knows no address: its first server cannot be reached, or does not know the name.
fn why_not(host: &str) -> String {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let local = || SocketAddr::from((Ipv4Addr::LOCALHOST, 53));
    let server = nameservers(&text).first().copied().unwrap_or_else(local);
    let local = if server.is_ipv4() { IpAddr::from(Ipv4Addr::UNSPECIFIED) } else { Ipv6Addr::UNSPECIFIED.into() };
    let connected = UdpSocket::bind((local, 0)).and_then(|socket| socket.connect(server));
    let cause = match connected {
        Ok(()) => "no such host".to_owned(),
        Err(error) => format!("dial udp {server}: connect: {}", os_error_text(&error)),
    };
    format!("lookup {host} on {server}: {cause}")
}

/// Asks one server over UDP.
fn ask(server: SocketAddr, name: &Name, qtype: Type) -> io::Result<Message> {
    let local = if server.is_ipv4() { IpAddr::from(Ipv4Addr::UNSPECIFIED) } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((local, 0))?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    let id: u16 = rand::random();
    let mut query = Vec::new();
    for field in [id, flag::RD, 1, 0, 0, 0] {
        query.extend_from_slice(&field.to_be_bytes());
    }
    query.extend_from_slice(name.as_wire());
    query.extend_from_slice(&qtype.0.to_be_bytes());
    query.extend_from_slice(&1_u16.to_be_bytes());
    socket.send(&query)?;
    let mut buffer = [0; 4096];
    loop {
        let length = socket.recv(&mut buffer)?;
        let Ok(message) = Message::read(buffer.get(..length).unwrap_or(&[])) else { continue };
        let is_reply = message.id() == id && message.has_flag(flag::QR);
        if is_reply && message.question().is_some_and(|(found, found_type, _)| found == *name && found_type == qtype) {
            return Ok(message);
        }
    }
}

/// The addresses in a reply.
fn addresses(message: &Message) -> Vec<IpAddr> {
    let records = message.section(Section::Answer);
    let address = records.filter_map(|record| match record.rtype {
        Type::A => Some(IpAddr::from(<[u8; 4]>::try_from(record.rdata).ok()?)),
        Type::AAAA => Some(IpAddr::from(<[u8; 16]>::try_from(record.rdata).ok()?)),
        _ => None,
    });
    address.collect()
}
