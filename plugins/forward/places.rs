//! The queries in flight on one socket: the id of each, its deadline and its outcome. Knows no socket.

use super::fault::Fault;
use plugin_api::Message;
use std::task::{Poll, Waker};
use std::time::Instant;

/// The queries in flight on one socket. A list, for they are few: looking through 32 ids costs less than a hash, and a list keeps
/// no room for twice as many.
pub(super) struct Places {
    ids: Vec<u16>,
    places: Vec<Place>,
    /// When the socket was last used.
    pub(super) used: Instant,
    /// Who watches the times, and when it looks again; none if it will not.
    watcher: Option<Waker>,
    alarm: Option<Instant>,
    /// Whether all was ended: the socket is not read any more.
    has_failed: bool,
    /// Queries that may still be entered.
    uses_left: u32,
}

/// A query that waits.
pub(super) struct Place {
    question: Box<[u8]>,
    until: Instant,
    waker: Option<Waker>,
    /// What came of it, once it is known; before, what was wrong with a reply that had its id. In a box: nearly all who wait have
    /// neither.
    outcome: Option<Box<Result<Message, Fault>>>,
    limit: u16,
    is_over: bool,
}

impl Place {
    /// A place for a query with this question, whose reply has at most `limit` octets and comes before `until`.
    pub(super) fn new(question: &[u8], limit: usize, until: Instant) -> Self {
        let limit = u16::try_from(limit).unwrap_or(u16::MAX);
        Self { question: question.into(), until, waker: None, outcome: None, limit, is_over: false }
    }

    /// Ends the wait.
    fn end(&mut self, outcome: Result<Message, Fault>) {
        self.outcome = Some(Box::new(outcome));
        self.wake();
    }

