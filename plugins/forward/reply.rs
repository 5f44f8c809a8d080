//! From octets that an upstream sent to a reply, or to what is wrong with them. Knows no socket.

use super::fault::Fault;
use plugin_api::wire::{HEADER, question_end};
use plugin_api::{Message, Request, WireError, flag};
use std::time::Duration;

/// What an upstream is asked, its id among it, and what is expected of the reply.
#[derive(Clone, Debug)]
pub(super) struct Query {
    /// The whole query.
    octets: Vec<u8>,
    /// Where its question ends.
    question_end: usize,
    /// The most octets of the reply; what is more is cut off.
    pub(super) limit: usize,
    /// How long it may take.
    pub(super) wait: Duration,
}

impl Query {
    /// A query as written for an upstream.
    pub(super) fn new(octets: Vec<u8>, limit: usize, wait: Duration) -> Self {
        let question_end = question_end(&octets).min(octets.len());
        Self { octets, question_end, limit, wait }
    }

    /// A client's query, for an upstream; its id is 0.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn of(request: &Request, limit: usize, wait: Duration) -> Result<Self, Fault> {
        let mut octets = Vec::with_capacity(64);
        request.write_query(0, &mut octets).map_err(Fault::Request)?;
        Ok(Self::new(octets, limit, wait))
    }

    /// Sets the id.
    pub(super) fn set_id(&mut self, id: u16) {
        if let Some(room) = self.octets.get_mut(..2) {
            room.copy_from_slice(&id.to_be_bytes());
        }
    }

    /// The octets to send.
    pub(super) fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// The question's octets.
    pub(super) fn question(&self) -> &[u8] {
        self.octets.get(HEADER..self.question_end).unwrap_or(&[])
    }
}

/// The id of a message; none of what is shorter than a header.
pub(super) fn id_of(octets: &[u8]) -> Option<u16> {
    octets.get(..HEADER).and_then(|header| plugin_api::wire::read_u16(header, 0))
}

/// Reads a datagram, cut at `limit` octets as CoreDNS's buffer cuts it. One that ends too early is truncated: its question with
/// TC, so that the client asks again over TCP (CoreDNS: proxy.truncateResponse).
///
/// # Errors
/// When it is no message, or no reply to `question`.
pub(super) fn read_datagram(octets: &[u8], question: &[u8], limit: usize) -> Result<Message, Fault> {
    let octets = octets.get(..limit).unwrap_or(octets);
    match Message::read(octets) {
        Err(WireError::Short) => check(truncated(octets)?, question),
        Err(error) => Err(Fault::Malformed(error)),
        Ok(message) => check(message, question),
    }
}

/// Reads a message from a stream.
///
/// # Errors
/// When it is no message, or no reply to `question`.
pub(super) fn read_whole(octets: &[u8], question: &[u8]) -> Result<Message, Fault> {
    check(Message::read(octets).map_err(Fault::Malformed)?, question)
}

/// The header and question of a message, with TC and no records.
fn truncated(octets: &[u8]) -> Result<Message, Fault> {
    let mut header = octets.get(..HEADER).ok_or(Fault::ShortRead)?.to_vec();
    let counts = header.split_off(6).len();
    header.resize(6 + counts, 0);
    header.extend_from_slice(octets.get(HEADER..).unwrap_or(&[]));
    let mut message = Message::read(&header).map_err(Fault::Malformed)?;
    message.set_flag(flag::TC, true);
    Ok(message)
}

/// The message, if it is a response with exactly this question (CoreDNS: request.Match).
fn check(message: Message, question: &[u8]) -> Result<Message, Fault> {
    let octets = message.octets();
    let found = octets.get(HEADER..question_end(octets)).unwrap_or(&[]);
    let name_len = question.len().saturating_sub(4);
    let is_same = message.question_count() == 1
        && found.len() == question.len()
        && found.get(name_len..) == question.get(name_len..)
        && found.get(..name_len).is_some_and(|name| name.eq_ignore_ascii_case(question.get(..name_len).unwrap_or(&[])));
    if is_same && message.has_flag(flag::QR) { Ok(message) } else { Err(Fault::Mismatch) }
}
