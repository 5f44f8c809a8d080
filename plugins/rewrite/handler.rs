//! Walks the rules, asks the rest of the chain, and undoes in the reply what the rules did.

use super::draft::Draft;
use super::revert::{OptionUndo, Revert, Undoing};
use super::rule::Rule;
use plugin_api::edns::{DO, code};
use plugin_api::{Edns, Error, Handler, Message, Next, Outcome, Rcode, Reply, ReplyBuilder, Request, Response};

/// The handler.
pub(super) struct Rewrite {
    /// The rules in their order.
    pub(super) rules: Vec<Rule>,
    /// Codes of options that `edns0 local` rules name; such options are echoed.
    pub(super) echoed: Vec<u16>,
}

impl Handler for Rewrite {
    fn name(&self) -> &'static str {
        "rewrite"
    }

    fn handle<'a>(&'a self, request: &'a Request, next: Next<'a>) -> Reply<'a> {
        let mut draft = Draft::new(request);
        let (mut is_matched, mut is_stopped) = (false, false);
        for rule in &self.rules {
            match rule.action.apply(&mut draft) {
                Ok(false) => continue,
                Ok(true) => is_matched = true,
                Err(error) => return Reply::now(Err(error)),
            }
            is_stopped = rule.is_last;
            if is_stopped {
                break;
            }
        }
        let (changed, reverts, options) = draft.finish();
        if !is_matched && changed.is_none() {
            return next.run(request);
        }
        let writes = is_stopped || !reverts.is_empty();
        let undo = Undo { reverts, options, echoed: &self.echoed, writes };
        let Some(changed) = changed else {
            return match undo.asks_server() {
                false => next.run(request).then(move |outcome| undo.outcome(outcome, request, request)),
                true => Reply::later(async move { undo.finish(next.run(request).await, request, request).await }),
            };
        };
        Reply::later(async move { undo.finish(next.run(&changed).await, request, &changed).await })
    }
}

/// What is done to the reply of one query.
struct Undo<'a> {
    reverts: Vec<Revert>,
    options: Vec<OptionUndo>,
    echoed: &'a [u16],
    /// Replies that nobody has written are written here, and their errors are NOERROR: after a last rule, or with something
    /// to undo (CoreDNS: serveWithResponseReverter).
    writes: bool,
}

impl Undo<'_> {
    /// Whether CNAMEs may be led elsewhere.
    fn asks_server(&self) -> bool {
        self.reverts.iter().any(|revert| matches!(revert, Revert::Cname(_)))
    }

    /// Works on what came of `changed`, for the client that asked `original`.
    async fn finish(self, outcome: Outcome, original: &Request, changed: &Request) -> Outcome {
        if !self.asks_server() {
            return self.outcome(outcome, original, changed);
        }
        let (mut message, error) = match self.written(outcome, changed) {
            Ok(found) => found,
            Err(other) => return self.outcome(other, original, changed),
        };
        let mut undoing = Undoing::new(&self.reverts, &message);
        while let Some(turn) = undoing.advance() {
            match changed.lookup(turn.to.clone(), changed.qtype()).await {
                Some(found) => undoing.turn(&turn, &found),
                None => tracing::error!(target: "plugin/rewrite", "upstream lookup returned nil"),
            }
        }
        undoing.finish(&mut message);
        self.complete(&mut message, original, changed);
        rejoin(message, error)
    }

    /// The same without CNAMEs that have to be looked up.
    fn outcome(self, outcome: Outcome, original: &Request, changed: &Request) -> Outcome {
        match self.written(outcome, changed) {
            Ok((mut message, error)) => {
                self.revert(&mut message);
                self.complete(&mut message, original, changed);
                rejoin(message, error)
            }
            Err(Ok(Response::Stream(messages))) => {
                let (original, reverts) = (original.derive(), self.reverts);
                Ok(Response::Stream(Box::new(messages.map(move |mut message| {
                    revert(&reverts, &mut message);
                    message.set_question(&original);
                    message
                }))))
            }
            Err(other) => other,
        }
    }

    /// The reply as a message, written here where nobody has (so that rules see it), with the error that came with it; or
    /// what has none.
    fn written(&self, outcome: Outcome, changed: &Request) -> Result<(Message, Option<Error>), Outcome> {
        match outcome {
            Ok(Response::Message(message)) => Ok((message, None)),
            Ok(Response::Unwritten(rcode)) => Ok((empty(changed, rcode), None)),
            Ok(other) => Err(Ok(other)),
            Err(mut error) => {
                let message = error.message.take().map_or_else(
                    || {
                        let message = empty(changed, error.rcode);
                        error.rcode = if self.writes { Rcode::NOERROR } else { error.rcode };
                        message
                    },
                    |message| *message,
                );
                error.question.get_or_insert_with(|| Box::new(changed.question().clone()));
                Ok((message, Some(error)))
            }
        }
    }

    /// Applies the rules that need nobody.
    fn revert(&self, message: &mut Message) {
        revert(&self.reverts, message);
    }

    /// Restores the question, and lets the EDNS be that of the query as it was changed.
    fn complete(&self, message: &mut Message, original: &Request, changed: &Request) {
        message.set_question(original);
        let Some(edns) = changed.edns().filter(|edns| original.edns() != Some(edns)) else { return };
        let own = message.edns.take();
        let mut reply = own.map_or_else(|| self.echo(edns), |own| self.without_changes(*own));
        if original.edns().is_none() {
            reply.payload = changed.payload();
            reply.flags = reply.flags & 0xff00 | edns.flags & DO;
        }
        message.edns = Some(Box::new(reply));
    }

    /// The EDNS of a query as it is echoed: changes undone, only the options that a server echoes.
    fn echo(&self, edns: &Edns) -> Edns {
        let mut options: Vec<_> = edns.options().map(|(code, data)| (code, data.to_vec())).collect();
        self.options.iter().rev().for_each(|undo| undo.apply(&mut options));
        let known = [code::NSID, code::EXPIRE, code::COOKIE, code::KEEPALIVE, code::PADDING];
        options.retain(|(code, _)| known.contains(code) || self.echoed.contains(code));
        let mut echo = Edns { payload: edns.payload, flags: edns.flags, ..Edns::default() };
        options.iter().for_each(|(code, data)| echo.push_option(*code, data));
        echo
    }

    /// A reply's own EDNS with the changes undone that its options reflect.
    fn without_changes(&self, mut own: Edns) -> Edns {
        if !self.options.is_empty() {
            let mut options: Vec<_> = own.options().map(|(code, data)| (code, data.to_vec())).collect();
            self.options.iter().rev().for_each(|undo| undo.apply(&mut options));
            own.options.clear();
            options.iter().for_each(|(code, data)| own.push_option(*code, data));
        }
        own
    }
}

/// Applies the rules that need nobody to a message.
fn revert(reverts: &[Revert], message: &mut Message) {
    if reverts.is_empty() {
        return;
    }
    let mut undoing = Undoing::new(reverts, message);
    while undoing.advance().is_some() {}
    undoing.finish(message);
}

/// An empty reply.
fn empty(request: &Request, rcode: Rcode) -> Message {
    let mut reply = ReplyBuilder::new(request);
    reply.set_rcode(rcode);
    reply.finish()
}

/// The outcome again, with the message as the rules left it.
fn rejoin(message: Message, error: Option<Error>) -> Outcome {
    match error {
        None => Ok(Response::Message(message)),
        Some(error) => Err(error.with_message(message)),
    }
}
