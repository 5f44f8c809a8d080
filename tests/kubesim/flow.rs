//! Bodies that come slowly, or not to their end.
//! Knows nothing of what is in them.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;

use crate::body::{Body, Pieces, cut};

/// How often a limited body sends something.
const TICKS_PER_SECOND: u64 = 10;

/// How a body that is not sent whole ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The connection is cut (with HTTP/2, the stream is reset).
    Cut,
    /// The body ends as if it were complete.
    Close,
    /// Nothing comes any more.
    Hang,
}

/// How an answer is sent. The default is an answer as it should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Time before the headers.
    pub delay: Duration,
    /// Time before each piece of the body (an event of a watch, some 32 KiB of a list).
    pub pause: Duration,
    /// At most so many bytes of the body per second, at least 1.
    pub bytes_per_second: Option<u64>,
    /// After so many bytes the body ends in this way; 0 bytes: right after the headers.
    pub end: Option<(usize, End)>,
}

/// A body under a [`Flow`].
pub(crate) struct Shaped {
    /// The body as it should be.
    body: Body,
    /// How it is sent.
    flow: Flow,
    /// What has been made and not yet sent.
    rest: Bytes,
    /// How many bytes have been sent.
    sent: usize,
}

impl Shaped {
    /// Puts a body under a flow.
    pub(crate) fn new(body: Body, flow: Flow) -> Self {
        Self { body, flow, rest: Bytes::new(), sent: 0 }
    }

    /// Makes sure that there is something to send; false at the end of the body.
    async fn fetch(&mut self) -> io::Result<bool> {
        while self.rest.is_empty() {
            let Some(frame) = self.body.frame().await else { return Ok(false) };
            self.rest = frame?.into_data().unwrap_or_default();
            tokio::time::sleep(self.flow.pause).await;
        }
        Ok(true)
    }

    /// The next piece.
    async fn piece(&mut self) -> io::Result<Option<Bytes>> {
        let left = match self.flow.end {
            Some((bytes, end)) if self.sent >= bytes => match end {
                End::Cut => return Err(cut().await),
                End::Close => return Ok(None),
                End::Hang => std::future::pending().await,
            },
            Some((bytes, _)) => bytes.saturating_sub(self.sent),
            None => usize::MAX,
        };
        if !self.fetch().await? {
            return Ok(None);
        }
        let length = allowance(self.flow.bytes_per_second).await.min(left).min(self.rest.len());
        self.sent = self.sent.saturating_add(length);
        Ok(Some(self.rest.split_to(length)))
    }
}

/// How many bytes may be sent now, after waiting as long as the limit wants.
async fn allowance(bytes_per_second: Option<u64>) -> usize {
    let Some(rate) = bytes_per_second else { return usize::MAX };
    let tick = (rate / TICKS_PER_SECOND).max(1);
    tokio::time::sleep(Duration::from_secs(tick) / u32::try_from(rate.max(1)).unwrap_or(u32::MAX)).await;
    usize::try_from(tick).unwrap_or(usize::MAX)
}

impl Pieces for Shaped {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        self.piece().await.transpose()
    }
}
