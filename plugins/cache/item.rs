//! One thing that is kept: a response's records and what is needed to answer with them again.

use super::classify::answers_question;
use super::setup::Prefetch;
use plugin_api::{Message, Name, Question, Rcode, ReplyBuilder, Request, flag};
use std::time::{Duration, Instant};

/// A kept response.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Records in plain form; for a live item the first question's name, or nothing if it was in lower case.
    octets: Box<[u8]>,
    counts: [u16; 3],
    /// The response's rcode.
    pub(super) rcode: Rcode,
    /// RA and AD of the response.
    flags: u16,
    /// Lifetime in seconds.
    pub(super) ttl: u32,
    /// When it came.
    pub(super) stored: Instant,
    /// The wildcard that it was made from (metadata `zone/wildcard`).
    pub(super) wildcard: Option<Box<str>>,
    /// Whether it answers its question.
    pub(super) is_answer: bool,
    /// Only a mark that the response was given: the response itself is made anew from a live index each time.
    pub(super) is_live: bool,
    /// An older one that answers the question, kept with one that does not (`prefer_positive`).
    pub(super) last_good: Option<Box<Self>>,
    /// How often it was asked for.
    pub(super) use_count: UseCount,
    /// Whether it is being fetched again.
    is_refreshing: bool,
    /// No refresh before this time.
    retry_after: Option<Instant>,
    /// Refreshes that failed, one after the other.
    failures: u8,
}

/// Longest pause after a refresh before the end that failed.
const MAX_PAUSE: Duration = Duration::from_secs(8);

/// How a refresh ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum RefreshEnd {
    /// It brought something newer, or was not begun.
    Done,
    /// It failed; the pause after it, if that is given.
    Failed(Option<Duration>),
}

/// Hits with no longer gap than a window between them (CoreDNS: plugin/cache/freq).
#[derive(Clone, Copy, Debug)]
pub(super) struct UseCount {
    last: Option<Instant>,
    hits: u32,
}

impl UseCount {
    /// Counts a hit.
    fn update(&mut self, window: Duration, now: Instant) {
        let is_fresh = self.last.is_some_and(|last| now.saturating_duration_since(last) <= window);
        self.hits = if is_fresh { self.hits.saturating_add(1) } else { 1 };
        self.last = Some(now);
    }

    /// The same hits, as if the last one was now.
    pub(super) const fn carried(self, now: Instant) -> Self {
        Self { last: Some(now), hits: self.hits }
    }
}

/// The name of a question in lower case, if it has other letters.
pub(super) fn lower_letters(question: &Question) -> Option<Name> {
    let (name, lower) = (question.name(), question.lower());
    (name.as_wire() != lower.as_wire()).then(|| lower.clone())
}

impl Item {
    /// Keeps a message for `ttl` seconds.
    pub(super) fn new(message: &Message, ttl: u32, now: Instant) -> Self {
        let (records, counts) = message.record_octets();
        let flags = message.flags() & (flag::RA | flag::AD);
        let is_answer = answers_question(message);
        Self { octets: records.into(), counts, flags, is_answer, ..Self::empty(message.rcode(), ttl, now) }
    }

    /// Marks that `name` was answered from a live index.
    pub(super) fn live(message: &Message, name: &Name, ttl: u32, now: Instant) -> Self {
        let is_lower = !name.as_wire().iter().any(u8::is_ascii_uppercase);
        let octets = if is_lower { Box::default() } else { name.as_wire().into() };
        Self { octets, is_live: true, ..Self::empty(message.rcode(), ttl, now) }
    }

    /// An item without records.
    fn empty(rcode: Rcode, ttl: u32, now: Instant) -> Self {
        Self {
            octets: Box::default(),
            counts: [0; 3],
            rcode,
            flags: 0,
            ttl,
            stored: now,
            wildcard: None,
            is_answer: false,
            is_live: false,
            last_good: None,
            use_count: UseCount { last: None, hits: 0 },
            is_refreshing: false,
            retry_after: None,
            failures: 0,
        }
    }

