//! Sockets in, octets out. Decides no answer: [`crate::server`] does.

mod clients;
mod shed;
pub(crate) mod socket;
pub mod tcp;
pub mod udp;

use crate::server::Server;
use arc_swap::ArcSwap;
use clients::Clients;
use plugin_api::{Metrics, WAITING_QUERIES};
use prometheus_client::metrics::counter::Counter;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The server that answers on an address at present; a reload swaps it.
pub type Current = Arc<ArcSwap<Server>>;

/// Most queries that wait for something at the same time, over UDP: at 1.8 KiB each 29 MiB (`cargo bench --bench waiting`). One
/// directive `forward` and the `cache` before it take at most three quarters of it. CoreDNS has no bound but `forward`'s
/// `max_concurrent`, which is 1,000 in the usual Corefile.
const MAX_PENDING: usize = WAITING_QUERIES;

/// Where work goes that has to wait.
#[derive(Clone)]
pub struct Handoff {
    /// Runs it.
    pub runtime: Handle,
    permits: Arc<Semaphore>,
    /// TCP connections.
    clients: Clients,
    /// Refusals that were not sent: there were too many.
    left_out: Counter,
}

impl Handoff {
    /// A hand-off to a runtime, with room for as many queries as the program takes.
    #[must_use]
    pub fn new(runtime: Handle) -> Self {
        Self::with_room(runtime, MAX_PENDING)
    }

    /// A hand-off with room for `queries`.
    #[must_use]
    pub fn with_room(runtime: Handle, queries: usize) -> Self {
        let permits = Arc::new(Semaphore::new(queries));
        Self { runtime, permits, clients: Clients::new(), left_out: Counter::default() }
    }

    /// Shows the bounds of the transports, what is in use of them, and what was left out for want of room.
    pub fn show_limits(&self, metrics: &Metrics) {
        let help = "Counter of refusals for want of room that were not sent, because there were too many.";
        metrics.get("ferrodns_refusals_left_out", help, || self.left_out.clone());
        let limits = metrics.limits();
        let permits = Arc::clone(&self.permits);
        limits.counted("waiting_queries", MAX_PENDING, move || waiting(&permits) as u64);
        let clients = self.clients.clone();
        limits.counted("tcp_connections", clients.connections().0, move || clients.connections().1 as u64);
        let clients = self.clients.clone();
        limits.counted("tcp_unfinished_octets", clients.unfinished().0, move || clients.unfinished().1 as u64);
        limits.bound("udp_batch", socket::BATCH);
        limits.bound("udp_refusals_of_a_thread", shed::MAX_HELD);
        limits.bound("log_octets", crate::log::RING);
    }

    /// Room for one query, if there is any.
    #[must_use]
    pub fn permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).try_acquire_owned().ok()
    }
}

/// How many queries wait, by what they have left.
fn waiting(permits: &Semaphore) -> usize {
    MAX_PENDING.saturating_sub(permits.available_permits())
}
