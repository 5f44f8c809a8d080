//! The zone's name servers: the services that lead to this machine, or the machine itself.

use std::net::IpAddr;

use super::index::{ServiceKind, Snapshot};

/// A name server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NameServer {
    /// Its labels below the zone, in wire form.
    pub(super) labels: Vec<u8>,
    /// Its address.
    pub(super) address: IpAddr,
}

/// Returns the name servers, as often as CoreDNS finds them (CoreDNS: plugin/kubernetes/ns.go).
///
/// A machine behind a service is named after it: by the service's addresses, or by the endpoints of the slice it is in if
/// the service is headless. Without an endpoint the machine's addresses are `ns.dns`.
pub(super) fn name_servers(snapshot: &Snapshot, local: &[IpAddr]) -> Vec<NameServer> {
    let mut found = Vec::new();
    let mut is_endpoint = false;
    for (group, slice) in local.iter().flat_map(|address| snapshot.slices_at(*address)) {
        is_endpoint = true;
        let Some(service) = &group.service else { continue };
        if service.kind == ServiceKind::Headless {
            for endpoint in slice.endpoints() {
                let mut label = endpoint.label();
                let Some((label, address)) = label.as_wire().zip(endpoint.host.address()) else { continue };
                found.push(NameServer { labels: [label, group.key(), b"\x03svc"].concat(), address });
            }
            continue;
        }
        for address in service.addresses.iter().filter_map(super::index::Host::address) {
            found.push(NameServer { labels: [group.key(), &b"\x03svc"[..]].concat(), address });
        }
    }
    if !is_endpoint {
        let own = |address: &IpAddr| NameServer { labels: b"\x02ns\x03dns".to_vec(), address: *address };
        found.extend(local.iter().map(own));
    }
    found
}
