//! How long the API server may take for things, and how long we wait before we ask again. Every bound has its reason here.

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// All times of a source; tests make them short.
#[derive(Debug, Clone)]
pub(crate) struct Timing {
    /// From a request to the head of its response, connecting included. A list of everything takes seconds to begin.
    pub(crate) first_byte: Duration,
    /// The longest silence within a list, or within an event.
    pub(crate) stall: Duration,
    /// What must arrive of a list or an event in each `stall`: slower is as bad as nothing.
    pub(crate) floor_bytes: u64,
    /// How long a watch is asked to last, at least. With `grace` this bounds how long a dead one is trusted: 65 s.
    pub(crate) watch_min: Duration,
    /// How long a watch is asked to last, at most.
    pub(crate) watch_max: Duration,
    /// How much longer than asked for a watch may be silent.
    pub(crate) grace: Duration,
    /// Between two starts of watches, so that watches that end at once cannot become a storm.
    pub(crate) watch_interval: Duration,
    /// A watch that ends sooner is short; after `watch_burst` of them in a row each one doubles the wait up to `backoff_max`.
    pub(crate) short_watch: Duration,
    /// How many short watches in a row may be had at the least distance: a server that is restarted several times in a minute
    /// is followed without a longer wait.
    pub(crate) watch_burst: u32,
    /// Between two questions, of all kinds together, to a server that is away: cheap for it, and soon noticed.
    pub(crate) away_interval: Duration,
    /// How long refusals are taken as passing, and asked again every `away_interval`: a server that starts gives 403.
    pub(crate) refusal_grace: Duration,
    /// The longest wait between questions that are refused.
    pub(crate) backoff_max: Duration,
    /// How many lists may follow one another without a wait.
    pub(crate) list_burst: u32,
    /// How long until one more list may be had; a list never costs less than four times what it took.
    pub(crate) list_interval: Duration,
    /// At most this much is added to the wait before a list, so that not all servers of a cluster ask at once.
    pub(crate) list_jitter: Duration,
    /// Between two audits, for each page of objects: what an audit costs the server is bounded by a page in this time.
    pub(crate) audit_pace: Duration,
    /// Between two audits, at most; up to half of it is added at random.
    pub(crate) audit_max: Duration,
    /// How long an event may be on its way until what it would explain counts as wrong.
    pub(crate) audit_settle: Duration,
    /// From which age on a picture is called old: a little above what a watch that has died may last.
    pub(crate) stale_after: Duration,
    /// Where spread comes from.
    pub(crate) chance: Chance,
}

/// Where random numbers come from: the machine, or in a test a seed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chance(Option<Arc<Mutex<StdRng>>>);

impl Chance {
    /// Makes the same numbers every time.
    #[cfg(test)]
    pub(crate) fn of(seed: u64) -> Self {
        Self(Some(Arc::new(Mutex::new(rand::SeedableRng::seed_from_u64(seed)))))
    }

    /// Returns a number of a range.
    fn range(&self, range: RangeInclusive<f64>) -> f64 {
        match &self.0 {
            Some(rng) => rng.lock().unwrap_or_else(PoisonError::into_inner).random_range(range),
            None => rand::random_range(range),
        }
    }
}

impl Default for Timing {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            first_byte: seconds(15),
            stall: seconds(5),
            floor_bytes: 4096,
            watch_min: seconds(40),
            watch_max: seconds(55),
            grace: seconds(5),
            watch_interval: seconds(1),
            short_watch: seconds(5),
            watch_burst: 10,
            away_interval: Duration::from_millis(500),
            refusal_grace: seconds(15),
            backoff_max: seconds(15),
            list_burst: 5,
            list_interval: seconds(10),
            list_jitter: Duration::from_millis(200),
            audit_pace: seconds(60),
            audit_max: seconds(600),
            audit_settle: seconds(5),
            stale_after: seconds(62),
            chance: Chance::default(),
        }
    }
}

