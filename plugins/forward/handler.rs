//! What happens to a query: upstreams are asked one after the other until one replies.

use super::fault::Fault;
use super::metrics::ForwardMetrics;
use super::policy::Policy;
use super::upstream::{Over, Times, Upstream};
use plugin_api::{
    BoxFuture, Error, Handler, Lifecycle, Message, Name, Next, Outcome, Rcode, Reply, ReplyBuilder, Request, Response,
    Section, WAITING_QUERIES, Zone, Zones, flag,
};
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::AbortHandle;

/// Longest time for a query over all upstreams (CoreDNS: defaultTimeout, which it checks only between attempts).
const DEADLINE: Duration = Duration::from_secs(5);
/// Most queries of one directive that wait: with the followers of `cache` three quarters of those that the server lets wait, so that
/// upstreams that do not answer leave a quarter to others.
pub(super) const MAX_WAITING: usize = WAITING_QUERIES / 8 * 5;
/// Pause between sweeps for idle sockets (CoreDNS's).
const SWEEP: Duration = Duration::from_secs(10);

/// How queries are forwarded.
#[derive(Debug)]
pub(super) struct Rules {
    /// The zone whose names are forwarded.
    pub(super) from: Zone,
    /// Zones in it that are not.
    pub(super) except: Zones,
    /// In which order upstreams are asked.
    pub(super) policy: Policy,
    /// What the upstream is asked over; none for what the client came by.
    pub(super) over: Option<Over>,
    /// Longest wait for one reply.
    pub(super) read_timeout: Duration,
    /// Failed attempts after which a query fails; 0 for any number.
    pub(super) max_attempts: usize,
    /// Queries at a time; 0 for any number.
    pub(super) max_concurrent: usize,
    /// Rcodes for which another upstream is asked.
    pub(super) failover: Vec<Rcode>,
    /// Rcodes for which the next `forward` is asked.
    pub(super) next: Vec<Rcode>,
    /// Whether it is asked for NODATA.
    pub(super) next_on_nodata: bool,
    /// Whether queries fail at once while all upstreams are down.
    pub(super) is_failfast: bool,
}

/// The handler.
pub(super) struct Forward {
    rules: Rules,
    upstreams: Arc<[Arc<Upstream>]>,
    in_flight: AtomicUsize,
    metrics: ForwardMetrics,
    sweeper: Mutex<Option<AbortHandle>>,
}

/// A query's share of `max_concurrent`.
struct Permit<'a>(&'a AtomicUsize);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The state of a query between attempts. Small, because every query that waits keeps one.
struct Attempts {
    /// See [`Policy::order`].
    order: Box<[usize]>,
    at: u32,
    /// Upstreams met in this round that are down.
    down: u32,
    failed: u32,
    /// Replies for which another upstream was asked: of a rcode of `failover`, or to another question, or without one.
    passed_over: u32,
    /// What went wrong last.
    last: Option<Box<Fault>>,
}

impl Attempts {
    /// None yet.
    const fn new(order: Box<[usize]>) -> Self {
        Self { order, at: 0, down: 0, failed: 0, passed_over: 0, last: None }
    }
}

/// What an attempt leads to.
enum Settled {
    /// This is what the client gets.
    Outcome(Outcome),
    /// The next `forward` is asked.
    Next,
    /// Another attempt, if there may be one.
    Again,
    /// The end.
    Over,
}

impl Handler for Forward {
    fn name(&self) -> &'static str {
        "forward"
    }

    fn handle<'a>(&'a self, request: &'a Request, next: Next<'a>) -> Reply<'a> {
        if !self.rules.covers(request.question().lower()) {
            return next.run(request);
        }
        let permit = match self.enter() {
            Ok(permit) => permit,
            Err(error) => return Reply::now(Err(error)),
        };
        Reply::later(self.forward(request, next, permit))
    }
}

impl Rules {
    /// Whether a name is forwarded. The zone's own name is, whatever is excepted.
    fn covers(&self, name: &Name) -> bool {
        self.from.contains(name) && (name == self.from.name() || self.except.find(name).is_none())
    }

    /// Whether a reply is left to the next `forward`.
    fn leaves(&self, message: &Message) -> bool {
        let is_nodata = message.rcode() == Rcode::NOERROR && message.count(Section::Answer) == 0;
        self.next.contains(&message.rcode()) || self.next_on_nodata && is_nodata
    }
}

