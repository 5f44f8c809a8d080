//! The address a query was sent to, as CoreDNS knows it.

use plugin_api::{Request, Transport};
use std::net::{IpAddr, Ipv6Addr};

/// The server's own address. Of a datagram to a listener on all addresses CoreDNS knows only `::`, and logs and views were
/// written with that (golden cases log-placeholders and view).
pub(crate) fn local_address(request: &Request) -> IpAddr {
    let origin = request.origin();
    if origin.transport == Transport::Udp && origin.site.server.starts_with("dns://:") {
        return IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    }
    origin.local.ip()
}
