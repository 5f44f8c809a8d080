//! Services by the addresses that they have outside the cluster, for plugin `k8s_external` (CoreDNS:
//! plugin/kubernetes/external.go). Kept only if that plugin stands in the block.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use plugin_api::Name;
use plugin_api::link::{ExternalEntry, ExternalHost, ExternalNames, ExternalPort, ExternalService};

use super::handler::Kubernetes;
use super::index::{Found, Group, Host, LabelText, NO_PORT, Realm, ServiceKind, Snapshot, parse_address};
use super::question::{Asked, Tree};
use super::reverse::address_of;

/// The most labels of a name below the zone: port, protocol, service, namespace.
const MAX_LABELS: usize = 4;

/// Knows the services from outside.
pub(super) struct External {
    /// The plugin.
    pub(super) plugin: Arc<Kubernetes>,
    /// Whether the index keeps addresses outside the cluster; read at the start.
    pub(super) is_wanted: Arc<AtomicBool>,
}

impl ExternalNames for External {
    fn keep(&self) {
        self.is_wanted.store(true, Ordering::Relaxed);
    }

    fn find(&self, labels: &[u8], headless: bool) -> Option<Vec<ExternalEntry>> {
        let asked = parse(labels)?;
        let snapshot = self.plugin.picture.load();
        if !self.plugin.config.exposes(&snapshot, asked.namespace) {
            return None;
        }
        if asked.service.is_empty() {
            return Some(Vec::new());
        }
        let service = snapshot.own_group(asked.key)?.service.as_ref()?;
        let entries = match &service.external {
            Some(external) => {
                let wanted = |name: &str, protocol: &str| {
                    let matches =
                        |asked: &[u8], has: &str| asked.is_empty() || asked.eq_ignore_ascii_case(has.as_bytes());
                    matches(asked.port, name) && matches(asked.protocol, protocol)
                };
                let ports = || service.ports.iter().filter(|port| wanted(&port.name, &port.protocol));
                let hosts = external.iter().filter_map(|text| external_host(text));
                let entry = |host: &ExternalHost, number| entry(asked.key, host.clone(), number);
                hosts.flat_map(|host| ports().map(move |port| entry(&host, port.number))).collect()
            }
            None if headless && service.kind != ServiceKind::External => endpoints(&snapshot, &asked),
            None => Vec::new(),
        };
        (!entries.is_empty()).then_some(entries)
    }

    fn services_at(&self, lower: &Name) -> Option<Vec<Box<[u8]>>> {
        let text = address_of(lower.as_wire())?.to_string();
        let (config, snapshot) = (&self.plugin.config, self.plugin.picture.load());
        let is_shown = |group: &&Group| config.namespaces.is_empty() || config.exposes(&snapshot, group.namespace());
        Some(snapshot.services_outside(&text).filter(is_shown).map(|group| group.key().into()).collect())
    }

    fn name_servers(&self, headless: bool) -> Vec<IpAddr> {
        let (snapshot, local) = (self.plugin.picture.load(), self.plugin.local());
        let mut found = Vec::new();
        let mut is_endpoint = false;
        for (group, slice) in local.iter().flat_map(|address| snapshot.slices_at(*address)) {
            is_endpoint = true;
            let Some(service) = &group.service else { continue };
            if headless && service.kind == ServiceKind::Headless {
                found.extend(slice.endpoints().filter_map(|endpoint| endpoint.host.address()));
            } else {
                found.extend(
                    service.external.iter().flat_map(|texts| texts.iter()).filter_map(|text| parse_address(text)),
                );
            }
        }
        if is_endpoint { found } else { local.to_vec() }
    }

    fn serial(&self) -> u32 {
        self.plugin.picture.load().serials.external
    }

    fn ttl(&self) -> u32 {
        self.plugin.config.ttl
    }

    fn services(&self, headless: bool) -> Box<dyn Iterator<Item = ExternalService> + Send> {
        let snapshot = self.plugin.picture.load_full();
        let ids = snapshot.sorted_groups(Realm::Own).into_iter();
        Box::new(ids.filter_map(move |id| service(&snapshot, snapshot.group_at(Realm::Own, id)?, headless)))
    }
}

