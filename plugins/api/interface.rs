//! Network interfaces by name and number, as the zones of link-local addresses (RFC 4007 §11) name them.
//!
//! The system and the standard library know numbers, operators and Go's texts names: `fe80::1%eth0`.

use nix::net::if_::{if_indextoname, if_nametoindex};
use std::net::SocketAddr;

/// Returns the number of the interface that a zone names; a zone that is a number already is that one. 0, which the system
/// takes for no interface, if there is none of this name.
#[must_use]
pub fn interface_index(zone: &str) -> u32 {
    if_nametoindex(zone).unwrap_or_else(|_| zone.parse().unwrap_or(0))
}

/// Returns the text of an address without its port as Go writes it: IPv4 in the form of IPv4, a link-local one of IPv6 with
/// its zone. Only the latter asks the system.
#[must_use]
pub fn ip_text(address: SocketAddr) -> String {
    match address {
        SocketAddr::V6(v6) if v6.scope_id() != 0 => {
            let name = if_indextoname(v6.scope_id()).ok().and_then(|name| name.into_string().ok());
            // Some kernels give an empty name for a number that no interface has.
            let name = name.filter(|name| !name.is_empty());
            format!("{}%{}", v6.ip(), name.unwrap_or_else(|| v6.scope_id().to_string()))
        }
        _ => address.ip().to_canonical().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{interface_index, ip_text};
    use std::net::{Ipv6Addr, SocketAddrV6};

    #[test]
    fn names_and_numbers_of_interfaces_belong_together() {
        let lo = interface_index("lo");
        assert!(lo > 0);
        assert_eq!(interface_index(&lo.to_string()), lo);
        assert_eq!(interface_index("no such"), 0);
        let at = |scope| ip_text(SocketAddrV6::new(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1), 53, 0, scope).into());
        assert_eq!([at(lo), at(0), at(u32::MAX)], ["fe80::1%lo", "fe80::1", "fe80::1%4294967295"]);
        assert_eq!(ip_text("[::ffff:192.0.2.1]:53".parse().unwrap()), "192.0.2.1");
    }
}
