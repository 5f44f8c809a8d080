//! Addresses to listen on, read and opened as Go's `net.Listen("tcp", ...)` does. Knows no endpoint.
//!
//! An unspecified address (none at all, `0.0.0.0` or `[::]`) means every address of both families: one IPv6 socket that takes
//! IPv4 connections too, or a socket of the only family that the kernel has.

use corefile::os_error_text;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use tokio::net::TcpListener;

/// Connections that the kernel holds until they are accepted; it takes its own `somaxconn` (4,096 by default) if that is less.
const BACKLOG: i32 = 4096;

/// Errors of a kernel without a family of addresses (Go: net/ipsock_posix.go).
const NO_FAMILY: [i32; 2] = [libc::EAFNOSUPPORT, libc::EPROTONOSUPPORT];

/// The services whose names Go knows without `/etc/services`.
const SERVICES: [(&str, u16); 15] = [
    ("domain", 53),
    ("ftp", 21),
    ("ftps", 990),
    ("gopher", 70),
    ("http", 80),
    ("https", 443),
    ("imap2", 143),
    ("imap3", 220),
    ("imaps", 993),
    ("pop3", 110),
    ("pop3s", 995),
    ("smtp", 25),
    ("ssh", 22),
    ("submission", 587),
    ("telnet", 23),
];

/// The families of addresses that the kernel speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Families {
    /// Whether IPv4 sockets can be made.
    pub(crate) has_ipv4: bool,
    /// Whether an IPv6 socket can take IPv4 connections too.
    pub(crate) has_dual: bool,
}

impl Families {
    /// Asks the kernel, by making a socket of each family.
    pub(crate) fn of_kernel() -> Self {
        let has_ipv4 = match Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)) {
            Ok(_) => true,
            Err(error) => !NO_FAMILY.contains(&error.raw_os_error().unwrap_or_default()),
        };
        let mapped = SocketAddr::from((Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 0));
        let dual = Socket::new(Domain::IPV6, Type::STREAM, Some(Protocol::TCP)).and_then(|socket| {
            socket.set_only_v6(false)?;
            socket.bind(&mapped.into())
        });
        Self { has_ipv4, has_dual: dual.is_ok() }
    }
}

/// The host of an address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
enum ListenHost {
    /// None is written: every address.
    Every,
    /// An address, with the zone that is written behind `%` (RFC 4007 §11); empty for none.
    Literal(IpAddr, String),
    /// A name to look up.
    Name(String),
}

/// An address to listen on, as written in a Corefile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListenAddress {
    host: ListenHost,
    port: u16,
}

impl ListenAddress {
    /// Reads `HOST:PORT`; no port means one that the system chooses.
    ///
    /// # Errors
    /// In Go's words.
    pub(crate) fn read(written: &str) -> Result<Self, String> {
        let (host, port) = split_host_port(written)?;
        let port = read_port(port)?;
        let host = match host {
            "" => ListenHost::Every,
            host => literal(host).unwrap_or_else(|| ListenHost::Name(host.to_owned())),
        };
        Ok(Self { host, port })
    }

    /// Looks the host up if it is a name. Of several addresses the first of IPv4 counts, else the first, as in Go.
    ///
    /// # Errors
    /// In Go's words, for a name without address.
    async fn look_up(self) -> Result<Self, String> {
        let ListenHost::Name(name) = &self.host else { return Ok(self) };
        let failed = || format!("lookup {name}: no such host");
        if !is_domain_name(name) {
            return Err(failed());
        }
        let found: Vec<SocketAddr> =
            tokio::net::lookup_host((name.as_str(), self.port)).await.map_err(|_| failed())?.collect();
        let best = found.iter().find(|address| address.is_ipv4()).or_else(|| found.first()).ok_or_else(failed)?;
        Ok(Self { host: ListenHost::Literal(best.ip(), String::new()), port: self.port })
    }

