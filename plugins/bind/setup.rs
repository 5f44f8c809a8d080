//! Reads `bind ADDRESS|INTERFACE... { except ADDRESS|INTERFACE... }`.

use corefile::{Diagnostic, Kind, Token, args::go_quote};
use plugin_api::Setup;
use std::net::IpAddr;

/// An interface's name and one of its addresses as the server takes it: `10.0.0.1`, `fe80::1%eth0`.
pub(super) type Interface = (String, String);

/// Gathers the addresses of all `bind` lines of the block.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    let interfaces = interfaces();
    setup.block.settings.is_bound = true;
    while setup.input.next() {
        let wanted = setup.input.remaining_args();
        if wanted.is_empty() {
            return Err(setup.plain("at least one address or interface name is expected"));
        }
        let except = read_except(setup)?;
        let wanted = addresses(setup, &wanted, &interfaces)?;
        let except = addresses(setup, &except, &interfaces)?;
        setup.block.settings.hosts.extend(wanted.into_iter().filter(|address| !except.contains(address)));
    }
    Ok(())
}

/// The arguments of the last `except`.
fn read_except(setup: &mut Setup<'_>) -> Result<Vec<Token>, Diagnostic> {
    let mut except = Vec::new();
    while setup.input.next_block() {
        if setup.input.val() != "except" {
            return Err(setup.plain(format!("invalid option {}", go_quote(setup.input.val()))));
        }
        except = setup.input.remaining_args();
        if except.is_empty() {
            return Err(setup.plain("at least one address or interface must be given to except subdirective"));
        }
    }
    Ok(except)
}

/// The addresses that `words` name: those of interfaces, or themselves.
fn addresses(setup: &Setup<'_>, words: &[Token], interfaces: &[Interface]) -> Result<Vec<String>, Diagnostic> {
    let mut found = Vec::new();
    for word in words {
        let before = found.len();
        let named = interfaces.iter().filter(|(name, _)| name == word.as_str());
        found.extend(named.map(|(_, address)| address.clone()));
        if found.len() > before || is_interface(word) {
            continue;
        }
        if word.parse::<IpAddr>().is_err() {
            let text = format!("not a valid IP address or interface name: {}", go_quote(word));
            let error = setup.input.err(text).pointing_at(word.span, setup.input.sources());
            return Err(Diagnostic { kind: Kind::Plain, ..error });
        }
        found.push(word.to_string());
    }
    Ok(found)
}

/// The machine's interfaces with their addresses; none, and a warning, when the system does not tell.
fn interfaces() -> Vec<Interface> {
    match if_addrs::get_if_addrs() {
        Ok(found) => found.iter().map(|one| (device(&one.name).to_owned(), text_of(&one.name, one.ip()))).collect(),
        Err(error) => {
            tracing::warn!(
                target: "plugin/bind",
                "failed to get interfaces list, cannot bind by interface name: {error}"
            );
            Vec::new()
        }
    }
}

/// The interface of an address: an IPv4 address may have a label in its place, the interface's name with a colon behind it.
pub(super) fn device(label: &str) -> &str {
    label.split_once(':').map_or(label, |(name, _)| name)
}

/// Whether there is an interface of this name; it may be without addresses.
fn is_interface(name: &str) -> bool {
    procfs::net::dev_status().is_ok_and(|interfaces| interfaces.contains_key(name))
}

/// An address as the server takes it: a link-local one of IPv6 names its interface, since it means nothing without.
pub(super) fn text_of(interface: &str, address: IpAddr) -> String {
    match address {
        IpAddr::V6(v6) if v6.is_unicast_link_local() => format!("{v6}%{interface}"),
        _ => address.to_string(),
    }
}
