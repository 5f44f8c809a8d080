//! Reads `header { query|response set|clear FLAGS... }`.

use super::handler::{Header, Rules};
use corefile::Diagnostic;
use plugin_api::{Setup, flag};
use std::sync::Arc;

/// Appends the handler. CoreDNS takes the rules of the first directive of a block only; here all count.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    let (mut query, mut response) = (Rules::default(), Rules::default());
    while setup.input.next() {
        while setup.input.next_block() {
            let selector = setup.input.val().to_lowercase();
            let rules = match selector.as_str() {
                "query" => &mut query,
                "response" => &mut response,
                other => {
                    let reason = format!("invalid selector={other} should be query or response");
                    return Err(refuse(setup, &reason));
                }
            };
            read_rule(setup, rules)?;
        }
    }
    if query.is_empty() && response.is_empty() {
        return Err(setup.input.arg_err());
    }
    setup.push(Arc::new(Header { query, response }));
    Ok(())
}

/// Reads `set|clear FLAGS...`.
fn read_rule(setup: &mut Setup<'_>, rules: &mut Rules) -> Result<(), Diagnostic> {
    let action = if setup.input.next_arg() { setup.input.val().to_lowercase() } else { String::new() };
    let flags = setup.input.remaining_args();
    if action.is_empty() {
        return Err(refuse(setup, "no flag action provided"));
    }
    if flags.is_empty() {
        return Err(refuse(setup, "invalid length for flags, at least one should be provided"));
    }
    let is_set = match action.as_str() {
        "set" => true,
        "clear" => false,
        other => return Err(refuse(setup, &format!("unknown flag action={other}, should be set or clear"))),
    };
    for word in flags {
        let bit = match word.to_lowercase().as_str() {
            "aa" => flag::AA,
            "ra" => flag::RA,
            "rd" => flag::RD,
            other => return Err(refuse(setup, &format!("unknown/unsupported flag={other}"))),
        };
        rules.push(bit, is_set);
    }
    Ok(())
}

/// An error in CoreDNS's shape.
fn refuse(setup: &Setup<'_>, reason: &str) -> Diagnostic {
    setup.plain(format!("setting up rule: {reason}"))
}