impl Forward {
    /// A handler over these upstreams.
    pub(super) fn new(rules: Rules, upstreams: Vec<Arc<Upstream>>, metrics: ForwardMetrics) -> Self {
        let (in_flight, sweeper) = (AtomicUsize::new(0), Mutex::new(None));
        Self { rules, upstreams: upstreams.into(), in_flight, metrics, sweeper }
    }

    /// Counts a query in, if there may be one more.
    fn enter(&self) -> Result<Permit<'_>, Error> {
        let before = self.in_flight.fetch_add(1, Ordering::AcqRel);
        let permit = Permit(&self.in_flight);
        let max = self.rules.max_concurrent;
        if max > 0 && before >= max {
            self.metrics.rejects.inc();
            let text = format!("concurrent queries exceeded maximum {max}");
            return Err(Error::new(text).with_rcode(Rcode::REFUSED).busy());
        }
        if before >= MAX_WAITING {
            return Err(Error::new(format!("more than {MAX_WAITING} queries wait for upstreams")).busy());
        }
        Ok(permit)
    }

    /// Asks upstreams until one replies (CoreDNS: Forward.ServeDNS).
    #[expect(clippy::manual_async_fn, reason = "an async fn keeps room for each of its arguments twice")]
    fn forward<'a>(
        &'a self,
        request: &'a Request,
        next: Next<'a>,
        permit: Permit<'a>,
    ) -> impl Future<Output = Outcome> + Send + use<'a> {
        async move {
            let _permit = &permit;
            let deadline = deadline(request);
            let mut attempts = Attempts::new(self.order());
            while let Some((upstream, now)) = self.choose(&mut attempts, deadline) {
                request.set_metadata("forward/upstream", &upstream.to);
                let over = self.over(request);
                let asked = upstream.ask(request, over, self.times(now, deadline)).await;
                let mut asked = upstream.take(asked, request, now);
                if self.asks_over_tcp(over, &asked) {
                    asked = Box::pin(self.ask_over_tcp(upstream, request, deadline)).await;
                }
                match self.settle(asked, (request, next), (upstream, &mut attempts)) {
                    Settled::Outcome(outcome) => return outcome,
                    Settled::Next => return Box::pin(next.run(request)).await,
                    Settled::Again => {}
                    Settled::Over => break,
                }
            }
            match attempts.last {
                Some(fault) if fault.is_no_reply() => Ok(Response::Message(refusal(request))),
                Some(fault) => Err(Error::new(fault.to_string())),
                None => Err(Error::new("no healthy proxies")),
            }
        }
    }

    /// What comes of the attempt to ask an upstream.
    fn settle(
        &self,
        asked: Result<Message, Fault>,
        (request, next): (&Request, Next<'_>),
        (upstream, attempts): (&Arc<Upstream>, &mut Attempts),
    ) -> Settled {
        match asked {
            Ok(message) if self.tries_another(&message, attempts) => Settled::Again,
            Ok(message) if self.rules.leaves(&message) && next.name() == Some("forward") => Settled::Next,
            Ok(message) => Settled::Outcome(Ok(Response::Message(message))),
            Err(fault @ Fault::Request(_)) => {
                Settled::Outcome(Err(Error::new(fault.to_string()).with_rcode(Rcode::FORMERR)))
            }
            Err(fault) if fault.is_no_reply() && !self.has_another(attempts) => {
                Settled::Outcome(Ok(Response::Message(refusal(request))))
            }
            Err(fault) => {
                if !matches!(fault, Fault::Busy(_)) && !fault.is_no_reply() {
                    upstream.begin_probing();
                }
                attempts.failed += 1;
                attempts.last = Some(Box::new(fault));
                if self.are_down(attempts) { Settled::Over } else { Settled::Again }
            }
        }
    }

    /// The order in which upstreams are asked: the policy's, but those under suspicion last, so that not every query waits for
    /// an upstream that is silent until enough probes have failed.
    fn order(&self) -> Box<[usize]> {
        let count = self.upstreams.len();
        let mut order = self.rules.policy.order(count);
        if count > 1 && self.upstreams.iter().any(|upstream| upstream.is_suspect()) {
            if order.is_empty() {
                order = (0..count).collect();
            }
            order.sort_by_key(|at| self.upstreams.get(*at).is_some_and(|upstream| upstream.is_suspect()));
        }
        order
    }

    /// The upstream to ask, and the time; none when it is time to give up.
    fn choose(&self, attempts: &mut Attempts, deadline: Instant) -> Option<(&Arc<Upstream>, Instant)> {
        let now = Instant::now();
        while now < deadline && self.may_try(attempts) {
            match self.next_upstream(attempts) {
                Some(upstream) => return Some((upstream, now)),
                // All are down: stop, or go on looking.
                None if self.are_down(attempts) => return None,
                None => {}
            }
        }
        None
    }

    /// The times of an attempt that begins now.
    fn times(&self, now: Instant, deadline: Instant) -> Times {
        Times { now, wait: self.rules.read_timeout.min(deadline.saturating_duration_since(now)), deadline }
    }

    /// Whether there are attempts left.
    const fn may_try(&self, attempts: &Attempts) -> bool {
        self.rules.max_attempts == 0 || (attempts.failed as usize) < self.rules.max_attempts
    }

    /// Whether all upstreams have been met in this round, and are down.
    fn are_down(&self, attempts: &Attempts) -> bool {
        attempts.down as usize >= self.upstreams.len()
    }

    /// The next upstream in the order; none if it is down. If all are, the probes may be wrong: then any one, or none for good
    /// where failing fast is wanted.
    fn next_upstream(&self, attempts: &mut Attempts) -> Option<&Arc<Upstream>> {
        if attempts.at as usize >= self.upstreams.len() {
            attempts.at = 0;
            attempts.down = 0;
        }
        let at = attempts.at as usize;
        let upstream = self.upstreams.get(attempts.order.get(at).copied().unwrap_or(at))?;
        attempts.at += 1;
        if !upstream.is_down() {
            return Some(upstream);
        }
        attempts.down += 1;
        if !self.are_down(attempts) {
            return None;
        }
        self.metrics.broken.inc();
        if self.rules.is_failfast {
            return None;
        }
        self.upstreams.get(rand::random_range(0..self.upstreams.len()))
    }

    /// What a query goes over at first.
    fn over(&self, request: &Request) -> Over {
        let by_client = if request.origin().transport.network() == "udp" { Over::Udp } else { Over::Tcp };
        self.rules.over.unwrap_or(by_client)
    }

    /// Whether a reply is truncated and UDP was the configuration's choice: then TCP is asked.
    fn asks_over_tcp(&self, over: Over, asked: &Result<Message, Fault>) -> bool {
        let is_chosen = self.rules.over == Some(Over::Udp) && over == Over::Udp;
        is_chosen && asked.as_ref().is_ok_and(|message| message.has_flag(flag::TC))
    }

    /// Asks an upstream once more, over TCP.
    async fn ask_over_tcp(&self, upstream: &Upstream, request: &Request, deadline: Instant) -> Result<Message, Fault> {
        let now = Instant::now();
        let asked = upstream.ask(request, Over::Tcp, self.times(now, deadline)).await;
        upstream.take(asked, request, now)
    }

    /// Whether a reply's rcode asks for another upstream, and there is one left.
    fn tries_another(&self, message: &Message, attempts: &mut Attempts) -> bool {
        self.rules.failover.contains(&message.rcode()) && self.has_another(attempts)
    }

    /// Passes over a reply; says whether there is an upstream left that was not asked yet.
    fn has_another(&self, attempts: &mut Attempts) -> bool {
        attempts.passed_over += 1;
        (attempts.passed_over as usize) < self.upstreams.len()
    }
}

/// When a query is given up.
fn deadline(request: &Request) -> Instant {
    let deadline = Instant::now() + DEADLINE;
    request.deadline().map_or(deadline, |given| given.min(deadline))
}

/// FORMERR, when no upstream sent a reply to the question.
fn refusal(request: &Request) -> Message {
    let mut builder = ReplyBuilder::new(request);
    builder.set_rcode(Rcode::FORMERR);
    builder.finish()
}

impl Lifecycle for Forward {
    fn start(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async {
            let upstreams = Arc::downgrade(&self.upstreams);
            let sweeper = tokio::spawn(async move {
                loop {
                    tokio::time::sleep(SWEEP).await;
                    let Some(upstreams) = upstreams.upgrade() else { return };
                    upstreams.iter().for_each(|upstream| upstream.sweep());
                }
            });
            *self.sweeper.lock().unwrap_or_else(PoisonError::into_inner) = Some(sweeper.abort_handle());
            Ok(())
        })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if let Some(sweeper) = self.sweeper.lock().unwrap_or_else(PoisonError::into_inner).take() {
                sweeper.abort();
            }
            self.upstreams.iter().for_each(|upstream| upstream.stop());
        })
    }
}
