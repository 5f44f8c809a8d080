//! The supervisor of one kind: lists, watches, and finds the way back after every failure.
//!
//! What is held stays until something newer is whole. A list is asked for only when a watch cannot tell what happened
//! since; lists have a budget, watches a least distance, and a server that is away is asked in turns.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::Link;
use super::event::{Event, ListMetadata, Undecodable, is_older};
use super::exchange::Response;
use super::failure::Failure;
use super::split::{Piece, SplitError};
use super::status::KindStatus;
use super::target::{Freshness, Page, Target};
use super::timing::ListBudget;
use super::trouble::Trouble;
use crate::kubernetes::objects::{Change, Deleted, Object};
use crate::kubernetes::source::LOG;

/// How many watches in a row may be mute until a server that goes on meanwhile is listed.
const MUTE_WATCHES: u32 = 2;

/// Lists and watches one kind.
#[derive(Debug)]
pub(super) struct Reflector {
    /// What to ask for.
    target: Target,
    /// What all kinds share.
    link: Arc<Link>,
    /// The version up to which everything is known, empty before the first list.
    version: String,
    /// Whether only a list tells what there is.
    needs_list: bool,
    /// How fresh the next list must be.
    freshness: Freshness,
    /// How many lists may be asked for.
    budget: ListBudget,
    /// When the last list was begun.
    listing: Instant,
    /// When the last watch was begun.
    watched: Option<Instant>,
    /// Whether the server may have another history than the one that is held: it was away, or says nothing at all.
    is_doubtful: bool,
    /// How many events came.
    events: u64,
    /// How many watches in a row were short.
    short_watches: u32,
    /// How many watches in a row were silent until somebody gave them up, where the server closes them itself.
    mute_watches: u32,
    /// Since when the server is away.
    away: Option<Instant>,
    /// Since when we are refused.
    refused: Option<Instant>,
    /// How many refusals in a row came after their time of grace.
    refusals: u32,
    /// What an operator is told.
    trouble: Trouble,
    /// Whether the version comes from an earlier run, and no watch has gone on from it yet.
    is_resuming: bool,
}

impl Reflector {
    /// Makes the supervisor of a kind of which nothing is known.
    pub(super) fn new(target: Target, link: Arc<Link>) -> Self {
        Self {
            target,
            link,
            version: String::new(),
            needs_list: true,
            freshness: Freshness::Any,
            budget: ListBudget::new(),
            listing: Instant::now(),
            watched: None,
            is_doubtful: false,
            events: 0,
            short_watches: 0,
            mute_watches: 0,
            away: None,
            refused: None,
            refusals: 0,
            trouble: Trouble::default(),
            is_resuming: false,
        }
    }

    /// Goes on from a version that an earlier run has known, if there is one.
    pub(super) fn resuming(mut self, known: Option<&str>) -> Self {
        if let Some(version) = known {
            version.clone_into(&mut self.version);
            self.freshness = Freshness::NotOlderThan(self.version.clone());
            (self.needs_list, self.is_doubtful, self.is_resuming) = (false, true, true);
        }
        self
    }

    /// Lists and watches until nobody listens any more.
    pub(super) async fn run(mut self) {
        loop {
            let result = if self.needs_list { self.list().await } else { self.watch().await };
            if let Err(failure) = result {
                if failure == Failure::Stopped {
                    return;
                }
                self.recover(failure).await;
            }
        }
    }

    /// Gets a list in the best way that the server has, and goes on watching where that comes with it.
    async fn list(&mut self) -> Result<(), Failure> {
        self.budget.take(&self.link.timing).await;
        self.listing = Instant::now();
        if !self.link.has_no_watch_list.load(Ordering::Relaxed) {
            let timeout = self.link.timing.watch_timeout();
            let uri = self.target.watch_list(timeout);
            let result = self.follow(&uri, timeout).await;
            match result {
                Err(Failure::Refused(_)) if self.needs_list => {
                    self.link.has_no_watch_list.store(true, Ordering::Relaxed);
                }
                // The other way may work, and the server is there.
                Err(
                    failure @ (Failure::Cut(_)
                    | Failure::Silent(_)
                    | Failure::Broken(_)
                    | Failure::Expired
                    | Failure::Future),
                ) if self.needs_list => self.status().fail(&failure),
                result => return result,
            }
        }
        match self.pages(Page::First).await {
            // Pages go out of date when they come slower than the cluster changes.
            Err(Failure::Expired) => self.pages(Page::All).await,
            result => result,
        }
    }

