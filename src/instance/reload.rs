//! From the files to a started configuration, at the start and at every reload; the swap is its last step.
//!
//! Files, look-ups and set-ups may block for as long as they like: they run on threads for blocking work, never on a worker of the
//! runtime, which forwarded queries, TCP and the side endpoints need. The end of the process does not wait for them.

use super::{Hashes, Instance, Listener, Place, Running, close, retire, stop};
use crate::load::{Failure, Loaded};
use crate::server::build::{Configuration, build};
use plugin_api::link::Kept;
use plugin_api::{Lifecycle, Reloaded};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What a configuration that is being prepared finds of the running one.
pub(super) struct Before {
    /// What the running configuration keeps for the next.
    kept: Arc<Kept>,
    /// The sockets that are open.
    pub(super) places: HashSet<Place>,
    /// Whether debug lines are wanted.
    debug: bool,
}

/// A configuration that is started but not swapped in.
pub(super) struct Prepared {
    pub(super) configuration: Configuration,
    /// The sockets that it needs besides those that are open.
    pub(super) fresh: HashMap<Place, Listener>,
    pub(super) hash: String,
}

impl Instance {
    /// Loads the configuration again because somebody asks for it (SIGUSR1); says so, and what goes wrong.
    pub async fn reload(&self) {
        if self.settings.origin.is_spent() {
            tracing::error!("SIGUSR1: the configuration came from standard input and cannot be read again");
            return;
        }
        let _loading = self.loading.lock().await;
        let result = match self.load().await {
            Err(Failure::Read { error, .. }) => {
                tracing::error!("SIGUSR1: loading updated Caddyfile: {error}");
                return;
            }
            // The built-in configuration would answer every name of the cluster with the address of who asks.
            Ok(Loaded { is_built_in: true, .. }) => {
                tracing::error!("SIGUSR1: no server block in it; the running configuration stays");
                return;
            }
            loaded => self.replace(loaded).await,
        };
        match result {
            Ok(()) | Err(Failure::Ending) => (),
            Err(failure) => {
                tracing::error!("SIGUSR1: starting with listener file descriptors: {}", failure.log_line());
            }
        }
    }

    /// Loads the configuration again if it differs from what runs and from what failed last.
    pub(super) async fn reload_if_changed(&self) -> Reloaded {
        if self.settings.origin.is_spent() {
            return Reloaded::Unchanged;
        }
        let _loading = self.loading.lock().await;
        let looked = self.off_workers(|me| me.settings.origin.peek()).await;
        self.note_trouble(&looked);
        let hash = match looked {
            Ok(Some(hash)) => hash,
            // CoreDNS loads its built-in configuration here, also when a file is empty only while it is being written.
            Ok(None) | Err(Failure::Read { .. } | Failure::Ending) => return Reloaded::Unchanged,
            Err(failure) => return Reloaded::Unparsable(failure.log_line().into_owned()),
        };
        let known = std::mem::replace(&mut self.hashes().tried, hash.clone());
        if known == hash {
            return Reloaded::Unchanged;
        }
        let loaded = self.off_workers(|me| me.settings.origin.load()).await;
        match self.replace(loaded).await {
            Ok(()) => Reloaded::Done,
            Err(Failure::Ending) => Reloaded::Unchanged,
            Err(failure) => {
                Reloaded::Failed(format!("starting with listener file descriptors: {}", failure.log_line()))
            }
        }
    }

    /// Reads the configuration.
    pub(super) async fn load(&self) -> Result<Loaded, Failure> {
        let loaded = self.off_workers(|me| me.settings.origin.load()).await;
        if let Some(note) = loaded.as_ref().err().and_then(Failure::note) {
            tracing::warn!("{note}");
        }
        loaded
    }

    /// Says once that the file has vanished, cannot be read or has nothing in it, and once that it is there again.
    fn note_trouble(&self, looked: &Result<Option<String>, Failure>) {
        let name = self.settings.origin.name();
        let trouble = match looked {
            Ok(Some(_)) => None,
            Ok(None) => Some(format!(
                "{name} has no server block: the running configuration stays, but a restart would serve the built-in one"
            )),
            Err(Failure::Read { error, .. }) => {
                Some(format!("{error}: the running configuration stays, but a restart would fail"))
            }
            Err(Failure::Rejected { note, .. }) => note.clone(),
            Err(Failure::Start(_) | Failure::Ending) => return,
        };
        let before = std::mem::replace(&mut self.hashes().trouble, trouble.clone());
        match trouble {
            Some(trouble) if before.as_ref() != Some(&trouble) => {
                tracing::warn!(target: "plugin/reload", "{trouble}");
            }
            None if before.is_some() => tracing::warn!(target: "plugin/reload", "{name} can be used again"),
            _ => (),
        }
    }

