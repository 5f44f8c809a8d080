//! What answers on one listening address: a query in, what is to be sent out.
//!
//! Knows no socket: the transports hand queries in and write what comes out with [`Server::write`].

pub mod admit;
pub mod build;
mod compress;
pub mod fit;
mod guard;
pub mod route;

use admit::Verdict;
use guard::{Guarded, Panic};
use plugin_api::dns_metrics::{DnsMetrics, Report};
use plugin_api::setup::Settings;
use plugin_api::{
    BoxFuture, Class, Clock, Error, Message, Next, Origin, Outcome, Rcode, Reply, Request, Response, Site,
};
use plugin_api::{Transport, Upstream};
use prometheus_client::metrics::counter::Counter;
use route::Router;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::Notify;

/// What a [`Server`] is made from.
pub struct Parts {
    /// Its name in metrics and logs: `dns://:53`.
    pub name: Arc<str>,
    /// Its blocks.
    pub router: Router,
    /// Whether classes other than IN are let in.
    pub any_class: bool,
    /// A panic is not caught.
    pub debug: bool,
    /// A caught panic is logged with its stack.
    pub stacktrace: bool,
    /// EDNS options that are echoed besides the well-known ones.
    pub echoed: Vec<u16>,
    /// The limits of its connections.
    pub limits: Limits,
    /// The time.
    pub clock: Clock,
    /// Panics caught so far.
    pub panics: Counter,
    /// Counts what is refused before any block.
    pub dropped: Option<DnsMetrics>,
}

/// The limits of connections (plugin `timeouts`).
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest wait for the first query.
    pub read: Duration,
    /// Longest wait for a reply to be taken.
    pub write: Duration,
    /// Longest wait for another query.
    pub idle: Duration,
    /// Most queries on one connection; none means any number.
    pub queries: Option<u32>,
}

impl Default for Limits {
    fn default() -> Self {
        let Settings { read_timeout, write_timeout, idle_timeout, max_tcp_queries, .. } = Settings::default();
        Self { read: read_timeout, write: write_timeout, idle: idle_timeout, queries: max_tcp_queries }
    }
}

/// What answers on one listening address, made from one configuration.
pub struct Server {
    parts: Parts,
    site: Arc<Site>,
    under_way: Arc<UnderWay>,
}

/// How many queries are being worked on that could not be answered at once.
#[derive(Default)]
struct UnderWay {
    count: AtomicUsize,
    none: Notify,
}

/// One query that is being worked on.
pub struct Begun(Arc<UnderWay>);

impl Drop for Begun {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.none.notify_waiters();
        }
    }
}

/// What is to be sent.
pub enum Answer {
    /// This message.
    Message(Message),
    /// This message, because there is too much to do: it can wait behind others, or be left out.
    Busy(Message),
    /// Several messages, one after the other.
    Stream(Box<dyn Iterator<Item = Message> + Send>),
    /// Nothing.
    Nothing,
}

/// A query that has been worked on.
pub struct Answered {
    /// The query, to be read for the reply and used again.
    pub request: Box<Request>,
    /// What is to be sent.
    pub answer: Answer,
}

