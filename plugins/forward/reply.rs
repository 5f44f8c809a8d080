//! From octets that an upstream sent to a reply, or to what is wrong with them. Knows no socket.

use super::fault::Fault;
use plugin_api::wire::{HEADER, question_end};
use plugin_api::{Message, Rcode, Request, WireError, flag};
use std::time::{Duration, Instant};

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
    /// When the query is given up, whatever it waits for.
    deadline: Option<Instant>,
}

impl Query {
    /// A query as written for an upstream.
    pub(super) fn new(octets: Vec<u8>, limit: usize, wait: Duration) -> Self {
        let question_end = question_end(&octets).min(octets.len());
        Self { octets, question_end, limit, wait, deadline: None }
    }

    /// The same query, given up at `deadline`.
    pub(super) fn until(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// `most`, or the time that is left until the query is given up if that is shorter.
    pub(super) fn at_most(&self, most: Duration) -> Duration {
        self.deadline.map_or(most, |deadline| most.min(deadline.saturating_duration_since(Instant::now())))
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
/// TC, so that the client asks again over TCP (CoreDNS: proxy.truncateResponse); so is a header alone with TC.
///
/// # Errors
/// When it is no message, or no reply to `question`; [`Fault::ends_wait`] says whether the right one may still come.
pub(super) fn read_datagram(octets: &[u8], question: &[u8], limit: usize) -> Result<Message, Fault> {
    let octets = octets.get(..limit).unwrap_or(octets);
    match Message::read(octets) {
        Ok(message) if message.has_flag(flag::TC) && is_bare(&message) => truncated(octets, question),
        Ok(message) => check(message, question),
        Err(WireError::Short) => check(without_records(octets)?, question).and_then(|_| truncated(octets, question)),
        Err(error) => Err(undecodable(octets, question, error)),
    }
}

/// Reads a message from a stream.
///
/// # Errors
/// When it is no message, or no reply to `question`.
pub(super) fn read_whole(octets: &[u8], question: &[u8]) -> Result<Message, Fault> {
    match Message::read(octets) {
        Ok(message) => check(message, question),
        Err(error) => Err(undecodable(octets, question, error)),
    }
}

/// What is wrong with a message that does not decode: more than that, if its question is not `question`.
fn undecodable(octets: &[u8], question: &[u8], error: WireError) -> Fault {
    match without_records(octets).and_then(|message| check(message, question)) {
        Ok(_) => Fault::Undecodable(error),
        Err(_) => Fault::Malformed(error),
    }
}

/// The header and question of a message.
fn without_records(octets: &[u8]) -> Result<Message, Fault> {
    let mut header = octets.get(..HEADER).ok_or(Fault::ShortRead)?.to_vec();
    if let Some(counts) = header.get_mut(6..) {
        counts.fill(0);
    }
    header.extend_from_slice(octets.get(HEADER..).unwrap_or(&[]));
    Message::read(&header).map_err(Fault::Malformed)
}

/// A reply to `question` with the id and flags of a message, TC, and no records.
fn truncated(octets: &[u8], question: &[u8]) -> Result<Message, Fault> {
    let mut reply = octets.get(..HEADER).ok_or(Fault::ShortRead)?.to_vec();
    if let Some(counts) = reply.get_mut(4..) {
        counts.copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
    }
    reply.extend_from_slice(question);
    let mut message = Message::read(&reply).map_err(Fault::Malformed)?;
    message.set_flag(flag::TC, true);
    Ok(message)
}

/// Whether a message is a response without a question: its sender could not read the query, or saved the octets.
fn is_bare(message: &Message) -> bool {
    message.has_flag(flag::QR) && message.question_count() == 0
}

/// The message, if it is a response with exactly this question (CoreDNS: request.Match).
fn check(message: Message, question: &[u8]) -> Result<Message, Fault> {
    if is_bare(&message) && message.rcode() != Rcode::NOERROR {
        return Err(Fault::Bare(message.rcode()));
    }
    let octets = message.octets();
    let found = octets.get(HEADER..question_end(octets)).unwrap_or(&[]);
    let name_len = question.len().saturating_sub(4);
    let is_same = message.question_count() == 1
        && found.len() == question.len()
        && found.get(name_len..) == question.get(name_len..)
        && found.get(..name_len).is_some_and(|name| name.eq_ignore_ascii_case(question.get(..name_len).unwrap_or(&[])));
    if !is_same || !message.has_flag(flag::QR) {
        return Err(Fault::Mismatch);
    }
    if message.has_tsig() { Err(Fault::Undecodable(WireError::Tsig)) } else { Ok(message) }
}

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;
