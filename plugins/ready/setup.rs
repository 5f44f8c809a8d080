//! Reads `ready [ADDRESS] { monitor MODE }`.

use super::{Board, Listener};
use crate::endpoint::{Endpoint, read_address};
use corefile::Diagnostic;
use plugin_api::link::Ready;
use plugin_api::{Args, Property, Setup, read_block};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Where it listens unless told.
const DEFAULT_ADDRESS: &str = ":8181";

/// What the directive says.
struct Config {
    address: String,
    asks_again: bool,
}

/// The properties.
const PROPERTIES: &[Property<Config>] = &[Property::new("monitor", 1..=1, monitor)];

/// `monitor until-ready|continuously`: whether a plugin that was ready once is asked again.
fn monitor(config: &mut Config, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    config.asks_again = match args.get(0) {
        "until-ready" => false,
        "continuously" => true,
        other => return Err(args.err_at(0, format!("monitor type '{other}' not supported"))),
    };
    Ok(())
}

/// Sets the plugin up. The mode of the last block that is read holds for all, as in CoreDNS.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    let mut config = Config { address: DEFAULT_ADDRESS.to_owned(), asks_again: false };
    let mut seen = false;
    while setup.input.next() {
        if std::mem::replace(&mut seen, true) {
            return Err(setup.once());
        }
        read_address(setup, &mut config.address, |setup, error| setup.plain(error))?;
        read_block(&mut setup.input, &mut config, PROPERTIES)?;
    }
    let board = setup.kept.find::<Board>("ready").unwrap_or_default();
    setup.kept.keep("ready", Arc::clone(&board));
    board.asks_again.store(config.asks_again, Ordering::Relaxed);
    let endpoint = Endpoint::at(setup, &config.address, "/ready");
    let shown = Arc::clone(&board);
    setup.on_link(move |linked| {
        linked.links.all::<dyn Ready>().for_each(|(plugin, ready)| shown.add(plugin, ready));
        Ok(())
    });
    setup.manage(Arc::new(Listener { endpoint, board }));
    Ok(())
}
