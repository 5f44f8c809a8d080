//! Says what a name in a zone asks for: the zone itself, its name servers, a service, or an address.

use super::answer::{Query, has_names};
use futures_util::FutureExt;
use plugin_api::link::{ExternalEntry, ExternalNames};
use plugin_api::{Fallthrough, Handler, Name, Next, Rcode, Reply, Request, Response, Type, Zone};
use std::sync::{Arc, OnceLock};

/// A zone that is served.
pub(super) struct Served {
    /// The zone.
    pub(super) zone: Zone,
    /// `APEX.ZONE`, below which the name servers are.
    pub(super) apex: Name,
    /// `ns1.APEX.ZONE`, the name server.
    pub(super) name_server: Name,
}

impl Served {
    /// Makes a zone with these labels for its name servers; none if the names would be too long.
    pub(super) fn new(zone: &Zone, apex: &Name) -> Option<Self> {
        let labels = apex.as_wire().get(..apex.as_wire().len() - 1)?;
        let apex = Name::from_parts(&[labels, zone.name().as_wire()]).ok()?;
        let name_server = Name::from_parts(&[b"\x03ns1", apex.as_wire()]).ok()?;
        Some(Self { zone: zone.clone(), apex, name_server })
    }
}

/// What the directive says.
#[derive(Default)]
pub(super) struct Config {
    /// The zones, the first of them where PTR records lead to.
    pub(super) zones: Vec<Served>,
    /// TTL in seconds of all records but SRV and CNAME, which have that of `kubernetes`.
    pub(super) ttl: u32,
    /// Whether services without external addresses are given by their endpoints.
    pub(super) headless: bool,
    /// For which names a name error is passed on.
    pub(super) fall: Fallthrough,
}

/// The handler.
pub(super) struct K8sExternal {
    /// What the directive says.
    pub(super) config: Config,
    /// The plugin that knows the services; set at link.
    pub(super) source: Arc<OnceLock<Arc<dyn ExternalNames>>>,
}

/// What a name below the zone leads to.
enum Found {
    /// It does not exist.
    NxDomain,
    /// To these; to nothing of its type if there are none.
    Entries(Vec<ExternalEntry>),
    /// To the names of services.
    Pointers(Vec<Box<[u8]>>),
}

impl Config {
    /// The longest zone that holds a name; of equal ones the first.
    pub(super) fn find(&self, name: &Name) -> Option<&Served> {
        let zones = self.zones.iter().filter_map(|served| Some((name.offset_of(served.zone.name())?, served)));
        zones.min_by_key(|(offset, _)| *offset).map(|(_, served)| served)
    }
}

impl Handler for K8sExternal {
    fn name(&self) -> &'static str {
        "k8s_external"
    }

    fn handle<'a>(&'a self, request: &'a Request, next: Next<'a>) -> Reply<'a> {
        let lower = request.question().lower();
        let (Some(served), Some(source)) = (self.config.find(lower), self.source.get()) else {
            return next.run(request);
        };
        let query = Query { config: &self.config, request, served, source: &**source };
        if lower == served.zone.name() {
            return Reply::message(query.apex());
        }
        if lower.is_within(&served.apex) {
            return Reply::message(query.below_apex());
        }
        match self.find(request, served, &**source) {
            Found::NxDomain if self.config.fall.covers(lower) => next.run(request),
            Found::NxDomain => Reply::message(query.negative(Rcode::NXDOMAIN)),
            Found::Pointers(labels) => Reply::message(query.pointers(&labels)),
            Found::Entries(entries) if has_names(&entries) => {
                Reply::later(async move { Ok(Response::Message(query.services(&entries).await)) })
            }
            // Without names nothing has to be waited for.
            Found::Entries(entries) => {
                let message = query.services(&entries).now_or_never();
                Reply::message(message.unwrap_or_else(|| query.negative(Rcode::SERVFAIL)))
            }
        }
    }
}

impl K8sExternal {
    /// Looks a name up.
    fn find(&self, request: &Request, served: &Served, source: &dyn ExternalNames) -> Found {
        let lower = request.question().lower();
        if request.qtype() == Type::PTR {
            match source.services_at(lower) {
                Some(labels) if labels.is_empty() => return Found::NxDomain,
                Some(labels) => return Found::Pointers(labels),
                None => {}
            }
        }
        let offset = lower.offset_of(served.zone.name()).unwrap_or(0);
        let labels = lower.as_wire().get(..offset).unwrap_or_default();
        match source.find(labels, self.config.headless) {
            None => Found::NxDomain,
            Some(_) if request.qtype() == Type::PTR => Found::Entries(Vec::new()),
            Some(entries) => Found::Entries(entries),
        }
    }
}