    /// Gets a list in pages, or in one.
    async fn pages(&mut self, mut page: Page) -> Result<(), Failure> {
        self.begin_list().await?;
        let mut version = None;
        loop {
            let metadata = self.page(&page).await?;
            version = version.or(metadata.resource_version);
            match metadata.next.filter(|next| !next.is_empty()) {
                Some(next) => page = Page::Next(next),
                None => break,
            }
        }
        self.end_list(version.unwrap_or_default()).await
    }

    /// Gets one page of a list.
    async fn page(&mut self, page: &Page) -> Result<ListMetadata, Failure> {
        let uri = self.target.list(&self.freshness, page);
        let mut response = self.get(&uri).await?;
        let format = response.format;
        let (mut splitter, mut metadata) = (format.list(), ListMetadata::default());
        while let Some(chunk) = response.busy().await? {
            let mut rest = &*chunk;
            while let Some(piece) = splitter.next(&mut rest).map_err(broken)? {
                match piece {
                    Piece::Item(octets) => match format.item(self.target.kind, octets)? {
                        Ok(object) => self.apply(object).await?,
                        Err(object) => self.note_undecodable(object),
                    },
                    Piece::Metadata(octets) => metadata = self.fresh(format.list_metadata(octets)?)?,
                }
            }
        }
        if splitter.is_between() { Ok(metadata) } else { Err(Failure::Cut("a list without an end".to_owned())) }
    }

    /// Refuses a list that is older than what is held.
    fn fresh(&self, metadata: ListMetadata) -> Result<ListMetadata, Failure> {
        let version = metadata.resource_version.as_deref().unwrap_or_default();
        if matches!(self.freshness, Freshness::NotOlderThan(_)) && is_older(version, &self.version) {
            return Err(Failure::Broken(format!("a list of version {version}, older than {}", self.version)));
        }
        Ok(metadata)
    }

    /// Watches from the version that is held.
    async fn watch(&mut self) -> Result<(), Failure> {
        if let Some(watched) = self.watched {
            sleep_until(watched + self.link.timing.rewatch(self.short_watches)).await;
        }
        if self.is_doubtful {
            // A probe that breaks off is no progress: the server counts as away, and is asked in turns.
            self.probe().await.map_err(|failure| match failure {
                Failure::Cut(why) => Failure::Away(why),
                other => other,
            })?;
        }
        let timeout = self.link.timing.watch_timeout();
        let uri = self.target.watch(&self.version, timeout);
        let events = self.events;
        let result = self.follow(&uri, timeout).await;
        let is_mute = self.events == events;
        self.is_doubtful = is_mute;
        self.mute_watches = match &result {
            Err(Failure::Silent(_)) if is_mute => self.mute_watches.saturating_add(1),
            _ if is_mute => self.mute_watches,
            _ => 0,
        };
        result
    }

    /// Asks for the server's version of now. A server whose etcd was restored from a backup is behind the version that
    /// is held, and a watch from there would be silent until it has caught up. Where watches bring nothing although the
    /// server goes on, something on the way keeps them back, and only lists tell the truth.
    async fn probe(&mut self) -> Result<(), Failure> {
        let mut response = self.get(&self.target.probe()).await?;
        let format = response.format;
        let mut splitter = format.list();
        while let Some(chunk) = response.busy().await? {
            let mut rest = &*chunk;
            while let Some(piece) = splitter.next(&mut rest).map_err(broken)? {
                if let Piece::Metadata(octets) = piece {
                    let version = format.list_metadata(octets)?.resource_version.unwrap_or_default();
                    self.is_doubtful = false;
                    if version == self.version {
                        self.status().hear();
                    } else if self.mute_watches >= MUTE_WATCHES {
                        return Err(Failure::Broken("watches bring nothing although the server goes on".to_owned()));
                    }
                    return if is_older(&version, &self.version) { Err(Failure::Future) } else { Ok(()) };
                }
            }
        }
        Err(Failure::Broken("a list without a version".to_owned()))
    }

    /// Follows a watch to its end and counts it as short if it was.
    async fn follow(&mut self, uri: &str, timeout: Duration) -> Result<(), Failure> {
        let response = self.get(uri).await?;
        let start = Instant::now();
        self.watched = Some(start);
        self.status().counters.watches_started.inc();
        if !self.needs_list {
            self.status().follow();
        }
        if !self.needs_list && std::mem::take(&mut self.is_resuming) {
            self.status().hold(&self.version);
            self.send(Change::Reached(self.target.kind, self.version.as_str().into())).await?;
        }
        let result = self.take_events(response, start + timeout + self.link.timing.grace).await;
        self.status().counters.watches_ended.inc();
        let is_short = start.elapsed() < self.link.timing.short_watch;
        self.short_watches = if is_short { self.short_watches.saturating_add(1) } else { 0 };
        result
    }