    /// The address to bind, where the kernel speaks these families and its interfaces have the indexes that `index` finds.
    fn socket_address(&self, families: Families, index: impl Fn(&str) -> u32) -> SocketAddr {
        match &self.host {
            ListenHost::Literal(ip, zone) if !ip.is_unspecified() => match ip {
                IpAddr::V4(ip) => SocketAddr::from((*ip, self.port)),
                IpAddr::V6(ip) => SocketAddrV6::new(*ip, self.port, 0, index(zone)).into(),
            },
            // Go: favoriteAddrFamily in net/ipsock_posix.go.
            _ if families.has_dual || !families.has_ipv4 => SocketAddr::from((Ipv6Addr::UNSPECIFIED, self.port)),
            _ => SocketAddr::from((Ipv4Addr::UNSPECIFIED, self.port)),
        }
    }
}

impl std::fmt::Display for ListenAddress {
    /// As Go shows the address in an error: any unspecified address that is written is `0.0.0.0`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let port = self.port;
        match &self.host {
            ListenHost::Every => write!(f, ":{port}"),
            ListenHost::Name(name) => write!(f, "{name}:{port}"),
            ListenHost::Literal(ip, _) if ip.is_unspecified() => write!(f, "0.0.0.0:{port}"),
            ListenHost::Literal(IpAddr::V4(ip), _) => write!(f, "{ip}:{port}"),
            ListenHost::Literal(IpAddr::V6(ip), zone) if zone.is_empty() => write!(f, "[{ip}]:{port}"),
            ListenHost::Literal(IpAddr::V6(ip), zone) => write!(f, "[{ip}%{zone}]:{port}"),
        }
    }
}

/// Opens a listener at `written`, `HOST:PORT`.
///
/// # Errors
/// In Go's words, for what is no address and for an address that cannot be bound.
pub(crate) async fn listen(written: &str) -> Result<TcpListener, String> {
    let failed = |error| format!("listen tcp: {error}");
    let address = ListenAddress::read(written).map_err(failed)?.look_up().await.map_err(failed)?;
    let socket_address = address.socket_address(Families::of_kernel(), interface_index);
    bind(socket_address).map_err(|(step, error)| format!("listen tcp {address}: {step}: {}", os_error_text(&error)))
}

/// Binds one address; an error comes with the name of the system call. The port is shared with other sockets of the user, as
/// CoreDNS's listeners share theirs. A port that the system chooses is shared from then on only: asked before, it may choose
/// one that another such socket has.
fn bind(address: SocketAddr) -> Result<TcpListener, (&'static str, io::Error)> {
    let at = |step| move |error| (step, error);
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP)).map_err(at("socket"))?;
    socket.set_reuse_address(true).map_err(at("setsockopt"))?;
    if address.is_ipv6() {
        socket.set_only_v6(false).map_err(at("setsockopt"))?;
    }
    if address.port() != 0 {
        socket.set_reuse_port(true).map_err(at("setsockopt"))?;
    }
    socket.bind(&address.into()).map_err(at("bind"))?;
    socket.set_reuse_port(true).map_err(at("setsockopt"))?;
    socket.listen(BACKLOG).map_err(at("listen"))?;
    socket.set_nonblocking(true).map_err(at("setnonblock"))?;
    TcpListener::from_std(socket.into()).map_err(at("listen"))
}

/// Splits `host:port` as Go's `net.SplitHostPort`.
///
/// # Errors
/// In Go's words.
pub(crate) fn split_host_port(address: &str) -> Result<(&str, &str), String> {
    let fail = |why: &str| Err(format!("address {address}: {why}"));
    let Some((before, port)) = address.rsplit_once(':') else { return fail("missing port in address") };
    let host = match address.strip_prefix('[') {
        None if before.contains(':') => return fail("too many colons in address"),
        None => before,
        Some(inner) => match inner.split_once(']') {
            None => return fail("missing ']' in address"),
            // The last colon stands right behind the bracket.
            Some((host, rest)) if rest.strip_prefix(':') == Some(port) => host,
            Some((_, rest)) if rest.starts_with(':') => return fail("too many colons in address"),
            Some(_) => return fail("missing port in address"),
        },
    };
    match [host, port].concat() {
        text if text.contains('[') => fail("unexpected '[' in address"),
        text if text.contains(']') => fail("unexpected ']' in address"),
        _ => Ok((host, port)),
    }
}

