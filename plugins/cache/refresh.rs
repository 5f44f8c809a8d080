//! Fetching again: before the end of an entry (prefetch), and after it (stale answers, RFC 8767).

use super::classify::{answers_question, kind_of};
use super::follow::Asked;
use super::handler::{Cache, Inner, Purpose, Side, hide_authentic, matches_question};
use super::item::{RefreshEnd, UseCount};
use super::store::Key;
use crate::reply_kind::Kind;
use plugin_api::{
    BoxFuture, Lifecycle, Message, Next, Outcome, Rcode, Reply, Request, Response, Rest, Transport, flag,
};
use std::sync::{Arc, PoisonError};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// Most refreshes without a client at a time. Each may wait for an upstream for seconds; beyond this the entries wait for
/// their next hit.
pub(super) const MAX_REFRESHES: usize = 1024;

/// A refresh and who waits for it.
struct Refresh {
    inner: Arc<Inner>,
    rest: Rest,
    request: Box<Request>,
    /// Whether only what may replace a stale answer counts.
    is_stale: bool,
}

/// What may become of a response that was fetched in place of a stale one.
enum Verdict {
    /// It replaces the stale answer.
    Use,
    /// It is kept, but the stale answer is better for clients.
    Keep,
    /// The stale answer stays.
    Ignore,
}

impl Cache {
    /// Answers a query for which there is only a stale answer.
    pub(super) fn stale<'a>(
        &'a self,
        request: &'a Request,
        next: Next<'a>,
        key: Key<'a>,
        (message, refresh): (Message, bool),
    ) -> Reply<'a> {
        let inner = &*self.inner;
        let stale = &inner.config.stale;
        if refresh && stale.verify {
            return Reply::later(async move {
                let verified = if stale.timeout.is_zero() {
                    inner.verify(request, next, &key).await
                } else {
                    self.verify_in_time(request, next, key).await
                };
                verified.unwrap_or_else(|| inner.serve_stale(request, message))
            });
        }
        if refresh {
            self.spawn_refresh(request, next, true);
        }
        Reply::now(inner.serve_stale(request, message))
    }

    /// Fetches again without a client that waits. Beyond the bound nothing happens and the next hit tries again.
    pub(super) fn spawn_refresh(&self, request: &Request, next: Next<'_>, is_stale: bool) {
        let refresh = self.refresh(request, next, is_stale);
        self.inner.metrics(request).inspect(|metrics| metrics.prefetches.inc());
        self.spawn(refresh, |_| ());
    }

    /// A refresh, not begun.
    fn refresh(&self, request: &Request, next: Next<'_>, is_stale: bool) -> Refresh {
        let mut request = request.derive();
        request.set_transport(Transport::Tcp);
        request.ask_authenticated();
        Refresh { inner: Arc::clone(&self.inner), rest: next.detach(), request, is_stale }
    }

    /// Begins a refresh; `done` learns what a client may be told, if anything.
    fn spawn(&self, refresh: Refresh, done: impl FnOnce(Option<Message>) + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        if tasks.len() >= MAX_REFRESHES {
            refresh.inner.end_refresh(&Key::of(&refresh.request, &refresh.inner.hasher), RefreshEnd::Done);
            return;
        }
        tasks.spawn(async move { done(refresh.run().await) });
    }

    /// Asks the next plugin and waits so long; none if a stale answer is to be served. The asking goes on behind it.
    async fn verify_in_time(&self, request: &Request, next: Next<'_>, key: Key<'_>) -> Option<Outcome> {
        let (sender, receiver) = oneshot::channel();
        let mut refresh = self.refresh(request, next, true);
        refresh.request.set_transport(request.origin().transport);
        self.spawn(refresh, |message| drop(sender.send(message)));
        let waited = tokio::time::timeout(self.inner.config.stale.timeout, receiver).await;
        let mut message = waited.ok()?.ok().flatten()?;
        if let Some(kept) = self.inner.answer_kept(request, &key) {
            return Some(Ok(Response::Message(kept)));
        }
        hide_authentic(request, &mut message);
        Some(Ok(Response::Message(message)))
    }
}

impl Refresh {
    /// Fetches and keeps. Gives a message that a client may get in place of a stale one.
    async fn run(self) -> Option<Message> {
        let Self { inner, rest, request, is_stale } = self;
        let key = Key::of(&request, &inner.hasher);
        let uses = inner.use_count(&key);
        let asked = inner.ask(&request, rest.next(), &key).await;
        let usable = inner.take_fetched(&request, &key, asked, (is_stale, Purpose::Refresh));
        if usable.is_some()
            && let Some(uses) = uses
        {
            inner.carry_uses(&key, uses);
        }
        inner.end_refresh(&key, inner.end_of(usable.is_some(), is_stale));
        usable
    }
}

impl Inner {
    /// A stale answer as an outcome, counted.
    fn serve_stale(&self, request: &Request, message: Message) -> Outcome {
        self.metrics(request).inspect(|metrics| metrics.stale.inc());
        Ok(Response::Message(message))
    }

