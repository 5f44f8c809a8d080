//! What is held of one kind, in eight octets an object: enough to notice that something differs from what the server has.
//!
//! An entry has 40 bits of a hash of the object's name, 22 of a hash of its version, and two marks. Two names of 150,000 share
//! an entry once in a hundred clusters, and then cost a list that was not needed; a wrong version looks right once in four
//! million. With its table an entry takes 10 to 21 octets. Knows no server and no index.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashSet, HashTable};

/// Bits of an entry below its name.
const NAME_SHIFT: u32 = 24;
/// The bits of an entry that stand for the version.
const VERSION_BITS: u64 = ((1 << NAME_SHIFT) - 1) & !(LISTED | TOUCHED);
/// Marks what the current list has named.
const LISTED: u64 = 1;
/// Marks what the current audit has found right, or an event has changed since it began.
const TOUCHED: u64 = 2;
/// Behind the version of an object that could not be decoded once.
const DOUBTED: char = '?';
/// Behind the version of one that could not be decoded twice.
const BELIEVED: char = '!';
/// How many objects may be suspected, and deletions remembered, in one audit; beyond that a list is cheaper than an answer.
const MAX_SUSPECTS: usize = 4096;

/// What is held.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// One entry for each object.
    entries: HashTable<u64>,
    /// The hash function.
    hasher: DefaultHashBuilder,
    /// Whether a list has been whole, so that what is not held is not there.
    is_whole: bool,
    /// The audit that is under way.
    audit: Option<Audit>,
}

/// An audit: what differs, and may still be explained by an event that is on its way.
#[derive(Debug, Default)]
struct Audit {
    /// Entries as the server has them, where ours are others or none.
    suspects: Vec<u64>,
    /// Entries of ours that the server does not have.
    ghosts: Vec<u64>,
    /// Names of objects that events have taken away since it began.
    gone: Vec<u64>,
    /// How many more there were.
    overflow: usize,
}

