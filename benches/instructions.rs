//! How many instructions one hot query costs in user space: exact figures that do not depend on the machine's hour.
//!
//! `cargo bench --bench instructions` starts itself under `valgrind --tool=callgrind` for each kind of work and prints a table;
//! `-- kubeadm` does so for one kind and keeps the profile, for `callgrind_annotate`. Counted is what a receiving thread does
//! between two system calls: admit, chain, write; not the calls themselves.

#![expect(clippy::print_stdout, reason = "what a bench prints is its result")]

mod kit;

use ferrodns::instance::{Instance, Settings};
use ferrodns::load::Origin;
use ferrodns::server::admit::Verdict;
use ferrodns::server::{Answer, Server};
use ferrodns::transport::Handoff;
use kit::cluster::Cluster;
use kit::work::{Query, Surroundings, WORKS, Work};
use kit::{Failure, Scratch};
use plugin_api::Transport;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::process::Command;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Services of the cluster.
const SERVICES: usize = 200;
/// Queries that are counted.
const QUERIES: usize = 20_000;

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if let [flag, name] = words.as_slice()
        && flag == "--run"
    {
        let work = WORKS.iter().find(|work| work.name == name).ok_or("no such work")?;
        return run(work);
    }
    for work in WORKS.iter().filter(|work| work.name != "forward") {
        if words.is_empty() || words.iter().any(|word| word == work.name) {
            println!("{:>8}  {}", count(work, !words.is_empty())?, work.title);
        }
    }
    Ok(())
}

/// Counts the instructions of one query of a kind of work.
fn count(work: &Work, keeps: bool) -> Result<u64, Failure> {
    let scratch = Scratch::new("callgrind")?;
    let kept = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("callgrind.{}", work.name));
    let file = if keeps { kept } else { scratch.path().join("callgrind") };
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*hot_queries*"])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(std::env::current_exe()?)
        .args(["--run", work.name])
        .output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let collected = text.lines().find_map(|line| line.split_once("Collected : ")).ok_or_else(|| text.to_string())?;
    let sum: u64 = collected.1.trim().parse()?;
    Ok(sum / u64::try_from(QUERIES)?)
}

/// Answers the queries of a kind of work: what valgrind looks at.
fn run(work: &Work) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let scratch = Scratch::new("instructions")?;
    let manifest = scratch.path().join("cluster.json");
    Cluster { services: SERVICES, endpoints: 1 }.write(&manifest)?;
    let surroundings = Surroundings {
        port: 0,
        manifest: &manifest,
        folder: scratch.path(),
        upstream: kit::upstream::start()?,
        services: SERVICES,
    };
    let file = scratch.path().join("Corefile");
    std::fs::write(&file, (work.corefile)(&surroundings))?;
    let settings = Settings {
        origin: Origin { conf: file.display().to_string(), port: "0".to_owned() },
        manifests: Vec::new(),
        plugins: plugins::PLUGINS,
        threads: 1,
    };
    let instance = Instance::new(settings, Handoff::new(runtime.handle().clone()));
    runtime.block_on(instance.start())?;
    runtime.block_on(instance.activate());
    let server = runtime.block_on(instance.servers()).pop().ok_or("no server")?;
    let queries = (work.queries)(SERVICES);
    let _entered = runtime.enter();
    for query in &queries {
        runtime.block_on(warm(&server, query))?;
    }
    hot_queries(&server, &queries, QUERIES);
    runtime.block_on(instance.stop());
    Ok(())
}

/// Asks once, so that caches are full, and looks at the answer.
async fn warm(server: &Arc<Server>, query: &Query) -> Result<(), Failure> {
    let peer = SocketAddr::from(([127, 0, 0, 1], 5353));
    let (mut request, mut out) = (server.request(Transport::Udp), Vec::new());
    request.set_arrival(peer, peer, server.clock().now());
    if server.admit(&query.octets, &mut request, &mut out) != Verdict::Query {
        return Err("not admitted".into());
    }
    let Answer::Message(message) = server.answer(request).await.answer else { return Err("no message".into()) };
    let answers = message.count(plugin_api::Section::Answer);
    if message.rcode().0 != u16::from(query.rcode) || answers < query.answers {
        return Err(format!("{} with {answers} answers for {:?}", message.rcode().0, query).into());
    }
    Ok(())
}

/// Answers queries as a receiving thread does.
#[inline(never)]
fn hot_queries(server: &Arc<Server>, queries: &[Query], count: usize) {
    let peer = SocketAddr::from(([127, 0, 0, 1], 5353));
    let mut request = server.request(Transport::Udp);
    let mut out = Vec::new();
    let arrival = server.clock().now();
    for query in queries.iter().cycle().take(count) {
        out.clear();
        request.set_arrival(peer, peer, arrival);
        if server.admit(&query.octets, &mut request, &mut out) != Verdict::Query {
            continue;
        }
        let mut work = pin!(server.answer(request));
        let answered = loop {
            if let Poll::Ready(answered) = work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                break answered;
            }
        };
        request = answered.request;
        if let Answer::Message(message) = answered.answer {
            server.write(&message, &request, &mut out);
            request.give_buffer(message.into_octets(), 4096);
        }
    }
}
