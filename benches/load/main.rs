//! The program as a process, beside an echo that knows no DNS and beside other servers: CPU time for each query, latency, memory.
//!
//! `cargo bench --bench load` prints the whole table; `-- kubernetes nxdomain --rounds 12 --mode 2core` some rows in one mode. A
//! burst on each server stands between two bursts on the echo, and its cost is given as a multiple of theirs, so that a machine
//! whose speed drifts changes both alike. Bursts in which strangers used the machine are thrown away. See `benches/README.md`.

#![expect(clippy::print_stdout, reason = "what a bench prints is its result")]
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures to be read"
)]

mod burst;
#[path = "../kit/mod.rs"]
mod kit;
mod memory;
mod options;
mod overload;
mod process;
mod system;
mod tcp;
mod yardstick;

use burst::{Burst, Client, Pace};
use kit::cluster::Cluster;
use kit::work::{Query, Surroundings, WORKS, Work};
use kit::{Failure, Scratch};
use kubesim::KubeSim;
use options::{Mode, Options};
use process::{CORE, Server};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tokio::runtime::Runtime;

fn main() -> Result<(), Failure> {
    let mut options = Options::read()?;
    match options.yardstick.as_deref() {
        Some("--echo") => return yardstick::datagrams(),
        Some("--echo-tcp") => return yardstick::streams(),
        Some("--upstream") => return yardstick::upstream(),
        _ => (),
    }
    let scratch = Scratch::new("load")?;
    let manifest = scratch.path().join("cluster.json");
    Cluster { services: options.services, endpoints: 1 }.write(&manifest)?;
    // CoreDNS reads no manifests; what it needs lives as long as the measurement.
    let api = if options.coredns.is_some() { Some(serve_objects(&manifest)?) } else { None };
    options.api = api.as_ref().map(|(_, sim)| sim.url());
    let upstream = Server::echo("--upstream")?;
    let at = Surroundings {
        port: 0,
        manifest: &manifest,
        folder: scratch.path(),
        upstream: upstream.address,
        services: options.services,
    };
    println!(
        "{:<12} {:<5} {:<9} {:>2}  {:>7} {:>24}  {:>6} {:>6} {:>7} {:>5} {:>5}  aim",
        "work", "mode", "server", "n", "us/q", "x echo", "kqps", "p50", "p99", "lost", "bad"
    );
    for work in WORKS.iter().filter(|work| options.wants(work.name)) {
        measure(work, &at, &scratch, &options)?;
    }
    if options.wants("tcp") {
        pipelined(&at, &scratch, &options)?;
    }
    if options.wants("memory") {
        memory::print(&scratch)?;
    }
    if options.wants("idle") {
        memory::print_idle(&at)?;
    }
    if options.wants("overload") {
        overload::print(&Surroundings { manifest: &memory::write_large(&scratch)?, ..at })?;
    }
    Ok(())
}

/// An API server in this process that has the objects of a manifest.
fn serve_objects(manifest: &Path) -> Result<(Runtime, KubeSim), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let sim = runtime.block_on(KubeSim::builder().start())?;
    let list: Value = serde_json::from_slice(&std::fs::read(manifest)?)?;
    for object in list.get("items").and_then(Value::as_array).ok_or("no list")? {
        sim.put(object.clone());
    }
    Ok((runtime, sim))
}

/// All servers that do a kind of work, ready, ours first.
fn servers(work: &Work, at: &Surroundings<'_>, scratch: &Scratch, options: &Options) -> Result<Vec<Server>, Failure> {
    let mut all = vec![Server::program(work, at)?];
    if options.peers {
        for name in ["nsd", "knotd", "unbound"] {
            all.extend(Server::peer(name, work, at, scratch)?);
        }
    }
    if let Some(binary) = &options.coredns
        && let Some(api) = &options.api
    {
        all.push(Server::coredns(binary, work, at, api)?);
    }
    let queries = (work.queries)(at.services);
    let first = queries.first().ok_or("no queries")?;
    let mut ready = Vec::new();
    for mut server in all {
        match server.wait(first) {
            Ok(()) => ready.push(server),
            Err(error) if ready.is_empty() => return Err(error),
            Err(error) => println!("  {error}"),
        }
    }
    Ok(ready)
}