impl Server {
    /// A server that can be asked from within.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new_cyclic(|server| {
            let upstream: Arc<dyn Upstream> = Arc::new(Reentry(Weak::clone(server)));
            let site = Arc::new(Site { server: Arc::clone(&parts.name), upstream: Some(upstream) });
            Self { parts, site, under_way: Arc::default() }
        })
    }

    /// Its name: `dns://:53`.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.parts.name
    }

    /// The limits of its connections.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.parts.limits
    }

    /// Its site, to which all its requests point.
    #[must_use]
    pub const fn site(&self) -> &Arc<Site> {
        &self.site
    }

    /// The time.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.parts.clock
    }

    /// An empty request for queries that come in by `transport`; its addresses are set with each query.
    #[must_use]
    pub fn request(&self, transport: Transport) -> Box<Request> {
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let site = Arc::clone(&self.site);
        Request::empty(Origin { peer: nowhere, local: nowhere, transport, arrival: self.parts.clock.now(), site })
    }

    /// Reads a query, or refuses it into `out` (appended).
    pub fn admit(&self, message: &[u8], request: &mut Request, out: &mut Vec<u8>) -> Verdict {
        let verdict = admit::admit(message, request, out);
        let class = request.question().class();
        if verdict == Verdict::Query && (class == Class::IN || self.parts.any_class) {
            return if admit::refuse_version(request, out) { Verdict::Refused } else { Verdict::Query };
        }
        if verdict == Verdict::Query
            && let Answer::Message(message) = self.refuse(request, Rcode::REFUSED)
        {
            self.write(&message, request, out);
            return Verdict::Refused;
        }
        verdict
    }

    /// Appends the octets of a reply to `out`, as the client of `request` can take them.
    pub fn write(&self, message: &Message, request: &Request, out: &mut Vec<u8>) {
        fit::fit(message, request, &self.parts.echoed, out);
    }

    /// Counts a query that has to wait, until what is given is dropped.
    #[must_use]
    pub fn begin(&self) -> Begun {
        self.under_way.count.fetch_add(1, Ordering::AcqRel);
        Begun(Arc::clone(&self.under_way))
    }

    /// Waits until no query has to wait any more.
    pub async fn drained(&self) {
        loop {
            let none = self.under_way.none.notified();
            if self.under_way.count.load(Ordering::Acquire) == 0 {
                return;
            }
            none.await;
        }
    }

    /// Works on an admitted query.
    pub async fn answer(&self, request: Box<Request>) -> Answered {
        let answer = self.resolve(&request).await;
        Answered { request, answer }
    }

    /// Finds the block and walks its chain; a panic on the way costs one SERVFAIL. The future is small: every query that waits has one.
    #[expect(clippy::manual_async_fn, reason = "an async fn keeps room for each of its arguments twice")]
    pub(crate) fn resolve<'a>(&'a self, request: &'a Request) -> impl Future<Output = Answer> + Send + use<'a> {
        async move {
            let work = match self.begin_chain(request) {
                Begin::Answer(answer) => return answer,
                Begin::Later(work) => work,
            };
            self.settle(Guarded(work).await, request)
        }
    }

    /// Walks the chain as far as it goes now.
    fn begin_chain<'a>(&'a self, request: &'a Request) -> Begin<'a> {
        let begin = || Some(Next::start(&self.parts.router.find(request)?.chain).run(request));
        Begin::Answer(match guard::catch(begin) {
            // Nearly always the answer is here by now.
            Ok(Some(Reply::Now(outcome))) => settle(outcome.unwrap_or_else(|| Err(Error::taken_twice())), request),
            Ok(Some(Reply::Later(work))) => return Begin::Later(work),
            Ok(None) => self.refuse(request, Rcode::REFUSED),
            Err(panic) => self.recover(guard::text_of(&*panic), request),
        })
    }

    /// What is sent for what came of a chain.
    fn settle(&self, outcome: Result<Outcome, Panic>, request: &Request) -> Answer {
        match outcome {
            Ok(outcome) => settle(outcome, request),
            Err(panic) => self.recover(guard::text_of(&*panic), request),
        }
    }

    /// An empty reply that no block has to do with, counted under the zone `dropped`.
    fn refuse(&self, request: &Request, rcode: Rcode) -> Answer {
        let message = admit::empty(request, rcode);
        if let Some(dropped) = &self.parts.dropped {
            let size = message.octets().len() + request.edns().map_or(0, |_| fit::OPT_FIXED);
            dropped.report(request, Report { rcode, size, duration: Duration::ZERO, by_plugin: false });
        }
        Answer::Message(message)
    }

    /// Logs and counts a panic. With `debug` the process ends as CoreDNS does, with status 2.
    fn recover(&self, text: &str, request: &Request) -> Answer {
        let stack = crate::log::take_backtrace().filter(|_| self.parts.stacktrace || self.parts.debug);
        let stack = stack.map_or_else(String::new, |stack| format!("\n{stack}"));
        tracing::error!("Recovered from panic in server: \"{}\" {text}{stack}", self.parts.name);
        self.parts.panics.inc();
        if self.parts.debug {
            crate::log::flush();
            std::process::exit(2);
        }
        self.refuse(request, Rcode::SERVFAIL)
    }
}

/// How far a chain has come.
enum Begin<'a> {
    /// To this answer.
    Answer(Answer),
    /// It has to wait for something.
    Later(BoxFuture<'a, Outcome>),
}

/// What is sent for an outcome: an error is an empty reply, unless it brings one.
fn settle(outcome: Outcome, request: &Request) -> Answer {
    match outcome {
        Ok(Response::Message(message)) => Answer::Message(message),
        Ok(Response::Unwritten(rcode)) => Answer::Message(admit::empty(request, rcode)),
        Ok(Response::Stream(messages)) => Answer::Stream(messages),
        Ok(Response::Drop) => Answer::Nothing,
        Err(error) => {
            let message = error.message.map_or_else(|| admit::empty(request, error.rcode), |message| *message);
            if error.is_busy { Answer::Busy(message) } else { Answer::Message(message) }
        }
    }
}

/// The way back into a server, for names that an answer leads to.
struct Reentry(Weak<Server>);

impl Upstream for Reentry {
    fn lookup(&self, request: Box<Request>) -> BoxFuture<'_, Option<Message>> {
        let server = self.0.upgrade();
        Box::pin(async move {
            match server?.resolve(&request).await {
                Answer::Message(message) | Answer::Busy(message) => Some(message),
                Answer::Stream(_) | Answer::Nothing => None,
            }
        })
    }

    fn truncates(&self, message: &Message, request: &Request) -> bool {
        self.0.upgrade().is_some_and(|server| fit::truncates(message, request, &server.parts.echoed))
    }
}

#[cfg(test)]
mod exercise;
#[cfg(test)]
mod lookup_tests;
#[cfg(test)]
mod properties;
#[cfg(test)]
pub(crate) mod testing;
