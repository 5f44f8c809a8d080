//! What can go wrong with an upstream, in the words that Go's network library and CoreDNS have for it.

use corefile::os_error_text;
use plugin_api::{Rcode, WireError};
use std::io;
use std::net::SocketAddr;

/// Why an exchange gave no reply. Small, because every query that waits keeps room for one.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Fault {
    /// No socket or connection could be opened: `dial udp TO: WHY`.
    #[error("{0}")]
    Dial(Box<str>),
    /// Sending or receiving failed: `read udp FROM->TO: WHY`.
    #[error("{0}")]
    Io(Box<str>),
    /// The upstream closed the connection.
    #[error("EOF")]
    Closed,
    /// The upstream closed the connection inside a message.
    #[error("unexpected EOF")]
    CutShort,
    /// A connection that had been kept was closed meanwhile; another one is to be tried.
    #[error("cached connection was closed by peer")]
    Outdated,
    /// A message of less than a header.
    #[error("dns: short read")]
    ShortRead,
    /// Octets in which no question could be read, or another one: they may be forged, and are waited on.
    #[error("dns: {0}")]
    Malformed(WireError),
    /// A reply to the question that does not decode behind it.
    #[error("dns: {0}")]
    Undecodable(WireError),
    /// A message that is no reply to the question. The client gets FORMERR if no other upstream answers.
    #[error("reply does not match the question")]
    Mismatch,
    /// An error without a question, as from servers that could not read the query. The client gets FORMERR if no other
    /// upstream answers.
    #[error("reply without a question: {0}")]
    Bare(Rcode),
    /// More is on its way to this upstream than there may be.
    #[error("too many queries in flight to {0}")]
    Busy(SocketAddr),
    /// The query cannot be written for an upstream. The client gets FORMERR.
    #[error("proxy: invalid request: dns: {0}")]
    Request(WireError),
    /// TLS or HTTP failed.
    #[error("{0}")]
    Other(String),
}

/// Both ends of an exchange, for its errors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    /// `udp` or `tcp`.
    pub(super) network: &'static str,
    /// Our end.
    pub(super) from: SocketAddr,
    /// The upstream.
    pub(super) to: SocketAddr,
}

impl Ends {
    /// No reply in time.
    pub(super) fn timeout(self, operation: &'static str) -> Fault {
        self.failed(operation, "i/o timeout")
    }

    /// The system refused to send or receive.
    pub(super) fn io(self, operation: &'static str, error: &io::Error) -> Fault {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return Fault::Closed;
        }
        self.failed(operation, &format!("{operation}: {}", os_error_text(error)))
    }

    /// An operation failed, for this cause in Go's words.
    fn failed(self, operation: &'static str, cause: &str) -> Fault {
        let Self { network, from, to } = self;
        Fault::Io(format!("{operation} {network} {from}->{to}: {cause}").into())
    }
}

impl Fault {
    /// Whether a datagram with this fault ends the wait for its query: it has the id, and says so much that its sender could
    /// have sent a whole reply. After others the right reply may still come.
    pub(super) const fn ends_wait(&self) -> bool {
        matches!(self, Self::Undecodable(_) | Self::Bare(_))
    }

    /// Whether the upstream lives, but sent no reply to the question.
    pub(super) const fn is_no_reply(&self) -> bool {
        matches!(self, Self::Mismatch | Self::Bare(_))
    }

    /// No socket or connection to an upstream.
    pub(super) fn dial(network: &'static str, to: SocketAddr, call: &str, error: &io::Error) -> Self {
        Self::Dial(format!("dial {network} {to}: {call}: {}", os_error_text(error)).into())
    }

    /// No connection in time.
    pub(super) fn dial_timeout(to: SocketAddr) -> Self {
        Self::Dial(format!("dial tcp {to}: i/o timeout").into())
    }
}
