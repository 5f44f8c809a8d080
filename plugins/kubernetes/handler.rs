//! Answers queries from the picture of the cluster. See this plugin's README for names and records.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use plugin_api::{
    Class, Gist, GistKind, Handler, Message, Name, Next, OwnedRecord, Rcode, Reply, ReplyBuilder, Request, Response,
    Section, Srv, Type, flag,
};

use super::answer::{
    MAX_NAME, MAX_SOA_TTL, NameInstead, Services, push_address, push_addresses, push_hosts, push_soa, share, type_of,
};
use super::chase::{Chase, Gathered};
use super::config::Config;
use super::index::{Group, Kinds, Snapshot};
use super::lookup::{Hit, Place, look_up, look_up_pod_name};
use super::nameserver::{NameServer, name_servers};
use super::question::Asked;
use super::reverse::address_of;

/// The version of the names' schema (kubernetes/dns specification 2.2), and how long it is good for, in seconds.
const SCHEMA: (&[u8], u32) = (b"1.1.0", 28_800);

/// The plugin in a server block.
pub(super) struct Kubernetes {
    /// What it was asked to do.
    pub(super) config: Arc<Config>,
    /// The picture of the cluster as it is now.
    pub(super) picture: Arc<ArcSwap<Snapshot>>,
    /// The kinds that are read.
    pub(super) kinds: Kinds,
    /// The addresses by which this machine may be an endpoint; known when the server starts.
    pub(super) local: Arc<OnceLock<Vec<IpAddr>>>,
}

/// What a question comes to.
enum Verdict {
    /// The name does not exist.
    NxDomain,
    /// There are no such records.
    NoData,
    /// This is the reply.
    Done(Message),
    /// A CNAME has to be followed.
    Chase,
}

/// Everything that answering one query needs.
struct Query<'a> {
    /// The plugin.
    plugin: &'a Kubernetes,
    /// The query.
    request: &'a Request,
    /// Where its name is.
    place: Place<'a>,
    /// The picture of the cluster.
    snapshot: &'a Snapshot,
}

impl Handler for Kubernetes {
    fn name(&self) -> &'static str {
        "kubernetes"
    }

    fn handle<'a>(&'a self, request: &'a Request, next: Next<'a>) -> Reply<'a> {
        let question = request.question();
        let Some(place) = Place::find(&self.config, question.name(), question.lower()) else {
            return next.run(request);
        };
        if matches!(request.qtype(), Type::AXFR | Type::IXFR) {
            return Reply::now(Ok(Response::Unwritten(Rcode::REFUSED)));
        }
        let snapshot = self.picture.load();
        let query = Query { plugin: self, request, place, snapshot: &snapshot };
        match query.judge() {
            Verdict::Done(message) => Reply::message(message),
            Verdict::NoData => Reply::message(query.negative(Rcode::NOERROR)),
            Verdict::NxDomain if self.config.fall.covers(question.lower()) => next.run(request),
            Verdict::NxDomain if !self.is_synced(&snapshot) => Reply::message(query.negative(Rcode::SERVFAIL)),
            Verdict::NxDomain => Reply::message(query.negative(Rcode::NXDOMAIN)),
            Verdict::Chase => {
                let snapshot = arc_swap::Guard::into_inner(snapshot);
                Reply::later(self.chase(request, place, snapshot))
            }
        }
    }
}

impl Kubernetes {
    /// Says whether every kind that is read was listed in full.
    pub(super) fn is_synced(&self, snapshot: &Snapshot) -> bool {
        snapshot.synced.covers(self.kinds)
    }

    /// The addresses of this machine.
    pub(super) fn local(&self) -> &[IpAddr] {
        self.local.get().map_or(&[], Vec::as_slice)
    }

    /// Answers a query that leads to another name.
    async fn chase(&self, request: &Request, place: Place<'_>, snapshot: Arc<Snapshot>) -> plugin_api::Outcome {
        let chase = Chase { request, config: &self.config, snapshot: &snapshot, local: self.local(), place };
        let gathered = chase.gather(request.qname(), &[]).await;
        let query = Query { plugin: self, request, place, snapshot: &snapshot };
        let message =
            if gathered.records.is_empty() { query.negative(Rcode::NOERROR) } else { query.chased(&gathered) };
        Ok(Response::Message(message))
    }
}

