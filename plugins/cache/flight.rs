//! Queries in flight by the key of the cache: the first one asks (it leads), equal ones follow it and get its reply. Knows no store.
//!
//! Followers may differ in EDNS, in letters and in flags that the key does not hold, as those may that are answered from the cache. So
//! an upstream is asked once, and a forger has one reply to hit instead of many (CVE-2023-30464).
//!
//! To follow must not cost a client more than to ask would: when the newest leader is late ([`PATIENCE`]), because its datagram was
//! lost, one follower asks as well, and whichever reply comes first is everybody's. Never more than two are in flight.

use super::store::Key;
use hashbrown::{DefaultHashBuilder, HashTable};
use plugin_api::{Error, Message, Opcode, Outcome, Rcode, Request, Response, Type, WAITING_QUERIES, flag};
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// Parts of the table, a lock each.
const SHARDS: usize = 64;
/// Most different queries in flight that others may follow. Each is a waiting query of the server, which has its own, lower bound;
/// beyond this one queries are asked alone.
pub(super) const MAX_OPEN: usize = 65_536;
/// Most followers of one cache: with `forward`'s own bound three quarters of the queries that may wait, so that one upstream that does
/// not answer leaves a quarter to others. Beyond it queries fail at once: asked one by one they would be as many for a forger to hit.
pub(super) const MAX_FOLLOWERS: usize = WAITING_QUERIES / 8;
/// After this long a leader is late. Above the time of nearly all replies, below the shortest wait of usual clients before they ask
/// again (one second).
pub(super) const PATIENCE: Duration = Duration::from_millis(300);
/// Most leaders of one key in flight.
const MAX_LEADERS: u8 = 2;

/// What a leader got, to be copied for followers.
pub(super) struct Shared {
    outcome: SharedOutcome,
    /// See [`fingerprint`].
    fingerprint: u64,
}

/// The outcomes that can be copied.
enum SharedOutcome {
    Message(Message),
    Failed(String, Rcode, Option<Box<Message>>),
    Unwritten(Rcode),
    Dropped,
}

impl Shared {
    /// A copy of an outcome; none of one that cannot be copied.
    fn of(outcome: &Outcome, fingerprint: u64) -> Option<Self> {
        let outcome = match outcome {
            Ok(Response::Message(message)) => SharedOutcome::Message(message.clone()),
            Ok(Response::Unwritten(rcode)) => SharedOutcome::Unwritten(*rcode),
            Ok(Response::Drop) => SharedOutcome::Dropped,
            Ok(Response::Stream(_)) => return None,
            Err(error) => SharedOutcome::Failed(error.to_string(), error.rcode, error.message.clone()),
        };
        Some(Self { outcome, fingerprint })
    }

    /// Whether it is a failure, such as that no upstream has answered.
    pub(super) const fn is_failure(&self) -> bool {
        matches!(self.outcome, SharedOutcome::Failed(..))
    }

    /// Whether it is a truncated message.
    pub(super) fn is_truncated(&self) -> bool {
        matches!(&self.outcome, SharedOutcome::Message(message) if message.has_flag(flag::TC))
    }

    /// Whether an upstream could not have told the leader's query from one with this fingerprint.
    pub(super) const fn is_for(&self, fingerprint: u64) -> bool {
        self.fingerprint == fingerprint
    }

    /// The outcome for another client: with its id, its question and its RD.
    pub(super) fn outcome(&self, request: &Request) -> Outcome {
        let own = |message: &Message| {
            let mut message = message.clone();
            message.set_id(request.id());
            message.set_question(request);
            message.set_flag(flag::RD, request.has_flag(flag::RD));
            message
        };
        match &self.outcome {
            SharedOutcome::Message(message) => Ok(Response::Message(own(message))),
            SharedOutcome::Unwritten(rcode) => Ok(Response::Unwritten(*rcode)),
            SharedOutcome::Dropped => Ok(Response::Drop),
            SharedOutcome::Failed(text, rcode, message) => {
                let error = Error::new(text.clone()).with_rcode(*rcode);
                Err(match message {
                    Some(message) => error.with_message(own(message)),
                    None => error,
                })
            }
        }
    }
}

