//! Reads `erratic { drop [AMOUNT]; truncate [AMOUNT]; delay [AMOUNT [DURATION]]; large }`.

use super::handler::{Erratic, Faults};
use corefile::args::{go_int_of, go_quote, go_signed_duration};
use corefile::{Diagnostic, Kind};
use plugin_api::link::{Ready, SearchPath};
use plugin_api::property::{Args, Property, read_block};
use plugin_api::{Handler, Setup};
use std::sync::Arc;
use std::time::Duration;

/// Every how many queries something happens, without argument.
const DEFAULT: u64 = 2;

/// The properties.
const PROPERTIES: &[Property<Config>] = &[
    Property::new("drop", 0..=1, drop_some),
    Property::new("delay", 0..=2, delay),
    Property::new("truncate", 0..=1, truncate),
    Property::new("large", 0..=usize::MAX, large),
];

/// What the directive says.
#[derive(Default)]
struct Config {
    faults: Faults,
    /// Whether `drop` was given with a number.
    has_drop: bool,
}

/// Appends the handler.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    let mut config = Config { faults: Faults { drop: DEFAULT, ..Faults::default() }, has_drop: false };
    while setup.input.next() {
        read_block(&mut setup.input, &mut config, PROPERTIES)?;
    }
    let Config { mut faults, has_drop } = config;
    if (faults.delay > 0 || faults.truncate > 0) && !has_drop {
        faults.drop = 0;
    }
    let erratic = Arc::new(Erratic::new(faults));
    setup.push(Arc::clone(&erratic) as Arc<dyn Handler>);
    setup.offer(Arc::clone(&erratic) as Arc<dyn Ready>);
    setup.offer(erratic as Arc<dyn SearchPath>);
    Ok(())
}

/// Every how many queries; 0 for none.
fn amount(args: &Args<'_>) -> Result<u64, Diagnostic> {
    let number = go_int_of(args.get(0), 32).map_err(|text| args.plain_at(0, text))?;
    u64::try_from(number).map_err(|_| args.plain_at(0, format!("illegal amount value given {}", go_quote(args.get(0)))))
}

/// Reads `drop`; without argument it changes nothing.
fn drop_some(config: &mut Config, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    if !args.values.is_empty() {
        config.faults.drop = amount(args)?;
        config.has_drop = true;
    }
    Ok(())
}

/// Reads `delay`.
fn delay(config: &mut Config, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    config.faults.delay = if args.values.is_empty() { DEFAULT } else { amount(args)? };
    config.faults.duration = Duration::from_millis(100);
    if args.values.len() > 1 {
        let duration = go_signed_duration(args.get(1));
        let duration = duration.map_err(|text| Diagnostic { kind: Kind::Plain, ..args.err_at(1, text) })?;
        config.faults.duration = duration.or_zero();
    }
    Ok(())
}

/// Reads `truncate`.
fn truncate(config: &mut Config, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    config.faults.truncate = if args.values.is_empty() { DEFAULT } else { amount(args)? };
    Ok(())
}

/// Reads `large`.
#[expect(clippy::unnecessary_wraps, reason = "the shape of a property")]
fn large(config: &mut Config, _args: &mut Args<'_>) -> Result<(), Diagnostic> {
    config.faults.is_large = true;
    Ok(())
}
