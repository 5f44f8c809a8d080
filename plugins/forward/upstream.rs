//! One upstream: how it is asked, whether it is up. Knows nothing of the other ones.

use super::datagrams::{Asked, Datagrams, Keep};
use super::fault::Fault;
use super::https::Https;
use super::metrics::UpstreamMetrics;
use super::reply::Query;
use super::streams::{Streams, TlsTarget};
use plugin_api::wire::HEADER;
use plugin_api::{Message, Name, Rcode, Request, Type, flag};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::AbortHandle;

/// Longest wait for the reply to a probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// The most octets of the reply to a probe: it has no EDNS (RFC 1035 §4.2.1).
const PROBE_LIMIT: usize = 512;
/// Shortest pause between probes. CoreDNS takes `health_check 0` at its word and spins.
const MIN_INTERVAL: Duration = Duration::from_millis(10);
/// The most that a query may say its client takes.
const STREAM_LIMIT: usize = 65_535;

/// How an upstream is spoken to.
pub(super) enum Secured {
    /// Plain UDP and TCP.
    Plain,
    /// TLS.
    Tls(TlsTarget),
    /// HTTPS.
    Https(Box<Https>),
}

/// What holds for all upstreams of a directive.
#[derive(Clone, Debug)]
pub(super) struct UpstreamOptions {
    /// Address that is asked from.
    pub(super) source: Option<IpAddr>,
    /// How long sockets are kept.
    pub(super) keep: Keep,
    /// Probes that may fail before the upstream is down; 0 for any number, and no probes.
    pub(super) max_fails: u32,
    /// What probes are like.
    pub(super) probe: Probe,
}

/// What probes are like.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    /// Pause between two.
    pub(super) interval: Duration,
    /// Whether RD is set.
    pub(super) is_recursive: bool,
    /// The name whose NS records are asked for.
    pub(super) name: Name,
    /// Whether they go over TCP.
    pub(super) over_tcp: bool,
}

/// An upstream.
pub(super) struct Upstream {
    /// `address:port`, as metrics and metadata name it.
    pub(super) to: String,
    datagrams: Datagrams,
    streams: Streams,
    https: Option<Box<Https>>,
    is_secured: bool,
    max_fails: u32,
    probe: Probe,
    fails: AtomicU32,
    is_probing: AtomicBool,
    prober: Mutex<Option<AbortHandle>>,
    metrics: UpstreamMetrics,
}

/// The times of one attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// When it begins.
    pub(super) now: Instant,
    /// Longest wait for the reply.
    pub(super) wait: Duration,
    /// When the query is given up, whatever the attempt waits for.
    pub(super) deadline: Instant,
}

/// What an exchange goes over where the upstream leaves the choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
}

impl Upstream {
    /// An upstream, not spoken to yet.
    pub(super) fn new(
        address: SocketAddr,
        secured: Secured,
        options: UpstreamOptions,
        metrics: UpstreamMetrics,
    ) -> Self {
        let UpstreamOptions { source, keep, max_fails, probe } = options;
        let (tls, https) = match secured {
            Secured::Plain => (None, None),
            Secured::Tls(tls) => (Some(tls), None),
            Secured::Https(https) => (None, Some(https)),
        };
        Self {
            to: address.to_string(),
            datagrams: Datagrams::new(address, source, keep),
            is_secured: tls.is_some(),
            streams: Streams::new(address, source, keep, tls),
            https,
            max_fails,
            probe,
            fails: AtomicU32::new(0),
            is_probing: AtomicBool::new(false),
            prober: Mutex::new(None),
            metrics,
        }
    }

    /// Asks and waits for the reply, which [`Upstream::take`] is to be given. What is not UDP has a box of its own, so that a
    /// query that waits for a datagram does not keep room for it.
    pub(super) fn ask<'a>(&'a self, request: &'a Request, over: Over, times: Times) -> Asked<'a> {
        let Some(datagrams) = self.datagrams(over) else {
            return Asked::Streamed(Box::pin(self.ask_stream(request, over, times)));
        };
        let opened = |is_kept| self.metrics.opened("udp", is_kept);
        let query = Query::of(request, request.reply_limit().max(512), times.wait);
        query.and_then(|query| datagrams.ask(query, times.now, opened)).unwrap_or_else(Asked::failed)
    }

    /// Takes the outcome of an attempt that began at `start`: counts it, and gives a reply the request's id, the letters of the
    /// request's question and no EDNS if the request has none. An upstream may have letters of its own, and clients that mix them
    /// (0x20) drop such a reply.
    pub(super) fn take(
        &self,
        asked: Result<Message, Fault>,
        request: &Request,
        start: Instant,
    ) -> Result<Message, Fault> {
        let mut message = asked.inspect_err(|fault| {
            if let Fault::Bare(rcode) = fault {
                self.metrics.observe(*rcode, start.elapsed());
            }
        })?;
        message.set_id(request.id());
        let has_same_letters =
            message.octets().get(HEADER..).is_some_and(|question| question.starts_with(request.qname().as_wire()));
        if !has_same_letters {
            message.set_question(request);
        }
        self.metrics.observe(message.rcode(), start.elapsed());
        if request.edns().is_none() {
            strip_edns(&mut message);
        }
        Ok(message)
    }

