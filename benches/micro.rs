//! Steps of a query, one by one, and how what they cost grows with the cluster: `cargo bench --bench micro`. For trends; what can be
//! compared between machines is in `instructions` and `load`.

#![expect(clippy::expect_used, reason = "a bench that cannot begin ends")]

#[path = "kit/mod.rs"]
mod kit;

use divan::{Bencher, black_box};
use ferrodns::instance::{Instance, Settings};
use ferrodns::load::Origin;
use ferrodns::server::admit::Verdict;
use ferrodns::server::{Answer, Server};
use ferrodns::transport::Handoff;
use kit::Scratch;
use kit::cluster::Cluster;
use kit::work::{self, Query, Surroundings, WORKS};
use plugin_api::{Message, Request, Transport, Type};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::runtime::Runtime;

/// Sizes of the cluster.
const SIZES: [usize; 4] = [100, 1_000, 10_000, 100_000];

fn main() {
    divan::main();
}

/// A started configuration, kept to the end of the process.
struct Bed {
    server: Arc<Server>,
    runtime: Runtime,
    _instance: Arc<Instance>,
}

/// The configuration of a kind of work over a cluster of this size, made once.
fn bed(name: &'static str, services: usize) -> &'static Bed {
    static BEDS: Mutex<BTreeMap<(&str, usize), &'static Bed>> = Mutex::new(BTreeMap::new());
    let mut beds = BEDS.lock().unwrap_or_else(PoisonError::into_inner);
    beds.entry((name, services)).or_insert_with(|| Box::leak(Box::new(make(name, services))))
}

/// Makes one.
fn make(name: &str, services: usize) -> Bed {
    static UPSTREAM: OnceLock<SocketAddr> = OnceLock::new();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let scratch = Scratch::new(&format!("micro-{name}-{services}")).expect("a folder");
    let manifest = scratch.path().join("cluster.json");
    Cluster { services, endpoints: 1 }.write(&manifest).expect("a cluster");
    let upstream = *UPSTREAM.get_or_init(|| kit::upstream::start().expect("an upstream"));
    let surroundings = Surroundings { port: 0, manifest: &manifest, folder: scratch.path(), upstream, services };
    let work = WORKS.iter().find(|work| work.name == name).expect("a kind of work");
    let file = scratch.path().join("Corefile");
    std::fs::write(&file, (work.corefile)(&surroundings)).expect("a Corefile");
    let settings = Settings {
        origin: Origin { conf: file.display().to_string(), port: "0".to_owned() },
        manifests: Vec::new(),
        plugins: plugins::PLUGINS,
        threads: 1,
    };
    let instance = Instance::new(settings, Handoff::new(runtime.handle().clone()));
    runtime.block_on(instance.start()).map_err(|_| "refused").expect("a configuration");
    let server = runtime.block_on(instance.servers()).pop().expect("a server");
    Bed { server, runtime, _instance: instance }
}

/// The client of all queries.
fn peer() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 5353))
}

/// A query that was admitted.
fn admitted(bed: &Bed, query: &Query) -> Box<Request> {
    let mut request = bed.server.request(Transport::Udp);
    request.set_arrival(peer(), peer(), bed.server.clock().now());
    let verdict = bed.server.admit(&query.octets, &mut request, &mut Vec::new());
    assert!(verdict == Verdict::Query, "not admitted");
    request
}

/// Asks once; the request comes back.
fn ask(bed: &Bed, request: Box<Request>) -> (Box<Request>, Message) {
    let answered = bed.runtime.block_on(bed.server.answer(request));
    let Answer::Message(message) = answered.answer else { unreachable!("an answer that is no message") };
    (answered.request, message)
}

/// Measures a query from its octets to those of its reply.
fn whole(bencher: Bencher<'_, '_>, bed: &Bed, query: &Query) {
    let (request, message) = ask(bed, admitted(bed, query));
    assert!(message.rcode().0 == u16::from(query.rcode), "{:?}", message.rcode());
    let (mut spare, mut out) = (Some(request), Vec::new());
    bencher.bench_local(|| {
        out.clear();
        let Some(mut request) = spare.take() else { return };
        bed.server.admit(black_box(&query.octets), &mut request, &mut out);
        let (request, message) = ask(bed, request);
        bed.server.write(&message, &request, &mut out);
        request.give_buffer(message.into_octets(), 4096);
        spare = Some(request);
    });
}

