//! Where a query came from: client, transport, listener, and the way back into the server.

use crate::message::Message;
use crate::request::Request;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

/// How a query came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// A datagram.
    Udp,
    /// A plain TCP connection.
    Tcp,
    /// DNS over TLS.
    Tls,
    /// DNS over HTTPS.
    Https,
    /// DNS over HTTP/3.
    Https3,
    /// DNS over QUIC.
    Quic,
    /// CoreDNS's gRPC service.
    Grpc,
}

impl Transport {
    /// `udp` or `tcp`, as CoreDNS's logs and metrics name what the address of the client belongs to.
    #[must_use]
    pub const fn network(self) -> &'static str {
        match self {
            Self::Udp | Self::Https3 | Self::Quic => "udp",
            Self::Tcp | Self::Tls | Self::Https | Self::Grpc => "tcp",
        }
    }
}

/// The listener that a query came in by, shared by all its queries.
pub struct Site {
    /// The server's name in metrics and logs, such as `dns://:53`.
    pub server: Arc<str>,
    /// The way back into the server, for names that an answer leads to.
    pub upstream: Option<Arc<dyn Upstream>>,
}

/// A future in a box, as trait objects need it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The server, asked from within (CoreDNS: plugin/pkg/upstream): block selection and all plugins run again.
pub trait Upstream: Send + Sync {
    /// What a client would get for `request`; none where nothing would be sent.
    fn lookup(&self, request: Box<Request>) -> BoxFuture<'_, Option<Message>>;

    /// Whether records will be left out of this reply to `request`, and TC set, because it is too large for the client. Not where
    /// replies have no bound.
    fn truncates(&self, _message: &Message, _request: &Request) -> bool {
        false
    }
}

/// Where a query came from and how.
#[derive(Clone)]
pub struct Origin {
    /// The client.
    pub peer: SocketAddr,
    /// The address that was asked.
    pub local: SocketAddr,
    /// How it came.
    pub transport: Transport,
    /// When it was received.
    pub arrival: Instant,
    /// By which listener.
    pub site: Arc<Site>,
}
