//! Reads `transfer [ZONES...] { to ADDRESS...; source ADDRESS }`.

use super::Rule;
use super::handler::Transfers;
use super::notify::Sender;
use corefile::Diagnostic;
use plugin_api::Setup;
use plugin_api::link::{Notifier, Transfer};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

/// The port that NOTIFY goes to, unless told.
const PORT: u16 = 53;

/// Sets the plugin up: one handler for all lines of the block.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    let mut rules = Vec::new();
    while setup.input.next() {
        let args = setup.input.remaining_args();
        let mut rule = Rule { zones: setup.zones(&args), is_open: false, to: Vec::new(), source: None };
        while setup.input.next_block() {
            read_property(setup, &mut rule)?;
        }
        if rule.to.is_empty() && !rule.is_open {
            return Err(twice(setup.input.err("'to' is required")));
        }
        rules.push(rule);
    }
    let rules: Arc<[Rule]> = rules.into();
    let sender = Arc::new(Sender::new(Arc::clone(&rules)));
    setup.offer::<dyn Notifier>(Arc::clone(&sender) as _);
    setup.manage(sender);
    let transfers = Arc::new(Transfers { rules, sources: OnceLock::new() });
    setup.push(Arc::clone(&transfers) as _);
    setup.on_link(move |linked| {
        drop(transfers.sources.set(linked.links.all::<dyn Transfer>().map(|(_, source)| source).collect()));
        Ok(())
    });
    Ok(())
}

/// An error that CoreDNS gives the plugin's prefix twice.
fn twice(error: Diagnostic) -> Diagnostic {
    error.with_prefix("plugin/transfer")
}

/// Reads one property.
fn read_property(setup: &mut Setup<'_>, rule: &mut Rule) -> Result<(), Diagnostic> {
    let name = setup.input.val().to_owned();
    let place = setup.input.clone();
    let args = setup.input.remaining_args();
    match name.as_str() {
        "to" if args.is_empty() => return Err(setup.input.arg_err()),
        "to" => {
            for host in &args {
                match host.as_str() {
                    "*" => rule.is_open = true,
                    text => rule.to.push(address(text).map_err(|text| setup.plain(text))?),
                }
            }
        }
        "source" => {
            let [text] = args.as_slice() else { return Err(setup.input.arg_err()) };
            if rule.source.is_some() {
                return Err(twice(setup.input.err("source already specified")));
            }
            let invalid = || format!("invalid source address {}", corefile::args::go_quote(text));
            rule.source = Some(text.parse().map_err(|_| twice(setup.input.err(invalid())))?);
        }
        unknown => {
            let text = format!("unknown property {}", corefile::args::go_quote(unknown));
            let suggestion = corefile::suggest(unknown, ["to", "source"]);
            return Err(twice(place.err(text).with_suggestion(suggestion)));
        }
    }
    Ok(())
}

/// `ADDRESS` or `ADDRESS:PORT` (CoreDNS: parse.HostPort).
fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(address);
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(SocketAddr::new(address, PORT));
    }
    let host = text.rsplit_once(':').filter(|(host, _)| !host.contains(':')).map_or(text, |(host, _)| host);
    match host.parse::<IpAddr>() {
        Ok(address) if text.ends_with(':') => Ok(SocketAddr::new(address, PORT)),
        _ => Err(format!("must specify an IP address: `{host}'")),
    }
}
