//! Faults by rule: which requests or events, counted from when the rule was made, and what becomes of them.
//! Carries nothing out; it is the first of the two hooks.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use serde_json::Value;

use crate::hook::{Hook, Recorded, Step, Verdict};

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// GET of many objects, also their later pages.
    List,
    /// A later page of a list.
    Continue,
    /// A watch.
    Watch,
}

/// What becomes of one event of a watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventFault {
    /// It is sent as a line that is no JSON.
    Garbage,
    /// It is sent with a type that does not exist.
    UnknownType,
    /// It is sent with an object of the wrong shape.
    Undecodable,
    /// It is sent twice.
    Duplicate,
    /// It is sent after the next one of its stream.
    Reorder,
    /// It is not sent.
    Skip,
    /// An ERROR with code 410 is sent in its place, and the stream ends.
    Expired,
    /// In its place the stream ends like this: [`Step::Cut`], [`Step::Close`] or [`Step::Hang`].
    End(Step),
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// To a request.
    Request(Verdict),
    /// To an event.
    Event(EventFault),
    /// The bookmark at the end of the initial events is not sent.
    NoInitialEnd,
}

/// A fault and where it strikes. A new rule strikes always and everywhere.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The type, by plural; any if there is none.
    plural: Option<String>,
    /// The kind of request; any if there is none. Events are always those of watches.
    verb: Option<Verb>,
    /// Which of the requests, or events, that fit.
    range: Range<usize>,
    /// What happens.
    fault: Fault,
    /// How many have fitted so far.
    seen: usize,
    /// An event held back, and the number of its request.
    held: Option<(usize, Bytes)>,
}

impl Rule {
    /// A rule that always strikes.
    #[must_use]
    pub fn new(fault: Fault) -> Self {
        Self { plural: None, verb: None, range: 0..usize::MAX, fault, seen: 0, held: None }
    }

    /// Strikes only this type.
    #[must_use]
    pub fn of(mut self, plural: &str) -> Self {
        self.plural = Some(plural.to_owned());
        self
    }

    /// Strikes only this kind of request.
    #[must_use]
    pub fn on(mut self, verb: Verb) -> Self {
        self.verb = Some(verb);
        self
    }

    /// Strikes only those requests (or events) that fit, counted from 0 when the rule is injected.
    #[must_use]
    pub fn numbers(mut self, range: Range<usize>) -> Self {
        self.range = range;
        self
    }

    /// Whether a request is of the type and kind.
    fn fits(&self, request: &Recorded) -> bool {
        let is_list = || request.method == "GET" && request.resource.is_some() && !request.is_watch();
        let plural = request.resource.map(|resource| resource.plural);
        self.plural.as_deref().is_none_or(|wanted| plural == Some(wanted))
            && self.verb.is_none_or(|verb| match verb {
                Verb::List => is_list(),
                Verb::Continue => is_list() && !request.param("continue").is_empty(),
                Verb::Watch => request.is_watch(),
            })
    }

    /// Counts one that fits, and tells whether it is to be struck.
    fn strikes(&mut self) -> bool {
        let number = self.seen;
        self.seen = self.seen.saturating_add(1);
        self.range.contains(&number)
    }

    /// What becomes of an event by this rule.
    fn event(&mut self, request: &Recorded, line: Bytes) -> Vec<Step> {
        if let Some((_, held)) = self.held.take_if(|(number, _)| *number == request.number) {
            return vec![Step::Send(line), Step::Send(held)];
        }
        match self.fault.clone() {
            Fault::NoInitialEnd if is_initial_end(&line) && self.strikes() => Vec::new(),
            Fault::Event(fault) if self.strikes() => self.strike(request, fault, line),
            _ => vec![Step::Send(line)],
        }
    }

    /// Does a fault to an event.
    fn strike(&mut self, request: &Recorded, fault: EventFault, line: Bytes) -> Vec<Step> {
        match fault {
            EventFault::Garbage => vec![send("}{ this is no JSON\n")],
            EventFault::UnknownType => vec![altered(&line, |event| event["type"] = "CONFUSED".into())],
            EventFault::Undecodable => vec![altered(&line, |event| event["object"]["metadata"]["labels"] = 5.into())],
            EventFault::Duplicate => vec![Step::Send(line.clone()), Step::Send(line)],
            EventFault::Reorder => {
                self.held = Some((request.number, line));
                Vec::new()
            }
            EventFault::Skip => Vec::new(),
            EventFault::Expired => {
                let status =
                    r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","reason":"Expired","#;
                let error = r#""message":"too old resource version","code":410}"#;
                vec![send(&format!("{{\"type\":\"ERROR\",\"object\":{status}{error}}}\n")), Step::Close]
            }
            EventFault::End(step) => vec![step],
        }
    }
}

/// Whether a line is the bookmark that ends the initial events.
fn is_initial_end(line: &[u8]) -> bool {
    line.starts_with(br#"{"type":"BOOKMARK""#) && String::from_utf8_lossy(line).contains("k8s.io/initial-events-end")
}

/// A step that sends a text.
fn send(text: &str) -> Step {
    Step::Send(Bytes::copy_from_slice(text.as_bytes()))
}

/// A step that sends an event with something changed.
fn altered(line: &[u8], alter: impl Fn(&mut Value)) -> Step {
    let mut event = serde_json::from_slice(line).unwrap_or_default();
    alter(&mut event);
    send(&format!("{event}\n"))
}

/// The rules in force.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// In the order in which they were made; the first that does something counts.
    rules: Mutex<Vec<Rule>>,
}

impl Faults {
    /// Adds a rule.
    pub(crate) fn add(&self, rule: Rule) {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).push(rule);
    }

    /// Drops all rules.
    pub(crate) fn clear(&self) {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Hook for Faults {
    fn request(&self, request: &Recorded) -> Verdict {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        for rule in rules.iter_mut().filter(|rule| rule.fits(request)) {
            if let Fault::Request(verdict) = rule.fault.clone()
                && rule.strikes()
            {
                return verdict;
            }
        }
        Verdict::Answer
    }

    fn event(&self, request: &Recorded, line: Bytes) -> Vec<Step> {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        for rule in rules.iter_mut().filter(|rule| rule.fits(request)) {
            let steps = rule.event(request, line.clone());
            if steps != [Step::Send(line.clone())] {
                return steps;
            }
        }
        vec![Step::Send(line)]
    }
}