impl Timing {
    /// Returns how long the next watch shall last.
    pub(super) fn watch_timeout(&self) -> Duration {
        self.watch_min + self.watch_max.saturating_sub(self.watch_min).mul_f64(self.chance.range(0.0..=1.0))
    }

    /// Returns the wait before asking a server again that is away: the interval, a fifth more or less.
    pub(super) fn away(&self) -> Duration {
        self.away_interval.mul_f64(self.chance.range(0.8..=1.2))
    }

    /// Returns the wait between the starts of two watches, after so many short ones in a row.
    pub(super) fn rewatch(&self, short: u32) -> Duration {
        self.backoff(short.saturating_sub(self.watch_burst))
    }

    /// Returns the wait after the `count`th of refusals or short watches in a row.
    pub(super) fn backoff(&self, count: u32) -> Duration {
        let doubled = self.watch_interval.saturating_mul(2_u32.saturating_pow(count.saturating_sub(1)));
        doubled.min(self.backoff_max).mul_f64(self.chance.range(0.8..=1.0))
    }

    /// Returns the time until the next audit of so many pages: a minute or so in small clusters, 10 to 15 minutes in large.
    pub(super) fn audit(&self, pages: usize) -> Duration {
        let pages = u32::try_from(pages.max(1)).unwrap_or(u32::MAX);
        self.audit_pace.saturating_mul(pages).min(self.audit_max).mul_f64(self.chance.range(1.0..=1.5))
    }

    /// Returns the spread before a list.
    pub(super) fn jitter(&self) -> Duration {
        self.list_jitter.mul_f64(self.chance.range(0.0..=1.0))
    }
}

/// Asks a server that is away one question at a time, whatever the number of kinds that wait for it.
#[derive(Debug)]
pub(super) struct Turnstile {
    /// When the next question may be asked.
    next: Mutex<Instant>,
    /// Counts how often the server was found to be there.
    found: watch::Sender<u64>,
}

impl Turnstile {
    /// Makes a turnstile that lets the first one through at once.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { next: Mutex::new(Instant::now()), found: watch::Sender::new(0) })
    }

    /// Waits for a turn, or until somebody found the server.
    pub(super) async fn wait(&self, timing: &Timing) {
        let mut found = self.found.subscribe();
        let turn = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            *next = (*next).max(Instant::now()) + timing.away();
            *next
        };
        // The sender lives as long as `self`, so an error cannot come.
        tokio::select! { biased; _ = found.changed() => {}, () = sleep_until(turn) => {} }
    }

    /// Tells all who wait that the server is there.
    pub(super) fn found(&self) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.found.send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// Limits how often a whole list is asked for.
#[derive(Debug)]
pub(super) struct ListBudget {
    /// From when on the budget is full; the later, the less is left.
    full_at: Instant,
    /// What the last lists cost only because lists shall be rare, not because they took long; at most two of them.
    spare: Duration,
}

impl ListBudget {
    /// Makes a full budget.
    pub(super) fn new() -> Self {
        Self { full_at: Instant::now(), spare: Duration::ZERO }
    }

    /// Waits until a list may be had, and takes it from the budget.
    pub(super) async fn take(&mut self, timing: &Timing) {
        let now = Instant::now();
        let room = timing.list_interval.saturating_mul(timing.list_burst.saturating_sub(1));
        if let Some(ready) = self.full_at.checked_sub(room)
            && ready > now
        {
            sleep_until(ready + timing.jitter()).await;
        }
        self.full_at = self.full_at.max(Instant::now()) + timing.list_interval;
        self.spare = (self.spare + timing.list_interval).min(timing.list_interval * 2);
    }

    /// Charges for a list that took long.
    pub(super) fn charge(&mut self, took: Duration, timing: &Timing) {
        let cost = took.saturating_mul(4);
        self.full_at += cost.saturating_sub(timing.list_interval);
        self.spare = self.spare.saturating_sub(cost.min(timing.list_interval));
    }

