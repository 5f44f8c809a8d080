//! Requests without sockets, for clients in the same process: exact under a paused clock, and thousands of servers cost little.
//! Knows no objects.

use std::error::Error;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Body as HttpBody;
use tokio_util::sync::CancellationToken;

use crate::body::{self, Body, Pieces};
use crate::gate::{Connections, Gate};
use crate::handle::handle;
use crate::shared::Shared;
use crate::sim::KubeSim;

/// A way to a server without sockets; every request has a connection of its own.
#[derive(Clone)]
pub struct Direct {
    /// The server's state.
    shared: Arc<Shared>,
    /// What becomes of connections.
    gate: Arc<Gate>,
}

impl KubeSim {
    /// A way to this server without sockets. TLS is left out; the rest is as over sockets.
    #[must_use]
    pub fn direct(&self) -> Direct {
        Direct { shared: Arc::clone(&self.shared), gate: Arc::clone(&self.gate) }
    }
}

impl Direct {
    /// Sends a request. Fails where the connection would; an error in the body is the connection's end.
    pub async fn send<B>(&self, request: Request<B>) -> io::Result<Response<Body>>
    where
        B: HttpBody<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send,
    {
        let mode = *self.gate.applied.borrow();
        match mode {
            Connections::Serve => {}
            Connections::Hang => std::future::pending().await,
            Connections::Reset => return Err(io::ErrorKind::ConnectionReset.into()),
            Connections::Refuse => return Err(io::ErrorKind::ConnectionRefused.into()),
        }
        let end = self.gate.end();
        let response = end.run_until_cancelled(handle(Arc::clone(&self.shared), false, request)).await;
        let response = response.unwrap_or_else(|| Err(io::ErrorKind::ConnectionReset.into()))?;
        Ok(response.map(|body| body::stream(UntilCut { body, end })))
    }
}

/// A body that breaks off when connections are cut.
struct UntilCut {
    /// The body.
    body: Body,
    /// Tells that connections are cut.
    end: CancellationToken,
}

impl Pieces for UntilCut {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        let frame = self.end.run_until_cancelled(self.body.frame()).await;
        let Some(frame) = frame else { return Some(Err(io::ErrorKind::ConnectionReset.into())) };
        Some(frame?.map(|frame| frame.into_data().unwrap_or_default()))
    }
}
