//! How a test makes the running server misbehave.

use std::io;
use std::sync::Arc;

use crate::faults::Rule;
use crate::gate::Connections;
use crate::hook::Hook;
use crate::sim::KubeSim;
use crate::tls::Authority;

impl KubeSim {
    /// Puts a fault into force.
    pub fn inject(&self, rule: Rule) {
        self.shared.faults.add(rule);
    }

    /// Takes all injected faults back. Streams that hang already keep hanging.
    pub fn heal(&self) {
        self.shared.faults.clear();
    }

    /// Lets a hook decide over requests and events from now on, after the injected faults.
    pub fn set_hook(&self, hook: impl Hook) {
        self.shared.set_hook(Arc::new(hook));
    }

    /// Sets what becomes of new connections, and returns when it is so. Open ones are left alone.
    pub async fn set_connections(&self, mode: Connections) {
        self.gate.set(mode).await;
    }

    /// Cuts all open connections.
    pub fn cut_connections(&self) {
        self.gate.cut();
    }

    /// Forgets all history, as a compaction does: watches and pages from any older version have expired.
    pub fn compact(&self) {
        self.shared.store.compact();
    }

    /// Goes back to an earlier version, as etcd restored from a backup: objects, history, and the counter, so that later
    /// changes get versions that had been given out before. False, and nothing done, if that version is no longer known.
    /// Open watches stay silent until the counter passes them; real servers would cut them.
    pub fn restore(&self, version: u64) -> bool {
        self.shared.store.restore(version).is_ok()
    }

    /// Shows lists and new watches only what happened up to a version, as a replica that lags behind; `None` ends it.
    pub fn set_stale(&self, version: Option<u64>) {
        self.shared.store.set_stale(version);
    }

    /// Meets new connections with another certificate of the same CA. Fails without TLS.
    pub fn swap_certificate(&self) -> io::Result<()> {
        let authority = self.authority();
        let authority = authority.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        self.gate.set_acceptor(authority.acceptor().map_err(io::Error::other)?);
        Ok(())
    }

    /// Meets new connections with a certificate of another CA, which [`KubeSim::ca`] and [`KubeSim::client`] then follow.
    /// Fails without TLS.
    pub fn swap_ca(&self) -> io::Result<()> {
        let mut held = self.authority();
        if held.is_none() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let authority = Authority::new(self.address().ip()).map_err(io::Error::other)?;
        self.gate.set_acceptor(authority.acceptor().map_err(io::Error::other)?);
        *held = Some(authority);
        Ok(())
    }
}