/// A query is read: header, name, lower case.
#[divan::bench]
fn decode(bencher: Bencher<'_, '_>) {
    let bed = bed("hosts", SIZES[0]);
    let query = work::query(&format!("{}.svc.cluster.local", Cluster::service(7)), Type::A, (0, 1));
    let (mut request, mut out) = (admitted(bed, &query), Vec::new());
    bencher.bench_local(|| bed.server.admit(black_box(&query.octets), &mut request, &mut out));
}

/// A reply of one record is written.
#[divan::bench]
fn write(bencher: Bencher<'_, '_>) {
    let bed = bed("hosts", SIZES[0]);
    let query = work::query(&format!("{}.svc.cluster.local", Cluster::service(7)), Type::A, (0, 1));
    let (request, message) = ask(bed, admitted(bed, &query));
    let mut out = Vec::new();
    bencher.bench_local(|| {
        out.clear();
        bed.server.write(black_box(&message), &request, &mut out);
    });
}

/// The chain of kubeadm's Corefile, all in all.
#[divan::bench]
fn kubeadm(bencher: Bencher<'_, '_>) {
    let query = work::query(&format!("{}.svc.cluster.local", Cluster::service(7)), Type::A, (0, 1));
    whole(bencher, bed("kubeadm", SIZES[1]), &query);
}

/// A hit in the cache.
#[divan::bench]
fn cache_hit(bencher: Bencher<'_, '_>) {
    whole(bencher, bed("cached", SIZES[0]), &work::query("www.example.com", Type::A, (0, 1)));
}

/// To an upstream on the same machine and back.
#[divan::bench]
fn forward_round_trip(bencher: Bencher<'_, '_>) {
    whole(bencher, bed("forward", SIZES[0]), &work::query("www.example.com", Type::A, (0, 1)));
}

/// The address of a service.
#[divan::bench(args = SIZES)]
fn index_a(bencher: Bencher<'_, '_>, services: usize) {
    let query = work::query(&format!("{}.svc.cluster.local", Cluster::service(services / 2)), Type::A, (0, 1));
    whole(bencher, bed("kubernetes", services), &query);
}

/// The IPv6 address that a service does not have.
#[divan::bench(args = SIZES)]
fn index_aaaa(bencher: Bencher<'_, '_>, services: usize) {
    let query = work::query(&format!("{}.svc.cluster.local", Cluster::service(services / 2)), Type::AAAA, (0, 0));
    whole(bencher, bed("kubernetes", services), &query);
}

/// The port of a service.
#[divan::bench(args = SIZES)]
fn index_srv(bencher: Bencher<'_, '_>, services: usize) {
    let name = format!("_http._tcp.{}.svc.cluster.local", Cluster::service(services / 2));
    whole(bencher, bed("kubernetes", services), &work::query(&name, Type::SRV, (0, 1)));
}

/// The name of a service's address.
#[divan::bench(args = SIZES)]
fn index_ptr(bencher: Bencher<'_, '_>, services: usize) {
    let [a, b, c, d] = Cluster::address(services / 2).octets();
    let query = work::query(&format!("{d}.{c}.{b}.{a}.in-addr.arpa"), Type::PTR, (0, 1));
    whole(bencher, bed("kubeadm", services), &query);
}

/// A name that does not exist.
#[divan::bench(args = SIZES)]
fn index_nxdomain(bencher: Bencher<'_, '_>, services: usize) {
    whole(bencher, bed("kubernetes", services), &work::query("nobody.ns-7.svc.cluster.local", Type::A, (3, 0)));
}

/// One endpoint's name out of so many in one headless service.
#[divan::bench(args = kit::cluster::HEADLESS)]
fn endpoint_of(bencher: Bencher<'_, '_>, endpoints: usize) {
    let label = Cluster::endpoint(endpoints, endpoints / 2).to_string().replace('.', "-");
    let name = format!("{label}.many-{endpoints}.ns-0.svc.cluster.local");
    whole(bencher, bed("kubernetes", SIZES[1]), &work::query(&name, Type::A, (0, 1)));
}
