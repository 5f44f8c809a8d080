//! Reads `acl [ZONES...] { ACTION [type QTYPE...] [net SOURCE...] }`.

use super::handler::{Acl, Action, Policy, Rule};
use super::metrics::AclMetrics;
use corefile::args::go_quote;
use corefile::{Diagnostic, Token};
use ipnet::IpNet;
use plugin_api::{Setup, Type};
use std::sync::{Arc, OnceLock};

/// Appends the handler.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    let mut rules = Vec::new();
    while setup.input.next() {
        let args = setup.input.remaining_args();
        let zones = setup.zones(&args);
        let mut policies = Vec::new();
        while setup.input.next_block() {
            policies.push(policy(setup)?);
        }
        rules.push(Rule { zones, policies });
    }
    let metrics = AclMetrics::new(&setup.process.metrics);
    let acl = Arc::new(Acl { rules, metrics, view: OnceLock::new() });
    setup.push(Arc::clone(&acl) as Arc<dyn plugin_api::Handler>);
    setup.on_link(move |linked| {
        acl.view.get_or_init(|| linked.view.into());
        Ok(())
    });
    Ok(())
}

/// Reads one policy.
fn policy(setup: &mut Setup<'_>) -> Result<Policy, Diagnostic> {
    let action = match setup.input.val().to_lowercase().as_str() {
        "allow" => Action::Allow,
        "block" => Action::Block,
        "filter" => Action::Filter,
        "drop" => Action::Drop,
        _ => {
            let word = go_quote(setup.input.val());
            let text = format!("unexpected token {word}; expect 'allow', 'block', 'filter' or 'drop'");
            return Err(setup.input.err(text));
        }
    };
    let mut policy = Policy { action, types: None, sources: None };
    let words = setup.input.remaining_args();
    let mut rest = words.as_slice();
    while let Some((section, tail)) = rest.split_first() {
        let length = tail.iter().position(is_section).unwrap_or(tail.len());
        let (values, tail) = tail.split_at(length);
        rest = tail;
        let name = section.to_lowercase();
        if is_section(section) && values.is_empty() {
            return Err(refuse(setup, section, format!("no token specified in {} section", go_quote(&name))));
        }
        match name.as_str() {
            "type" => take_types(setup, &mut policy, values)?,
            "net" => take_sources(setup, &mut policy, values)?,
            _ => {
                let text = format!("unexpected token {}; expect 'type | net'", go_quote(section));
                return Err(refuse(setup, section, text));
            }
        }
    }
    Ok(policy)
}

/// Whether a word begins a section.
fn is_section(word: &Token) -> bool {
    word.eq_ignore_ascii_case("type") || word.eq_ignore_ascii_case("net")
}

/// An error at a word; its line is that of the policy's last word, as in CoreDNS.
fn refuse(setup: &Setup<'_>, word: &Token, text: String) -> Diagnostic {
    setup.input.err(text).pointing_at(word.span, setup.input.sources())
}

/// Reads types up to `*`, which stands for all.
fn take_types(setup: &Setup<'_>, policy: &mut Policy, words: &[Token]) -> Result<(), Diagnostic> {
    let mut types = policy.types.take().unwrap_or_default();
    for word in words {
        let known = if *word == "*" { Some(Type::NONE) } else { Type::from_mnemonic(word) };
        let Some(qtype) = known else {
            let text = format!("unexpected token {}; expect legal QTYPE", go_quote(word));
            return Err(refuse(setup, word, text));
        };
        types.push(qtype);
        if *word == "*" {
            break;
        }
    }
    policy.types = Some(types);
    Ok(())
}

/// Reads networks up to `*`, which stands for all; an address is a network of one.
fn take_sources(setup: &Setup<'_>, policy: &mut Policy, words: &[Token]) -> Result<(), Diagnostic> {
    let mut sources = policy.sources.take().unwrap_or_default();
    for word in words {
        if *word == "*" {
            sources.extend(["0.0.0.0/0", "::/0"].iter().filter_map(|all| all.parse::<IpNet>().ok()));
            break;
        }
        let network = match word.as_str() {
            network if network.contains('/') => network.to_owned(),
            address if address.contains(':') => format!("{address}/128"),
            address => format!("{address}/32"),
        };
        match network.parse() {
            Ok(network) => sources.push(network),
            Err(_) => {
                let text = format!("illegal CIDR notation {}", go_quote(&network));
                return Err(refuse(setup, word, text));
            }
        }
    }
    policy.sources = Some(sources);
    Ok(())
}
