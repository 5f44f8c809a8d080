//! Host names of upstreams, looked up once at set-up: by the system, or by the servers of `resolver`.

use super::target::nameservers;
use corefile::args::go_quote;
use corefile::os_error_text;
use plugin_api::{Message, Name, Section, Type, flag};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant};

/// Longest wait for one reply (CoreDNS's), whatever else the server sends meanwhile.
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
                match ask(*server, TIMEOUT, &name, qtype) {
                    Ok(message) => found.extend(addresses(&message)),
                    // A server that does not answer for one type is not asked for the other.
                    Err(error) => {
                        last = Some(error);
                        break;
                    }
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

/// Asks one server over UDP and waits at most `limit` for its reply, whatever else it sends. The error is in Go's words.
fn ask(server: SocketAddr, limit: Duration, name: &Name, qtype: Type) -> Result<Message, String> {
    let local = if server.is_ipv4() { IpAddr::from(Ipv4Addr::UNSPECIFIED) } else { Ipv6Addr::UNSPECIFIED.into() };
    let dial = |error: io::Error| format!("dial udp {server}: {}", os_error_text(&error));
    let socket = UdpSocket::bind((local, 0)).map_err(dial)?;
    socket.connect(server).map_err(|error| format!("dial udp {server}: connect: {}", os_error_text(&error)))?;
    let own = socket.local_addr().map_err(dial)?;
    let id: u16 = rand::random();
    let mut query = Vec::new();
    for field in [id, flag::RD, 1, 0, 0, 0] {
        query.extend_from_slice(&field.to_be_bytes());
    }
    query.extend_from_slice(name.as_wire());
    query.extend_from_slice(&qtype.0.to_be_bytes());
    query.extend_from_slice(&1_u16.to_be_bytes());
    let failed = |verb: &str, error: &io::Error| {
        let cause = match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "i/o timeout".to_owned(),
            _ => format!("{verb}: {}", os_error_text(error)),
        };
        format!("{verb} udp {own}->{server}: {cause}")
    };
    socket.send(&query).map_err(|error| failed("write", &error))?;
    let begun = Instant::now();
    let mut buffer = [0; 4096];
    loop {
        let left = limit.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return Err(failed("read", &io::ErrorKind::TimedOut.into()));
        }
        let received = socket.set_read_timeout(Some(left)).and_then(|()| socket.recv(&mut buffer));
        let length = received.map_err(|error| failed("read", &error))?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// A name.
    fn name() -> Name {
        Name::from_text("dns.upstream.test.").unwrap()
    }

    #[test]
    fn a_server_that_sends_the_wrong_datagrams_holds_nobody() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        server.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let address = server.local_addr().unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&is_over);
        let liar = std::thread::spawn(move || {
            let mut query = [0; 512];
            let (length, client) = server.recv_from(&mut query).unwrap();
            // Its own query is no reply, and comes far more often than the limit. So much of it is an end for the test, too.
            for _ in 0..4000 {
                if flag.load(Ordering::Acquire) {
                    return;
                }
                drop(server.send_to(&query[..length], client));
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let error = ask(address, Duration::from_millis(100), &name(), Type::A).unwrap_err();
        assert!(!is_over.swap(true, Ordering::AcqRel) && !liar.is_finished(), "it was still sending");
        liar.join().unwrap();
        let (start, end) = error.split_once("->").unwrap();
        assert!(start.starts_with("read udp 127.0.0.1:"), "{error}");
        assert_eq!(end, format!("{address}: i/o timeout"));
    }

    #[test]
    fn a_server_that_is_not_there_is_named() {
        let gone = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let resolver = Resolver { servers: vec![gone] };
        let error = resolver.lookup("dns.upstream.test").unwrap_err();
        let (start, end) = error.split_once("->").unwrap();
        assert!(start.starts_with("no addresses found for \"dns.upstream.test\": read udp 127.0.0.1:"), "{error}");
        assert_eq!(end, format!("{gone}: read: connection refused"));
    }
}