    /// Says that the outcome is there.
    fn wake(&mut self) {
        self.is_over = true;
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Places {
    /// The empty table of a socket that was opened just now; its watcher is about to look at the deadlines.
    pub(super) const fn new(now: Instant, uses_left: u32) -> Self {
        Self {
            ids: Vec::new(),
            places: Vec::new(),
            used: now,
            watcher: None,
            alarm: Some(now),
            has_failed: false,
            uses_left,
        }
    }

    /// Whether no more queries may be entered.
    pub(super) const fn is_used_up(&self) -> bool {
        self.uses_left == 0
    }

    /// Whether nobody waits.
    pub(super) const fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// How many wait.
    pub(super) const fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether a query still waits for its reply.
    pub(super) fn is_waiting(&self) -> bool {
        self.places.iter().any(|place| !place.is_over)
    }

    /// Whether a query with this question waits; letters of the name do not count.
    pub(super) fn is_asked(&self, question: &[u8]) -> bool {
        self.places.iter().any(|place| !place.is_over && is_same_question(&place.question, question))
    }

    /// Enters a query under a random id; none if the socket has failed, or if a query with the same question waits: two of them would
    /// give a forger two ids to hit.
    pub(super) fn enter(&mut self, place: Place) -> Option<u16> {
        if self.has_failed || self.is_asked(&place.question) {
            return None;
        }
        let id = loop {
            let id = rand::random();
            if !self.ids.contains(&id) {
                break id;
            }
        };
        self.uses_left = self.uses_left.saturating_sub(1);
        self.set_alarm(place.until);
        self.ids.push(id);
        self.places.push(place);
        Some(id)
    }

    /// Gives a query another time to wait until.
    pub(super) fn wait_until(&mut self, id: u16, until: Instant) {
        if let Some(place) = self.get(id) {
            place.until = until;
            self.set_alarm(until);
        }
    }

    /// Has the times looked at again then, if that is sooner than they would be.
    fn set_alarm(&mut self, at: Instant) {
        if self.alarm.is_none_or(|alarm| alarm > at) {
            self.alarm = Some(at);
            if let Some(watcher) = &self.watcher {
                watcher.wake_by_ref();
            }
        }
    }

    /// The outcome of the query under `id`; if there is none yet, whom to wake.
    pub(super) fn poll(&mut self, id: u16, waker: &Waker) -> Poll<Result<Message, Fault>> {
        let Some(place) = self.get(id) else { return Poll::Ready(Err(Fault::Closed)) };
        if place.is_over {
            return Poll::Ready(place.outcome.take().map_or(Err(Fault::Closed), |outcome| *outcome));
        }
        if place.waker.as_ref().is_none_or(|known| !known.will_wake(waker)) {
            place.waker = Some(waker.clone());
        }
        Poll::Pending
    }

    /// Gives a place back.
    pub(super) fn leave(&mut self, id: u16) {
        if let Some(at) = self.ids.iter().position(|known| *known == id) {
            self.ids.swap_remove(at);
            self.places.swap_remove(at);
        }
    }

    /// Delivers a reply to the query under `id`, if it still waits: `read` is given its question and most octets. What is wrong with a
    /// reply is kept until the deadline, for the right reply may follow. Says whether there is such a query.
    pub(super) fn deliver(&mut self, id: u16, read: impl FnOnce(&[u8], usize) -> Result<Message, Fault>) -> bool {
        let Some(place) = self.get(id).filter(|place| !place.is_over) else { return false };
        match read(&place.question, usize::from(place.limit)) {
            Ok(message) => place.end(Ok(message)),
            Err(fault) if fault.ends_wait() => place.end(Err(fault)),
            Err(fault) => place.outcome = Some(Box::new(Err(fault))),
        }
        true
    }

    /// Ends all queries with a fault, and takes no more.
    pub(super) fn fail(&mut self, fault: &Fault) {
        self.has_failed = true;
        self.places.iter_mut().filter(|place| !place.is_over).for_each(|place| place.end(Err(fault.clone())));
    }

    /// Ends the queries whose time is over: with what was wrong with a reply, or with `fault`. Says whether there were any.
    pub(super) fn expire(&mut self, now: Instant, fault: impl Fn() -> Fault) -> bool {
        let mut any = false;
        for place in self.places.iter_mut().filter(|place| !place.is_over && place.until <= now) {
            any = true;
            match place.outcome {
                Some(_) => place.wake(),
                None => place.end(Err(fault())),
            }
        }
        self.alarm = self.places.iter().filter(|place| !place.is_over).map(|place| place.until).min();
        any
    }

    /// Whether times are to be looked at.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.alarm.is_some_and(|alarm| alarm <= now)
    }

    /// When times are to be looked at again, by `watcher`, who is woken if that becomes sooner; none while nobody waits.
    pub(super) fn next_end(&mut self, watcher: &Waker) -> Option<Instant> {
        if self.watcher.as_ref().is_none_or(|known| !known.will_wake(watcher)) {
            self.watcher = Some(watcher.clone());
        }
        self.alarm
    }

    /// The place of an id.
    fn get(&mut self, id: u16) -> Option<&mut Place> {
        let at = self.ids.iter().position(|known| *known == id)?;
        self.places.get_mut(at)
    }
}

/// Whether two questions ask the same: name without regard to letters, type and class.
fn is_same_question(one: &[u8], other: &[u8]) -> bool {
    let parts = |question: &[u8]| question.len().checked_sub(4);
    let (Some(name), true) = (parts(one), one.len() == other.len()) else { return one == other };
    let ((one, one_rest), (other, other_rest)) = (one.split_at(name), other.split_at(name));
    one_rest == other_rest && one.eq_ignore_ascii_case(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;
    use std::time::Duration;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Bell(AtomicUsize);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What a fault says.
    fn failed(polled: Poll<Result<Message, Fault>>) -> String {
        match polled {
            Poll::Ready(Err(fault)) => fault.to_string(),
            Poll::Ready(Ok(_)) => "a message".to_owned(),
            Poll::Pending => "nothing yet".to_owned(),
        }
    }

    /// A table that was opened at `start` and whose watcher has looked.
    fn watched(start: Instant, watcher: &Waker) -> Places {
        let mut places = Places::new(start, 100);
        assert_eq!(places.next_end(watcher), Some(start), "the first look is at once");
        assert!(!places.expire(start, || Fault::Closed));
        assert_eq!(places.next_end(watcher), None, "nobody waits");
        places
    }

    #[test]
    fn each_query_ends_at_its_own_time() {
        let (watcher, client) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
        let (watching, waiting) = (Waker::from(Arc::clone(&watcher)), Waker::from(Arc::clone(&client)));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut places = watched(start, &watching);
        let late = places.enter(Place::new(b"\x01a\x00\x00\x01\x00\x01", 512, at(3))).unwrap();
        assert_eq!((watcher.0.load(Ordering::Relaxed), places.next_end(&watching)), (1, Some(at(3))));
        let later = places.enter(Place::new(b"?", 512, at(4))).unwrap();
        assert_eq!(watcher.0.load(Ordering::Relaxed), 1, "it looks soon enough");
        let soon = places.enter(Place::new(b"\x01b\x00\x00\x01\x00\x01", 512, at(2))).unwrap();
        assert_eq!((watcher.0.load(Ordering::Relaxed), places.next_end(&watching)), (2, Some(at(2))));
        for id in [late, later, soon] {
            assert!(places.poll(id, &waiting).is_pending());
        }
        assert!(places.expire(at(2), || Fault::CutShort));
        assert_eq!((client.0.load(Ordering::Relaxed), places.next_end(&watching)), (1, Some(at(3))));
        assert_eq!(failed(places.poll(soon, &waiting)), "unexpected EOF");
        assert_eq!(failed(places.poll(late, &waiting)), "nothing yet");
        // A wrong reply is told when the time is over.
        assert!(places.deliver(late, |_, _| Err(Fault::Mismatch)));
        assert_eq!(failed(places.poll(late, &waiting)), "nothing yet");
        assert!(places.expire(at(3), || Fault::CutShort));
        assert_eq!(failed(places.poll(late, &waiting)), "reply does not match the question");
        // A right one comes at once, and only once.
        let read = |question: &[u8], limit: usize| {
            assert_eq!((question, limit), (&b"?"[..], 512));
            Ok(Message::default())
        };
        assert!(places.deliver(later, read));
        assert!(!places.deliver(later, |_, _| Err(Fault::Closed)), "it does not wait any more");
        assert_eq!(failed(places.poll(later, &waiting)), "a message");
        [late, later, soon].into_iter().for_each(|id| places.leave(id));
        assert!(places.is_empty() && !places.deliver(late, |_, _| Err(Fault::Closed)));
    }

    #[test]
    fn nobody_waits_where_nobody_reads() {
        let waker = Waker::noop();
        let start = Instant::now();
        let mut places = watched(start, waker);
        let id = places.enter(Place::new(b"?", 512, start + Duration::from_secs(1))).unwrap();
        places.wait_until(id, start + Duration::from_millis(1));
        assert_eq!(places.next_end(waker), Some(start + Duration::from_millis(1)));
        places.fail(&Fault::ShortRead);
        assert_eq!(failed(places.poll(id, waker)), "dns: short read");
        assert!(places.enter(Place::new(b"?", 512, start)).is_none());
    }

    #[test]
    fn equal_questions_never_share_a_socket() {
        let start = Instant::now();
        let mut places = watched(start, Waker::noop());
        let mut enter = |question: &[u8]| places.enter(Place::new(question, 512, start + Duration::from_secs(1)));
        let id = enter(b"\x01a\x04test\x00\x00\x01\x00\x01").unwrap();
        for (question, is_entered) in [
            (&b"\x01a\x04test\x00\x00\x01\x00\x01"[..], false),
            (b"\x01A\x04tEst\x00\x00\x01\x00\x01", false),
            (b"\x01a\x04test\x00\x00\x1c\x00\x01", true),
            (b"\x01a\x04test\x00\x00\x01\x00\x03", true),
            // Type 65 and type 97 differ in a bit in which letters differ.
            (b"\x01a\x04test\x00\x00\x41\x00\x01", true),
            (b"\x01a\x04test\x00\x00\x61\x00\x01", true),
            (b"\x01b\x04test\x00\x00\x01\x00\x01", true),
            (b"", true),
        ] {
            assert_eq!(enter(question).is_some(), is_entered, "{question:?}");
        }
        assert!(places.deliver(id, |_, _| Ok(Message::default())) && places.is_waiting());
        let again = places.enter(Place::new(b"\x01a\x04test\x00\x00\x01\x00\x01", 512, start));
        assert!(again.is_some(), "a query that has its reply is not in flight");
    }

    #[test]
    fn a_place_is_small() {
        assert!(size_of::<Place>() <= 64, "{}", size_of::<Place>());
    }
}