/// What an upstream sees of a query beside its question, DO and CD, hashed: transport, flags, EDNS. AD is always set on the way.
pub(super) fn fingerprint(request: &Request, hasher: &DefaultHashBuilder) -> u64 {
    let mut state = hasher.build_hasher();
    state.write_u16(request.flags() & !flag::AD);
    state.write(request.origin().transport.network().as_bytes());
    state.write_usize(request.reply_limit());
    state.write_usize(request.size());
    if let Some(edns) = request.edns() {
        state.write_u16(edns.flags);
        state.write_u8(edns.version);
        state.write(&edns.options);
    }
    state.finish()
}

/// The queries in flight with one key.
struct Flight {
    hash: u64,
    key: Box<[u8]>,
    /// Tells it from earlier and later flights with its key.
    number: u64,
    /// When the newest leader asked.
    asked: Instant,
    /// Leaders in flight.
    leaders: u8,
    /// Tells followers the outcome; made for the first of them.
    sender: Option<watch::Sender<Option<Arc<Shared>>>>,
}

/// One part of the table.
#[derive(Default)]
struct Shard {
    open: HashTable<Flight>,
    next: u64,
}

/// All queries in flight through one cache.
pub(super) struct Flights {
    shards: Box<[Mutex<Shard>]>,
    followers: AtomicUsize,
}

impl Default for Flights {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), followers: AtomicUsize::new(0) }
    }
}

/// What a query has to do.
pub(super) enum Role<'a> {
    /// It asks, and tells its followers.
    Leader(Lead<'a>),
    /// It waits for the leader.
    Follower(Follower<'a>),
    /// It asks for itself only.
    Alone,
    /// It fails: there are too many followers.
    Refused,
}

impl Flights {
    /// Makes a query the follower of one in flight with its key, or a leader.
    pub(super) fn enter(&self, request: &Request, key: &Key<'_>, hasher: &DefaultHashBuilder) -> Role<'_> {
        if !may_follow(request) {
            return Role::Alone;
        }
        let Some(mut shard) = self.shard(key.hash()) else { return Role::Alone };
        if let Some(flight) = shard.open.find_mut(key.hash(), |flight| key.is_octets(&flight.key)) {
            let Some(place) = Place::take(&self.followers) else { return Role::Refused };
            let receiver = flight.sender.get_or_insert_with(|| watch::Sender::new(None)).subscribe();
            let flight = FlightRef { flights: self, hash: key.hash(), number: flight.number };
            return Role::Follower(Follower { flight, receiver, is_patient: false, _place: place });
        }
        if shard.open.len() >= MAX_OPEN / SHARDS {
            return Role::Alone;
        }
        shard.next += 1;
        let (hash, number) = (key.hash(), shard.next);
        let flight = Flight { hash, key: key.octets(), number, asked: Instant::now(), leaders: 1, sender: None };
        shard.open.insert_unique(hash, flight, |flight| flight.hash);
        drop(shard);
        Role::Leader(Lead {
            flight: FlightRef { flights: self, hash, number },
            fingerprint: fingerprint(request, hasher),
        })
    }

    /// The part that a key belongs to; a poisoned lock is used on, for the table is whole between calls.
    fn shard(&self, hash: u64) -> Option<MutexGuard<'_, Shard>> {
        let number = usize::try_from(hash >> 32).unwrap_or(0) % SHARDS;
        Some(self.shards.get(number)?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whether a query may follow and be followed. Not so transfers; what the server asks itself, which must not wait for a query that waits
/// for it; and HINFO, with which the plugin `loop` finds out whether queries come back.
fn may_follow(request: &Request) -> bool {
    let is_special = matches!(request.qtype(), Type::AXFR | Type::IXFR | Type::HINFO);
    request.opcode() == Opcode::QUERY && !is_special && request.depth() == 0
}

/// Where a flight is.
#[derive(Clone, Copy)]
struct FlightRef<'a> {
    flights: &'a Flights,
    hash: u64,
    number: u64,
}

impl FlightRef<'_> {
    /// Lets `visit` see the flight, if it is still open; removes it if `visit` says so, and gives its sender then.
    fn visit(&self, visit: impl FnOnce(&mut Flight) -> bool) -> Option<watch::Sender<Option<Arc<Shared>>>> {
        let mut shard = self.flights.shard(self.hash)?;
        let mut entry = shard.open.find_entry(self.hash, |flight| flight.number == self.number).ok()?;
        if visit(entry.get_mut()) { entry.remove().0.sender } else { None }
    }
}

/// A leader's part in a flight. Dropped without an outcome, it lets a follower ask instead.
pub(super) struct Lead<'a> {
    flight: FlightRef<'a>,
    fingerprint: u64,
}

impl Lead<'_> {
    /// Tells the followers what came back and ends the flight. To be called when the reply is in the store. A failure is not told while
    /// another leader may still succeed.
    pub(super) fn finish(&self, outcome: &Outcome) {
        let sender = self.flight.visit(|flight| outcome.is_ok() || flight.leaders < MAX_LEADERS);
        if let Some(sender) = sender
            && let Some(shared) = Shared::of(outcome, self.fingerprint)
        {
            sender.send_replace(Some(Arc::new(shared)));
        }
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        self.flight.visit(|flight| {
            flight.leaders -= 1;
            flight.leaders == 0
        });
    }
}

