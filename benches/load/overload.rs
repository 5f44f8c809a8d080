//! More than can be handled: a flood of random names that need an upstream which never answers, with cluster names between them;
//! and cluster names alone, three times as many as can be answered. Memory must stay, cluster names must not wait for the
//! flood, and what is answered must not become less.

use crate::burst::{Burst, Client, Pace};
use crate::kit::Failure;
use crate::kit::work::{self, Query, Surroundings, WORKS};
use crate::process::{CORE, Server};
use crate::system;
use plugin_api::Type;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long each kind of overload lasts.
const FLOOD: Duration = Duration::from_secs(60);
/// How long is measured for one line.
const SPELL: Duration = Duration::from_secs(5);
/// Cluster names a second that are asked for throughout a flood.
const CLUSTER_RATE: u32 = 5_000;
/// As many queries as saturate the server, each time one is answered.
const FULL: Pace = Pace::Window { open: 256, spins: true };

/// Runs it and prints memory, rates and latencies before, in each kind of overload, and after.
pub(crate) fn print(at: &Surroundings<'_>) -> Result<(), Failure> {
    let silent = UdpSocket::bind("127.0.0.1:0")?;
    let at = Surroundings { upstream: silent.local_addr()?, ..*at };
    let work = WORKS.iter().find(|work| work.name == "kubeadm").ok_or("no such work")?;
    let mut server = Server::program(work, &at)?;
    let queries = (work.queries)(at.services);
    server.wait(queries.first().ok_or("no query")?)?;
    let mut client = Client::new(server.address, &queries, true)?;
    client.warm()?;
    system::pin(Some(CORE + 1));
    // The clients of a flood share a core; the one that measures sleeps between its queries and goes first when it wakes.
    let measured = Pace::Rate { rate: CLUSTER_RATE, spins: false };
    let peak = show("full", &server, client.run(FULL, SPELL, server.id())?);
    show("calm", &server, client.run(measured, SPELL, server.id())?);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let flood = scope.spawn(|| flood(server.address, &stop));
        for _ in 0..FLOOD.as_secs() / SPELL.as_secs() {
            show("flood", &server, client.run(measured, SPELL, server.id())?);
        }
        stop.store(true, Ordering::Relaxed);
        let sent = flood.join().map_err(|_| "the flood has panicked")??;
        println!("overload     the flood had {:.0} queries a second", sent as f64 / FLOOD.as_secs_f64());
        Ok::<(), Failure>(())
    })?;
    show("full", &server, client.run(FULL, SPELL, server.id())?);
    let triple = Pace::Rate { rate: (peak.rate() * 3.0) as u32, spins: true };
    for _ in 0..FLOOD.as_secs() / SPELL.as_secs() {
        show("triple", &server, client.run(triple, SPELL, server.id())?);
    }
    show("full", &server, client.run(FULL, SPELL, server.id())?);
    show("calm", &server, client.run(measured, SPELL, server.id())?);
    system::pin(None);
    Ok(())
}

/// Asks for random names as fast as it can until it is stopped, whatever comes back; gives how many were sent.
fn flood(server: SocketAddr, stop: &AtomicBool) -> std::io::Result<u64> {
    system::yield_to_others();
    let random = random_names();
    let mut client = Client::new(server, &random, false)?;
    let mut sent = 0;
    while !stop.load(Ordering::Relaxed) {
        sent += client.run(Pace::Rate { rate: u32::MAX, spins: true }, SPELL / 10, 0)?.sent;
    }
    Ok(sent)
}

/// Prints a line.
fn show(when: &str, server: &Server, burst: Burst) -> Burst {
    println!(
        "overload     {when:<6} {:>6.1} MiB resident; cluster names: {:>7.0} asked and {:>7.0} answered a second, p50 {:>5} us, \
         p99 {:>5} us, lost {}",
        server.resident(),
        burst.sent as f64 / burst.seconds,
        burst.rate(),
        burst.p50,
        burst.p99,
        burst.lost
    );
    burst
}

/// Names that nobody has asked for before.
fn random_names() -> Vec<Query> {
    let name = |_| format!("{:016x}.example.org", rand::random::<u64>());
    (0..200_000).map(name).map(|name| work::query(&name, Type::A, (2, 0))).collect()
}