    /// Takes the events of a watch; those of a list are first if a list is needed.
    async fn take_events(&mut self, mut response: Response, deadline: Instant) -> Result<(), Failure> {
        if self.needs_list {
            self.begin_list().await?;
        }
        let link = Arc::clone(&self.link);
        let repair = link.repairs.of(self.target.kind);
        let format = response.format;
        let mut splitter = format.events();
        loop {
            let chunk = if self.needs_list || !splitter.is_between() {
                response.busy().await?
            } else {
                tokio::select! {
                    biased;
                    wrong = repair.asked() => return Err(Failure::Drift(wrong)),
                    chunk = response.idle(deadline) => chunk?,
                }
            };
            let Some(chunk) = chunk else { break };
            let mut rest = &*chunk;
            loop {
                if splitter.is_between()
                    && let Some((event, after)) = format.line(self.target.kind, rest)
                {
                    rest = after;
                    self.event(Ok(event)).await?;
                    continue;
                }
                let Some(piece) = splitter.next(&mut rest).map_err(broken)? else { break };
                if let Piece::Item(octets) = piece {
                    self.event(format.event(self.target.kind, octets)?).await?;
                }
            }
        }
        let is_whole = splitter.is_between() && !self.needs_list;
        if is_whole { Ok(()) } else { Err(Failure::Cut("a watch ended in the middle".to_owned())) }
    }

    /// Takes one event.
    async fn event(&mut self, event: Result<Event, Undecodable>) -> Result<(), Failure> {
        self.events += 1;
        self.status().counters.events.inc();
        match event {
            Ok(Event::Applied(object)) => {
                self.advance(&object.metadata().resource_version)?;
                self.apply(object).await
            }
            Ok(Event::Deleted(object)) => {
                // Old servers send the version before the deletion.
                if !is_older(&object.metadata().resource_version, &self.version) {
                    self.advance(&object.metadata().resource_version)?;
                }
                self.delete(object.into_deleted()).await
            }
            Ok(Event::Bookmark { version, is_initial_end: true }) if self.needs_list => self.end_list(version).await,
            Ok(Event::Bookmark { version, .. }) => {
                self.advance(&version)?;
                if self.needs_list || version.is_empty() {
                    return Ok(());
                }
                self.send(Change::Reached(self.target.kind, version.into())).await
            }
            Ok(Event::Failed(failure)) => Err(failure),
            Ok(Event::Unknown(kind)) => {
                tracing::debug!(target: LOG, "an event of the unknown type {kind}");
                self.status().counters.decode_errors.inc();
                Ok(())
            }
            Err(object) => {
                let result = self.advance(&object.version);
                self.note_undecodable(object);
                result
            }
        }
    }

    /// Notes how far the watch has come; events of a list come in no order.
    fn advance(&mut self, version: &str) -> Result<(), Failure> {
        if self.needs_list || version.is_empty() {
            return Ok(());
        }
        if is_older(version, &self.version) {
            return Err(Failure::Broken(format!("an event of version {version} after {}", self.version)));
        }
        version.clone_into(&mut self.version);
        self.status().hold(version);
        self.status().hear();
        Ok(())
    }

    /// Passes on that a list begins.
    async fn begin_list(&self) -> Result<(), Failure> {
        self.status().ledger().begin_list();
        self.send(Change::ListBegin(self.target.kind)).await
    }

    /// Passes on an object as it is now.
    async fn apply(&self, object: Object) -> Result<(), Failure> {
        let metadata = object.metadata();
        #[cfg(test)]
        assert!(&*metadata.name != super::world_tests::PANICS, "as the test wants");
        self.status().ledger().hold(metadata.path(), &metadata.resource_version);
        self.send(Change::Apply(object)).await
    }

    /// Passes on that an object is gone.
    async fn delete(&self, gone: Deleted) -> Result<(), Failure> {
        self.status().ledger().forget((&gone.key.namespace, &gone.key.name));
        self.send(Change::Delete(gone)).await
    }

