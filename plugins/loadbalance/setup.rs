//! Reads `loadbalance [round_robin | weighted FILE { reload D }] { prefer CIDR... }`.

use super::handler::{LoadBalance, Policy};
use super::weights::Weights;
use corefile::args::{go_quote, go_signed_duration};
use corefile::{Diagnostic, Token};
use ipnet::IpNet;
use plugin_api::property::{Args, Property, read_block};
use plugin_api::{Lifecycle, Setup};
use std::sync::Arc;
use std::time::Duration;

/// The properties of every policy but `weighted`.
const PROPERTIES: &[Property<Config>] = &[Property::new("prefer", 0..=usize::MAX, prefer)];
/// The properties of `weighted`. CoreDNS reads the block of `weighted` for itself and refuses `prefer` in it.
const WEIGHTED: &[Property<Config>] = &[Property::new("reload", 0..=usize::MAX, reload)];

/// What the directive says.
struct Config {
    reload: Duration,
    networks: Vec<IpNet>,
}

/// Appends the handler; of several directives the last policy counts, and the networks of all.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    let mut config = Config { reload: Duration::from_secs(30), networks: Vec::new() };
    let mut weighted = None;
    while setup.input.next() {
        let args = setup.input.remaining_args();
        weighted = policy(setup, &args)?;
        let properties = if weighted.is_some() { WEIGHTED } else { PROPERTIES };
        read_block(&mut setup.input, &mut config, properties)?;
    }
    let policy = match weighted {
        None => Policy::RoundRobin,
        Some(file) => {
            let weights = Weights::new(setup.path(&file), config.reload);
            setup.manage(Arc::clone(&weights) as Arc<dyn Lifecycle>);
            Policy::Weighted(weights)
        }
    };
    setup.push(Arc::new(LoadBalance { policy, networks: config.networks }));
    Ok(())
}

/// Reads the policy; gives the weight file if it is `weighted`.
fn policy(setup: &Setup<'_>, args: &[Token]) -> Result<Option<Token>, Diagnostic> {
    let Some((policy, rest)) = args.split_first() else { return Ok(None) };
    match (policy.as_str(), rest) {
        ("round_robin", []) => Ok(None),
        ("round_robin", _) => Err(setup.input.err("unknown property for round_robin")),
        ("weighted", []) => Err(setup.input.err("missing weight file argument")),
        ("weighted", [file]) => Ok(Some(file.clone())),
        ("weighted", _) => Err(setup.input.err("unexpected argument(s)")),
        (other, _) => {
            let near = corefile::suggest(other, ["round_robin", "weighted"]);
            Err(setup.plain(format!("unknown policy: {other}")).with_suggestion(near))
        }
    }
}

/// Reads `reload`.
fn reload(config: &mut Config, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    match args.values.len() {
        0 => return Err(args.input.err("reload duration value is missing")),
        1 => {}
        _ => return Err(args.err_at(1, "unexpected argument")),
    }
    let word = args.get(0);
    let duration = go_signed_duration(word).ok().filter(|duration| !duration.is_negative());
    let duration = duration.ok_or_else(|| args.err_at(0, format!("invalid reload duration '{word}'")))?;
    config.reload = duration.or_zero();
    Ok(())
}

/// Reads `prefer`.
fn prefer(config: &mut Config, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    for (index, word) in args.values.iter().enumerate() {
        let network = word.parse().map_err(|_| {
            args.err_at(index, format!("invalid CIDR {}: invalid CIDR address: {word}", go_quote(word)))
        })?;
        config.networks.push(network);
    }
    Ok(())
}
