//! Writes the line when the reply is here; for a transfer, when its last message has been taken.

use super::format::{Answered, Format};
use crate::reply_kind::{Class, Kind};
use plugin_api::{Clock, Handler, Message, Next, Outcome, Rcode, Reply, ReplyBuilder, Request, Response, Zone, flag};
use std::sync::Arc;
use std::time::Instant;

/// For which names and replies a line is written, and how.
#[derive(Clone)]
pub(super) struct Rule {
    /// The names; none for an argument that is no name and so matches nothing.
    pub(super) zone: Option<Zone>,
    /// How.
    pub(super) format: Arc<Format>,
    /// For which replies; none for all.
    pub(super) classes: Option<Arc<[Class]>>,
}

/// The handler.
pub(super) struct Log {
    /// The first rule that matches a name decides.
    pub(super) rules: Vec<Rule>,
    /// The time.
    pub(super) clock: Clock,
}

impl Handler for Log {
    fn name(&self) -> &'static str {
        "log"
    }

    fn handle<'a>(&'a self, request: &'a Request, next: Next<'a>) -> Reply<'a> {
        let lower = request.question().lower();
        let matches = |rule: &&Rule| rule.zone.as_ref().is_some_and(|zone| zone.contains(lower));
        let Some(rule) = self.rules.iter().find(matches) else { return next.run(request) };
        let start = self.clock.now();
        next.run(request).then(move |outcome| self.log(rule, request, start, outcome))
    }
}

impl Log {
    /// Writes the line for an outcome and hands it on.
    fn log(&self, rule: &Rule, request: &Request, start: Instant, outcome: Outcome) -> Outcome {
        if let Ok(Response::Stream(messages)) = outcome {
            let format = rule.format.fixed(request);
            let rule = Rule { format: Arc::new(format), ..rule.clone() };
            let stream = Stream { messages, rule, clock: self.clock.clone(), start, answered: Answered::default() };
            return Ok(Response::Stream(Box::new(stream)));
        }
        let (mut answered, kind) = self.look(request, &outcome);
        request.set_metadata("log/type", kind.name());
        request.set_metadata("log/class", kind.class().name());
        if rule.admits(kind) {
            answered.duration = self.clock.now().saturating_duration_since(start);
            write(&rule.format.render(request, &answered));
        }
        outcome
    }

    /// What is said of an outcome. A reply that nobody wrote is taken as the server will write it.
    fn look(&self, request: &Request, outcome: &Outcome) -> (Answered, Kind) {
        let unwritten = |rcode: Rcode| {
            let mut reply = ReplyBuilder::new(request);
            reply.set_rcode(rcode);
            self.of_message(request, &reply.finish())
        };
        match outcome {
            Ok(Response::Message(message)) => self.of_message(request, message),
            Ok(Response::Unwritten(rcode)) => unwritten(*rcode),
            Ok(Response::Stream(_) | Response::Drop) => (Answered::default(), Kind::OtherError),
            Err(error) => match &error.message {
                Some(message) => self.of_message(request, message),
                None => unwritten(error.rcode),
            },
        }
    }

    /// What is said of a message: its size before, its flags after it has been cut short for the client, as CoreDNS has them.
    fn of_message(&self, request: &Request, message: &Message) -> (Answered, Kind) {
        let cut = if request.truncates(message) { flag::TC } else { 0 };
        let head = Some((message.rcode(), message.flags() | cut));
        let answered = Answered { head, size: size(message), ..Answered::default() };
        (answered, Kind::of(message, self.clock.unix_seconds()))
    }
}

impl Rule {
    /// Whether a reply of this kind gets a line.
    fn admits(&self, kind: Kind) -> bool {
        self.classes.as_ref().is_none_or(|classes| classes.contains(&kind.class()))
    }
}

/// Octets of a message with its EDNS.
fn size(message: &Message) -> usize {
    message.octets().len() + message.edns.as_ref().map_or(0, |edns| edns.wire_len())
}

/// Writes a line; it has no prefix of a plugin.
fn write(line: &str) {
    tracing::info!(target: "log", "{line}");
}

/// A transfer on its way out; writes its line when it ends.
struct Stream {
    messages: Box<dyn Iterator<Item = Message> + Send>,
    rule: Rule,
    clock: Clock,
    start: Instant,
    answered: Answered,
}

impl Iterator for Stream {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        let message = self.messages.next()?;
        self.answered.head = Some((message.rcode(), message.flags()));
        self.answered.size += size(&message);
        Some(message)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let kind = if self.answered.head.is_some() { Kind::Meta } else { Kind::OtherError };
        if self.rule.admits(kind) {
            self.answered.duration = self.clock.now().saturating_duration_since(self.start);
            write(&self.rule.format.render_fixed(&self.answered));
        }
    }
}
