//! What happens to a query: a hit is answered, a miss is asked on, what comes back is kept.

use super::classify::{is_storable, kind_of, minimal_ttl};
use super::flight::{Flights, Lead, Role};
use super::item::{Item, lower_letters};
use super::metrics::ServerMetrics;
use super::setup::{Config, Limits};
use super::store::{Key, Seen, Store};
use crate::reply_kind::Kind;
use hashbrown::DefaultHashBuilder;
use plugin_api::{
    Clock, Edns, Error, GistKind, Handler, Message, Metrics, Name, Next, Outcome, Question, Reply, Request, Response,
    Zones, flag,
};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;
use tokio::task::JoinSet;

/// The key of the metadata that names the wildcard an answer was made from.
const WILDCARD: &str = "zone/wildcard";

/// The handler.
pub(super) struct Cache {
    pub(super) inner: Arc<Inner>,
    /// Refreshes without a client; they end with the cache.
    pub(super) tasks: Mutex<JoinSet<()>>,
}

/// What refreshes share with the handler.
pub(super) struct Inner {
    pub(super) config: Config,
    zones: Zones,
    pub(super) clock: Clock,
    pub(super) hasher: DefaultHashBuilder,
    success: Store,
    denial: Store,
    metrics: OnceLock<Vec<ServerMetrics>>,
    pub(super) flights: Flights,
}

/// The two stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Positive answers and delegations.
    Success,
    /// Denials and failures.
    Denial,
}

impl Side {
    /// Where a response of this kind goes.
    const fn of(kind: Kind) -> Self {
        match kind {
            Kind::NameError | Kind::NoData | Kind::ServerError => Self::Denial,
            _ => Self::Success,
        }
    }

    /// The other one.
    const fn other(self) -> Self {
        if matches!(self, Self::Denial) { Self::Success } else { Self::Denial }
    }
}

/// What the stores have for a query.
pub(super) enum Found {
    /// An answer; to be fetched again if so said.
    Fresh(Message, bool),
    /// An answer whose time is over; to be fetched again if so said.
    Stale(Message, bool),
    /// A mark that the answer is made from a live index, and the letters of its first question if they are others.
    Live(Side, Option<Box<Name>>),
}

/// A query that the stores have no answer for.
pub(super) struct Miss<'a> {
    pub(super) key: Key<'a>,
    /// Where a mark says that the answer is made from a live index.
    pub(super) live: Option<Side>,
    /// Its followers, if it may have any.
    pub(super) lead: Option<Lead<'a>>,
}

impl Handler for Cache {
    fn name(&self) -> &'static str {
        "cache"
    }

    fn handle<'a>(&'a self, request: &'a Request, next: Next<'a>) -> Reply<'a> {
        let inner = &*self.inner;
        if inner.zones.position(request.question().lower()).is_none() {
            return next.run(request);
        }
        let key = Key::of(request, &inner.hasher);
        match inner.find(&key, request) {
            None => inner.miss(request, next, key, None),
            Some(Found::Fresh(message, refresh)) => {
                if refresh {
                    self.spawn_refresh(request, next, false);
                }
                Reply::message(message)
            }
            Some(Found::Stale(message, refresh)) => self.stale(request, next, key, (message, refresh)),
            Some(Found::Live(side, None)) => inner.miss(request, next, key, Some(side)),
            Some(Found::Live(side, Some(letters))) => inner.live_as(request, next, key, (side, letters)),
        }
    }
}

impl Cache {
    /// An empty cache.
    pub(super) fn new(config: Config, zones: Zones, clock: Clock) -> Self {
        let (success, denial) = (Store::new(config.success.capacity), Store::new(config.denial.capacity));
        let (hasher, metrics, flights) = (DefaultHashBuilder::default(), OnceLock::new(), Flights::default());
        let inner = Inner { config, zones, clock, hasher, success, denial, metrics, flights };
        Self { inner: Arc::new(inner), tasks: Mutex::default() }
    }

