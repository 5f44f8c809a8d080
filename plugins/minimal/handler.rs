//! Cuts the authority and additional sections off positive replies.

use crate::reply_kind::Kind;
use plugin_api::{Clock, Handler, Message, Next, Reply, Request, Response, Section};

/// The handler.
pub(super) struct Minimal {
    /// The time, for signatures.
    pub(super) clock: Clock,
}

impl Handler for Minimal {
    fn name(&self) -> &'static str {
        "minimal"
    }

    fn handle<'a>(&'a self, request: &'a Request, next: Next<'a>) -> Reply<'a> {
        next.run(request).then(|mut outcome| {
            if let Ok(Response::Message(message)) = &mut outcome {
                self.cut(message);
            }
            outcome
        })
    }
}

impl Minimal {
    /// Cuts a positive reply; EDNS that came with it goes too. Denials, referrals and errors stay whole.
    fn cut(&self, message: &mut Message) {
        if Kind::of(message, self.clock.unix_seconds()) != Kind::NoError {
            return;
        }
        message.edns = None;
        if message.count(Section::Authority) > 0 || message.count(Section::Additional) > 0 {
            message.edit(|records| records.retain(|record| record.section == Section::Answer));
        }
    }
}
