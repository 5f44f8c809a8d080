//! What happens to a query: upstreams are asked one after the other until one replies.

use super::fault::Fault;
use super::metrics::ForwardMetrics;
use super::policy::Policy;
use super::upstream::{Over, Upstream};
use plugin_api::{
    BoxFuture, Error, Handler, Lifecycle, Message, Name, Next, Outcome, Rcode, Reply, ReplyBuilder, Request, Response,
    Section, Zone, Zones, flag,
};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::AbortHandle;

/// Longest time for a query over all upstreams (CoreDNS: defaultTimeout, which it checks only between attempts).
const DEADLINE: Duration = Duration::from_secs(5);
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

/// The state of a query between attempts.
struct Attempts {
    order: Vec<usize>,
    at: usize,
    /// Upstreams met in this round that are down.
    down: usize,
    failed: usize,
    /// Replies whose rcode asked for another upstream.
    passed_over: usize,
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
        Reply::later(async move {
            let outcome = self.forward(request, next).await;
            drop(permit);
            outcome
        })
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
        Ok(permit)
    }

    /// Asks upstreams until one replies (CoreDNS: Forward.ServeDNS).
    async fn forward(&self, request: &Request, next: Next<'_>) -> Outcome {
        let mut now = Instant::now();
        let deadline = now + DEADLINE;
        let deadline = request.deadline().map_or(deadline, |given| given.min(deadline));
        let order = self.rules.policy.order(self.upstreams.len());
        let mut attempts = Attempts { order, at: 0, down: 0, failed: 0, passed_over: 0 };
        let mut last = None;
        while now < deadline && self.may_try(&attempts) {
            let Some(upstream) = self.choose(&mut attempts) else {
                // All are down: stop, or go on looking.
                if attempts.down >= self.upstreams.len() { break } else { continue }
            };
            request.set_metadata("forward/upstream", &upstream.to);
            match self.ask(upstream, request, (now, deadline)).await {
                Ok(message) if self.tries_another(&message, &mut attempts) => {}
                Ok(message) if self.rules.leaves(&message) && next.name() == Some("forward") => {
                    return next.run(request).await;
                }
                Ok(message) => return Ok(Response::Message(message)),
                Err(Fault::Mismatch) => return Ok(Response::Message(refusal(request))),
                Err(fault @ Fault::Request(_)) => return Err(Error::new(fault.to_string()).with_rcode(Rcode::FORMERR)),
                Err(fault) => {
                    if !matches!(fault, Fault::Busy(_)) {
                        upstream.begin_probing();
                    }
                    attempts.failed += 1;
                    last = Some(fault);
                    if attempts.down >= self.upstreams.len() {
                        break;
                    }
                }
            }
            now = Instant::now();
        }
        Err(Error::new(last.map_or_else(|| "no healthy proxies".to_owned(), |fault| fault.to_string())))
    }

    /// Whether there are attempts left.
    const fn may_try(&self, attempts: &Attempts) -> bool {
        self.rules.max_attempts == 0 || attempts.failed < self.rules.max_attempts
    }

    /// The next upstream in the order; none if it is down. If all are, the probes may be wrong: then any one, or none for good
    /// where failing fast is wanted.
    fn choose(&self, attempts: &mut Attempts) -> Option<&Arc<Upstream>> {
        if attempts.at >= attempts.order.len() {
            attempts.at = 0;
            attempts.down = 0;
        }
        let upstream = self.upstreams.get(*attempts.order.get(attempts.at)?)?;
        attempts.at += 1;
        if !upstream.is_down() {
            return Some(upstream);
        }
        attempts.down += 1;
        if attempts.down < self.upstreams.len() {
            return None;
        }
        self.metrics.broken.inc();
        if self.rules.is_failfast {
            return None;
        }
        self.upstreams.get(rand::random_range(0..self.upstreams.len()))
    }

    /// Asks one upstream, from now until a deadline; once more over TCP if the reply is truncated and UDP was the configuration's choice.
    async fn ask(
        &self,
        upstream: &Upstream,
        request: &Request,
        (mut now, deadline): (Instant, Instant),
    ) -> Result<Message, Fault> {
        let by_client = if request.origin().transport.network() == "udp" { Over::Udp } else { Over::Tcp };
        let mut over = self.rules.over.unwrap_or(by_client);
        loop {
            let wait = self.rules.read_timeout.min(deadline.saturating_duration_since(now));
            let message = upstream.ask(request, over, wait).await?;
            let is_last = self.rules.over != Some(Over::Udp) || over == Over::Tcp;
            if is_last || !message.has_flag(flag::TC) {
                return Ok(message);
            }
            (over, now) = (Over::Tcp, Instant::now());
        }
    }

    /// Whether a reply's rcode asks for another upstream, and there is one left.
    fn tries_another(&self, message: &Message, attempts: &mut Attempts) -> bool {
        if !self.rules.failover.contains(&message.rcode()) {
            return false;
        }
        attempts.passed_over += 1;
        attempts.passed_over < self.upstreams.len()
    }
}

/// FORMERR, for an upstream's reply that answers something else.
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