/// A follower's share of [`MAX_FOLLOWERS`].
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    /// A share, if there is one left.
    fn take(followers: &'a AtomicUsize) -> Option<Self> {
        // Given back at once where it is one too many.
        let place = Self(followers);
        if followers.fetch_add(1, Ordering::AcqRel) < MAX_FOLLOWERS { Some(place) } else { None }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A query that waits for a leader.
pub(super) struct Follower<'a> {
    flight: FlightRef<'a>,
    receiver: watch::Receiver<Option<Arc<Shared>>>,
    /// Whether it waits however late the leaders are: there are two of them.
    is_patient: bool,
    _place: Place<'a>,
}

/// What comes of following.
pub(super) enum Followed<'a> {
    /// What a leader got.
    Shared(Arc<Shared>),
    /// The leader is late: this query asks as well.
    Leader(Lead<'a>),
    /// All leaders have given up.
    Alone,
}

impl<'a> Follower<'a> {
    /// Waits for the outcome, or until it is time to ask.
    pub(super) async fn wait(mut self, request: &Request, hasher: &DefaultHashBuilder) -> Followed<'a> {
        while let Some(late) = self.late_at() {
            let found = timeout_at(late, self.shared()).await;
            if let Ok(found) = found {
                return found.map_or(Followed::Alone, Followed::Shared);
            }
            if let Some(flight) = self.lead() {
                return Followed::Leader(Lead { flight, fingerprint: fingerprint(request, hasher) });
            }
        }
        self.shared().await.map_or(Followed::Alone, Followed::Shared)
    }

    /// The outcome, when it is there; none if all leaders have given up.
    async fn shared(&mut self) -> Option<Arc<Shared>> {
        self.receiver.wait_for(Option::is_some).await.ok()?.clone()
    }

    /// When the newest leader is late; none if the flight is over or needs no other leader.
    fn late_at(&self) -> Option<Instant> {
        if self.is_patient {
            return None;
        }
        let mut late = None;
        self.flight.visit(|flight| {
            late = Some(flight.asked + PATIENCE);
            false
        });
        late
    }

    /// Becomes a leader, if the newest one is late and there may be one more.
    fn lead(&mut self) -> Option<FlightRef<'a>> {
        let now = Instant::now();
        let (mut is_leader, mut is_full) = (false, true);
        self.flight.visit(|flight| {
            is_full = flight.leaders >= MAX_LEADERS;
            if !is_full && flight.asked + PATIENCE <= now {
                flight.leaders += 1;
                flight.asked = now;
                is_leader = true;
            }
            false
        });
        self.is_patient = is_full;
        is_leader.then_some(self.flight)
    }
}
