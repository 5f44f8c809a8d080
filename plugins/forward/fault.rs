//! What can go wrong with an upstream, in the words that Go's network library and CoreDNS have for it.

use corefile::os_error_text;
use plugin_api::WireError;
use std::io;
use std::net::SocketAddr;

/// Why an exchange gave no reply.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Fault {
    /// No socket or connection could be opened.
    #[error("dial {network} {to}: {cause}")]
    Dial {
        /// `udp` or `tcp`.
        network: &'static str,
        /// The upstream.
        to: SocketAddr,
        /// Go's words.
        cause: String,
    },
    /// Sending or receiving failed.
    #[error("{} {network} {from}->{to}: {cause}", operation)]
    Io {
        /// `read` or `write`.
        operation: &'static str,
        /// `udp` or `tcp`.
        network: &'static str,
        /// Our end.
        from: SocketAddr,
        /// The upstream.
        to: SocketAddr,
        /// Go's words.
        cause: String,
    },
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
    /// Octets that are no message.
    #[error("dns: {0}")]
    Malformed(WireError),
    /// A message that is no reply to the question. The client gets FORMERR.
    #[error("reply does not match the question")]
    Mismatch,
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
        let Self { network, from, to } = self;
        Fault::Io { operation, network, from, to, cause: "i/o timeout".to_owned() }
    }

    /// The system refused to send or receive.
    pub(super) fn io(self, operation: &'static str, error: &io::Error) -> Fault {
        let Self { network, from, to } = self;
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return Fault::Closed;
        }
        Fault::Io { operation, network, from, to, cause: format!("{operation}: {}", os_error_text(error)) }
    }
}

impl Fault {
    /// No socket or connection to an upstream.
    pub(super) fn dial(network: &'static str, to: SocketAddr, call: &str, error: &io::Error) -> Self {
        Self::Dial { network, to, cause: format!("{call}: {}", os_error_text(error)) }
    }

    /// No connection in time.
    pub(super) fn dial_timeout(to: SocketAddr) -> Self {
        Self::Dial { network: "tcp", to, cause: "i/o timeout".to_owned() }
    }
}
