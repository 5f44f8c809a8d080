//! What every connection of one server shares.

use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;

use crate::access::Access;
use crate::clock::Clock;
use crate::faults::Faults;
use crate::hook::{Hook, Recorded, Step, Verdict};
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
    /// Faults by rule.
    pub(crate) faults: Faults,
    /// Who tampers with answers besides.
    pub(crate) hook: RwLock<Arc<dyn Hook>>,
}

impl Shared {
    /// What becomes of a request: by the rules first, then by the hook.
    pub(crate) fn verdict(&self, request: &Recorded) -> Verdict {
        match self.faults.request(request) {
            Verdict::Answer => self.hook().request(request),
            verdict => verdict,
        }
    }

    /// What becomes of an event: the rules make steps of it, the hook sees each line that they send.
    pub(crate) fn steps(&self, request: &Recorded, line: Bytes) -> Vec<Step> {
        let hook = self.hook();
        let steps = self.faults.event(request, line).into_iter();
        let tampered = steps.map(|step| match step {
            Step::Send(line) => hook.event(request, line),
            step => vec![step],
        });
        tampered.flatten().collect()
    }

    /// The hook of now.
    fn hook(&self) -> Arc<dyn Hook> {
        Arc::clone(&self.hook.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sets the hook for whatever comes from now on, also on streams that are open.
    pub(crate) fn set_hook(&self, hook: Arc<dyn Hook>) {
        *self.hook.write().unwrap_or_else(PoisonError::into_inner) = hook;
    }
}
