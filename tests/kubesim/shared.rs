//! What every connection of one server shares.

use std::sync::{Arc, PoisonError, RwLock};

use crate::access::Access;
use crate::clock::Clock;
use crate::hook::Hook;
use crate::recorder::Recorder;
use crate::settings::Settings;
use crate::store::Store;

/// The state of one server.
pub(crate) struct Shared {
    /// Objects.
    pub(crate) store: Store,
    /// Who may ask for what.
    pub(crate) access: Access,
    /// Time of bookmarks and time-outs.
    pub(crate) clock: Clock,
    /// What has been asked.
    pub(crate) recorder: Recorder,
    /// What was set at the start.
    pub(crate) settings: Settings,
    /// Who tampers with answers.
    pub(crate) hook: RwLock<Arc<dyn Hook>>,
}

impl Shared {
    /// The hook of now.
    pub(crate) fn hook(&self) -> Arc<dyn Hook> {
        Arc::clone(&self.hook.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sets the hook for whatever comes from now on, also on streams that are open.
    pub(crate) fn set_hook(&self, hook: Arc<dyn Hook>) {
        *self.hook.write().unwrap_or_else(PoisonError::into_inner) = hook;
    }
}
