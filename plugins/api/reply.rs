//! What comes out of the chain: a response or an error, now or later.

use crate::message::Message;
use crate::question::Question;
use crate::rr::Rcode;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// What a plugin makes of a query.
pub type Outcome = Result<Response, Error>;

/// What is to be sent.
pub enum Response {
    /// This message.
    Message(Message),
    /// No message of the plugin's own: the server writes an empty reply with this rcode (CoreDNS: a handler that returns
    /// SERVFAIL, REFUSED, FORMERR or NOTIMP without writing). `log` and `rewrite` may write it before the server does.
    Unwritten(Rcode),
    /// Several messages, one after the other: a zone transfer.
    Stream(Box<dyn Iterator<Item = Message> + Send>),
    /// Nothing: the query is left without a reply on purpose.
    Drop,
}

impl Response {
    /// The rcode that a client will see; NOERROR where it sees none.
    #[must_use]
    pub fn rcode(&self) -> Rcode {
        match self {
            Self::Message(message) => message.rcode(),
            Self::Unwritten(rcode) => *rcode,
            Self::Stream(_) | Self::Drop => Rcode::NOERROR,
        }
    }

    /// The message, if it is one.
    #[must_use]
    pub const fn message(&self) -> Option<&Message> {
        if let Self::Message(message) = self { Some(message) } else { None }
    }
}

/// Why a plugin could not answer. Logged by `errors`; the client gets the rcode.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Error {
    /// The rcode to send, SERVFAIL unless said.
    pub rcode: Rcode,
    /// A reply that was made all the same and is sent instead of an empty one.
    pub message: Option<Box<Message>>,
    /// What was asked when it happened, if that is not what the client asked (plugin `rewrite`).
    pub question: Option<Box<Question>>,
    /// Whether there was only too much to do. Over UDP such a reply waits behind all others, and is left out if there are too
    /// many of them.
    pub is_busy: bool,
    /// The text, with the plugin's prefix where CoreDNS has one.
    text: String,
}

impl Error {
    /// An error that becomes SERVFAIL, with the text that `errors` logs.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { rcode: Rcode::SERVFAIL, message: None, question: None, is_busy: false, text: text.into() }
    }

    /// The same with another rcode.
    #[must_use]
    pub const fn with_rcode(mut self, rcode: Rcode) -> Self {
        self.rcode = rcode;
        self
    }

    /// The same, because there is too much to do.
    #[must_use]
    pub const fn busy(mut self) -> Self {
        self.is_busy = true;
        self
    }

    /// The same with a reply that is sent.
    #[must_use]
    pub fn with_message(mut self, message: Message) -> Self {
        self.message = Some(Box::new(message));
        self
    }

    /// A reply that was there has been taken already.
    #[must_use]
    pub fn taken_twice() -> Self {
        Self::new("reply was taken twice")
    }

    /// The end of the chain was reached behind `plugin` (CoreDNS: plugin.NextOrFailure).
    #[must_use]
    pub fn no_next_plugin(plugin: &str) -> Self {
        Self::new(format!("plugin/{plugin}: no next plugin found"))
    }
}

/// An outcome that is here, or on its way.
///
/// A future: awaiting one that is here costs nothing. Polled again after it was taken, it gives an error.
pub enum Reply<'a> {
    /// Here; none once taken.
    Now(Option<Outcome>),
    /// On its way.
    Later(Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>),
}

impl<'a> Reply<'a> {
    /// An outcome that is here.
    #[must_use]
    pub const fn now(outcome: Outcome) -> Self {
        Self::Now(Some(outcome))
    }

    /// A message that is here.
    #[must_use]
    pub const fn message(message: Message) -> Self {
        Self::now(Ok(Response::Message(message)))
    }

    /// Work that has to wait for something.
    pub fn later(work: impl Future<Output = Outcome> + Send + 'a) -> Self {
        Self::Later(Box::pin(work))
    }

    /// Looks at the outcome, or changes it, when it is here.
    #[must_use]
    pub fn then(self, change: impl FnOnce(Outcome) -> Outcome + Send + 'a) -> Self {
        match self {
            Self::Now(outcome) => Self::Now(outcome.map(change)),
            Self::Later(work) => Self::later(Then { work, change: Some(change) }),
        }
    }
}

/// Work whose outcome is looked at. By hand, for an `async` block would keep room for the work and the change twice, in every
/// query that waits.
struct Then<'a, F> {
    work: Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>,
    change: Option<F>,
}

/// Nothing in it is pinned but what is in the box.
impl<F> Unpin for Then<'_, F> {}

impl<F: FnOnce(Outcome) -> Outcome> Future for Then<'_, F> {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let outcome = ready!(self.work.as_mut().poll(context));
        Poll::Ready(match self.change.take() {
            Some(change) => change(outcome),
            None => outcome,
        })
    }
}

impl Future for Reply<'_> {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        match &mut *self {
            Self::Now(outcome) => Poll::Ready(outcome.take().unwrap_or_else(|| Err(Error::taken_twice()))),
            Self::Later(work) => work.as_mut().poll(context),
        }
    }
}
