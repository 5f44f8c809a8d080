//! What a name in a served zone leads to, before any record is written.

use std::net::IpAddr;

use plugin_api::Name;

use super::config::{Config, PodMode, ServedZone, is_reverse};
use super::index::{Found, Host, Pod, Realm, Records, Snapshot, parse_address};
use super::question::{Asked, Grammar, InvalidName, Tree};

/// A name in a served zone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// The zone.
    pub(super) zone: &'a ServedZone,
    /// The name in its asker's letters, in wire form.
    pub(super) name: &'a [u8],
    /// The name in lower case.
    pub(super) lower: &'a [u8],
    /// Where in them the zone begins.
    pub(super) offset: usize,
}

impl<'a> Place<'a> {
    /// Finds the zone of a name.
    pub(super) fn find(config: &'a Config, name: &'a Name, lower: &'a Name) -> Option<Self> {
        let (zone, offset) = config.zone_of(lower)?;
        Some(Self { zone, name: name.as_wire(), lower: lower.as_wire(), offset })
    }

    /// The zone in the asker's letters.
    pub(super) fn apex(&self) -> &'a [u8] {
        self.name.get(self.offset..).unwrap_or_default()
    }

    /// The labels below the zone, in lower case.
    pub(super) fn labels(&self) -> &'a [u8] {
        self.lower.get(..self.offset).unwrap_or_default()
    }

    /// Whether the name is the zone's.
    pub(super) const fn is_apex(&self) -> bool {
        self.offset == 0
    }

    /// Whether the zone stands in lower case (CoreDNS knows its name servers only then).
    pub(super) fn is_zone_lower(&self) -> bool {
        self.lower.get(self.offset..) == Some(self.apex())
    }

    /// Whether the name is `ns.dns` in the zone.
    pub(super) fn is_name_server(&self) -> bool {
        self.labels() == b"\x02ns\x03dns" && self.zone.has_name_server && self.is_zone_lower()
    }

    /// Which services the zone has.
    pub(super) const fn realm(&self) -> Realm {
        if self.zone.is_multicluster { Realm::Imported } else { Realm::Own }
    }

    /// Reads what the name asks for.
    pub(super) fn ask(&self, config: &Config) -> Result<Asked<'a>, InvalidName> {
        let grammar = Grammar { multicluster: self.zone.is_multicluster, zonal: config.zonal };
        Asked::parse(self.labels(), grammar)
    }
}

/// What a name leads to.
#[derive(Debug)]
pub(super) enum Hit<'a> {
    /// The name does not exist.
    NxDomain,
    /// The name exists and leads nowhere.
    NoData,
    /// To another name.
    External(&'a Name),
    /// To a service's addresses or endpoints.
    Records(Records<'a>),
    /// To a pod's address, which this many pods have.
    Pod(IpAddr, usize),
}

/// Finds what a question leads to.
pub(super) fn look_up<'a>(
    config: &Config,
    snapshot: &'a Snapshot,
    place: &Place<'_>,
    asked: &'a Result<Asked<'a>, InvalidName>,
) -> Hit<'a> {
    let Ok(asked) = asked else { return Hit::NxDomain };
    if asked.tree == Tree::Top {
        return Hit::NoData;
    }
    if is_reverse(place.lower) || !config.exposes(snapshot, asked.namespace) {
        return Hit::NxDomain;
    }
    if asked.tree == Tree::Pod {
        return look_up_pod(config, snapshot, asked);
    }
    match snapshot.find(place.realm(), asked, config.ignores_empty) {
        Found::NxDomain => Hit::NxDomain,
        Found::NoData => Hit::NoData,
        Found::External(name) => Hit::External(name),
        Found::Records(records) => Hit::Records(records),
    }
}

/// Finds the pod whose address a label spells.
fn look_up_pod<'a>(config: &Config, snapshot: &Snapshot, asked: &Asked<'_>) -> Hit<'a> {
    if config.pods == PodMode::Disabled {
        return Hit::NxDomain;
    }
    let Some(label) = asked.service.get(1..) else { return Hit::NoData };
    let mut octets = [0; 63];
    let Some(text) = spelt_address(label, &mut octets) else { return Hit::NxDomain };
    let Some(address) = parse_address(text) else { return Hit::NxDomain };
    if config.pods == PodMode::Insecure {
        return Hit::Pod(address, 1);
    }
    let namespace = asked.namespace.get(1..).unwrap_or_default();
    let is_it = |pod: &&Pod| {
        let has_text = pod.host.as_ref().is_some_and(|host| host.is_text(text));
        has_text && pod.namespace.as_bytes().eq_ignore_ascii_case(namespace)
    };
    match snapshot.pods_at(address).filter(is_it).count() {
        0 => Hit::NxDomain,
        count => Hit::Pod(address, count),
    }
}

/// Turns a label into the text of an address: three dashes, none beside another, are the dots of an IPv4 address; all
/// others are colons.
fn spelt_address<'o>(label: &[u8], octets: &'o mut [u8; 63]) -> Option<&'o str> {
    let dashes = label.iter().filter(|octet| **octet == b'-').count();
    let is_v4 = dashes == 3 && !label.windows(2).any(|pair| pair == b"--");
    let text = octets.get_mut(..label.len())?;
    for (to, from) in text.iter_mut().zip(label) {
        *to = match from {
            b'-' if is_v4 => b'.',
            b'-' => b':',
            other => *other,
        };
    }
    std::str::from_utf8(text).ok()
}

/// Finds the pod that is asked for by its own name, `NAME.NAMESPACE.pod` or `NAME.NAMESPACE.pod.svc` (property
/// `pod_names`); gives its addresses.
pub(super) fn look_up_pod_name<'a>(config: &Config, snapshot: &'a Snapshot, labels: &[u8]) -> Option<&'a [Host]> {
    let labels = Name::from_parts(&[labels, &[0]]).ok()?;
    let mut labels: Vec<&[u8]> = labels.labels().collect();
    if labels.last() == Some(&&b"svc"[..]) {
        labels.pop();
    }
    labels.pop().filter(|label| *label == b"pod")?;
    let namespace = std::str::from_utf8(labels.pop()?).ok()?;
    let name = labels.join(&b'.');
    let pod = snapshot.pod(namespace, std::str::from_utf8(&name).ok()?)?;
    let length = u8::try_from(namespace.len()).ok()?;
    let label = [&[length], namespace.as_bytes()].concat();
    config.exposes(snapshot, &label).then_some(&pod.hosts)
}