    /// The end of a live item that says no more than that a name in lower case was answered.
    pub(super) fn bare_until(&self) -> Option<Instant> {
        let is_bare = self.is_live && self.octets.is_empty() && !self.is_failure();
        if is_bare { self.stored.checked_add(Duration::from_secs(self.ttl.into())) } else { None }
    }

    /// The name of the first question, for a live item, if its letters are not those of this question.
    pub(super) fn other_letters(&self, question: &Question) -> Option<Name> {
        if self.octets.is_empty() {
            return lower_letters(question);
        }
        if *self.octets == *question.name().as_wire() { None } else { Name::from_wire(&self.octets).ok() }
    }

    /// Octets that it takes beside its own size.
    pub(super) fn bytes(&self) -> usize {
        self.octets.len() + self.last_good.as_ref().map_or(0, |good| size_of::<Self>() + good.octets.len())
    }

    /// Seconds left; zero and below when it is over.
    pub(super) fn left(&self, now: Instant) -> i64 {
        let elapsed = now.saturating_duration_since(self.stored).as_secs();
        i64::from(self.ttl) - i64::try_from(elapsed).unwrap_or(i64::MAX)
    }

    /// Whether it may be used: it has time left, or is over for less than `stale_up_to` seconds.
    pub(super) fn is_usable(&self, now: Instant, stale_up_to: u64) -> bool {
        let left = self.left(now);
        let is_stale_enough = !self.is_live && i64::try_from(stale_up_to).is_ok_and(|up_to| -left < up_to);
        left > 0 || is_stale_enough
    }

    /// Itself or the older one that answers the question.
    pub(super) fn answering(&self) -> Option<&Self> {
        if self.is_answer { Some(self) } else { self.last_good.as_deref() }
    }

    /// As [`Item::answering`], to be used.
    pub(super) fn answering_mut(&mut self) -> Option<&mut Self> {
        if self.is_answer { Some(self) } else { self.last_good.as_deref_mut() }
    }

    /// Counts a hit, and says whether it is time to fetch it again.
    pub(super) fn is_due(&mut self, prefetch: &Prefetch, now: Instant) -> bool {
        self.use_count.update(prefetch.window, now);
        let threshold = (u64::from(prefetch.percentage) * u64::from(self.ttl)).div_ceil(100);
        self.use_count.hits >= prefetch.amount && u64::try_from(self.left(now)).unwrap_or(0) <= threshold
    }

    /// Begins a refresh, if none is running and the pause after a failed one is over.
    pub(super) fn begin_refresh(&mut self, now: Instant) -> bool {
        if self.is_refreshing || self.retry_after.is_some_and(|after| now < after) {
            return false;
        }
        self.is_refreshing = true;
        true
    }

    /// Ends a refresh. After one that failed none is begun for `pause`, or, where that is not given, for one second, then two, four and
    /// at last eight.
    pub(super) fn end_refresh(&mut self, now: Instant, end: RefreshEnd) {
        if !self.is_refreshing {
            return;
        }
        self.is_refreshing = false;
        self.retry_after = match end {
            RefreshEnd::Done => None,
            RefreshEnd::Failed(pause) => {
                let backoff = Duration::from_secs(1 << self.failures.min(8)).min(MAX_PAUSE);
                self.failures = self.failures.saturating_add(1);
                now.checked_add(pause.unwrap_or(backoff))
            }
        };
    }

    /// Whether it is a failure of an upstream (SERVFAIL, NOTIMP), which is worth less than any answer.
    pub(super) fn is_failure(&self) -> bool {
        !matches!(self.rcode, Rcode::NOERROR | Rcode::NXDOMAIN)
    }

    /// The response to `request` with this TTL on every record. AA is always set: some old resolvers throw away whole
    /// answers without it (CoreDNS: item.toMsg).
    pub(super) fn answer(&self, request: &Request, ttl: u32) -> Message {
        let mut builder = ReplyBuilder::new(request).authoritative();
        builder.copy_records(&self.octets, self.counts, ttl);
        builder.set_rcode(self.rcode);
        let mut message = builder.finish();
        let wants_authentic = request.dnssec_ok() || request.has_flag(flag::AD);
        let hidden = if wants_authentic { 0 } else { flag::AD };
        message.set_flag(self.flags & !hidden, true);
        message
    }
}
