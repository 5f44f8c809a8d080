//! The kinds of work that are measured: a Corefile, queries, and what is good enough.

use super::cluster::{Cluster, NAMESPACES};
use plugin_api::{Name, Type};
use std::net::SocketAddr;
use std::path::Path;

/// Where the things are that a Corefile names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surroundings<'a> {
    /// The port to listen on.
    pub(crate) port: u16,
    /// The cluster's objects.
    pub(crate) manifest: &'a Path,
    /// A folder for other files.
    pub(crate) folder: &'a Path,
    /// An upstream.
    pub(crate) upstream: SocketAddr,
    /// Services of the cluster; names in hosts and zone files.
    pub(crate) services: usize,
}

/// A query and the reply that is right for it.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    /// Its octets; the id is to be set.
    pub(crate) octets: Vec<u8>,
    /// The rcode of the reply.
    pub(crate) rcode: u8,
    /// Answers that the reply has at least.
    pub(crate) answers: u16,
}

/// A kind of work.
#[derive(Clone, Copy)]
pub(crate) struct Work {
    /// A word for the command line.
    pub(crate) name: &'static str,
    /// What it is.
    pub(crate) title: &'static str,
    /// The aim: CPU per query as a multiple of the echo's.
    pub(crate) target: f64,
    /// What serves it.
    pub(crate) corefile: fn(&Surroundings<'_>) -> String,
    /// What is asked.
    pub(crate) queries: fn(usize) -> Vec<Query>,
}

/// All kinds.
pub(crate) const WORKS: &[Work] = &[
    work("kubernetes", "cluster name, kubernetes alone", 1.25, alone, services),
    work("kubeadm", "cluster name, kubeadm Corefile with cache and metrics", 1.4, kubeadm, services),
    work("search", "search-list mix of ndots:5, warm, the same", 1.5, kubeadm, search_list),
    work("cached", "forwarded name, warm cache", 1.4, cached, outside),
    work("forward", "forwarded name, no cache", 3.0, forward, outside),
    work("nxdomain", "NXDOMAIN in the cluster's zone", 1.3, alone, missing),
    work("headless20", "headless service of 20 endpoints", 1.4, alone, headless_20),
    work("headless200", "headless service of 200 endpoints", 2.5, alone, headless_200),
    work("srv20", "SRV of 20 endpoints", 1.9, alone, srv_20),
    work("hosts", "hosts, static A", 1.3, hosts, services),
    work("file", "file, static A", 1.3, file, services),
    work("filenx", "NXDOMAIN in file", 1.3, file, missing),
];

/// One kind.
const fn work(
    name: &'static str,
    title: &'static str,
    target: f64,
    corefile: fn(&Surroundings<'_>) -> String,
    queries: fn(usize) -> Vec<Query>,
) -> Work {
    Work { name, title, target, corefile, queries }
}

/// The zones of a cluster.
const ZONES: &str = "cluster.local in-addr.arpa ip6.arpa";

/// `kubernetes` and nothing else.
fn alone(at: &Surroundings<'_>) -> String {
    format!("cluster.local:{} {{\n kubernetes {ZONES} {{\n  manifests {}\n }}\n}}\n", at.port, at.manifest.display())
}

/// The Corefile that kubeadm writes, its side listeners at any port.
fn kubeadm(at: &Surroundings<'_>) -> String {
    format!(
        ".:{} {{\n errors\n health 127.0.0.1:0 {{\n  lameduck 5s\n }}\n ready 127.0.0.1:0\n kubernetes {ZONES} {{\n  manifests {}\n  \
         pods insecure\n  fallthrough in-addr.arpa ip6.arpa\n  ttl 30\n }}\n prometheus 127.0.0.1:0\n forward . {} {{\n  \
         max_concurrent 1000\n }}\n cache 30\n loop\n reload\n loadbalance\n}}\n",
        at.port,
        at.manifest.display(),
        at.upstream
    )
}

/// `cache` before `forward`.
fn cached(at: &Surroundings<'_>) -> String {
    format!(".:{} {{\n cache 3600 {{\n  success 65536\n }}\n forward . {}\n}}\n", at.port, at.upstream)
}

/// `forward` alone.
fn forward(at: &Surroundings<'_>) -> String {
    format!(".:{} {{\n forward . {}\n}}\n", at.port, at.upstream)
}

/// `hosts` with a file that has every service.
fn hosts(at: &Surroundings<'_>) -> String {
    let path = at.folder.join("hosts");
    let line = |number| format!("{} {}.svc.cluster.local\n", Cluster::address(number), Cluster::service(number));
    let text: String = (0..at.services).map(line).collect();
    // The program says that the file is missing.
    drop(std::fs::write(&path, text));
    format!("cluster.local:{} {{\n hosts {}\n}}\n", at.port, path.display())
}

/// `file` with a zone that has every service.
fn file(at: &Surroundings<'_>) -> String {
    let path = at.folder.join("zone");
    let line = |number| format!("{}.svc IN A {}\n", Cluster::service(number), Cluster::address(number));
    let head = "$ORIGIN cluster.local.\n$TTL 3600\n@ IN SOA ns.dns hostmaster 1 7200 1800 86400 5\n@ IN NS ns.dns\nns.dns IN A 127.0.0.1\n";
    let text: String = std::iter::once(head.to_owned()).chain((0..at.services).map(line)).collect();
    // The program says that the file is missing.
    drop(std::fs::write(&path, text));
    format!("cluster.local:{} {{\n file {}\n}}\n", at.port, path.display())
}

/// A query with its reply; a name that is none gives the root.
#[must_use]
pub(crate) fn query(name: &str, qtype: Type, (rcode, answers): (u8, u16)) -> Query {
    let name = Name::from_text(name).unwrap_or_else(|_| Name::root());
    let mut octets = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    octets.extend_from_slice(name.as_wire());
    octets.extend_from_slice(&qtype.0.to_be_bytes());
    octets.extend_from_slice(&[0, 1]);
    Query { octets, rcode, answers }
}

/// A for every service.
pub(crate) fn services(services: usize) -> Vec<Query> {
    let each = |at| query(&format!("{}.svc.cluster.local", Cluster::service(at)), Type::A, (0, 1));
    (0..services).map(each).collect()
}

/// Names outside of the cluster.
pub(crate) fn outside(services: usize) -> Vec<Query> {
    (0..services).map(|at| query(&format!("www-{at}.example.com"), Type::A, (0, 1))).collect()
}

/// Names that do not exist, as a search list makes them.
pub(crate) fn missing(services: usize) -> Vec<Query> {
    let each =
        |at: usize| query(&format!("www-{at}.example.com.ns-{}.svc.cluster.local", at % NAMESPACES), Type::A, (3, 0));
    (0..services).map(each).collect()
}

/// What resolvers with the search list of a pod ask, `ndots:5`, both families: for a service of the namespace, for one of
/// another, for one with its full name, and for a name outside.
pub(crate) fn search_list(services: usize) -> Vec<Query> {
    let mut all = Vec::new();
    let mut ask = |name: &str, rcode, answers| {
        all.push(query(name, Type::A, (rcode, answers)));
        all.push(query(name, Type::AAAA, (rcode, 0)));
    };
    for at in 0..services {
        let own = at % NAMESPACES;
        let other = (at + 1) % services;
        let suffixes =
            [format!("ns-{own}.svc.cluster.local"), "svc.cluster.local".to_owned(), "cluster.local".to_owned()];
        match at % 4 {
            0 => ask(&format!("svc-{at}.{}", suffixes[0]), 0, 1),
            1 => {
                ask(&format!("{}.{}", Cluster::service(other), suffixes[0]), 3, 0);
                ask(&format!("{}.{}", Cluster::service(other), suffixes[1]), 0, 1);
            }
            2 => {
                let full = format!("{}.svc.cluster.local", Cluster::service(other));
                suffixes.iter().for_each(|suffix| ask(&format!("{full}.{suffix}"), 3, 0));
                ask(&full, 0, 1);
            }
            _ => {
                let full = format!("www-{}.example.com", at % 64);
                suffixes.iter().for_each(|suffix| ask(&format!("{full}.{suffix}"), 3, 0));
                ask(&full, 0, 1);
            }
        }
    }
    all
}

/// A of a headless service, whose answers are sent compressed or cut.
fn headless(count: usize, answers: u16) -> Vec<Query> {
    let mut one = query(&format!("many-{count}.ns-0.svc.cluster.local"), Type::A, (0, answers));
    add_edns(&mut one);
    vec![one]
}

/// A of 20 endpoints.
fn headless_20(_: usize) -> Vec<Query> {
    headless(20, 20)
}

/// A of 200 endpoints.
fn headless_200(_: usize) -> Vec<Query> {
    headless(200, 200)
}

/// SRV of 20 endpoints.
fn srv_20(_: usize) -> Vec<Query> {
    let mut one = query("_http._tcp.many-20.ns-0.svc.cluster.local", Type::SRV, (0, 20));
    add_edns(&mut one);
    vec![one]
}

/// Adds EDNS with a payload size of 4,096.
fn add_edns(query: &mut Query) {
    query.octets.extend_from_slice(&[0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0]);
    if let Some(count) = query.octets.get_mut(11) {
        *count = 1;
    }
}
