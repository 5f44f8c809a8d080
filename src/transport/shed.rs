//! Replies of those for whom there was no room (REFUSED of `max_concurrent`, SERVFAIL of the server's own bound): held back while
//! there are queries to be read, so that an answer from memory never waits behind a flood that only gets refusals.

use super::socket::{ReplyTo, send_later};
use prometheus_client::metrics::counter::Counter;
use std::collections::VecDeque;
use std::net::UdpSocket;

/// Most replies that a thread holds back, some 200 octets each: about 5 ms of sending. What is more is left out, as
/// the system would leave out queries, of any kind, that find its buffer full.
pub(super) const MAX_HELD: usize = 1024;
/// How many are sent before the socket is looked at again.
const AT_ONCE: usize = 32;

/// The replies that a thread holds back.
pub(super) struct Shed {
    held: VecDeque<(ReplyTo, Box<[u8]>)>,
    left_out: Counter,
}

impl Shed {
    /// None yet; counts in `left_out` what it leaves out.
    pub(super) fn new(left_out: Counter) -> Self {
        Self { held: VecDeque::new(), left_out }
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Holds a reply back, or leaves it out.
    pub(super) fn hold(&mut self, to: ReplyTo, reply: &[u8]) {
        if self.held.len() < MAX_HELD {
            self.held.push_back((to, reply.into()));
        } else {
            self.left_out.inc();
        }
    }

    /// Sends some, the oldest first.
    pub(super) fn send_some(&mut self, socket: &UdpSocket) {
        for (to, mut reply) in self.held.drain(..self.held.len().min(AT_ONCE)) {
            send_later(socket, &to, &mut reply);
        }
    }

    /// Sends all.
    pub(super) fn send_all(&mut self, socket: &UdpSocket) {
        while !self.is_empty() {
            self.send_some(socket);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::socket::{self, Batch};

    #[test]
    fn replies_keep_their_order_and_what_is_too_much_is_counted() {
        let server = socket::udp("127.0.0.1:0".parse().unwrap()).unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.connect(server.local_addr().unwrap()).unwrap();
        client.send(b"?").unwrap();
        let mut batch = Batch::new();
        assert_eq!(batch.receive(&server, true).unwrap(), 1);
        let left_out = Counter::default();
        let mut shed = Shed::new(left_out.clone());
        for number in 0..MAX_HELD + 2 {
            shed.hold(batch.reply_to(0).unwrap(), &number.to_be_bytes());
        }
        assert_eq!(left_out.get(), 2);
        let mut next = 0_usize;
        while !shed.is_empty() {
            let before = shed.held.len();
            shed.send_some(&server);
            for _ in shed.held.len()..before {
                let mut reply = [0; 8];
                assert_eq!(client.recv(&mut reply).unwrap(), 8);
                assert_eq!(usize::from_be_bytes(reply), next);
                next += 1;
            }
        }
        assert_eq!(next, MAX_HELD);
    }
}
