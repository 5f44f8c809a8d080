//! What can go wrong when the API server is asked, sorted by what to do about it.

use std::error::Error;
use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

use super::dial::{DialError, chain};
use super::format::Format;
use crate::trust;

/// The longest wait that a server may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// How much of a page is shown, in characters.
const MAX_SHOWN: usize = 120;

/// Why an exchange with the API server ended badly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// No connection, or none that the server answers on: it is away. Ask again soon.
    #[error("{0}")]
    Away(String),
    /// Somebody took our question and said nothing for too long. What the connection leads to may be gone: ask by another.
    #[error("{0}")]
    Silent(String),
    /// The server cannot be trusted, or does not trust us. Ask again soon, and say so.
    #[error("{0}")]
    Tls(String),
    /// What the client was given is of no use (at the moment): its address, token, certificate or credential plugin. Nothing was sent.
    #[error("{0}")]
    Settings(String),
    /// A response came to a halt, or broke off. What was received counts; ask again from there.
    #[error("{0}")]
    Cut(String),
    /// What came cannot be right. Only a new list helps.
    #[error("{0}")]
    Broken(String),
    /// An audit found that so many objects are wrong. A new list, at once.
    #[error("{0} objects differ from those of the server")]
    Drift(usize),
    /// The version that was asked for is gone. A new list, at once.
    #[error("the version asked for is too old")]
    Expired,
    /// The version that was asked for is in the server's future. A new list of the newest.
    #[error("the version asked for is in the server's future")]
    Future,
    /// The server is too busy; ask after this time.
    #[error("the server asks to wait for {} s", .0.as_secs())]
    Throttled(Duration),
    /// Our credentials are not valid (any more).
    #[error("{0}")]
    Unauthorized(String),
    /// We may not read this kind (yet).
    #[error("{0}")]
    Forbidden(String),
    /// The server does not know this kind.
    #[error("{0}")]
    Missing(String),
    /// The server does not know this way of asking.
    #[error("{0}")]
    Refused(String),
    /// Nobody listens to us any more.
    #[error("the source is stopped")]
    Stopped,
}

/// The body of a response that is no success (`meta/v1` `Status`).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    /// The HTTP code again.
    pub(super) code: u16,
    /// A word for machines.
    pub(super) reason: Option<String>,
    /// A sentence for people.
    pub(super) message: Option<String>,
}

impl Failure {
    /// Returns a word for it, as metrics have it.
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Away(_) => "away",
            Self::Silent(_) => "silent",
            Self::Tls(_) => "tls",
            Self::Settings(_) => "settings",
            Self::Cut(_) => "cut",
            Self::Broken(_) => "broken",
            Self::Drift(_) => "drift",
            Self::Expired => "expired",
            Self::Future => "future",
            Self::Throttled(_) => "throttled",
            Self::Unauthorized(_) => "unauthorized",
            Self::Forbidden(_) => "forbidden",
            Self::Missing(_) => "missing",
            Self::Refused(_) => "refused",
            Self::Stopped => "stopped",
        }
    }

    /// Sorts an error of the client: nothing has been received.
    pub(super) fn of_client(error: &(dyn Error + 'static)) -> Self {
        match cause::<DialError>(error) {
            Some(DialError::Tls(text)) => return Self::Tls(text.clone()),
            Some(error) => return Self::Away(error.to_string()),
            None => {}
        }
        if let Some(text) = trust::rejection(error) {
            return Self::Tls(text);
        }
        let text = chain(error);
        if cause::<hyper::Error>(error).is_some_and(hyper::Error::is_parse) {
            return Self::Away(format!("what answers there does not speak HTTP: {text}"));
        }
        // A server of TLS 1.3 refuses the client's certificate only after the handshake.
        if text.contains("received fatal alert") { Self::Tls(text) } else { Self::Away(text) }
    }

    /// Sorts a response that is no success.
    pub(super) fn of_response(code: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let mut status = Format::of(headers).status(body);
        status.code = code.as_u16();
        let is_page = Format::of(headers) == Format::Json && !body.trim_ascii().is_empty();
        if status.message.is_none() && is_page {
            status.message = Some(format!("the server answers {code} with the page {}", page(body)));
        }
        if code == StatusCode::TOO_MANY_REQUESTS {
            let seconds = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            return Self::Throttled(Duration::from_secs(seconds.unwrap_or(1)).min(MAX_RETRY_AFTER));
        }
        Self::of_status(&status)
    }

    /// Sorts an error that the server describes.
    pub(super) fn of_status(status: &Status) -> Self {
        let reason = status.reason.as_deref().unwrap_or_default();
        let text = status.message.clone().unwrap_or_else(|| format!("the server answers {}", status.code));
        if text.contains("Too large resource version") {
            return Self::Future;
        }
        match (status.code, reason) {
            (410, _) | (_, "Expired" | "Gone") => Self::Expired,
            (401, _) => Self::Unauthorized(text),
            (403, _) => Self::Forbidden(text),
            (404, _) => Self::Missing(text),
            (429, _) => Self::Throttled(Duration::from_secs(1)),
            (300..=499, _) => Self::Refused(text),
            (500..=599, _) => Self::Away(text),
            _ => Self::Broken(text),
        }
    }
}

/// Returns the first of an error and its causes that is of this type.
fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// Returns the start of a page for people, in quotation marks.
pub(super) fn page(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let words: Vec<&str> = text.split(|letter: char| letter.is_whitespace() || letter.is_control()).collect();
    let line = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    format!("{:?}", line.chars().take(MAX_SHOWN).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_sorted() {
        let of = |code: u16, body: &str| {
            Failure::of_response(StatusCode::from_u16(code).unwrap(), &HeaderMap::new(), body.as_bytes())
        };
        assert_eq!(of(410, "{}"), Failure::Expired);
        assert_eq!(of(500, r#"{"reason":"Expired"}"#), Failure::Expired);
        assert_eq!(of(504, r#"{"message":"Timeout: Too large resource version: 9, current: 3"}"#), Failure::Future);
        assert_eq!(of(503, ""), Failure::Away("the server answers 503".into()));
        let page = "the server answers 503 Service Unavailable with the page \"<html> busy\"";
        assert_eq!(of(503, "<html>\n busy\x1b"), Failure::Away(page.into()));
        assert_eq!(of(302, ""), Failure::Refused("the server answers 302".into()));
        assert_eq!(of(403, r#"{"message":"no"}"#), Failure::Forbidden("no".into()));
        assert_eq!(
            of(404, "page not found"),
            Failure::Missing("the server answers 404 Not Found with the page \"page not found\"".into())
        );
        assert_eq!(of(422, r#"{"message":"no"}"#), Failure::Refused("no".into()));
        assert_eq!(of(429, ""), Failure::Throttled(Duration::from_secs(1)));
    }

    #[test]
    fn retry_after_is_obeyed_within_bounds() {
        let after = |seconds: &'static str| {
            let headers = HeaderMap::from_iter([(header::RETRY_AFTER, http::HeaderValue::from_static(seconds))]);
            Failure::of_response(StatusCode::TOO_MANY_REQUESTS, &headers, b"")
        };
        assert_eq!(after("5"), Failure::Throttled(Duration::from_secs(5)));
        assert_eq!(after("9999"), Failure::Throttled(MAX_RETRY_AFTER));
        assert_eq!(after("Wed, 21 Oct 2026 07:28:00 GMT"), Failure::Throttled(Duration::from_secs(1)));
    }
}
