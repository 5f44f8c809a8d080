//! Finds the zone of a query among those that were found in the folder.

use super::folder::Folder;
use crate::file::{pass_on, serve};
use plugin_api::link::Transfer;
use plugin_api::{Handler, Name, Next, OwnedRecord, Reply, Request, Zones};
use std::sync::Arc;

/// The handler.
pub(super) struct Auto {
    /// The zones that are looked at at all.
    pub(super) origins: Zones,
    /// The zones that were found.
    pub(super) folder: Arc<Folder>,
}

impl Handler for Auto {
    fn name(&self) -> &'static str {
        "auto"
    }

    fn handle<'a>(&'a self, request: &'a Request, next: Next<'a>) -> Reply<'a> {
        let qname = request.question().lower();
        if self.origins.find(qname).is_none() {
            return next.run(request);
        }
        let found = self.folder.zones();
        let Some(served) = found.find(qname) else { return pass_on(request, next) };
        serve(served, request, || false).unwrap_or_else(|| next.run(request))
    }
}

impl Transfer for Auto {
    fn transfer(&self, zone: &Name, serial: Option<u32>) -> Option<Box<dyn Iterator<Item = Vec<OwnedRecord>> + Send>> {
        let found = self.folder.zones();
        Some(found.get(zone)?.transfer(serial))
    }
}
