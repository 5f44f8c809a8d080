//! Reads `metadata [ZONES...]`.

use super::handler::Metadata;
use corefile::Diagnostic;
use plugin_api::Setup;
use plugin_api::link::MetadataProvider;
use std::sync::Arc;

/// Appends the handler, and offers it to the server, which asks it before views.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    setup.input.next();
    let args = setup.input.remaining_args();
    let metadata = Arc::new(Metadata::new(setup.zones(&args)));
    if setup.input.next_block() || setup.input.next() {
        return Err(setup.input.arg_err());
    }
    setup.push(Arc::clone(&metadata) as Arc<dyn plugin_api::Handler>);
    setup.offer(Arc::clone(&metadata) as Arc<dyn MetadataProvider>);
    let own = setup.plugin;
    setup.on_link(move |linked| {
        let providers = linked.links.all::<dyn MetadataProvider>().filter(|(plugin, _)| *plugin != own);
        metadata.link(providers.map(|(_, provider)| provider).collect());
        Ok(())
    });
    Ok(())
}