    /// Resolves the metrics for the listeners of the block.
    pub(super) fn link(&self, metrics: &Metrics, servers: &[Arc<str>], view: &str) {
        let zones: Vec<String> = self.inner.zones.as_slice().iter().map(ToString::to_string).collect();
        let zones = zones.join(",");
        let of = |server| ServerMetrics::new(metrics, server, &zones, view);
        self.inner.metrics.get_or_init(|| servers.iter().map(of).collect());
    }
}

impl Inner {
    /// The metrics of the listener that a query came by.
    pub(super) fn metrics(&self, request: &Request) -> Option<&ServerMetrics> {
        let server = &request.origin().site.server;
        self.metrics.get()?.iter().find(|metrics| metrics.is_of(server))
    }

    /// The store of one side.
    pub(super) const fn store(&self, side: Side) -> &Store {
        match side {
            Side::Success => &self.success,
            Side::Denial => &self.denial,
        }
    }

    /// What the stores have for a query, counted (CoreDNS: Cache.getIfNotStale).
    fn find(&self, key: &Key<'_>, request: &Request) -> Option<Found> {
        let metrics = self.metrics(request);
        metrics.inspect(|metrics| metrics.requests.inc());
        // A client's query has just come; that saves one look at the clock for each.
        let now = if request.depth() == 0 { request.origin().arrival } else { self.clock.now() };
        let found = self.look(key, request, now);
        metrics.inspect(|metrics| match &found {
            Some((Side::Success, _)) => metrics.success.hits.inc(),
            Some((Side::Denial, _)) => metrics.denial.hits.inc(),
            None => metrics.misses.inc(),
        });
        found.map(|(_, found)| found)
    }

    /// Looks in the stores: denials first, but a good answer before a failure, and before any denial with `prefer_positive`.
    pub(super) fn look(&self, key: &Key<'_>, request: &Request, now: Instant) -> Option<(Side, Found)> {
        let stale = self.config.stale.up_to;
        if self.config.stale.prefer_positive && stale > 0 {
            let good = self.success.get(key, |item| {
                let item = item.answering_mut().filter(|item| item.is_usable(now, stale))?;
                Some(self.use_item(item, Side::Success, request, now))
            });
            if let Some(found) = good.flatten() {
                return Some((Side::Success, found));
            }
        }
        let from = |side: Side, accepts: fn(&Item) -> bool| {
            let found = self.store(side).look(key, |seen| match seen {
                Seen::Mark(until) if now < until => {
                    Some(Found::Live(side, lower_letters(request.question()).map(Box::new)))
                }
                Seen::Item(item) if accepts(item) && item.is_usable(now, stale) => {
                    Some(self.use_item(item, side, request, now))
                }
                Seen::Mark(_) | Seen::Item(_) => None,
            });
            found.flatten().map(|found| (side, found))
        };
        from(Side::Denial, |item| !item.is_failure())
            .or_else(|| from(Side::Success, |_| true))
            .or_else(|| from(Side::Denial, Item::is_failure))
    }

    /// Answers from an item, and says whether it is to be fetched again.
    fn use_item(&self, item: &mut Item, side: Side, request: &Request, now: Instant) -> Found {
        if item.is_live {
            return Found::Live(side, item.other_letters(request.question()).map(Box::new));
        }
        if let Some(wildcard) = &item.wildcard {
            request.set_metadata(WILDCARD, wildcard);
        }
        let Config { stale, prefetch, keep_ttl, .. } = &self.config;
        match u32::try_from(item.left(now)) {
            Ok(left @ 1..) => {
                let ttl = if *keep_ttl { item.ttl } else { left };
                let is_due = prefetch.amount > 0 && item.is_due(prefetch, now);
                let refresh = is_due && item.begin_refresh(now);
                Found::Fresh(item.answer(request, ttl), refresh)
            }
            _ => {
                let shown = if *keep_ttl { item.ttl } else { 0 };
                let ttl = if stale.ttl > 0 { stale.ttl } else { shown };
                let is_tracked = !stale.verify || !stale.recheck.is_zero();
                let refresh = !is_tracked || item.begin_refresh(now);
                Found::Stale(item.answer(request, ttl), refresh)
            }
        }
    }