/// Returns the place of an entry in the table.
const fn place(entry: u64) -> u64 {
    (entry >> NAME_SHIFT).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// Says whether two entries are of one object.
const fn is_same(a: u64, b: u64) -> bool {
    a >> NAME_SHIFT == b >> NAME_SHIFT
}

impl Ledger {
    /// Makes the entry of an object, without marks.
    fn entry(&self, (namespace, name): (&str, &str), version: &str) -> u64 {
        let name = self.hasher.hash_one((namespace, name)) >> NAME_SHIFT << NAME_SHIFT;
        name | self.hasher.hash_one(version) & VERSION_BITS
    }

    /// Returns how many objects are held.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Notes that an object is held in this version.
    pub(super) fn hold(&mut self, path: (&str, &str), version: &str) {
        let entry = self.entry(path, version);
        let slot = self.entries.entry(place(entry), |other| is_same(*other, entry), |other| place(*other));
        slot.insert(entry | LISTED | TOUCHED);
    }

    /// Notes that an object in this version cannot be decoded. The first time that is no better than not to know the version: it
    /// may have been garbled on the way, and an audit will lead to a list. If that says the same it is so.
    pub(super) fn hold_useless(&mut self, path: (&str, &str), version: &str) {
        let (doubted, believed) = (format!("{version}{DOUBTED}"), format!("{version}{BELIEVED}"));
        let [doubt, belief] = [&doubted, &believed].map(|version| self.entry(path, version));
        let held = self.entries.find(place(doubt), |other| is_same(*other, doubt)).copied();
        let is_known = held.is_some_and(|held| [doubt, belief].iter().any(|entry| (held ^ entry) & VERSION_BITS == 0));
        self.hold(path, if is_known { &believed } else { &doubted });
    }

    /// Notes that an object is gone.
    pub(super) fn forget(&mut self, path: (&str, &str)) {
        let entry = self.entry(path, "");
        if let Ok(found) = self.entries.find_entry(place(entry), |other| is_same(*other, entry)) {
            found.remove();
        }
        if let Some(audit) = &mut self.audit {
            if audit.gone.len() < MAX_SUSPECTS {
                audit.gone.push(entry);
            } else {
                audit.overflow += 1;
            }
        }
    }

    /// Begins a list: nothing is named yet, and an audit has nothing to say any more.
    pub(super) fn begin_list(&mut self) {
        self.entries.iter_mut().for_each(|entry| *entry &= !LISTED);
        self.audit = None;
    }

    /// Ends a list: what it has not named is gone.
    pub(super) fn end_list(&mut self) {
        self.entries.retain(|entry| *entry & LISTED != 0);
        self.is_whole = true;
    }

    /// Begins an audit; false before the first whole list.
    pub(super) fn begin_audit(&mut self) -> bool {
        self.entries.iter_mut().for_each(|entry| *entry &= !TOUCHED);
        self.audit = self.is_whole.then(Audit::default);
        self.is_whole
    }

    /// Compares an object of the server's with what is held.
    pub(super) fn compare(&mut self, path: (&str, &str), version: &str) {
        let theirs = self.entry(path, version);
        let useless = self.entry(path, &format!("{version}{BELIEVED}"));
        let ours = self.entries.find_mut(place(theirs), |other| is_same(*other, theirs));
        let is_right = ours.is_some_and(|ours| {
            let is_right =
                *ours & TOUCHED != 0 || [theirs, useless].iter().any(|entry| (*ours ^ entry) & VERSION_BITS == 0);
            *ours |= if is_right { TOUCHED } else { 0 };
            is_right
        });
        match &mut self.audit {
            Some(audit) if !is_right && audit.suspects.len() < MAX_SUSPECTS => audit.suspects.push(theirs),
            Some(audit) if !is_right => audit.overflow += 1,
            _ => {}
        }
    }

    /// Notes that the server has no more objects than were compared; returns how many seem wrong. None if a list has begun.
    pub(super) fn suspects(&mut self) -> Option<usize> {
        let audit = self.audit.as_mut()?;
        let suspected: HashSet<u64> = audit.suspects.iter().map(|entry| entry >> NAME_SHIFT).collect();
        let is_known = |entry: u64| entry & TOUCHED != 0 || suspected.contains(&(entry >> NAME_SHIFT));
        if audit.overflow == 0 {
            let mut ghosts = self.entries.iter().copied().filter(|entry| !is_known(*entry));
            audit.ghosts = ghosts.by_ref().take(MAX_SUSPECTS).collect();
            audit.overflow = ghosts.count();
        }
        Some(audit.suspects.len() + audit.ghosts.len() + audit.overflow)
    }

    /// Ends an audit; returns how many objects are wrong although events had time to come. None if a list has begun.
    pub(super) fn end_audit(&mut self) -> Option<usize> {
        let audit = self.audit.take()?;
        let find = |entry: u64| self.entries.find(place(entry), |other| is_same(*other, entry)).copied();
        let is_wrong = |theirs: u64| match find(theirs) {
            Some(ours) => ours & TOUCHED == 0 && ours & VERSION_BITS != theirs & VERSION_BITS,
            None => !audit.gone.iter().any(|gone| is_same(*gone, theirs)),
        };
        let suspects = audit.suspects.iter().filter(|theirs| is_wrong(**theirs)).count();
        let ghosts = audit.ghosts.iter().filter(|ghost| find(**ghost).is_some_and(|ours| ours & TOUCHED == 0)).count();
        Some(suspects + ghosts + audit.overflow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ledger with a whole list of these.
    fn ledger(objects: &[(&str, &str)]) -> Ledger {
        let mut ledger = Ledger::default();
        ledger.begin_list();
        objects.iter().for_each(|(name, version)| ledger.hold(("n", name), version));
        ledger.end_list();
        ledger
    }

    /// What an audit finds at its end, if these come of the server and `between` happens before its end.
    fn audit(
        ledger: &mut Ledger,
        theirs: &[(&str, &str)],
        between: impl FnOnce(&mut Ledger),
    ) -> (usize, Option<usize>) {
        assert!(ledger.begin_audit());
        theirs.iter().for_each(|(name, version)| ledger.compare(("n", name), version));
        let suspects = ledger.suspects().unwrap();
        between(ledger);
        (suspects, ledger.end_audit())
    }

    #[test]
    fn what_differs_is_found_and_what_an_event_explains_is_not() {
        let mut ledger = ledger(&[("a", "1"), ("b", "2"), ("c", "3")]);
        assert_eq!(audit(&mut ledger, &[("a", "1"), ("b", "2"), ("c", "3")], |_| {}), (0, Some(0)));
        let theirs = [("a", "1"), ("b", "9"), ("d", "4")];
        assert_eq!(audit(&mut ledger, &theirs, |_| {}), (3, Some(3)), "one changed, one gone, one new");
        let explained = |ledger: &mut Ledger| {
            ledger.hold(("n", "b"), "9");
            ledger.forget(("n", "c"));
            ledger.hold(("n", "d"), "4");
            ledger.forget(("n", "d"));
        };
        assert_eq!(audit(&mut ledger, &theirs, explained), (3, Some(0)));
        assert_eq!(audit(&mut ledger, &[("a", "1"), ("b", "9")], Ledger::begin_list), (0, None), "a list knows better");
    }

    #[test]
    fn an_event_during_an_audit_is_newer_than_it() {
        let mut ledger = ledger(&[("a", "1")]);
        assert!(ledger.begin_audit());
        ledger.hold(("n", "a"), "5");
        ledger.hold(("n", "b"), "6");
        ledger.compare(("n", "a"), "1");
        assert_eq!((ledger.suspects(), ledger.end_audit()), (Some(0), Some(0)));
    }

    #[test]
    fn what_cannot_be_decoded_is_doubted_once() {
        let mut ledger = ledger(&[("a", "1")]);
        assert_eq!(audit(&mut ledger, &[("a", "1")], |_| {}).1, Some(0));
        ledger.hold_useless(("n", "a"), "1");
        assert_eq!(audit(&mut ledger, &[("a", "1")], |_| {}).1, Some(1), "it was all right before");
        ledger.hold_useless(("n", "a"), "2");
        assert_eq!(audit(&mut ledger, &[("a", "2")], |_| {}).1, Some(1));
        ledger.hold_useless(("n", "a"), "2");
        ledger.hold_useless(("n", "a"), "2");
        assert_eq!(audit(&mut ledger, &[("a", "2")], |_| {}).1, Some(0));
    }

    #[test]
    fn lists_forget_what_they_do_not_name() {
        let mut ledger = ledger(&[("a", "1"), ("b", "2")]);
        ledger.begin_list();
        ledger.hold(("n", "b"), "2");
        assert_eq!(ledger.len(), 2);
        ledger.end_list();
        assert_eq!(ledger.len(), 1);
        assert!(!Ledger::default().begin_audit(), "nothing is known yet");
    }

    #[test]
    fn many_objects_are_told_apart_and_cost_little() {
        let names: Vec<String> = (0..150_000).map(|at| format!("web-{at}")).collect();
        let mut ledger = Ledger::default();
        names.iter().for_each(|name| ledger.hold(("n", name), "1"));
        ledger.end_list();
        assert!(ledger.len() >= 149_998, "{} of 150,000", ledger.len());
        let octets = ledger.entries.allocation_size() / names.len();
        assert!(octets <= 21, "{octets} octets for each object");
        assert!(ledger.begin_audit());
        names.iter().for_each(|name| ledger.compare(("n", name), "2"));
        assert!(ledger.suspects() >= Some(149_900), "nearly all versions differ");
    }
}
