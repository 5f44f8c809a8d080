//! Identical queries that are on their way: the first asks, the others wait for what it gets. Knows no cache.
//!
//! Identical is what an upstream could not tell apart: same octets but for the id and the letters of the name, same kind of
//! transport. So nothing is shared that depends on the client, and a forger has one query to hit instead of many
//! (CVE-2023-30464).

use plugin_api::wire::HEADER;
use plugin_api::{Error, Message, Opcode, Outcome, Rcode, Request, Response, Type};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Most different queries that others may join. Each is a waiting query of the server, which has its own, lower bound;
/// beyond this one queries are asked alone.
pub(super) const MAX_OPEN: usize = 65_536;

/// What the first query got.
enum Landed {
    Message(Message),
    Failed(String, Rcode, Option<Box<Message>>),
    Unwritten(Rcode),
    Dropped,
}

impl Landed {
    /// A copy of an outcome; none of one that cannot be copied.
    fn of(outcome: &Outcome) -> Option<Self> {
        Some(match outcome {
            Ok(Response::Message(message)) => Self::Message(message.clone()),
            Ok(Response::Unwritten(rcode)) => Self::Unwritten(*rcode),
            Ok(Response::Drop) => Self::Dropped,
            Ok(Response::Stream(_)) => return None,
            Err(error) => Self::Failed(error.to_string(), error.rcode, error.message.clone()),
        })
    }

    /// The outcome for another client.
    fn outcome(&self, request: &Request) -> Outcome {
        let own = |message: &Message| {
            let mut message = message.clone();
            message.set_id(request.id());
            message.set_question(request);
            message
        };
        match self {
            Self::Message(message) => Ok(Response::Message(own(message))),
            Self::Unwritten(rcode) => Ok(Response::Unwritten(*rcode)),
            Self::Dropped => Ok(Response::Drop),
            Self::Failed(text, rcode, message) => {
                let error = Error::new(text.clone()).with_rcode(*rcode);
                Err(match message {
                    Some(message) => error.with_message(own(message)),
                    None => error,
                })
            }
        }
    }
}

/// Tells those who wait what the first query got.
type Board = watch::Sender<Option<Arc<Landed>>>;

/// The queries that are on their way, by what is asked. A board is made for the first who waits: most have none.
type Open = HashMap<Arc<[u8]>, Option<Board>>;

/// The queries that are on their way.
#[derive(Default)]
pub(super) struct Flights {
    open: Mutex<Open>,
}

/// A query's part in a flight.
pub(super) enum Ticket<'a> {
    /// It is the first and has to ask.
    Lead(Lead<'a>),
    /// Another one asks.
    Join(Wait),
    /// It asks for itself only.
    Alone,
}

impl Flights {
    /// Joins the flight of a query, or begins it.
    pub(super) fn board(&self, request: &Request) -> Ticket<'_> {
        let Some(key) = key(request) else { return Ticket::Alone };
        let mut open = self.lock();
        if let Some(board) = open.get_mut(&*key) {
            return Ticket::Join(Wait(board.get_or_insert_with(|| Board::new(None)).subscribe()));
        }
        if open.len() >= MAX_OPEN {
            return Ticket::Alone;
        }
        let key: Arc<[u8]> = key.into();
        open.insert(Arc::clone(&key), None);
        Ticket::Lead(Lead { flights: self, key })
    }

    /// The lock; a poisoned one is used on, for the map is whole between calls.
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The octets of a query with what may differ made equal; none of what is never shared: transfers; what the server asks itself, which
/// must not wait for a query that waits for it; and HINFO, with which the plugin `loop` finds out whether queries come back.
fn key(request: &Request) -> Option<Vec<u8>> {
    let is_special = matches!(request.qtype(), Type::AXFR | Type::IXFR | Type::HINFO);
    if request.opcode() != Opcode::QUERY || is_special || request.depth() > 0 {
        return None;
    }
    let mut key = Vec::with_capacity(64);
    request.write_query(0, &mut key).ok()?;
    let name = HEADER..HEADER + request.qname().as_wire().len();
    key.get_mut(name)?.make_ascii_lowercase();
    key.extend_from_slice(request.origin().transport.network().as_bytes());
    Some(key)
}

/// The first query of a flight. Dropped without having landed, it lets one of those who wait ask instead.
pub(super) struct Lead<'a> {
    flights: &'a Flights,
    key: Arc<[u8]>,
}

impl Lead<'_> {
    /// Tells those who wait. Who comes between this and the end of the flight finds in the store what was kept, or asks.
    pub(super) fn land(&self, outcome: &Outcome) {
        if let Some(Some(board)) = self.flights.lock().get(&self.key)
            && let Some(landed) = Landed::of(outcome)
        {
            board.send_replace(Some(Arc::new(landed)));
        }
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.key);
    }
}

/// A query that waits for another.
pub(super) struct Wait(watch::Receiver<Option<Arc<Landed>>>);

impl Wait {
    /// What the first query got; none if it was given up.
    pub(super) async fn outcome(mut self, request: &Request) -> Option<Outcome> {
        let landed = self.0.wait_for(Option::is_some).await.ok()?.clone();
        landed.map(|landed| landed.outcome(request))
    }
}