impl<'a> Query<'a> {
    /// Decides by the type of the question.
    fn judge(&self) -> Verdict {
        match self.request.qtype() {
            Type::A | Type::AAAA => self.addresses(),
            Type::SRV => self.services(),
            Type::PTR => self.pointers(),
            Type::CNAME => self.alias(),
            Type::TXT => self.text(),
            Type::SOA if self.place.is_apex() => self.start_of_authority(),
            Type::SOA => Verdict::NoData,
            Type::NS if self.place.is_apex() && self.place.is_zone_lower() => self.name_servers(),
            _ => self.existence(),
        }
    }

    /// Begins a reply.
    fn reply(&self) -> ReplyBuilder {
        ReplyBuilder::new(self.request).authoritative()
    }

    /// The finished reply; without an answer it gets the zone's SOA.
    fn finish(&self, reply: ReplyBuilder) -> Verdict {
        self.finish_with(reply, self.plugin.config.ttl)
    }

    /// As [`Query::finish`], for answers with this TTL.
    fn finish_with(&self, mut reply: ReplyBuilder, ttl: u32) -> Verdict {
        let is_empty = reply.count(Section::Answer) == 0;
        if is_empty {
            self.push_soa(&mut reply, Section::Authority);
        }
        let gist = if is_empty { (GistKind::NoData, self.soa_ttl()) } else { (GistKind::Answer, ttl) };
        Verdict::Done(self.live(reply, Some(gist)))
    }

    /// The finished reply, marked as made just now, with what is known of its records.
    fn live(&self, reply: ReplyBuilder, gist: Option<(GistKind, u32)>) -> Message {
        let mut message = reply.finish();
        message.live = true;
        if let Some((kind, ttl)) = gist
            && self.request.question().class() == Class::IN
        {
            message.set_gist(Gist { kind, ttl });
        }
        message
    }

    /// TTL of the zone's SOA.
    fn soa_ttl(&self) -> u32 {
        self.plugin.config.ttl.min(MAX_SOA_TTL)
    }

    /// Appends the zone's SOA.
    fn push_soa(&self, reply: &mut ReplyBuilder, section: Section) {
        push_soa(reply, section, self.place.apex(), (self.plugin.config.ttl, self.serial()));
    }

    /// The owner of answers, and their TTL.
    fn owner(&self) -> (&'a [u8], u32) {
        (self.place.name, self.plugin.config.ttl)
    }

    /// The version of the zone.
    fn serial(&self) -> u32 {
        let serials = &self.snapshot.serials;
        if self.place.zone.is_multicluster { serials.imported } else { serials.own }
    }

    /// A reply without answer, with the zone's SOA.
    fn negative(&self, rcode: Rcode) -> Message {
        let mut reply = self.reply();
        reply.set_rcode(rcode);
        self.push_soa(&mut reply, Section::Authority);
        let kind = match rcode {
            Rcode::NOERROR => Some(GistKind::NoData),
            Rcode::NXDOMAIN => Some(GistKind::NameError),
            _ => None,
        };
        self.live(reply, kind.map(|kind| (kind, self.soa_ttl())))
    }

    /// The reply with what a chase brought.
    fn chased(&self, gathered: &Gathered) -> Message {
        let mut reply = self.reply();
        for OwnedRecord { owner, rtype, class, ttl, rdata, .. } in &gathered.records {
            let write = |out: &mut Vec<u8>| out.extend_from_slice(rdata);
            reply.push_any(Section::Answer, &[owner.as_wire()], (*rtype, *class, *ttl), write);
        }
        let mut message = self.live(reply, None);
        message.set_flag(flag::TC, gathered.is_truncated);
        message
    }