    /// Asks on, and keeps what comes back. `live` is where a mark says that the answer is made from a live index.
    fn miss<'a>(&'a self, request: &'a Request, next: Next<'a>, key: Key<'a>, live: Option<Side>) -> Reply<'a> {
        request.ask_authenticated();
        // Answers from memory are nearly always there at once: no use to look who asks for them.
        let (reply, role) = match live {
            Some(_) => match next.run(request) {
                Reply::Later(work) => (Some(Reply::Later(work)), self.flights.enter(request, &key, &self.hasher)),
                reply => (Some(reply), Role::Alone),
            },
            None => (None, self.flights.enter(request, &key, &self.hasher)),
        };
        let lead = match role {
            Role::Alone => None,
            Role::Leader(lead) => Some(lead),
            Role::Follower(follower) => {
                let miss = Miss { key, live, lead: None };
                return Reply::later(self.follow(request, next, miss, follower));
            }
            Role::Refused => return Reply::now(Err(Error::new("too many queries wait for the same reply").busy())),
        };
        let miss = Miss { key, live, lead };
        match reply.unwrap_or_else(|| next.run(request)) {
            Reply::Now(Some(outcome)) => Reply::now(self.take(request, miss, outcome)),
            Reply::Now(None) => Reply::Now(None),
            // Small, because every query that waits keeps it: see the test of the transport.
            Reply::Later(mut work) => Reply::later(async move {
                let outcome = work.as_mut().await;
                self.take(request, miss, outcome)
            }),
        }
    }

