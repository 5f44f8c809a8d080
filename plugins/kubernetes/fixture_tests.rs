//! For tests: a cluster written in lines, and the plugin that answers from it.
//!
//! ```text
//! namespace NAMESPACE
//! service NAMESPACE/NAME ADDRESSES PORT...        addresses with commas between, or None; a port is NAME:NUMBER/PROTOCOL
//! external NAMESPACE/NAME TARGET
//! slice NAMESPACE/NAME of SERVICE [in CLUSTER] PORT... | ENDPOINT...      an endpoint is ADDRESS[=HOSTNAME][@ZONE][!], ! for not ready
//! pod NAMESPACE/NAME ADDRESS...
//! import NAMESPACE/NAME ADDRESSES PORT...         addresses may be Headless
//! imported NAMESPACE/NAME of SERVICE in CLUSTER PORT... | ENDPOINT...
//! ```

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use plugin_api::link::Kept;
use plugin_api::{
    Block, BoxFuture, Chain, Clock, Message, Next, Origin, Outcome, Rcode, ReplyBuilder, Request, Response, Section,
    Setup, Site, Type, Upstream, Zone, Zones, flag,
};

use super::config::Config;
use super::endpoints::Endpoint;
use super::handler::Kubernetes;
use super::index::{Index, Snapshot};
use super::objects::{
    Change, Deleted, EndpointPort, EndpointSlice, IMPORT_NAME, Kind, Metadata, Namespace, Object, Pod, PodIp,
    SERVICE_NAME, SOURCE_CLUSTER, Service, ServiceImport, ServicePort,
};
use super::setup::read_directive;
use crate::trial;

/// A cluster and the plugin that answers from it.
pub(super) struct Cluster {
    /// Takes changes.
    index: Index,
    /// Where the plugin sees them.
    picture: Arc<ArcSwap<Snapshot>>,
    /// The plugin alone.
    chain: Chain,
}

/// The names outside the cluster.
struct Outside;

impl Upstream for Outside {
    fn lookup(&self, request: Box<Request>) -> BoxFuture<'_, Option<Message>> {
        let mut reply = ReplyBuilder::new(&request);
        match (request.qname().to_string().as_str(), request.qtype()) {
            ("www.example.org.", Type::A) => {
                reply.push_a(Section::Answer, &[request.qname().as_wire()], 60, [192, 0, 2, 1].into());
            }
            ("www.example.org.", Type::AAAA) => {
                reply.push_aaaa(Section::Answer, &[request.qname().as_wire()], 60, "2001:db8::1".parse().unwrap());
            }
            ("broken.example.org.", _) => reply.set_rcode(Rcode::SERVFAIL),
            ("lost.example.org.", _) => return Box::pin(async { None }),
            _ => reply.set_rcode(Rcode::NXDOMAIN),
        }
        let mut message = reply.finish();
        message.set_flag(flag::TC, request.qname().to_string().starts_with("cut."));
        Box::pin(async { Some(message) })
    }
}

impl Cluster {
    /// The objects in `lines`, each kind listed in full at second 1, for `kubernetes` with these arguments and properties.
    pub(super) fn with(directive: &str, lines: &str) -> Self {
        let mut cluster = Self::unsynced(directive, lines);
        cluster.change_at(1, Kind::ALL.map(Change::ListEnd));
        cluster
    }

    /// The same for zone `cluster.local` without properties.
    pub(super) fn new(lines: &str) -> Self {
        Self::with("cluster.local in-addr.arpa ip6.arpa", lines)
    }

    /// The same, but no kind was listed in full.
    pub(super) fn unsynced(directive: &str, lines: &str) -> Self {
        let config = Arc::new(read(directive));
        let picture = Arc::new(ArcSwap::from_pointee(Snapshot::default()));
        let local = OnceLock::from(vec![IpAddr::from([10, 9, 9, 9])]);
        let handler = Kubernetes {
            kinds: config.kinds().into_iter().collect(),
            config: Arc::clone(&config),
            picture: Arc::clone(&picture),
            local: Arc::new(local),
        };
        let chain: Chain = Arc::new([Arc::new(handler)]);
        let mut cluster = Self { index: Index::new(config.index_options()), picture, chain };
        cluster.change_at(1, objects(lines).map(Change::Apply));
        cluster
    }

    /// Adds objects, or changes those that are there, at second `now`.
    pub(super) fn apply_at(&mut self, now: u32, lines: &str) {
        self.change_at(now, objects(lines).map(Change::Apply));
    }