/// Reads the labels below a zone; none if there are too many.
fn parse(wire: &[u8]) -> Option<Asked<'_>> {
    let mut starts = Vec::with_capacity(MAX_LABELS);
    let mut at = 0;
    while let Some(length) = wire.get(at) {
        starts.push(at);
        at += usize::from(*length) + 1;
    }
    let from = |number: usize| wire.get(*starts.get(starts.len().checked_sub(number)?)?..);
    let text = |number: usize| {
        let rest = from(number)?;
        let label = rest.get(1..=usize::from(*rest.first()?))?;
        Some(label.strip_prefix(b"_").unwrap_or(label))
    };
    let mut asked = Asked { tree: Tree::Service, namespace: from(1)?, ..Asked::default() };
    if let Some(key) = from(2) {
        asked.key = key;
        asked.service = key.get(..key.len() - asked.namespace.len())?;
    }
    match starts.len() {
        1 | 2 => {}
        3 => asked.endpoint = text(3)?,
        MAX_LABELS => (asked.port, asked.protocol) = (text(4)?, text(3)?),
        _ => return None,
    }
    Some(asked)
}

/// What an address or name outside the cluster leads to; none for what is neither.
fn external_host(text: &str) -> Option<ExternalHost> {
    match parse_address(text) {
        Some(address) => Some(ExternalHost::Address(address)),
        // A load balancer that has neither leads to the root, as in CoreDNS.
        None if text.is_empty() => Some(ExternalHost::Name(Box::new(Name::root()))),
        None => Name::from_text(text).ok().map(|name| ExternalHost::Name(Box::new(name))),
    }
}

/// What an endpoint leads to.
fn endpoint_host(host: &Host) -> Option<ExternalHost> {
    match (host.address(), host.name()) {
        (Some(address), _) => Some(ExternalHost::Address(address)),
        (None, name) => external_host(name?),
    }
}

/// Makes an entry.
fn entry(labels: &[u8], host: ExternalHost, number: i32) -> ExternalEntry {
    // CoreDNS writes the lower 16 bits whatever the number is.
    let [_, _, high, low] = number.to_be_bytes();
    let port = (number != NO_PORT).then(|| u16::from_be_bytes([high, low]));
    ExternalEntry { labels: labels.into(), host, port }
}

/// The labels of an endpoint; empty if it can have no name.
fn endpoint_labels(mut label: LabelText, key: &[u8]) -> Box<[u8]> {
    label.as_wire().map_or_else(Box::default, |label| [label, key].concat().into())
}

/// The endpoints that a question finds.
fn endpoints(snapshot: &Snapshot, asked: &Asked<'_>) -> Vec<ExternalEntry> {
    let mut entries = Vec::new();
    if let Found::Records(records) = snapshot.find(Realm::Own, asked, false) {
        records.each(|found| {
            let (Some(endpoint), Some(host)) = (found.endpoint, endpoint_host(found.host)) else { return };
            let labels = endpoint_labels(endpoint.label(), asked.key);
            let ports = found.ports.iter().filter(|port| records.wants(port));
            entries.extend(ports.map(|port| entry(&labels, host.clone(), port.number)));
        });
    }
    entries
}

/// A service with all its entries; none if it cannot be reached from outside.
fn service(snapshot: &Snapshot, group: &Group, headless: bool) -> Option<ExternalService> {
    let service = group.service.as_ref()?;
    let mut entries = Vec::new();
    let is_headless = headless && service.external.is_none() && service.kind == ServiceKind::Headless;
    for host in service.external.iter().flat_map(|texts| texts.iter()).filter_map(|text| external_host(text)) {
        entries.extend(service.ports.iter().map(|port| {
            let (name, protocol) = (port.name.clone(), port.protocol.clone());
            (entry(group.key(), host.clone(), port.number), ExternalPort { name, protocol })
        }));
    }
    for slice in snapshot.slices_of(Realm::Own, group).filter(|_| is_headless) {
        for endpoint in slice.endpoints() {
            let Some(host) = endpoint_host(&endpoint.host) else { continue };
            let labels = endpoint_labels(endpoint.label(), group.key());
            entries.extend(slice.ports.iter().map(|port| {
                let (name, protocol) = (port.name.clone(), port.protocol.clone());
                (entry(&labels, host.clone(), port.number), ExternalPort { name, protocol })
            }));
        }
    }
    let labels = group.key().into();
    (!entries.is_empty()).then_some(ExternalService { labels, is_headless, entries })
}