    /// Looks the name up and gives what it leads to.
    fn with_hit<T>(&self, judge: impl FnOnce(Hit<'_>, &Asked<'_>) -> T) -> T {
        let asked = self.place.ask(&self.plugin.config);
        let hit = look_up(&self.plugin.config, self.snapshot, &self.place, &asked);
        let nothing = Asked::default();
        judge(hit, asked.as_ref().unwrap_or(&nothing))
    }

    /// A and AAAA.
    fn addresses(&self) -> Verdict {
        if self.place.is_name_server() {
            return self.own_addresses();
        }
        self.with_hit(|hit, _| {
            let qtype = self.request.qtype();
            let (owner, ttl) = self.owner();
            match hit {
                Hit::NxDomain => self.pod_by_name(),
                Hit::NoData => Verdict::NoData,
                Hit::External(_) => Verdict::Chase,
                Hit::Records(records) => {
                    let mut reply = self.reply();
                    match push_addresses(&mut reply, (owner, ttl), qtype, &records) {
                        Ok(()) => self.finish(reply),
                        Err(NameInstead) => Verdict::Chase,
                    }
                }
                Hit::Pod(address, _) if type_of(address) == qtype => {
                    let mut reply = self.reply();
                    push_address(&mut reply, Section::Answer, &[owner], ttl, address);
                    self.finish(reply)
                }
                Hit::Pod(..) => Verdict::NoData,
            }
        })
    }

    /// A and AAAA of `ns.dns`.
    fn own_addresses(&self) -> Verdict {
        let mut reply = self.reply();
        let mut seen: Vec<IpAddr> = Vec::new();
        for NameServer { address, .. } in name_servers(self.snapshot, self.plugin.local()) {
            if type_of(address) == self.request.qtype() && !seen.contains(&address) {
                seen.push(address);
                push_address(&mut reply, Section::Answer, &[self.place.name], self.plugin.config.ttl, address);
            }
        }
        self.finish(reply)
    }

    /// A pod asked for by its own name, if there are such names.
    fn pod_by_name(&self) -> Verdict {
        let config = &self.plugin.config;
        if !config.pod_names {
            return Verdict::NxDomain;
        }
        let Some(hosts) = look_up_pod_name(config, self.snapshot, self.place.labels()) else {
            return Verdict::NxDomain;
        };
        let mut reply = self.reply();
        push_hosts(&mut reply, (self.place.name, config.pod_name_ttl), self.request.qtype(), hosts);
        self.finish_with(reply, config.pod_name_ttl)
    }

    /// SRV.
    fn services(&self) -> Verdict {
        if self.place.is_name_server() {
            return Verdict::NoData;
        }
        self.with_hit(|hit, asked| match hit {
            Hit::NxDomain => self.pod_by_name(),
            Hit::NoData | Hit::External(_) => Verdict::NoData,
            Hit::Records(records) => {
                let mut reply = self.reply();
                let (owner, ttl) = self.owner();
                Services { owner, zone: self.place.apex(), ttl, records }.push(&mut reply);
                self.finish(reply)
            }
            Hit::Pod(address, count) => {
                let mut reply = self.reply();
                let (owner, ttl) = self.owner();
                let target = [asked.service, asked.namespace, b"\x03pod", self.place.apex()];
                let srv = Srv { priority: 0, weight: share(count), port: 0, target: &target };
                reply.push_srv(Section::Answer, &[owner], ttl, &srv);
                push_address(&mut reply, Section::Additional, &target, ttl, address);
                self.finish(reply)
            }
        })
    }

    /// CNAME: the first record only, and only if it is a name.
    fn alias(&self) -> Verdict {
        if self.place.is_name_server() {
            return Verdict::NoData;
        }
        self.with_hit(|hit, _| {
            let mut first: Option<Option<Name>> = None;
            match hit {
                Hit::NxDomain => return self.pod_by_name(),
                Hit::NoData | Hit::Pod(..) => {}
                Hit::External(name) => first = Some(Some(name.clone())),
                Hit::Records(records) => records.each(|entry| {
                    first.get_or_insert_with(|| entry.host.name().and_then(|name| Name::from_text(name).ok()));
                }),
            }
            let mut reply = self.reply();
            if let Some(target) = first.flatten() {
                let (owner, ttl) = self.owner();
                reply.push_name(Section::Answer, &[owner], (Type::CNAME, ttl), &[target.as_wire()]);
            }
            self.finish(reply)
        })
    }