/// Reads a port: a number, perhaps with a sign, or a service's name; 0 for none.
///
/// # Errors
/// In Go's words (net/port.go).
fn read_port(written: &str) -> Result<u16, String> {
    let unsigned = written.strip_prefix(['+', '-']).unwrap_or(written);
    if !unsigned.bytes().all(|octet| octet.is_ascii_digit()) {
        let service = SERVICES.iter().find(|(name, _)| name.eq_ignore_ascii_case(written));
        return service.map(|(_, port)| *port).ok_or_else(|| format!("lookup tcp/{written}: unknown port"));
    }
    let digits = unsigned.trim_start_matches('0');
    match digits.parse() {
        _ if digits.is_empty() => Ok(0),
        Ok(port) if !written.starts_with('-') => Ok(port),
        _ => Err(format!("address {written}: invalid port")),
    }
}

/// The host as an address, with a zone for IPv6; none for what is no address. An IPv4 address in an IPv6 one is the former.
fn literal(host: &str) -> Option<ListenHost> {
    let (ip, zone) = match host.split_once('%') {
        None => (host.parse().ok()?, ""),
        Some((_, "")) => return None,
        Some((ip, zone)) => (IpAddr::V6(ip.parse().ok()?), zone),
    };
    Some(ListenHost::Literal(ip.to_canonical(), zone.to_owned()))
}

/// Whether a name can be looked up. Numbers alone cannot: the system's resolver takes `127.1` for an address, Go does not.
fn is_domain_name(name: &str) -> bool {
    let is_part = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
    name.bytes().all(is_part) && !name.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.')
}

