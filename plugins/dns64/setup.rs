//! Reads `dns64 [PREFIX] { ... }`.

use super::handler::Dns64;
use super::metrics::Translated;
use super::prefix::{Prefix, Refused};
use corefile::Diagnostic;
use plugin_api::{Args, Property, Setup, property};
use std::sync::Arc;

/// What the lines say; of several the last.
struct Config {
    prefix: Prefix,
    translates_all: bool,
    allows_ipv4: bool,
}

/// The properties.
const PROPERTIES: &[Property<Config>] = &[
    Property::new("prefix", 1..=1, prefix),
    Property::new("translate_all", 0..=0, translate_all),
    Property::new("allow_ipv4", 0..=0, allow_ipv4),
];

/// Sets the plugin up: one handler for all lines. CoreDNS does not read a block behind a prefix; here it counts.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    let mut config = Config { prefix: Prefix::well_known(), translates_all: false, allows_ipv4: false };
    while setup.input.next() {
        let Some(name) = setup.input.token().cloned() else { break };
        let values = setup.input.remaining_args();
        let mut args = Args { input: &mut setup.input, name, values };
        match args.values.len() {
            0 => {}
            1 => prefix(&mut config, &mut args)?,
            _ => return Err(args.count_err()),
        }
        property::read_block(&mut setup.input, &mut config, PROPERTIES)?;
    }
    let Config { prefix, translates_all, allows_ipv4 } = config;
    let (translated, clock) = (Translated::new(&setup.process.metrics), setup.process.clock.clone());
    let dns64 = Arc::new(Dns64 { prefix, translates_all, allows_ipv4, translated, clock });
    setup.push(Arc::clone(&dns64) as _);
    setup.on_link(move |linked| {
        dns64.translated.resolve(linked.servers);
        Ok(())
    });
    Ok(())
}

/// `prefix PREFIX`.
fn prefix(config: &mut Config, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    config.prefix = Prefix::read(args.get(0)).map_err(|refused| match refused {
        Refused::Syntax(text) => args.plain_at(0, text),
        Refused::Unfit(text) => args.err_at(0, text),
    })?;
    Ok(())
}

/// `translate_all`.
#[expect(clippy::unnecessary_wraps, reason = "the shape of a property")]
fn translate_all(config: &mut Config, _args: &mut Args<'_>) -> Result<(), Diagnostic> {
    config.translates_all = true;
    Ok(())
}

/// `allow_ipv4`.
#[expect(clippy::unnecessary_wraps, reason = "the shape of a property")]
fn allow_ipv4(config: &mut Config, _args: &mut Args<'_>) -> Result<(), Diagnostic> {
    config.allows_ipv4 = true;
    Ok(())
}
