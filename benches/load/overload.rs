//! A flood: random names that need an upstream which never answers, far beyond what can be handled, and cluster names between
//! them. Memory must stay, and cluster names must be answered as if nothing was.

use crate::burst::{Burst, Client, Pace};
use crate::kit::Failure;
use crate::kit::work::{self, Query, Surroundings, WORKS};
use crate::process::{CORE, Server};
use crate::system;
use plugin_api::Type;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long the flood lasts.
const FLOOD: Duration = Duration::from_secs(60);
/// How long the calm before is measured.
const CALM: Duration = Duration::from_secs(5);
/// Cluster names a second that are asked for throughout.
const CLUSTER_RATE: u32 = 5_000;

/// Runs it and prints memory and latencies before, in the flood, and after.
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
    let peak = client.run(Pace::Window { open: 256, spins: true }, CALM, server.id())?;
    let calm = client.run(Pace::Rate(CLUSTER_RATE), CALM, server.id())?;
    show("calm", &server, &calm);
    println!("             {:.0} cluster names a second at saturation", peak.rate());
    let stop = AtomicBool::new(false);
    let address = server.address;
    let flooded = std::thread::scope(|scope| {
        let flood = scope.spawn(|| {
            let random = random_names();
            let mut client = Client::new(address, &random, false)?;
            while !stop.load(Ordering::Relaxed) {
                client.run(Pace::Window { open: 4096, spins: false }, Duration::from_millis(200), 0)?;
            }
            Ok::<(), std::io::Error>(())
        });
        let mut worst = Burst::default();
        for _ in 0..FLOOD.as_secs() / 5 {
            let burst = client.run(Pace::Rate(CLUSTER_RATE), Duration::from_secs(5), server.id())?;
            show("flood", &server, &burst);
            if burst.p99 >= worst.p99 {
                worst = burst;
            }
        }
        stop.store(true, Ordering::Relaxed);
        flood.join().map_err(|_| "the flood has panicked")??;
        Ok::<Burst, Failure>(worst)
    })?;
    let after = client.run(Pace::Window { open: 256, spins: true }, CALM, server.id())?;
    show("after", &server, &after);
    println!("             cluster names: {} lost and p99 {} us at worst in the flood", flooded.lost, flooded.p99);
    system::pin(None);
    Ok(())
}

/// Prints a line.
fn show(when: &str, server: &Server, burst: &Burst) {
    println!(
        "overload     {when:<6} {:>6.1} MiB resident, cluster names {:>7.0} a second, p50 {:>4} us, p99 {:>5} us, lost {}",
        server.resident(),
        burst.rate(),
        burst.p50,
        burst.p99,
        burst.lost
    );
}

/// Names that nobody has asked for before.
fn random_names() -> Vec<Query> {
    let name = |_| format!("{:016x}.example.org", rand::random::<u64>());
    (0..200_000).map(name).map(|name| work::query(&name, Type::A, (2, 0))).collect()
}
