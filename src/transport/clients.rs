//! The TCP connections of all listeners: how many there may be, what their unfinished messages hold, and which gives way.
//!
//! Whole queries pass without a lock here. Knows no DNS.

use super::socket;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

/// Most connections of all listeners together, and never more than half of the file descriptors that the process may have: the
/// others are for sockets to upstreams, probes and the API server. An idle connection costs some 2 KiB, so all together at most
/// about 64 MiB. CoreDNS has no bound.
const MAX_CONNECTIONS: usize = 32_768;
/// Octets that unfinished messages of all connections may hold together: some 500 messages of the largest size, and no query that
/// is answered needs a hundredth of that. CoreDNS has no bound.
const MAX_UNFINISHED: usize = 32 << 20;
/// How long a connection that has no slot yet waits before the next idle one is asked to leave.
const PATIENCE: Duration = Duration::from_millis(50);
/// How many of the oldest connections are found by one look at all of them.
const AT_ONCE: usize = 64;
/// The time of a client whose query is being worked on.
const BUSY: u64 = u64::MAX;

/// All connections.
#[derive(Clone)]
pub(super) struct Clients(Arc<Table>);

/// See [`Clients`].
struct Table {
    /// A permit for each connection that there may be.
    room: Arc<Semaphore>,
    /// How many there may be.
    most: usize,
    /// Octets of unfinished messages that there may be, and that there are.
    budget: usize,
    unfinished: AtomicUsize,
    /// What times are counted from.
    start: Instant,
    open: Mutex<OpenConnections>,
}

/// The connections that are open.
#[derive(Default)]
struct OpenConnections {
    clients: HashMap<u64, Arc<Client>>,
    next: u64,
    /// The oldest ones that a look at all has found, with the times that they had, by [`Candidates`].
    found: [VecDeque<(u64, Arc<Client>)>; 2],
}

/// Which connections may give way.
#[derive(Clone, Copy)]
enum Candidates {
    /// Any whose client is waited for.
    Idle,
    /// Those that hold a part of a message.
    Unfinished,
}

/// What the table knows of a connection.
struct Client {
    /// Since when the client has been waited for, in microseconds; [`BUSY`] while its query waits for something.
    since: AtomicU64,
    /// The octets that `rest` has room for.
    held: AtomicUsize,
    /// The message that has begun to come.
    rest: Mutex<Vec<u8>>,
    /// Whether `rest` was dropped for the budget, so that the octets that come now cannot be framed.
    is_evicted: AtomicBool,
    /// Asks the connection to end.
    leave: Notify,
}

/// A connection's permit and entry in the table; both are given back when it is dropped.
pub(super) struct ConnectionSlot {
    clients: Clients,
    client: Arc<Client>,
    number: u64,
    _permit: OwnedSemaphorePermit,
}

impl Clients {
    /// No connections, and room for as many as the process may have.
    pub(super) fn new() -> Self {
        let files = socket::file_limit().unwrap_or(usize::MAX);
        Self::with_room(MAX_CONNECTIONS.min(files / 2).max(1), MAX_UNFINISHED)
    }

    /// The same with bounds on connections and on the octets of unfinished messages.
    pub(super) fn with_room(most: usize, budget: usize) -> Self {
        let room = Arc::new(Semaphore::new(most));
        let (unfinished, open) = (AtomicUsize::new(0), Mutex::default());
        Self(Arc::new(Table { room, most, budget, unfinished, start: Instant::now(), open }))
    }

    /// How many connections there may be, and how many there are.
    pub(super) fn connections(&self) -> (usize, usize) {
        (self.0.most, self.0.most.saturating_sub(self.0.room.available_permits()))
    }

    /// How many octets unfinished messages may hold, and how many they do.
    pub(super) fn unfinished(&self) -> (usize, usize) {
        (self.0.budget, self.0.unfinished.load(Ordering::Relaxed))
    }

    /// Reserves a slot for a connection that has been accepted. If all are taken the connection whose client has been silent for the longest
    /// time ends; if all are busy one is waited for. May be dropped and called again.
    pub(super) async fn slot(&self) -> ConnectionSlot {
        loop {
            if let Ok(permit) = Arc::clone(&self.0.room).try_acquire_owned() {
                return self.register(permit);
            }
            self.dismiss_idle();
            if let Ok(Ok(permit)) = timeout(PATIENCE, Arc::clone(&self.0.room).acquire_owned()).await {
                return self.register(permit);
            }
        }
    }

    /// Asks the connection whose client has been silent for the longest time to end.
    pub(super) fn dismiss_idle(&self) {
        if let Some(client) = self.oldest(Candidates::Idle) {
            client.leave.notify_one();
        }
    }

    /// Enters a connection.
    fn register(&self, permit: OwnedSemaphorePermit) -> ConnectionSlot {
        let client = Arc::new(Client {
            since: AtomicU64::new(self.now()),
            held: AtomicUsize::new(0),
            rest: Mutex::default(),
            is_evicted: AtomicBool::new(false),
            leave: Notify::new(),
        });
        let mut open = self.open();
        let number = open.next;
        open.next += 1;
        open.clients.insert(number, Arc::clone(&client));
        ConnectionSlot { clients: self.clone(), client, number, _permit: permit }
    }

    /// The time, in microseconds.
    fn now(&self) -> u64 {
        u64::try_from(self.0.start.elapsed().as_micros()).unwrap_or(BUSY - 1)
    }