    /// TXT: only the schema's version; other names exist if they have records, and then have none of this type.
    fn text(&self) -> Verdict {
        if self.place.labels() == b"\x0bdns-version" {
            let mut reply = self.reply();
            reply.push_txt(Section::Answer, &[self.place.name], SCHEMA.1, &[SCHEMA.0]);
            return self.finish_with(reply, SCHEMA.1);
        }
        self.with_hit(|hit, asked| match hit {
            Hit::NxDomain => self.pod_by_name(),
            // Tops of trees and namespaces are name errors for this type alone. Golden suite `types`.
            Hit::NoData if asked.zone.is_empty() => Verdict::NxDomain,
            Hit::NoData | Hit::External(_) | Hit::Pod(..) => Verdict::NoData,
            Hit::Records(records) => {
                let mut has_any = !asked.zone.is_empty();
                records.each(|_| has_any = true);
                if has_any { Verdict::NoData } else { Verdict::NxDomain }
            }
        })
    }

    /// PTR.
    fn pointers(&self) -> Verdict {
        let Some(address) = address_of(self.place.lower) else {
            return self
                .with_hit(|hit, _| if matches!(hit, Hit::NxDomain) { self.pod_by_name() } else { Verdict::NoData });
        };
        let config = &self.plugin.config;
        let is_shown = |group: &Group| config.namespaces.is_empty() || config.exposes(self.snapshot, group.namespace());
        let mut reply = self.reply();
        let (owner, ttl) = self.owner();
        let primary = config.primary.name().as_wire();
        if let Some(group) = self.snapshot.services_at(address).find(|group| is_shown(group)) {
            let target = [group.key(), &b"\x03svc"[..], primary];
            reply.push_name(Section::Answer, &[owner], (Type::PTR, ttl), &target);
            return self.finish(reply);
        }
        let shown = self.snapshot.endpoints_at(address).filter(|(group, _)| is_shown(group));
        let targets: BTreeSet<(bool, Vec<u8>)> = shown
            .filter_map(|(group, endpoint)| {
                let mut label = endpoint.label();
                let target = [label.as_wire()?, group.key(), b"\x03svc", primary].concat();
                Some((endpoint.label.is_empty(), target)).filter(|(_, target)| target.len() <= MAX_NAME)
            })
            .collect();
        // Names that somebody gave come before those made of the address, both sorted: the same order from every server. (CoreDNS's order
        // is that of a hash table.)
        for (_, target) in &targets {
            reply.push_name(Section::Answer, &[owner], (Type::PTR, ttl), &[target]);
        }
        if targets.is_empty() { Verdict::NxDomain } else { self.finish(reply) }
    }

    /// SOA of the zone.
    fn start_of_authority(&self) -> Verdict {
        let mut reply = self.reply();
        self.push_soa(&mut reply, Section::Answer);
        self.finish_with(reply, self.soa_ttl())
    }

    /// NS of the zone: each name once, with all addresses.
    fn name_servers(&self) -> Verdict {
        let servers = name_servers(self.snapshot, self.plugin.local());
        let mut reply = self.reply();
        let (owner, ttl) = self.owner();
        for (at, server) in servers.iter().enumerate() {
            if !servers.iter().take(at).any(|other| other.labels == server.labels) {
                reply.push_name(Section::Answer, &[owner], (Type::NS, ttl), &[&server.labels, owner]);
            }
        }
        for server in &servers {
            push_address(&mut reply, Section::Additional, &[&server.labels, owner], ttl, server.address);
        }
        self.finish(reply)
    }

    /// Any other type: there are none, but the name may exist.
    fn existence(&self) -> Verdict {
        if self.place.is_name_server() {
            return Verdict::NoData;
        }
        self.with_hit(|hit, _| match hit {
            Hit::NxDomain => self.pod_by_name(),
            _ => Verdict::NoData,
        })
    }
}