    /// Asks the next plugin for as long as it takes; none if a stale answer is to be served.
    async fn verify<'a>(&'a self, request: &'a Request, next: Next<'a>, key: &Key<'_>) -> Option<Outcome> {
        request.ask_authenticated();
        let asked = self.ask(request, next, key).await;
        let usable = self.take_fetched(request, key, asked, (true, Purpose::Answer));
        if !self.config.stale.recheck.is_zero() {
            self.end_refresh(key, self.end_of(usable.is_some(), true));
        }
        let mut message = usable?;
        hide_authentic(request, &mut message);
        Some(Ok(Response::Message(message)))
    }

    /// Keeps what was fetched, if it may be, and tells followers. Gives it back if a client may get it (CoreDNS:
    /// verifyStaleResponseWriter).
    fn take_fetched(
        &self,
        request: &Request,
        key: &Key<'_>,
        asked: Asked<'_>,
        (is_stale, purpose): (bool, Purpose),
    ) -> Option<Message> {
        let (mut outcome, lead, is_own) = match asked {
            Asked::Own(outcome, lead) => (outcome, lead, true),
            Asked::Followed(outcome) => (outcome, None, false),
        };
        let fetched = if let Ok(Response::Message(message)) = &mut outcome { Some(message) } else { None };
        let is_usable = fetched.is_some_and(|message| {
            let verdict = if is_stale { self.judge(request, message) } else { judge_early(request, message) };
            let how = match verdict {
                Verdict::Use => Some(purpose),
                Verdict::Keep => Some(Purpose::Refresh),
                Verdict::Ignore => None,
            };
            if let (Some(purpose), true) = (how, is_own) {
                self.keep(request, key, message, (None, purpose));
            }
            matches!(verdict, Verdict::Use)
        });
        if let Some(lead) = lead {
            lead.finish(&outcome);
        }
        match outcome {
            Ok(Response::Message(message)) if is_usable => Some(message),
            _ => None,
        }
    }

    /// How a refresh ended: whether it brought what may be used, in place of a stale entry or before the end of one. After a failed one for a
    /// stale entry there is the configured pause, also where it is none.
    fn end_of(&self, is_usable: bool, is_stale: bool) -> RefreshEnd {
        if is_usable { RefreshEnd::Done } else { RefreshEnd::Failed(is_stale.then_some(self.config.stale.recheck)) }
    }

    /// Whether a response may replace a stale one (RFC 8767 §4: NOERROR and NXDOMAIN).
    fn judge(&self, request: &Request, message: &Message) -> Verdict {
        if message.has_flag(flag::TC) || !matches_question(message, request) {
            return Verdict::Ignore;
        }
        let now = self.clock.unix_seconds();
        if self.config.stale.prefer_positive {
            let is_good = kind_of(message, now) == Kind::NoError && answers_question(message);
            return if is_good { Verdict::Use } else { Verdict::Keep };
        }
        let is_usable = !matches!(Kind::of(message, now), Kind::OtherError | Kind::Meta | Kind::Update)
            && matches!(message.rcode(), Rcode::NOERROR | Rcode::NXDOMAIN);
        if is_usable { Verdict::Use } else { Verdict::Ignore }
    }

    /// How often the item under a key was asked for.
    fn use_count(&self, key: &Key<'_>) -> Option<UseCount> {
        let count = |side| self.store(side).get(key, |item| item.use_count);
        count(Side::Denial).or_else(|| count(Side::Success))
    }

    /// Lets the new item under a key begin with the uses of the old one.
    fn carry_uses(&self, key: &Key<'_>, uses: UseCount) {
        let uses = uses.carried(self.clock.now());
        let carry = |side| self.store(side).get(key, |item| item.use_count = uses);
        carry(Side::Denial).or_else(|| carry(Side::Success));
    }

    /// Ends the refresh of what is under a key.
    pub(super) fn end_refresh(&self, key: &Key<'_>, end: RefreshEnd) {
        let now = self.clock.now();
        for side in [Side::Denial, Side::Success] {
            self.store(side).get(key, |item| item.end_refresh(now, end));
        }
    }

    /// The answer that was just kept, as a hit shows it.
    fn answer_kept(&self, request: &Request, key: &Key<'_>) -> Option<Message> {
        let now = self.clock.now();
        let shown = |side| {
            let answer = self.store(side).get(key, |item| {
                let left = u32::try_from(item.left(now)).ok().filter(|left| *left > 0 && !item.is_live)?;
                let ttl = if self.config.keep_ttl { item.ttl } else { left };
                Some((item.stored, item.answer(request, ttl)))
            });
            answer.flatten()
        };
        // Both may have one; the newer is what was fetched.
        let newest =
            [shown(Side::Denial), shown(Side::Success)].into_iter().flatten().max_by_key(|(stored, _)| *stored);
        newest.map(|(_, message)| message)
    }
}

/// Whether a response may replace an entry before its end: an error may not, for the entry is still good.
fn judge_early(request: &Request, message: &Message) -> Verdict {
    let is_good = matches!(message.rcode(), Rcode::NOERROR | Rcode::NXDOMAIN);
    if is_good && !message.has_flag(flag::TC) && matches_question(message, request) {
        Verdict::Use
    } else {
        Verdict::Ignore
    }
}

impl Lifecycle for Cache {
    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            *self.tasks.lock().unwrap_or_else(PoisonError::into_inner) = JoinSet::new();
        })
    }
}