    /// The connections that are open; a poisoned lock is used on, for they are whole between calls.
    fn open(&self) -> MutexGuard<'_, OpenConnections> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection that has waited for its client the longest. One look at all finds some for the next calls, too: under a flood
    /// there is a call for each new connection.
    fn oldest(&self, candidates: Candidates) -> Option<Arc<Client>> {
        let mut open = self.open();
        let OpenConnections { clients, found, .. } = &mut *open;
        let [idle, unfinished] = found;
        let found = match candidates {
            Candidates::Idle => idle,
            Candidates::Unfinished => unfinished,
        };
        loop {
            while let Some((since, client)) = found.pop_front() {
                if client.since.load(Ordering::Relaxed) == since && client.is(candidates) {
                    return Some(client);
                }
            }
            let mut oldest = BinaryHeap::with_capacity(AT_ONCE + 1);
            for (number, client) in clients.iter().filter(|(_, client)| client.is(candidates)) {
                oldest.push((client.since.load(Ordering::Relaxed), *number));
                if oldest.len() > AT_ONCE {
                    oldest.pop();
                }
            }
            let numbers = oldest.into_sorted_vec();
            found.extend(numbers.iter().filter_map(|(since, number)| Some((*since, Arc::clone(clients.get(number)?)))));
            if found.is_empty() {
                return None;
            }
        }
    }

    /// Makes room for unfinished messages until they are within their budget: the oldest go.
    fn keep_within_budget(&self) {
        while self.0.unfinished.load(Ordering::Acquire) > self.0.budget {
            let Some(client) = self.oldest(Candidates::Unfinished) else { return };
            client.is_evicted.store(true, Ordering::Release);
            drop(self.take_rest(&client));
            client.leave.notify_one();
        }
    }

    /// Takes what a connection holds of an unfinished message.
    fn take_rest(&self, client: &Client) -> Vec<u8> {
        let mut rest = client.rest.lock().unwrap_or_else(PoisonError::into_inner);
        let held = client.held.swap(0, Ordering::AcqRel);
        self.0.unfinished.fetch_sub(held, Ordering::AcqRel);
        std::mem::take(&mut *rest)
    }
}

impl Client {
    /// Whether it may give way.
    fn is(&self, candidates: Candidates) -> bool {
        self.since.load(Ordering::Relaxed) != BUSY
            && match candidates {
                Candidates::Idle => true,
                Candidates::Unfinished => self.held.load(Ordering::Relaxed) > 0,
            }
    }
}

impl ConnectionSlot {
    /// Waits until the connection is to end for others.
    pub(super) async fn dismissed(&self) {
        self.client.leave.notified().await;
    }

    /// Notes that the client is waited for from now on.
    pub(super) fn waits(&self) {
        self.client.since.store(self.clients.now(), Ordering::Relaxed);
    }

    /// Notes that a query of the client waits for something.
    pub(super) fn works(&self) {
        self.client.since.store(BUSY, Ordering::Relaxed);
    }

    /// Keeps the octets of a message until its others come. Older unfinished messages give way, or this one if it is the oldest.
    pub(super) fn keep(&self, mut octets: Vec<u8>) {
        octets.shrink_to_fit();
        let held = octets.capacity();
        {
            let mut rest = self.client.rest.lock().unwrap_or_else(PoisonError::into_inner);
            *rest = octets;
            self.client.held.store(held, Ordering::Release);
            self.clients.0.unfinished.fetch_add(held, Ordering::AcqRel);
        }
        self.clients.keep_within_budget();
    }

    /// Takes back what was kept; none if it had to give way.
    pub(super) fn take(&self) -> Option<Vec<u8>> {
        let octets = if self.client.held.load(Ordering::Acquire) == 0 {
            Vec::new()
        } else {
            self.clients.take_rest(&self.client)
        };
        (!self.client.is_evicted.load(Ordering::Acquire)).then_some(octets)
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        drop(self.clients.take_rest(&self.client));
        self.clients.open().clients.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_unfinished_message_gives_way() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let clients = Clients::with_room(1000, 100);
            let mut slots = Vec::new();
            for _ in 0..AT_ONCE + 10 {
                slots.push(clients.slot().await);
                tokio::time::advance(Duration::from_millis(1)).await;
            }
            for slot in &slots {
                slot.keep(vec![0; 40]);
                assert!(clients.unfinished().1 <= 100, "{:?}", clients.unfinished());
            }
            let kept: Vec<_> = slots.iter().map(|slot| slot.take().map(|octets| octets.len())).collect();
            let (lost, left) = kept.split_at(kept.len() - 2);
            assert!(lost.iter().all(Option::is_none), "{kept:?}");
            assert_eq!(left, [Some(40), Some(40)]);
            slots[0].dismissed().await;
            drop(slots);
            assert_eq!((clients.unfinished(), clients.connections()), ((100, 0), (1000, 0)));
        });
    }

    #[test]
    fn a_client_whose_query_waits_does_not_give_way() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let clients = Clients::with_room(2, 100);
            let (first, second) = (clients.slot().await, clients.slot().await);
            first.works();
            let third = timeout(Duration::from_millis(10), clients.slot());
            let (third, ()) = tokio::join!(third, second.dismissed());
            assert!(third.is_err(), "the second has not left yet");
            second.works();
            assert!(timeout(PATIENCE * 10, clients.slot()).await.is_err(), "nobody is idle");
            drop(first);
            clients.slot().await;
        });
    }
}