/// Measures one kind of work in all modes, and prints a line for each server.
fn measure(work: &Work, at: &Surroundings<'_>, scratch: &Scratch, options: &Options) -> Result<(), Failure> {
    let queries = (work.queries)(at.services);
    let echo = Server::echo("--echo")?;
    let servers = servers(work, at, scratch, options)?;
    for server in &servers {
        Client::new(server.address, &queries, true)?.warm()?;
    }
    for mode in options.modes(work) {
        let mut rows: Vec<Row> = servers.iter().map(|server| Row::new(&server.name)).collect();
        let ask = |server: &Server, checks| ask(server, &queries, (mode, checks), options.length);
        for _ in 0..options.rounds {
            let mut before = ask(&echo, false)?;
            for (server, row) in servers.iter().zip(&mut rows) {
                let burst = ask(server, true)?;
                let after = ask(&echo, false)?;
                row.take(&before, burst, &after, options.foreign.unwrap_or_else(|| mode.foreign()));
                before = after;
            }
        }
        rows.iter().for_each(|row| row.print(work, mode));
    }
    Ok(())
}

/// One burst.
fn ask(server: &Server, queries: &[Query], (mode, checks): (Mode, bool), length: Duration) -> Result<Burst, Failure> {
    let spins = mode != Mode::OneCore;
    system::pin(Some(if spins { CORE + 1 } else { CORE }));
    let pace = match mode {
        Mode::OneCore | Mode::TwoCores => Pace::Window { open: 256, spins },
        Mode::Rate(rate) => Pace::Rate { rate, spins },
    };
    let burst =
        Client::new(server.address, queries, checks).and_then(|mut client| client.run(pace, length, server.busiest()));
    system::pin(None);
    Ok(burst?)
}

/// Queries over TCP, one behind the other on one connection and on eight.
fn pipelined(at: &Surroundings<'_>, scratch: &Scratch, options: &Options) -> Result<(), Failure> {
    let work = WORKS.first().ok_or("no work")?;
    let queries = (work.queries)(at.services);
    let echo = Server::echo("--echo-tcp")?;
    let servers = servers(work, at, scratch, options)?;
    for (connections, aim) in [(1, 6.0), (8, 6.0)] {
        let work = Work { name: if connections == 1 { "tcp x 1" } else { "tcp x 8" }, target: aim, ..*work };
        let mut rows: Vec<Row> = servers.iter().map(|server| Row::new(&server.name)).collect();
        let ask = |server: &Server| {
            system::pin(Some(CORE + 1));
            let burst = tcp::burst(server, connections, &queries, options.length);
            system::pin(None);
            burst
        };
        for _ in 0..options.rounds {
            let mut before = ask(&echo)?;
            for (server, row) in servers.iter().zip(&mut rows) {
                let burst = ask(server)?;
                let after = ask(&echo)?;
                row.take(&before, burst, &after, options.foreign.unwrap_or_else(|| Mode::TwoCores.foreign()));
                before = after;
            }
        }
        rows.iter().for_each(|row| row.print(&work, Mode::TwoCores));
    }
    Ok(())
}

/// What the bursts of one server have shown.
struct Row {
    server: String,
    ratios: Vec<f64>,
    bursts: Vec<Burst>,
}

impl Row {
    /// Nothing so far.
    fn new(server: &str) -> Self {
        Self { server: server.to_owned(), ratios: Vec::new(), bursts: Vec::new() }
    }

    /// Takes a burst that stood between two of the echo, unless strangers disturbed one of them.
    fn take(&mut self, before: &Burst, burst: Burst, after: &Burst, foreign: f64) {
        let is_disturbed =
            [before, &burst, after].iter().any(|burst| burst.foreign > foreign || burst.good + burst.bad < 100);
        if !is_disturbed {
            self.ratios.push(burst.cost() / ((before.cost() + after.cost()) / 2.0));
            self.bursts.push(burst);
        }
    }

    /// Prints a line: medians, and the ratio with its 10th and 90th percentile.
    fn print(&self, work: &Work, mode: Mode) {
        let of = |value: fn(&Burst) -> f64| percentile(self.bursts.iter().map(value).collect(), 0.5);
        let ratio = |share| percentile(self.ratios.clone(), share);
        println!(
            "{:<12} {:<5} {:<9} {:>2}  {:>7.2} {:>8.2} [{:>5.2} to {:>5.2}]  {:>6.0} {:>6.0} {:>7.0} {:>5} {:>5}  {}",
            work.name,
            mode.to_string(),
            self.server,
            self.ratios.len(),
            of(Burst::cost) / 1000.0,
            ratio(0.5),
            ratio(0.1),
            ratio(0.9),
            of(Burst::rate) / 1000.0,
            of(|burst| burst.p50 as f64),
            of(|burst| burst.p99 as f64),
            self.bursts.iter().map(|burst| burst.lost).sum::<u64>(),
            self.bursts.iter().map(|burst| burst.bad).sum::<u64>(),
            if self.server == "ferrodns" { format!("{:.2}", mode.aim(work)) } else { String::new() },
        );
    }
}

/// The value that this share of values does not exceed; 0 of none.
fn percentile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let index = (values.len().saturating_sub(1) as f64 * share).round() as usize;
    values.get(index).copied().unwrap_or(0.0)
}
