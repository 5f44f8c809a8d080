//! The address a query was sent to, as CoreDNS knows it.

use plugin_api::{Request, Transport};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::LazyLock;

/// The address of a socket that listens on all of them, as Go opens it: IPv6's, for both families, where the system has IPv6.
static WILDCARD: LazyLock<IpAddr> = LazyLock::new(|| {
    let has_v6 = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).is_ok();
    if has_v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() }
});

/// The server's own address, a link-local one with its interface. Of a datagram to a listener on all addresses CoreDNS
/// knows only `::`, and logs and views were written with that (golden cases log-placeholders and view).
pub(crate) fn local_address(request: &Request) -> SocketAddr {
    let origin = request.origin();
    if origin.transport == Transport::Udp && is_wildcard(&origin.site.server) {
        return SocketAddr::new(*WILDCARD, origin.local.port());
    }
    origin.local
}

/// Whether a listener of this name takes what is sent to any address: `dns://:53`, `dns://0.0.0.0:53`, `dns://[::]:53`.
fn is_wildcard(server: &str) -> bool {
    ["dns://:", "dns://0.0.0.0:", "dns://[::]:"].iter().any(|start| server.starts_with(start))
}
