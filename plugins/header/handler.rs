//! Applies the rules: to the query on its way down, to the reply on its way up.

use plugin_api::{Handler, Message, Next, Outcome, Reply, Request, Response};

/// Flags to set or clear; what several rules say of one flag, the last decides.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rules {
    set: u16,
    clear: u16,
}

impl Rules {
    /// Adds a rule.
    pub(super) const fn push(&mut self, bit: u16, is_set: bool) {
        if is_set {
            self.set |= bit;
            self.clear &= !bit;
        } else {
            self.clear |= bit;
            self.set &= !bit;
        }
    }

    /// Whether there is none.
    pub(super) const fn is_empty(self) -> bool {
        self.set | self.clear == 0
    }

    /// Applies them to a message.
    fn apply(self, message: &mut Message) {
        message.set_flag(self.set, true);
        message.set_flag(self.clear, false);
    }
}

/// The handler.
pub(super) struct Header {
    /// Rules for queries.
    pub(super) query: Rules,
    /// Rules for replies.
    pub(super) response: Rules,
}

impl Handler for Header {
    fn name(&self) -> &'static str {
        "header"
    }

    fn handle<'a>(&'a self, request: &'a Request, next: Next<'a>) -> Reply<'a> {
        if self.query.is_empty() {
            return next.run(request).then(|outcome| self.answered(outcome));
        }
        let mut changed = request.derive();
        changed.set_flag(self.query.set, true);
        changed.set_flag(self.query.clear, false);
        Reply::later(async move { self.answered(next.run(&changed).await) })
    }
}

impl Header {
    /// Applies the rules for replies to all messages of an outcome.
    fn answered(&self, mut outcome: Outcome) -> Outcome {
        let rules = self.response;
        match &mut outcome {
            Ok(Response::Message(message)) => rules.apply(message),
            Err(error) => error.message.iter_mut().for_each(|message| rules.apply(message)),
            Ok(Response::Stream(_)) => {
                let Ok(Response::Stream(messages)) = outcome else { return outcome };
                return Ok(Response::Stream(Box::new(messages.inspect_mut(rules))));
            }
            Ok(_) => {}
        }
        outcome
    }
}

/// Applies rules to messages on their way out.
trait InspectMut: Iterator<Item = Message> + Send + Sized + 'static {
    /// The same messages with the rules applied.
    fn inspect_mut(self, rules: Rules) -> impl Iterator<Item = Message> + Send {
        self.map(move |mut message| {
            rules.apply(&mut message);
            message
        })
    }
}

impl<T: Iterator<Item = Message> + Send + 'static> InspectMut for T {}
