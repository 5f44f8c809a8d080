//! What a question finds: nothing, or entries that are walked without being collected.

use std::net::Ipv4Addr;
use std::ops::ControlFlow;
use std::sync::Arc;

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
    /// Which of them are asked for.
    wanted: Wanted,
}

/// Endpoints of a slice that have an IPv4 address each, and the ports of all of them.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    /// The addresses.
    pub(crate) addresses: &'a [Ipv4Addr],
    /// The ports, those asked for and others.
    ports: &'a [Port],
    /// Which of them are asked for.
    wanted: Wanted,
    /// Whether there is nothing but that: labels come from the addresses, and no cluster is named.
    pub(crate) is_plain: bool,
}

impl Run<'_> {
    /// The only port that is asked for; none if there are several.
    pub(crate) fn only_port(&self) -> Option<i32> {
        let Wanted(bits) = self.wanted;
        let mut wanted = self.ports.iter().zip(0_u32..).filter(|(_, at)| *at >= 128 || bits >> at & 1 != 0);
        let (port, _) = wanted.next()?;
        wanted.next().is_none().then_some(port.number)
    }
}

/// Which of some ports are asked for: a bit for each of the first 128. Found once for all endpoints of a slice.
#[derive(Debug, Clone, Copy)]
struct Wanted(u128);

impl<'a> Entry<'a> {
    /// The ports that are asked for, each with its place among all.
    pub(crate) fn wanted(&self, records: &Records<'_>) -> impl Iterator<Item = (usize, &'a Port)> {
        let is_wanted = move |at: usize, port: &Port| match u32::try_from(at) {
            Ok(bit @ ..128) => self.wanted.0 >> bit & 1 != 0,
            _ => records.wants(port),
        };
        self.ports.iter().enumerate().filter(move |(at, port)| is_wanted(*at, port))
    }
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

    /// Finds the ports that are asked for; none if there are none.
    fn find_wanted(&self, ports: &[Port]) -> Option<Wanted> {
        if self.asked.port.is_empty() && self.asked.protocol.is_empty() {
            return (!ports.is_empty()).then_some(Wanted(u128::MAX));
        }
        let bits = ports.iter().take(128).enumerate().filter(|(_, port)| self.wants(port));
        let bits = bits.fold(0, |bits, (at, _)| bits | 1 << at);
        (bits != 0 || ports.iter().skip(128).any(|port| self.wants(port))).then_some(Wanted(bits))
    }

    /// All endpoints as runs of IPv4 addresses, if that is all there are and none is left out.
    pub(crate) fn fours(&self) -> Option<impl Iterator<Item = Run<'a>>> {
        if self.is_of_service() || !self.asked.endpoint.is_empty() || self.in_zone {
            return None;
        }
        let this = *self;
        let slices = || this.snapshot.slices(this.realm, this.group);
        let run = move |slice: &'a Arc<Slice>| {
            let wanted = this.find_wanted(&slice.ports)?;
            Some(Run { addresses: slice.fours()?, ports: &slice.ports, wanted, is_plain: slice.is_plain() })
        };
        slices().all(|slice| slice.fours().is_some()).then(|| slices().filter_map(run))
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

    /// Gives entries that have a port asked for to `visit`, until it returns false.
    pub(crate) fn each_while(&self, mut visit: impl FnMut(&Entry<'_>) -> bool) {
        let mut step =
            |entry: &Entry<'_>| if visit(entry) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) };
        match self.walk(&mut step) {
            ControlFlow::Continue(()) | ControlFlow::Break(()) => {}
        }
    }

    /// Gives entries to `visit` until it has enough.
    fn walk(&self, visit: &mut Visit<'_>) -> ControlFlow<()> {
        if self.is_of_service() {
            let ports = &self.service.ports;
            let Some(wanted) = self.find_wanted(ports) else { return ControlFlow::Continue(()) };
            let entry = |host| Entry { host, endpoint: None, cluster: "", ports, wanted };
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
        let Some(wanted) = self.find_wanted(&slice.ports) else { return ControlFlow::Continue(()) };
        let mut give = |endpoint: &Endpoint<'_>| {
            let Endpoint { host, .. } = endpoint;
            visit(&Entry { host, endpoint: Some(endpoint), cluster: slice.cluster(), ports: &slice.ports, wanted })
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