    /// Asks a live index with the letters that the first query for this name had: so a client sees what a kept answer would
    /// show it (golden kubernetes/cache-repeated).
    fn live_as<'a>(
        &'a self,
        request: &'a Request,
        next: Next<'a>,
        key: Key<'a>,
        (side, letters): (Side, Box<Name>),
    ) -> Reply<'a> {
        Reply::later(async move {
            let mut inner = request.derive();
            inner.set_question(Question::new(*letters, request.qtype(), request.question().class()));
            inner.ask_authenticated();
            let mut outcome = next.run(&inner).await;
            if let Ok(Response::Message(message)) = &mut outcome {
                message.set_question(request);
            }
            self.take(request, Miss { key, live: Some(side), lead: None }, outcome)
        })
    }

    /// Keeps what came back, if it is worth it, tells followers, and makes of it what the client gets.
    pub(super) fn take(&self, request: &Request, miss: Miss<'_>, mut outcome: Outcome) -> Outcome {
        if let Some(message) = written(&mut outcome)
            && !self.is_marked(message, miss.live)
        {
            self.keep(request, &miss.key, message, (miss.live, Purpose::Answer));
        }
        if let Some(lead) = miss.lead {
            lead.finish(&outcome);
        }
        if let Some(message) = written(&mut outcome) {
            hide_authentic(request, message);
        }
        outcome
    }

    /// Whether a live answer has its mark already; then its maker's word for it is enough, and its TTLs are set here.
    fn is_marked(&self, message: &mut Message, live: Option<Side>) -> bool {
        let (Some(gist), Some(side), true) = (message.gist(), live, message.live && message.edns.is_none()) else {
            return false;
        };
        let limits = self.limits(side);
        let ttl = gist.ttl.min(limits.ttl).max(limits.min_ttl).min(limits.ttl);
        if (gist.kind == GistKind::Answer) != (side == Side::Success) {
            return false;
        }
        if ttl != gist.ttl {
            message.set_ttls(ttl);
        }
        true
    }

    /// The limits of one side.
    const fn limits(&self, side: Side) -> &Limits {
        match side {
            Side::Success => &self.config.success,
            Side::Denial => &self.config.denial,
        }
    }

    /// Gives all records one TTL, the lifetime, and takes the EDNS off, which belongs to one hop. Gives the lifetime.
    pub(super) fn flatten(&self, message: &mut Message, kind: Kind) -> u32 {
        let limited = |limits: &Limits| minimal_ttl(message, kind, limits.ttl).max(limits.min_ttl).min(limits.ttl);
        let ttl = match kind {
            Kind::NameError | Kind::NoData => limited(&self.config.denial),
            Kind::ServerError => u32::try_from(self.config.servfail.as_secs()).unwrap_or(u32::MAX),
            _ => limited(&self.config.success),
        };
        message.set_ttls(ttl);
        let upper = message.edns.take().map_or(0, |edns| edns.extended_rcode);
        if upper != 0 {
            message.edns = Some(Box::new(Edns { extended_rcode: upper, ..Edns::default() }));
        }
        ttl
    }

    /// Keeps a message that is worth it; flattens its TTLs in any case (CoreDNS: ResponseWriter.WriteMsg).
    pub(super) fn keep(&self, request: &Request, key: &Key<'_>, message: &mut Message, how: (Option<Side>, Purpose)) {
        let kind = kind_of(message, self.clock.unix_seconds());
        let is_storable = is_storable(message, kind);
        let ttl = self.flatten(message, kind);
        if !is_storable || ttl == 0 {
            return;
        }
        if !matches_question(message, request) {
            self.metrics(request).inspect(|metrics| metrics.drops.inc());
            return;
        }
        let side = Side::of(kind);
        let limits = self.limits(side);
        let is_kept_mark = message.live && how.0 == Some(side);
        if limits.except.find(request.question().lower()).is_none() && !is_kept_mark {
            self.insert(request, key, message, (side, ttl, how));
        }
        if let Some(metrics) = self.metrics(request) {
            metrics.success.set_entries(self.success.len());
            metrics.denial.set_entries(self.denial.len());
        }
    }

    /// Puts an item into its store and takes out of the other what it makes wrong.
    fn insert(
        &self,
        request: &Request,
        key: &Key<'_>,
        message: &Message,
        (side, ttl, (live, purpose)): (Side, u32, (Option<Side>, Purpose)),
    ) {
        let now = self.clock.now();
        let mut item =
            if message.live { Item::live(message, request.qname(), ttl, now) } else { Item::new(message, ttl, now) };
        item.wildcard = request.metadata(WILDCARD).map(String::into_boxed_str);
        let is_answer = item.is_answer;
        let prefers_positive = self.config.stale.prefer_positive;
        if side == Side::Success && prefers_positive && !is_answer && !item.is_live {
            item.last_good = self.success.get(key, |previous| previous.answering().cloned()).flatten().map(Box::new);
        }
        let evicted = self.store(side).insert(key, item);
        self.metrics(request).inspect(|metrics| match side {
            Side::Success => metrics.success.evictions.add(evicted),
            Side::Denial => metrics.denial.evictions.add(evicted),
        });
        let is_newest = if prefers_positive { is_answer } else { purpose == Purpose::Refresh };
        if side == Side::Success && is_newest || live == Some(side.other()) {
            self.store(side.other()).remove(key);
        }
    }
}

/// What a message was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A client waits for it.
    Answer,
    /// To have it newer; no client waits.
    Refresh,
}

/// The message of an outcome, that of an error included.
pub(super) fn written(outcome: &mut Outcome) -> Option<&mut Message> {
    match outcome {
        Ok(Response::Message(message)) => Some(message),
        Ok(_) => None,
        Err(error) => error.message.as_deref_mut(),
    }
}

/// Clears AD for clients that did not ask for it (RFC 6840 §5.7, §5.8).
pub(super) fn hide_authentic(request: &Request, message: &mut Message) {
    if !request.dnssec_ok() && !request.has_flag(flag::AD) {
        message.set_flag(flag::AD, false);
    }
}

/// Whether a message is the response to a query's question (CoreDNS: request.Match).
pub(super) fn matches_question(message: &Message, request: &Request) -> bool {
    let question = request.question();
    message.has_flag(flag::QR)
        && message.question_count() == 1
        && message.question().is_some_and(|(name, qtype, class)| {
            name == *question.name() && qtype == question.qtype() && class == question.class()
        })
}