    /// Gives back what the last lists cost only because lists shall be rare, the one that was cut off included: the server
    /// was away since, so that the next one cannot be helped. A server that restarts again and again is asked for
    /// everything each time, and not more often.
    pub(super) fn forgive(&mut self) {
        let spare = std::mem::take(&mut self.spare);
        self.full_at = self.full_at.checked_sub(spare).unwrap_or(self.full_at);
    }

    /// Gives back what a list cost that was never begun.
    pub(super) fn refund(&mut self, timing: &Timing) {
        self.full_at = self.full_at.checked_sub(timing.list_interval).unwrap_or(self.full_at);
        self.spare = self.spare.saturating_sub(timing.list_interval);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_away_is_asked_twice_a_second_by_all_together() {
        let (turnstile, timing) = (Turnstile::new(), Timing::default());
        let start = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let (turnstile, timing) = (Arc::clone(&turnstile), timing.clone());
            tasks.spawn(async move {
                for _ in 0..5 {
                    turnstile.wait(&timing).await;
                }
            });
        }
        while tasks.join_next().await.is_some() {}
        let took = start.elapsed();
        assert!(took >= Duration::from_secs(8) && took <= Duration::from_secs(12), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn everybody_goes_on_when_the_server_is_found() {
        let (turnstile, timing) = (Turnstile::new(), Timing::default());
        let start = Instant::now();
        let waiting = async { tokio::join!(turnstile.wait(&timing), turnstile.wait(&timing), turnstile.wait(&timing)) };
        let finding = async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            turnstile.found();
        };
        tokio::join!(waiting, finding);
        assert_eq!(start.elapsed(), Duration::from_millis(10));
    }

    #[tokio::test(start_paused = true)]
    async fn some_lists_are_free_and_then_they_are_rare() {
        let (mut budget, timing) = (ListBudget::new(), Timing::default());
        let start = Instant::now();
        for _ in 0..5 {
            budget.take(&timing).await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        budget.take(&timing).await;
        assert!(start.elapsed() >= Duration::from_secs(10) && start.elapsed() < Duration::from_secs(11));
        budget.refund(&timing);
        budget.charge(Duration::from_secs(20), &timing);
        budget.take(&timing).await;
        assert!(start.elapsed() >= Duration::from_secs(80), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_restarts_is_listed_each_time() {
        let (mut budget, timing) = (ListBudget::new(), Timing::default());
        let start = Instant::now();
        for _ in 0..50 {
            // One is cut off when the server goes away, one is whole when it is back.
            budget.take(&timing).await;
            budget.take(&timing).await;
            budget.charge(Duration::from_millis(500), &timing);
            tokio::time::sleep(Duration::from_secs(3)).await;
            budget.forgive();
            budget.forgive();
        }
        assert_eq!(start.elapsed(), Duration::from_secs(150), "no list has to wait");
        // What a list takes is never forgiven.
        for _ in 0..6 {
            budget.take(&timing).await;
            budget.charge(Duration::from_secs(20), &timing);
            budget.forgive();
        }
        assert!(start.elapsed() >= Duration::from_secs(150 + 5 * 80 - 40), "{:?}", start.elapsed());
    }

    #[test]
    fn audits_are_rare_in_large_clusters() {
        let timing = Timing::default();
        let minutes = |pages| timing.audit(pages).as_secs_f64() / 60.0;
        assert!((1.0..=1.5).contains(&minutes(0)) && (3.0..=4.5).contains(&minutes(3)));
        assert!((10.0..=15.0).contains(&minutes(10)) && (10.0..=15.0).contains(&minutes(usize::MAX)));
    }

    #[test]
    fn waits_double_up_to_their_bound() {
        let timing = Timing::default();
        let wait = |count| timing.backoff(count).as_secs_f64();
        assert!((0.8..=1.0).contains(&wait(1)) && (3.2..=4.0).contains(&wait(3)));
        assert!(wait(40) <= timing.backoff_max.as_secs_f64() && wait(0) <= 1.0);
        let rewatch = |short| timing.rewatch(short).as_secs_f64();
        assert!(rewatch(timing.watch_burst) <= 1.0 && (3.2..=4.0).contains(&rewatch(timing.watch_burst + 3)));
    }
}
