//! What a `kubernetes` directive asks for, once read.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use plugin_api::{Fallthrough, Name, Zone, Zones};

use super::index::{Options, Snapshot};
use super::objects::Kind;
use super::warm::WarmStart;

/// What names of pods by address are worth.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum PodMode {
    /// None exists.
    #[default]
    Disabled,
    /// Every address in an existing namespace.
    Insecure,
    /// Addresses of running pods.
    Verified,
}

/// A zone that the plugin serves.
#[derive(Debug, Clone)]
pub(super) struct ServedZone {
    /// The zone.
    pub(super) zone: Zone,
    /// Whether its services are imports.
    pub(super) is_multicluster: bool,
    /// Whether `ns.dns` exists in it; not in zones where CoreDNS cannot find it (its isDefaultNS looks for the first place
    /// where the zone's text occurs in the name).
    pub(super) has_name_server: bool,
}

impl ServedZone {
    /// Makes a zone that is served, given the zones of imports.
    pub(super) fn new(zone: Zone, multicluster: &Zones) -> Self {
        let text = zone.to_string();
        Self {
            is_multicluster: multicluster.find(zone.name()).is_some(),
            has_name_server: format!("ns.dns.{text}").find(&text) == Some("ns.dns.".len()),
            zone,
        }
    }
}

/// What a `kubernetes` directive asks for.
#[derive(Debug, Clone)]
pub(super) struct Config {
    /// The zones, in the order written.
    pub(super) zones: Vec<ServedZone>,
    /// Where PTR records lead to: the first zone that is not of addresses.
    pub(super) primary: Zone,
    /// The only namespaces that exist, if any are listed.
    pub(super) namespaces: BTreeSet<Box<str>>,
    /// What names of pods by address are worth.
    pub(super) pods: PodMode,
    /// Whether pods have their names, too.
    pub(super) pod_names: bool,
    /// Whether endpoints without hostname are named after their pod.
    pub(super) endpoint_pod_names: bool,
    /// Whether endpoints are not read.
    pub(super) no_endpoints: bool,
    /// Whether services with addresses of their own exist only with an endpoint.
    pub(super) ignores_empty: bool,
    /// Whether endpoints can be asked for by topology zone.
    pub(super) zonal: bool,
    /// TTL of all records, in seconds; at most 3,600.
    pub(super) ttl: u32,
    /// TTL of the records of pods' own names.
    pub(super) pod_name_ttl: u32,
    /// For which names a name error is passed on.
    pub(super) fall: Fallthrough,
    /// The longest wait for the first lists before serving.
    pub(super) startup_timeout: Duration,
    /// Files that stand for the API server.
    pub(super) manifests: Vec<PathBuf>,
    /// Where the picture is kept for the next start, if it is.
    pub(super) warm_start: Option<WarmStart>,
}

impl Config {
    /// A configuration of these zones with every property at its default.
    pub(super) fn new(zones: &Zones, primary: Zone) -> Self {
        let served = |zone: &Zone| ServedZone::new(zone.clone(), &Zones::default());
        Self {
            zones: zones.as_slice().iter().map(served).collect(),
            primary,
            namespaces: BTreeSet::new(),
            pods: PodMode::Disabled,
            pod_names: false,
            endpoint_pod_names: false,
            no_endpoints: false,
            ignores_empty: false,
            zonal: false,
            ttl: 5,
            pod_name_ttl: 300,
            fall: Fallthrough::never(),
            startup_timeout: Duration::from_secs(5),
            manifests: Vec::new(),
            warm_start: None,
        }
    }

    /// Returns the longest zone that holds a name, and where in the name it begins.
    pub(super) fn zone_of(&self, name: &Name) -> Option<(&ServedZone, usize)> {
        let (index, offset) = name.longest_zone(self.zones.iter().map(|zone| zone.zone.name()))?;
        Some((self.zones.get(index)?, offset))
    }

    /// Returns the kinds that have to be read.
    pub(super) fn kinds(&self) -> Vec<Kind> {
        let has_imports = self.zones.iter().any(|zone| zone.is_multicluster);
        let is_needed = |kind: &Kind| match kind {
            Kind::Namespace | Kind::Service => true,
            Kind::EndpointSlice => !self.no_endpoints,
            Kind::Pod => self.pods == PodMode::Verified || self.pod_names,
            Kind::ServiceImport | Kind::ImportedSlice => has_imports,
        };
        Kind::ALL.into_iter().filter(is_needed).collect()
    }

    /// Returns what the index has to keep.
    pub(super) const fn index_options(&self) -> Options {
        Options {
            endpoint_pod_names: self.endpoint_pod_names,
            zonal: self.zonal,
            pod_addresses: self.pod_names,
            pod_labels: false,
            external: false,
        }
    }

    /// Says whether a namespace, given as a label in wire form, is listed or none has to be.
    pub(super) fn lists(&self, namespace: &[u8]) -> bool {
        let text = || namespace.get(1..).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default();
        self.namespaces.is_empty() || self.namespaces.contains(text())
    }

    /// Says whether names in a namespace exist: it is listed, and there is such a namespace.
    pub(super) fn exposes(&self, snapshot: &Snapshot, namespace: &[u8]) -> bool {
        self.lists(namespace) && snapshot.has_namespace(namespace)
    }
}

/// Says whether a name is below `in-addr.arpa` or `ip6.arpa`; these two themselves are not (CoreDNS: dnsutil.IsReverse).
pub(super) fn is_reverse(lower: &[u8]) -> bool {
    lower.ends_with(b"\x04arpa\0")
        && [&b"\x07in-addr\x04arpa\0"[..], b"\x03ip6\x04arpa\0"].iter().any(|top| {
            lower.len() > top.len() && lower.ends_with(top) && {
                let mut at = 0;
                while at < lower.len() - top.len() {
                    at += 1 + usize::from(lower.get(at).copied().unwrap_or(u8::MAX));
                }
                at == lower.len() - top.len()
            }
        })
}