    /// Puts a configuration in the place of the running one. After an error nothing has changed.
    async fn replace(&self, loaded: Result<Loaded, Failure>) -> Result<(), Failure> {
        tracing::info!("Reloading");
        let replaced = match loaded {
            Ok(loaded) => match self.prepare(loaded).await {
                Ok(prepared) => self.take_over(prepared).await,
                Err(failure) => Err(failure),
            },
            Err(failure) => Err(failure),
        };
        match &replaced {
            Ok(()) => tracing::info!("Reloading complete"),
            Err(Failure::Ending) => tracing::info!("Reloading abandoned: the process ends"),
            Err(failure) => tracing::error!("Restart failed: {}", failure.log_line()),
        }
        replaced
    }

    /// Swaps a prepared configuration in and ends the one before it; undoes it instead if the process is about to end.
    async fn take_over(&self, prepared: Prepared) -> Result<(), Failure> {
        let Prepared { configuration, fresh, hash } = prepared;
        let _retiring = self.retiring.lock().await;
        let mut running = self.running.lock().await;
        if self.is_ending() {
            drop(running);
            stop(configuration.managed.iter()).await;
            close(fresh).await;
            return Err(Failure::Ending);
        }
        *self.hashes() = Hashes { running: hash.clone(), tried: hash, trouble: None };
        let old = running.swap(configuration, fresh);
        running.managed.iter().for_each(|part| part.activate());
        drop(running);
        retire(old).await;
        Ok(())
    }

    /// Builds and starts a configuration and opens the sockets that it needs besides those that are open. After an error
    /// everything of it is stopped again.
    pub(super) async fn prepare(&self, loaded: Loaded) -> Result<Prepared, Failure> {
        let before = self.running.lock().await.before();
        self.off_workers(move |me| me.prepare_here(&loaded, &before)).await
    }

    /// The same on the calling thread, which waits for all that set-ups and starts wait for.
    fn prepare_here(&self, loaded: &Loaded, before: &Before) -> Result<Prepared, Failure> {
        loaded.notes.iter().for_each(|note| tracing::warn!("{note}"));
        let port = &self.settings.origin.port;
        let configuration = build(loaded, port, (&self.process, &before.kept), self.settings.plugins)?;
        // What parts say while they start counts too.
        crate::log::set_debug(before.debug || configuration.debug);
        let opened = self.start_parts(&configuration.managed).and_then(|()| {
            self.open(&configuration, before).map_err(|error| {
                self.handoff.runtime.block_on(stop(configuration.managed.iter()));
                Failure::Start(error)
            })
        });
        match opened {
            Ok(fresh) => Ok(Prepared { configuration, fresh, hash: loaded.hash.clone() }),
            Err(failure) => {
                crate::log::set_debug(before.debug);
                Err(failure)
            }
        }
    }

    /// Starts parts in their order; after an error, or when the process is about to end, those that were started are stopped.
    fn start_parts(&self, parts: &[Arc<dyn Lifecycle>]) -> Result<(), Failure> {
        let runtime = &self.handoff.runtime;
        for (index, part) in parts.iter().enumerate() {
            let started = runtime.block_on(async { part.start().await }).map_err(Failure::Start);
            let started = started.and_then(|()| if self.is_ending() { Err(Failure::Ending) } else { Ok(()) });
            if let Err(failure) = started {
                runtime.block_on(stop(parts.iter().take(index + 1)));
                return Err(failure);
            }
        }
        Ok(())
    }

    /// Does work that may wait for files, look-ups or other hosts on a thread for such work.
    pub(super) async fn off_workers<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let Some(me) = self.me.upgrade().filter(|me| !me.is_ending()) else { return Err(Failure::Ending) };
        let done = self.handoff.runtime.spawn_blocking(move || work(&me)).await;
        done.unwrap_or_else(|error| Err(Failure::Start(format!("the set-up ended early: {error}"))))
    }
}

impl Running {
    /// What a configuration that is to take over finds.
    fn before(&self) -> Before {
        let places = self.listeners.keys().cloned().collect();
        Before { kept: Arc::clone(&self.kept), places, debug: self.debug }
    }
}