/// The index of the interface that a zone names, or that it is itself; 0 for neither.
fn interface_index(zone: &str) -> u32 {
    if zone.is_empty() {
        return 0;
    }
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let named = interfaces.iter().find(|interface| interface.name == zone).and_then(|interface| interface.index);
    let digits = zone.find(|letter: char| !letter.is_ascii_digit()).map_or(zone, |end| zone.split_at(end).0);
    named.unwrap_or_else(|| digits.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::{Families, ListenAddress, listen, split_host_port};
    use std::net::SocketAddr;
    use tokio::net::TcpStream;

    /// Kernels with both families, without IPv6, with IPv6 sockets that take no IPv4, and without IPv4.
    const BOTH: Families = Families { has_ipv4: true, has_dual: true };
    const NO_IPV6: Families = Families { has_ipv4: true, has_dual: false };
    const NO_IPV4: Families = Families { has_ipv4: false, has_dual: false };

    #[test]
    fn addresses_are_split_as_go_does() {
        assert_eq!(split_host_port(":8080"), Ok(("", "8080")));
        assert_eq!(split_host_port("[::1%eth0]:53"), Ok(("::1%eth0", "53")));
        assert_eq!(split_host_port("[]:"), Ok(("", "")));
        for (address, why) in [
            ("abc", "missing port in address"),
            ("::1:53", "too many colons in address"),
            ("[::1]", "missing port in address"),
            ("[::1]9301", "missing port in address"),
            ("[::1]:1:2", "too many colons in address"),
            ("[::1", "missing ']' in address"),
            ("a[b:1", "unexpected '[' in address"),
            ("[a[b]:1", "unexpected '[' in address"),
            ("a]b:1", "unexpected ']' in address"),
        ] {
            assert_eq!(split_host_port(address), Err(format!("address {address}: {why}")));
        }
    }

    #[test]
    fn an_unspecified_address_is_every_address_of_both_families() {
        let index = |zone: &str| if zone == "eth0" { 7 } else { 0 };
        for (written, families, expected, shown) in [
            (":9153", BOTH, "[::]:9153", ":9153"),
            ("0.0.0.0:9153", BOTH, "[::]:9153", "0.0.0.0:9153"),
            ("[::]:9153", BOTH, "[::]:9153", "0.0.0.0:9153"),
            ("[::ffff:0.0.0.0]:9153", BOTH, "[::]:9153", "0.0.0.0:9153"),
            ("[::%eth0]:9153", BOTH, "[::]:9153", "0.0.0.0:9153"),
            (":9153", NO_IPV6, "0.0.0.0:9153", ":9153"),
            ("0.0.0.0:9153", NO_IPV6, "0.0.0.0:9153", "0.0.0.0:9153"),
            ("[::]:9153", NO_IPV6, "0.0.0.0:9153", "0.0.0.0:9153"),
            (":9153", NO_IPV4, "[::]:9153", ":9153"),
            ("0.0.0.0:9153", NO_IPV4, "[::]:9153", "0.0.0.0:9153"),
            ("[::]:9153", NO_IPV4, "[::]:9153", "0.0.0.0:9153"),
            ("127.0.0.1:http", BOTH, "127.0.0.1:80", "127.0.0.1:80"),
            ("[::ffff:127.0.0.1]:+1", BOTH, "127.0.0.1:1", "127.0.0.1:1"),
            ("[::1]:", NO_IPV6, "[::1]:0", "[::1]:0"),
            ("[fe80::1%eth0]:9153", BOTH, "[fe80::1%7]:9153", "[fe80::1%eth0]:9153"),
            ("[fe80::1%eth1]:9153", BOTH, "[fe80::1]:9153", "[fe80::1%eth1]:9153"),
        ] {
            let address = ListenAddress::read(written).unwrap();
            assert_eq!(address.socket_address(families, index).to_string(), expected, "{written} {families:?}");
            assert_eq!(address.to_string(), shown, "{written}");
        }
    }

    #[tokio::test]
    async fn what_go_refuses_is_refused_in_its_words() {
        for (written, expected) in [
            ("127.0.0.1:abc", "lookup tcp/abc: unknown port"),
            ("127.0.0.1:99999", "address 99999: invalid port"),
            ("127.0.0.1:-1", "address -1: invalid port"),
            ("127.1:1", "lookup 127.1: no such host"),
            ("0:1", "lookup 0: no such host"),
            ("127.0.0.01:1", "lookup 127.0.0.01: no such host"),
            ("127.0.0.1%lo:1", "lookup 127.0.0.1%lo: no such host"),
            ("[fe80::1%]:1", "lookup fe80::1%: no such host"),
        ] {
            assert_eq!(listen(written).await.unwrap_err(), format!("listen tcp: {expected}"));
        }
        let missing = listen("192.0.2.1:9153").await.unwrap_err();
        assert_eq!(missing, "listen tcp 192.0.2.1:9153: bind: cannot assign requested address");
        let link_local = listen("[fe80::1]:9153").await.unwrap_err();
        assert_eq!(link_local, "listen tcp [fe80::1]:9153: bind: invalid argument");
    }

    #[tokio::test]
    async fn both_families_reach_a_listener_at_an_unspecified_address() {
        let loopbacks = ["127.0.0.1:0", "[::1]:0"].map(|address| address.parse::<SocketAddr>().unwrap());
        let here: Vec<_> =
            loopbacks.into_iter().filter(|address| std::net::TcpListener::bind(address).is_ok()).collect();
        for written in [":0", "0.0.0.0:0", "[::]:0"] {
            let listener = listen(written).await.unwrap();
            let port = listener.local_addr().unwrap().port();
            for mut address in here.iter().copied() {
                address.set_port(port);
                assert!(TcpStream::connect(address).await.is_ok(), "{address} at {written}");
            }
        }
    }
}