    /// The same at second 2.
    pub(super) fn apply(&mut self, lines: &str) {
        self.apply_at(2, lines);
    }

    /// Takes objects away, at second 2.
    pub(super) fn delete(&mut self, lines: &str) {
        let gone = |object: Object| Change::Delete(Deleted { key: object.key(), change_trigger: None });
        self.change_at(2, objects(lines).map(gone));
    }

    /// Applies changes and publishes them.
    fn change_at(&mut self, now: u32, changes: impl IntoIterator<Item = Change>) {
        changes.into_iter().for_each(|change| self.index.apply(&change, now));
        if let Some(snapshot) = self.index.publish() {
            self.picture.store(snapshot);
        }
    }

    /// The whole reply in one line.
    pub(super) fn ask(&self, query: &str) -> String {
        trial::text(self.outcome(query))
    }

    /// The reply, which has to be a message.
    pub(super) fn message(&self, query: &str) -> Message {
        match self.outcome(query) {
            Ok(Response::Message(message)) => message,
            _ => panic!("{query}: no message"),
        }
    }

    /// What the plugin makes of a query.
    fn outcome(&self, query: &str) -> Outcome {
        let mut request = trial::request(query, &Clock::manual());
        let site = Arc::new(Site { server: "dns://:53".into(), upstream: Some(Arc::new(Outside)) });
        request.set_origin(Origin { site, ..request.origin().clone() });
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(Next::start(&self.chain).run(&request))
    }

    /// The rdata of a section with type, sorted.
    fn section(&self, query: &str, section: &str) -> Vec<String> {
        let reply = self.ask(query);
        let records = reply.split("; ").find_map(|part| part.strip_prefix(&format!("{section}: "))).unwrap_or_default();
        let mut records: Vec<String> =
            records.split(", ").filter(|record| !record.is_empty()).map(ToOwned::to_owned).collect();
        records.sort();
        records
    }

    /// The answers as `TYPE RDATA`, sorted; their owner has to be that of the query, in its letters.
    #[track_caller]
    pub(super) fn answers(&self, query: &str) -> Vec<String> {
        let owner = query.split(' ').next().unwrap();
        let plain = |record: String| {
            let mut words = record.splitn(4, ' ');
            assert_eq!(words.next(), Some(owner), "{query}");
            words.nth(2).unwrap().to_owned()
        };
        self.section(query, "answer").into_iter().map(plain).collect()
    }

    /// The additional records as `OWNER TYPE RDATA`, sorted.
    pub(super) fn additional(&self, query: &str) -> Vec<String> {
        let plain = |record: String| {
            let words: Vec<_> = record.split(' ').collect();
            format!("{} {} {}", words[0], words[3], words[4..].join(" "))
        };
        self.section(query, "additional").into_iter().map(plain).collect()
    }

    /// Checks for NOERROR without answer, with the zone's SOA.
    #[track_caller]
    pub(super) fn is_nodata(&self, queries: &[&str]) {
        self.is_negative("NOERROR", queries);
    }

    /// Checks for NXDOMAIN with the zone's SOA.
    #[track_caller]
    pub(super) fn is_nxdomain(&self, queries: &[&str]) {
        self.is_negative("NXDOMAIN", queries);
    }

    /// Checks for a reply with nothing but a SOA.
    #[track_caller]
    pub(super) fn is_negative(&self, rcode: &str, queries: &[&str]) {
        for query in queries {
            let reply = self.ask(query);
            let is_it = reply.starts_with(&format!("{rcode} qr aa rd; authority: ")) && reply.contains(" SOA ");
            assert!(is_it && !reply.contains("answer: "), "{query}: {reply}");
        }
    }
}

/// Reads a directive, its properties separated by commas.
fn read(directive: &str) -> Config {
    let (args, properties) = directive.split_once(':').unwrap_or((directive, ""));
    let text = format!("cluster.local {{\nkubernetes {args} {{\n{}\n}}\n}}", properties.replace(',', "\n"));
    let options = corefile::Options {
        directives: Some(&["kubernetes"]),
        hints: &[],
        env: &corefile::ProcessEnv,
        files: &corefile::DiskFiles,
    };
    let parsed = corefile::parse(corefile::Input { name: "Corefile", text: text.as_bytes() }, options).unwrap();
    let zones = Zones::new(vec![Zone::from_text("cluster.local").unwrap()]);
    let mut setup = Setup {
        plugin: "kubernetes",
        input: parsed.blocks[0].directive("kubernetes").unwrap().dispenser(&parsed.sources),
        block: &mut Block { zones, ..Block::default() },
        process: &trial::process(),
        previous: &Kept::default(),
        kept: &mut Kept::default(),
    };
    assert!(setup.input.next());
    read_directive(&mut setup).unwrap().0
}

