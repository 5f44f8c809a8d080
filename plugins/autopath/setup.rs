//! Reads `autopath [ZONES...] FILE|@PLUGIN`.

use super::handler::{Autopath, ServerCount, Source};
use crate::search_list;
use corefile::Diagnostic;
use corefile::args::go_quote;
use plugin_api::link::SearchPath;
use plugin_api::{Linked, Setup, Zones};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// Labels of `coredns_autopath_success_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    server: String,
}

/// Appends the handler. The last of several directives counts, as in CoreDNS.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    let mut read: Option<(Zones, String, Vec<plugin_api::Name>)> = None;
    while setup.input.next() {
        let mut args = setup.input.remaining_args();
        let Some(source) = args.pop() else { return Err(setup.plain("no resolv-conf specified")) };
        let source = source.as_str().to_owned();
        let domains = if source.starts_with('@') { Vec::new() } else { read_file(setup, &source)? };
        read = Some((setup.zones(&args), source, domains));
    }
    let Some((zones, source, domains)) = read else { return Ok(()) };
    let plugin = source.strip_prefix('@').map(str::to_owned);
    let source = if plugin.is_some() { Source::Plugin(OnceLock::new()) } else { Source::File(domains) };
    let handler = Arc::new(Autopath { zones, source, counts: OnceLock::new() });
    let family =
        setup.process.metrics.get("autopath_success", "Counter of requests that did autopath.", Family::default);
    let linked = Arc::clone(&handler);
    let refusal = setup.plain("");
    setup.on_link(move |block| {
        linked.counts.get_or_init(|| block.servers.iter().map(|server| count(&family, server)).collect());
        match plugin {
            Some(plugin) => link(&linked, &plugin, block).map_err(|message| Diagnostic { message, ..refusal }),
            None => Ok(()),
        }
    });
    setup.push(handler);
    Ok(())
}

/// Reads the search list of a file.
fn read_file(setup: &Setup<'_>, path: &str) -> Result<Vec<plugin_api::Name>, Diagnostic> {
    search_list::read(Path::new(path)).map_err(|error| {
        let reason = corefile::os_error_text(&error);
        setup.plain(format!("failed to parse {}: open {path}: {reason}", go_quote(path)))
    })
}

/// The counter of a listener.
fn count(family: &Family<Labels, Counter>, server: &Arc<str>) -> ServerCount {
    let labels = Labels { server: server.to_string() };
    let family = family.clone();
    let begin = Box::new(move || family.get_or_create_owned(&labels));
    ServerCount { server: Arc::clone(server), begin, counter: OnceLock::new() }
}

/// Finds the plugin that knows the search lists. One that is not in the block leaves `autopath` without effect.
fn link(handler: &Autopath, plugin: &str, block: &Linked<'_>) -> Result<(), String> {
    let Source::Plugin(place) = &handler.source else { return Ok(()) };
    if let Some(found) = block.links.find::<dyn SearchPath>(plugin) {
        place.get_or_init(|| found);
    } else if block.chain.iter().any(|handler| handler.name() == plugin) {
        return Err(format!("{plugin} does not implement the AutoPather interface"));
    }
    Ok(())
}
