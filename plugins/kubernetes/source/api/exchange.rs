//! One request and its response, with a deadline on every step: head, silence, and too little at a time.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::{BodyExt, Limited};
use tokio::time::{Instant, timeout, timeout_at};

use super::client::Body;
use super::connect::Connector;
use super::failure::{Failure, page};
use super::format::Format;
use super::timing::Timing;

/// How much of an error's description is read, in bytes.
const MAX_STATUS_BYTES: usize = 64 * 1024;

/// The body of a response that arrives.
pub(super) struct Response {
    /// What it is written in.
    pub(super) format: Format,
    /// What is left of it.
    body: Body,
    /// How long a halt may be.
    stall: Duration,
    /// What must arrive in that time.
    floor_bytes: u64,
    /// How long we have been waiting for what counts in `received`.
    waited: Duration,
    /// What has arrived since the floor was last looked at.
    received: u64,
}

impl Response {
    /// Sends a request for one of some forms of the response, and waits for its head, which must be a success.
    pub(super) async fn get(
        connector: &Connector,
        uri: &str,
        timing: &Timing,
        accept: &'static str,
    ) -> Result<Self, Failure> {
        let client = connector.client()?;
        let response = client.get(uri, accept, timing.first_byte).await?;
        let (head, body) = response.into_parts();
        if !head.status.is_success() {
            let text = start_of(body, timing).await;
            return Err(Failure::of_response(head.status, &head.headers, &text));
        }
        if is_page(&head.headers) {
            let text = start_of(body, timing).await;
            return Err(Failure::Refused(format!(
                "what answers is no Kubernetes API, it sends the page {}",
                page(&text)
            )));
        }
        let Timing { stall, floor_bytes, .. } = *timing;
        Ok(Self { format: Format::of(&head.headers), body, stall, floor_bytes, waited: Duration::ZERO, received: 0 })
    }

    /// Returns the next bytes while something has begun that must end soon; none at the end of the response.
    pub(super) async fn busy(&mut self) -> Result<Option<Bytes>, Failure> {
        let start = Instant::now();
        let chunk = timeout(self.stall, self.chunk()).await;
        let chunk = chunk.map_err(|_| Failure::Cut(format!("silent for {:?}", self.stall)))??;
        self.waited += start.elapsed();
        self.received += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        if self.waited >= self.stall {
            if self.received < self.floor_bytes && chunk.is_some() {
                return Err(Failure::Cut(format!("only {} bytes in {:?}", self.received, self.waited)));
            }
            (self.waited, self.received) = (Duration::ZERO, 0);
        }
        Ok(chunk)
    }

    /// Returns the next bytes while nothing need come before `deadline`; none at the end of the response.
    pub(super) async fn idle(&mut self, deadline: Instant) -> Result<Option<Bytes>, Failure> {
        (self.waited, self.received) = (Duration::ZERO, 0);
        let chunk = timeout_at(deadline, self.chunk()).await;
        chunk.map_err(|_| Failure::Silent("a watch said nothing for longer than it may last".to_owned()))?
    }

    /// Returns the next bytes of the body.
    async fn chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            let frame = frame.map_err(|error| Failure::Cut(format!("connection lost: {error}")))?;
            // What is no data are trailers, which say nothing here.
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
    }
}

/// Returns the body of a response that is no answer, as far as it comes; what is too large says nothing.
async fn start_of(body: Body, timing: &Timing) -> Bytes {
    let body = timeout(timing.stall, Limited::new(body, MAX_STATUS_BYTES).collect()).await;
    body.ok().and_then(Result::ok).map(|body| body.to_bytes()).unwrap_or_default()
}

/// Says whether a response is written for people: the page of a proxy, or of something else at that address.
fn is_page(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().to_ascii_lowercase().starts_with(b"text/html"))
}