/// The objects of all lines.
fn objects(lines: &str) -> impl Iterator<Item = Object> + '_ {
    lines.lines().map(str::trim).filter(|line| !line.is_empty()).map(object)
}

/// The object of a line.
fn object(line: &str) -> Object {
    let words: Vec<_> = line.split_whitespace().collect();
    let (namespace, name) = words[1].split_once('/').unwrap_or(("", words[1]));
    let metadata = Metadata { name: name.into(), namespace: namespace.into(), ..Metadata::default() };
    let rest = words.get(2..).unwrap_or_default();
    match words[0] {
        "namespace" => Object::Namespace(Namespace { metadata }),
        "service" => Object::Service(service(metadata, rest)),
        "external" => {
            let mut service = Service { metadata, ..Service::default() };
            service.spec.kind = "ExternalName".into();
            service.spec.external_name = rest[0].into();
            Object::Service(service)
        }
        "slice" if rest[2] == "in" => {
            Object::EndpointSlice(slice(metadata, (SERVICE_NAME, rest[1]), rest[3], &rest[4..]))
        }
        "slice" => Object::EndpointSlice(slice(metadata, (SERVICE_NAME, rest[1]), "", &rest[2..])),
        "imported" => Object::ImportedSlice(slice(metadata, (IMPORT_NAME, rest[1]), rest[3], &rest[4..])),
        "pod" => {
            let mut pod = Pod { metadata, ..Pod::default() };
            pod.status.pod_ip = rest[0].into();
            pod.status.pod_ips = rest.iter().map(|ip| PodIp { ip: (*ip).into() }).collect();
            Object::Pod(pod)
        }
        "import" => {
            let mut import = ServiceImport { metadata, ..ServiceImport::default() };
            import.spec.kind = if rest[0] == "Headless" { "Headless".into() } else { "ClusterSetIP".into() };
            import.spec.ips = rest[0].split(',').filter(|ip| *ip != "Headless").map(Into::into).collect();
            import.spec.ports = service_ports(&rest[1..]);
            Object::ServiceImport(import)
        }
        other => panic!("what is {other}?"),
    }
}

/// A service with addresses and ports.
fn service(metadata: Metadata, words: &[&str]) -> Service {
    let mut service = Service { metadata, ..Service::default() };
    service.spec.kind = "ClusterIP".into();
    service.spec.cluster_ips = words[0].split(',').map(Into::into).collect();
    service.spec.ports = service_ports(&words[1..]);
    service
}

/// Name, number and protocol of a port.
fn port(word: &str) -> (Box<str>, i32, Box<str>) {
    let (name, rest) = word.split_once(':').unwrap();
    let (number, protocol) = rest.split_once('/').unwrap();
    (name.into(), number.parse().unwrap(), protocol.into())
}

/// The ports of a service.
fn service_ports(words: &[&str]) -> Vec<ServicePort> {
    let make = |(name, port, protocol)| ServicePort { name, protocol, port };
    words.iter().map(|word| make(port(word))).collect()
}

/// A slice, from ports and endpoints.
fn slice(mut metadata: Metadata, label: (&str, &str), cluster: &str, words: &[&str]) -> EndpointSlice {
    let labels = [(label.0, label.1), (SOURCE_CLUSTER, cluster)];
    metadata.labels = BTreeMap::from(labels.map(|(key, value)| (key.into(), value.into())));
    let bar = words.iter().position(|word| *word == "|").unwrap();
    let make = |(name, port, protocol)| EndpointPort { name, protocol, port: Some(port) };
    EndpointSlice {
        metadata,
        ports: words[..bar].iter().map(|word| make(port(word))).collect(),
        endpoints: words[bar + 1..].iter().map(|word| endpoint(word)).collect(),
    }
}

/// An endpoint.
fn endpoint(word: &str) -> Endpoint<'_> {
    let (word, is_ready) = word.strip_suffix('!').map_or((word, true), |word| (word, false));
    let (word, zone) = word.split_once('@').unwrap_or((word, ""));
    let (address, hostname) = word.split_once('=').unwrap_or((word, ""));
    Endpoint { address, hostname, zone, pod: "", is_ready }
}
