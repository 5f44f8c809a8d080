//! What a question finds: nothing, or entries that are walked without being collected.

use std::ops::ControlFlow;

use plugin_api::Name;

use super::group::{Group, Kind, Port, Service};
use super::slice::{Endpoint, Slice};
use super::{Host, Realm, Snapshot};
use crate::kubernetes::question::Asked;

/// What stands under a name.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    /// The name does not exist.
    NxDomain,
    /// The name exists and has no records of any type.
    NoData,
    /// The name leads to another.
    External(&'a Name),
    /// The name has these records.
    Records(Records<'a>),
}

/// The entries under a name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Records<'a> {
    /// Where they are.
    snapshot: &'a Snapshot,
    /// Whose they are.
    realm: Realm,
    /// Under which service name.
    pub(crate) group: &'a Group,
    /// Of which service.
    service: &'a Service,
    /// The group's id.
    id: u32,
    /// What was asked for.
    asked: &'a Asked<'a>,
    /// Whether the topology zone asked for counts.
    in_zone: bool,
}

/// An address of a service, with its ports.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    /// Where it is.
    pub(crate) host: &'a Host,
    /// The endpoint, for those of slices.
    pub(crate) endpoint: Option<&'a Endpoint<'a>>,
    /// The cluster that the endpoint is in; empty for our own.
    pub(crate) cluster: &'a str,
    /// Its ports, those asked for and others.
    pub(crate) ports: &'a [Port],
}

/// What each entry is given to.
type Visit<'v> = dyn FnMut(&Entry<'_>) -> ControlFlow<()> + 'v;

impl Snapshot {
    /// Finds what stands under a service's name. `ignores_empty` hides services with addresses of their own that have no
    /// endpoint (property `ignore empty_service`).
    pub(crate) fn find<'a>(&'a self, realm: Realm, asked: &'a Asked<'a>, ignores_empty: bool) -> Found<'a> {
        if asked.service.is_empty() {
            return Found::NoData;
        }
        let Some((id, group)) = self.group(realm, asked.key) else { return Found::NxDomain };
        let Some(service) = &group.service else { return Found::NxDomain };
        let is_empty = || self.slices(realm, group).all(|slice| slice.len() == 0);
        let records = Records { snapshot: self, realm, group, service, id, asked, in_zone: !asked.zone.is_empty() };
        match service.kind {
            Kind::Cluster if ignores_empty && is_empty() => Found::NxDomain,
            Kind::Cluster | Kind::External if !asked.zone.is_empty() => Found::NxDomain,
            Kind::External => records.external(),
            Kind::Headless => records.of_endpoints(),
            Kind::Cluster if !asked.endpoint.is_empty() => records.of_endpoints(),
            Kind::Cluster if service.ports.iter().any(|port| records.wants(port)) => Found::Records(records),
            Kind::Cluster => Found::NxDomain,
        }
    }
}

impl<'a> Records<'a> {
    /// An ExternalName service has neither endpoints nor ports.
    fn external(self) -> Found<'a> {
        let has_more = [self.asked.endpoint, self.asked.port, self.asked.protocol].iter().any(|part| !part.is_empty());
        let target = self.service.target.as_deref().filter(|_| !has_more);
        target.map_or(Found::NxDomain, Found::External)
    }

    /// Without a fitting endpoint the name does not exist; but every topology zone of a service does.
    fn of_endpoints(mut self) -> Found<'a> {
        if self.has_any() {
            return Found::Records(self);
        }
        if self.asked.zone.is_empty() {
            return Found::NxDomain;
        }
        self.in_zone = false;
        if self.asked.prefers_zone && self.has_any() { Found::Records(self) } else { Found::NoData }
    }

    /// Says whether there is an entry at all.
    fn has_any(&self) -> bool {
        self.walk(&mut |_| ControlFlow::Break(())).is_break()
    }

    /// Says whether entries may be repeated, so that whoever writes records has to look.
    pub(crate) fn may_repeat(&self) -> bool {
        self.group.repeats > 0 && !self.is_of_service()
    }

    /// Says whether the service itself is what records lead to, not its endpoints.
    pub(crate) fn is_of_service(&self) -> bool {
        self.service.kind == Kind::Cluster && self.asked.endpoint.is_empty()
    }

    /// Says whether a port is asked for.
    pub(crate) fn wants(&self, port: &Port) -> bool {
        let matches = |asked: &[u8], has: &str| asked.is_empty() || asked.eq_ignore_ascii_case(has.as_bytes());
        matches(self.asked.port, &port.name) && matches(self.asked.protocol, &port.protocol)
    }

    /// Gives every entry that has a port asked for to `visit`.
    pub(crate) fn each(&self, mut visit: impl FnMut(&Entry<'_>)) {
        let end = self.walk(&mut |entry| {
            visit(entry);
            ControlFlow::Continue(())
        });
        debug_assert!(end.is_continue(), "nothing breaks this walk");
    }

    /// Gives entries to `visit` until it has enough.
    fn walk(&self, visit: &mut Visit<'_>) -> ControlFlow<()> {
        if self.is_of_service() {
            let ports = &self.service.ports;
            let entry = |host| Entry { host, endpoint: None, cluster: "", ports };
            return self.service.addresses.iter().try_for_each(|host| visit(&entry(host)));
        }
        if self.asked.endpoint.is_empty() {
            return self.snapshot.slices(self.realm, self.group).try_for_each(|slice| self.walk_slice(slice, visit));
        }
        let services = self.snapshot.realm(self.realm);
        let mut ids = services.by_label.ids(self.snapshot.hash_label(self.id, self.asked.endpoint));
        ids.try_for_each(|id| match services.slices.get(id) {
            Some(slice) if slice.group == self.id => self.walk_slice(slice, visit),
            _ => ControlFlow::Continue(()),
        })
    }

    /// Gives the entries of a slice.
    fn walk_slice(&self, slice: &Slice, visit: &mut Visit<'_>) -> ControlFlow<()> {
        if !slice.ports.iter().any(|port| self.wants(port)) {
            return ControlFlow::Continue(());
        }
        let mut give = |endpoint: &Endpoint<'_>| {
            let Endpoint { host, .. } = endpoint;
            visit(&Entry { host, endpoint: Some(endpoint), cluster: slice.cluster(), ports: &slice.ports })
        };
        if !self.asked.endpoint.is_empty() {
            let is_elsewhere = !slice.cluster().as_bytes().eq_ignore_ascii_case(self.asked.cluster);
            if is_elsewhere && self.realm == Realm::Imported {
                return ControlFlow::Continue(());
            }
            return slice.labelled(self.asked.endpoint).try_for_each(|endpoint| give(&endpoint));
        }
        let mut endpoints = slice.endpoints();
        endpoints.try_for_each(|endpoint| {
            if self.in_zone && !is_same_zone(self.asked.zone, endpoint.zone) {
                return ControlFlow::Continue(());
            }
            give(&endpoint)
        })
    }
}

/// Says whether labels in wire form are the labels of a zone's text, which may have dots.
fn is_same_zone(wire: &[u8], text: &str) -> bool {
    let mut rest = wire;
    let mut parts = text.split('.');
    loop {
        let Some((length, after)) = rest.split_first() else { return parts.next().is_none() };
        let Some((label, left)) = after.split_at_checked(usize::from(*length)) else { return false };
        if parts.next().map(str::as_bytes) != Some(label) {
            return false;
        }
        rest = left;
    }
}
