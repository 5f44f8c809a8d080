//! Resident memory: a cluster at rest, and many idle connections.

use crate::kit::cluster::Cluster;
use crate::kit::work::{Surroundings, WORKS};
use crate::kit::{Failure, Scratch};
use crate::process::Server;
use crate::{system, tcp};
use std::path::PathBuf;
use std::time::Duration;

/// Idle connections of the row.
const CONNECTIONS: usize = 19_500;
/// Services of the large cluster, and endpoints of each.
const SERVICES: usize = 10_000;
const ENDPOINTS: usize = 15;

/// Writes the manifest of the large cluster.
pub(crate) fn write_large(scratch: &Scratch) -> Result<PathBuf, Failure> {
    let manifest = scratch.path().join("large.json");
    Cluster { services: SERVICES, endpoints: ENDPOINTS }.write(&manifest)?;
    Ok(manifest)
}

/// Prints the memory of 10,000 services with 15 endpoints each, through kubeadm's Corefile.
pub(crate) fn print(scratch: &Scratch) -> Result<(), Failure> {
    let manifest = write_large(scratch)?;
    let upstream = Server::echo("--upstream")?;
    let at = Surroundings {
        port: 0,
        manifest: &manifest,
        folder: scratch.path(),
        upstream: upstream.address,
        services: SERVICES,
    };
    let work = WORKS.iter().find(|work| work.name == "kubeadm").ok_or("no such work")?;
    let mut server = Server::program(work, &at)?;
    server.wait((work.queries)(1).first().ok_or("no query")?)?;
    std::thread::sleep(Duration::from_secs(3));
    println!("memory       {:>6.1} MiB resident, 10,000 services and 150,000 endpoints (aim 40)", server.resident());
    Ok(())
}

/// Prints what idle TCP connections cost.
pub(crate) fn print_idle(at: &Surroundings<'_>) -> Result<(), Failure> {
    system::raise_file_limit();
    let work = WORKS.first().ok_or("no work")?;
    let mut server = Server::program(work, at)?;
    let queries = (work.queries)(at.services);
    server.wait(queries.first().ok_or("no query")?)?;
    let (open, grown) = tcp::idle(&server, CONNECTIONS)?;
    println!("idle         {grown:>+6.1} MiB for {} idle TCP connections (aim +40)", open.len());
    Ok(())
}
