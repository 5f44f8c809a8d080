//! The one place where answers can be tampered with: each request before it is answered, each event before it is sent.
//! A hook decides; the server carries out.

use std::time::Instant;

use bytes::Bytes;

use crate::flow::Flow;
use crate::resource::Resource;

/// A request as the recorder keeps it and hooks see it.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Its number among all requests, from 0.
    pub number: usize,
    /// When it came, by the runtime's clock.
    pub time: Instant,
    /// HTTP method.
    pub method: String,
    /// Path, without the query.
    pub path: String,
    /// Query string as sent, empty if there was none.
    pub query: String,
    /// `Accept` header.
    pub accept: String,
    /// `Accept-Encoding` header.
    pub accept_encoding: String,
    /// `User-Agent` header.
    pub user_agent: String,
    /// Whether it came by HTTP/2.
    pub is_http2: bool,
    /// The type it asks for, if it asks for one.
    pub resource: Option<&'static Resource>,
}

impl Recorded {
    /// A query parameter, decoded; empty if it is absent.
    #[must_use]
    pub fn param(&self, name: &str) -> String {
        let mut pairs = form_urlencoded::parse(self.query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
    }

    /// Whether it asks for a watch.
    #[must_use]
    pub fn is_watch(&self) -> bool {
        matches!(self.param("watch").as_str(), "1" | "true")
    }
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is answered as it should be.
    Answer,
    /// It is refused with this HTTP code, and a `Retry-After` in seconds if one is given.
    Refuse {
        /// HTTP code.
        code: u16,
        /// Seconds for `Retry-After`.
        retry_after: Option<u64>,
    },
    /// It is answered as it should be, but slowly, or not to the end.
    Shape(Flow),
    /// It never gets an answer.
    Hang,
    /// The connection is cut without an answer (with HTTP/2, the stream is reset).
    Cut,
}

/// What is done in place of sending one event of a watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// These bytes are sent; an event is one line with its line feed.
    Send(Bytes),
    /// The connection is cut.
    Cut,
    /// The stream ends as after a time-out.
    Close,
    /// Nothing is sent any more on this stream.
    Hang,
}

/// Decides over requests and events. Called from the server's tasks: it must not block.
pub trait Hook: Send + Sync + 'static {
    /// Decides over a request, before it is answered.
    fn request(&self, request: &Recorded) -> Verdict {
        let _ = request;
        Verdict::Answer
    }

    /// Decides over one event (a line of JSON with its line feed) of the watch that `request` began.
    fn event(&self, request: &Recorded, line: Bytes) -> Vec<Step> {
        let _ = request;
        vec![Step::Send(line)]
    }
}

/// The hook that changes nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Honest;

impl Hook for Honest {}
