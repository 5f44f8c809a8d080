//! Asks the providers of the block.

use plugin_api::link::MetadataProvider;
use plugin_api::{Handler, Next, Reply, Request, Zones};
use std::sync::{Arc, OnceLock};

/// The handler, which passes every query on; the values are gathered before, by the server.
pub(super) struct Metadata {
    /// Providers are asked for names in them only.
    zones: Zones,
    /// Set once, at link.
    providers: OnceLock<Vec<Arc<dyn MetadataProvider>>>,
}

impl Metadata {
    /// Gathers values for names in `zones`.
    pub(super) const fn new(zones: Zones) -> Self {
        Self { zones, providers: OnceLock::new() }
    }

    /// Takes the providers of the block.
    pub(super) fn link(&self, providers: Vec<Arc<dyn MetadataProvider>>) {
        self.providers.get_or_init(|| providers);
    }
}

impl MetadataProvider for Metadata {
    fn provide(&self, request: &Request) {
        request.keep_metadata();
        if self.zones.find(request.question().lower()).is_some() {
            self.providers.get().into_iter().flatten().for_each(|provider| provider.provide(request));
        }
    }
}

impl Handler for Metadata {
    fn name(&self) -> &'static str {
        "metadata"
    }

    fn handle<'a>(&'a self, request: &'a Request, next: Next<'a>) -> Reply<'a> {
        next.run(request)
    }
}
