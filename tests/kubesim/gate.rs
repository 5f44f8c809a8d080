//! What becomes of connections: served, refused, left hanging, reset, cut; and by which certificate they are met.
//! Knows no HTTP.

use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// What becomes of new connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connections {
    /// They are served.
    Serve,
    /// They are accepted, and then nothing happens.
    Hang,
    /// They are accepted and reset.
    Reset,
    /// They are refused: nobody listens.
    Refuse,
}

/// The switches of one listener.
#[derive(Debug)]
pub(crate) struct Gate {
    /// What is to become of new connections.
    pub(crate) wanted: watch::Sender<Connections>,
    /// What becomes of them by now.
    pub(crate) applied: watch::Sender<Connections>,
    /// Cuts the connections that are open.
    cut: Mutex<CancellationToken>,
    /// The server's side of TLS, if it is spoken.
    acceptor: Mutex<Option<Acceptor>>,
}

/// A TLS acceptor that can be shown.
#[derive(Clone)]
struct Acceptor(TlsAcceptor);

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Acceptor")
    }
}

impl Gate {
    /// An open gate.
    pub(crate) fn new(acceptor: Option<TlsAcceptor>) -> Self {
        Self {
            wanted: watch::Sender::new(Connections::Serve),
            applied: watch::Sender::new(Connections::Serve),
            cut: Mutex::default(),
            acceptor: Mutex::new(acceptor.map(Acceptor)),
        }
    }

    /// Sets what becomes of new connections, and waits until it is so.
    pub(crate) async fn set(&self, wanted: Connections) {
        self.wanted.send_replace(wanted);
        // The sender is `self`: it cannot be gone.
        self.applied.subscribe().wait_for(|applied| *applied == wanted).await.ok();
    }

    /// Cuts all connections that are open.
    pub(crate) fn cut(&self) {
        let mut cut = self.cut.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *cut).cancel();
    }

    /// What tells a new connection to end.
    pub(crate) fn end(&self) -> CancellationToken {
        self.cut.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The server's side of TLS for a new connection.
    pub(crate) fn acceptor(&self) -> Option<TlsAcceptor> {
        self.acceptor.lock().unwrap_or_else(PoisonError::into_inner).clone().map(|acceptor| acceptor.0)
    }

    /// Meets new connections with another certificate.
    pub(crate) fn set_acceptor(&self, acceptor: TlsAcceptor) {
        *self.acceptor.lock().unwrap_or_else(PoisonError::into_inner) = Some(Acceptor(acceptor));
    }
}