    /// Notes that a list is whole.
    async fn end_list(&mut self, version: String) -> Result<(), Failure> {
        if version.is_empty() {
            return Err(Failure::Broken("a list without a version".to_owned()));
        }
        self.send(Change::ListEnd(self.target.kind)).await?;
        self.send(Change::Reached(self.target.kind, version.as_str().into())).await?;
        self.budget.charge(self.listing.elapsed(), &self.link.timing);
        let status = self.status();
        status.ledger().end_list();
        status.hear();
        status.hold(&version);
        status.follow();
        status.counters.lists.inc();
        status.counters.drift_repaired.inc_by(self.link.repairs.of(self.target.kind).fulfil() as u64);
        self.freshness = Freshness::NotOlderThan(version.clone());
        self.version = version;
        self.needs_list = false;
        Ok(())
    }

    /// Asks for something; an answer means that the server is there.
    async fn get(&mut self, uri: &str) -> Result<Response, Failure> {
        let response = Response::get(&self.link.connector, uri, &self.link.timing, self.target.accept()).await?;
        self.link.turnstile.found();
        self.trouble.end(&self.target);
        (self.refused, self.refusals) = (None, 0);
        if self.away.take().is_some_and(|since| since.elapsed() >= self.link.timing.watch_interval) {
            self.budget.forgive();
        }
        self.status().succeed();
        Ok(response)
    }

    /// Waits as long as a failure demands, and decides what to ask for next.
    async fn recover(&mut self, failure: Failure) {
        self.status().fail(&failure);
        self.trouble.note(&failure, &self.target, self.version.is_empty());
        tracing::debug!(target: LOG, "{}: {failure:?}", self.target.go_type());
        let link = Arc::clone(&self.link);
        match failure {
            Failure::Expired | Failure::Future | Failure::Drift(_) => {
                (self.needs_list, self.freshness) = (true, Freshness::Newest);
                sleep(link.timing.jitter()).await;
            }
            Failure::Broken(_) if self.needs_list => self.freshness = Freshness::Newest,
            Failure::Broken(_) => self.needs_list = true,
            Failure::Cut(_) | Failure::Stopped => self.is_doubtful = true,
            Failure::Away(_) | Failure::Silent(_) | Failure::Tls(_) | Failure::Settings(_) => {
                self.is_doubtful = true;
                self.away.get_or_insert_with(Instant::now);
                if matches!(failure, Failure::Away(_)) {
                    link.connector.follow();
                } else {
                    // New files, and a new connection: one that is dead keeps every question for itself.
                    link.connector.renew();
                }
                self.forget_cost();
                link.turnstile.wait(&link.timing).await;
            }
            Failure::Throttled(wait) => {
                self.forget_cost();
                sleep(wait + link.timing.jitter()).await;
            }
            Failure::Unauthorized(_) => {
                link.connector.renew();
                self.wait_refused().await;
            }
            Failure::Forbidden(_) => self.wait_refused().await,
            Failure::Missing(_) | Failure::Refused(_) => {
                (self.needs_list, self.freshness) = (true, Freshness::Newest);
                self.wait_refused().await;
            }
        }
    }

    /// Waits after a refusal: briefly while it may be passing, longer and longer after that.
    async fn wait_refused(&mut self) {
        self.forget_cost();
        let timing = &self.link.timing;
        let since = *self.refused.get_or_insert_with(Instant::now);
        if since.elapsed() < timing.refusal_grace {
            sleep(timing.away()).await;
        } else {
            self.refusals = self.refusals.saturating_add(1);
            sleep(timing.backoff(self.refusals)).await;
        }
    }

    /// Takes back what was reckoned for a list or a watch that was not begun: the wait for the server counts instead.
    fn forget_cost(&mut self) {
        if self.needs_list {
            self.budget.refund(&self.link.timing);
        }
        (self.watched, self.short_watches) = (None, 0);
    }

    /// Counts and tells of an object that is no use.
    fn note_undecodable(&mut self, object: Undecodable) {
        let status = self.status();
        status.counters.decode_errors.inc();
        status.ledger().hold_useless((&object.namespace, &object.name), &object.version);
        self.trouble.note_object(object, &self.target);
    }

    /// Returns what can be told of this kind.
    fn status(&self) -> &KindStatus {
        self.link.status.of(self.target.kind)
    }

    /// Passes a change on, waiting for room.
    async fn send(&self, change: Change) -> Result<(), Failure> {
        self.link.feed.send(change).await.map_err(|_| Failure::Stopped)
    }
}

/// Says that a response cannot be split.
fn broken(error: SplitError) -> Failure {
    Failure::Broken(error.to_string())
}