    /// The sockets for datagrams, if it is asked by them.
    fn datagrams(&self, over: Over) -> Option<&Datagrams> {
        (over == Over::Udp && !self.is_secured && self.https.is_none()).then_some(&self.datagrams)
    }

    /// Asks by HTTPS or by a stream.
    async fn ask_stream(&self, request: &Request, over: Over, times: Times) -> Result<Message, Fault> {
        let limit = match over {
            Over::Udp => request.reply_limit().max(512),
            Over::Tcp => STREAM_LIMIT,
        };
        let mut query = Query::of(request, limit, times.wait)?.until(times.deadline);
        if let Some(https) = &self.https {
            return https.ask(&query).await;
        }
        query.set_id(rand::random());
        loop {
            let opened = |is_kept| self.metrics.opened(self.streams.network(), is_kept);
            match self.streams.ask(&query, opened).await {
                Err(Fault::Outdated) => {}
                outcome => return outcome,
            }
        }
    }

    /// Whether it counts as down.
    pub(super) fn is_down(&self) -> bool {
        self.max_fails != 0 && self.fails.load(Ordering::Relaxed) > self.max_fails
    }

    /// Whether it failed a query, and no probe succeeded since.
    pub(super) fn is_suspect(&self) -> bool {
        self.is_probing.load(Ordering::Relaxed)
    }

    /// Begins to probe until a probe succeeds, unless that is going on or not wanted.
    pub(super) fn begin_probing(self: &Arc<Self>) {
        if self.max_fails == 0 || self.is_probing.swap(true, Ordering::AcqRel) {
            return;
        }
        let upstream = Arc::downgrade(self);
        let interval = self.probe.interval.max(MIN_INTERVAL);
        let prober = tokio::spawn(async move {
            while let Some(upstream) = upstream.upgrade() {
                if upstream.is_well().await {
                    upstream.is_probing.store(false, Ordering::Release);
                    return;
                }
                drop(upstream);
                tokio::time::sleep(interval).await;
            }
        });
        *self.prober.lock().unwrap_or_else(PoisonError::into_inner) = Some(prober.abort_handle());
    }

    /// Probes once and counts. Any message that comes back shows that the upstream lives.
    async fn is_well(&self) -> bool {
        let over = if self.probe.over_tcp { Over::Tcp } else { Over::Udp };
        let query = Query::new(self.probe.query(), PROBE_LIMIT, PROBE_TIMEOUT);
        let outcome = match tokio::time::timeout(2 * PROBE_TIMEOUT, self.probe_once(query, over)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Fault::Closed),
        };
        if matches!(outcome, Err(Fault::Busy(_))) {
            // That so much is on its way says nothing about the upstream.
            return false;
        }
        let is_well = matches!(
            outcome,
            Ok(_) | Err(Fault::Mismatch | Fault::Bare(_) | Fault::Malformed(_) | Fault::Undecodable(_))
        );
        if is_well {
            self.fails.store(0, Ordering::Relaxed);
        } else {
            self.fails.fetch_add(1, Ordering::Relaxed);
            self.metrics.probe_failed();
        }
        is_well
    }

    /// As [`Upstream::ask`], without counting.
    async fn probe_once(&self, mut query: Query, over: Over) -> Result<Message, Fault> {
        if let Some(datagrams) = self.datagrams(over) {
            return datagrams.ask(query, Instant::now(), |_| ())?.await;
        }
        if let Some(https) = &self.https {
            return https.ask(&query).await;
        }
        query.set_id(rand::random());
        loop {
            match self.streams.ask(&query, |_| ()).await {
                Err(Fault::Outdated) => {}
                outcome => return outcome,
            }
        }
    }

    /// Closes sockets that have been idle for too long.
    pub(super) fn sweep(&self) {
        self.datagrams.sweep();
        self.streams.sweep();
    }

    /// Stops probing and lets go of idle sockets.
    pub(super) fn stop(&self) {
        if let Some(prober) = self.prober.lock().unwrap_or_else(PoisonError::into_inner).take() {
            prober.abort();
        }
        self.datagrams.clear();
        self.streams.clear();
    }
}

/// Takes the EDNS off a reply to a query without (RFC 6891 §6.1.1). Without its upper bits a rcode would say something else, and
/// often NOERROR, so it becomes SERVFAIL.
fn strip_edns(reply: &mut Message) {
    let is_extended = reply.rcode().0 > 0xf;
    reply.edns = None;
    if is_extended {
        reply.set_rcode(Rcode::SERVFAIL);
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Probe {
    /// The query: NS of the probe's name, without EDNS.
    fn query(&self) -> Vec<u8> {
        let flags = if self.is_recursive { flag::RD } else { 0 };
        let mut octets = Vec::with_capacity(32);
        for field in [0, flags, 1, 0, 0, 0] {
            octets.extend_from_slice(&field.to_be_bytes());
        }
        octets.extend_from_slice(self.name.as_wire());
        octets.extend_from_slice(&Type::NS.0.to_be_bytes());
        octets.extend_from_slice(&1_u16.to_be_bytes());
        octets
    }
}
