//! Bodies of answers: whole, or a stream that is made while it is sent.
//! Knows nothing of what is in them.

use std::io;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use serde_json::Value;

use crate::protobuf;
use crate::status::Refusal;

/// The body of any answer. An error cuts the connection in the middle of it.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// How objects are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// As JSON.
    Json,
    /// As protobuf.
    Protobuf,
}

impl Format {
    /// The media type of an object or a list.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Protobuf => protobuf::MEDIA_TYPE,
        }
    }

    /// The media type of a watch.
    pub(crate) fn stream_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Protobuf => protobuf::STREAM_TYPE,
        }
    }
}

/// Something that is sent piece by piece.
pub(crate) trait Pieces: Send + 'static {
    /// The next piece, none at the end.
    fn next(&mut self) -> impl Future<Output = Option<Result<Bytes, io::Error>>> + Send;
}

/// A body that asks `pieces` for the next one whenever the connection can take it. Dropped with the connection.
pub(crate) fn stream(pieces: impl Pieces) -> Body {
    let frames = futures_util::stream::unfold(pieces, |mut pieces| async move {
        let piece = pieces.next().await?;
        Some((piece.map(Frame::data), pieces))
    });
    StreamBody::new(frames).boxed_unsync()
}

/// The error that cuts the connection, once all that was sent before has left.
pub(crate) async fn cut() -> io::Error {
    // While a body has nothing to send, the connection flushes.
    tokio::task::yield_now().await;
    io::ErrorKind::ConnectionReset.into()
}

/// A body that is there already.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// An answer with a body of a given type.
pub(crate) fn typed(code: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}

/// An answer with a value in JSON.
pub(crate) fn json(code: StatusCode, value: &Value) -> Response<Body> {
    typed(code, Format::Json.media_type(), whole(value.to_string()))
}

/// An answer with a `Status`.
pub(crate) fn status(code: StatusCode, format: Format, status: &Value) -> Response<Body> {
    match format {
        Format::Json => json(code, status),
        Format::Protobuf => typed(code, format.media_type(), whole(protobuf::status(status))),
    }
}

/// The answer that a refusal is.
pub(crate) fn refuse(refusal: &Refusal, format: Format) -> Response<Body> {
    let code = StatusCode::from_u16(refusal.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = status(code, format, &refusal.body());
    if let Some(seconds) = refusal.details["retryAfterSeconds"].as_u64() {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}
