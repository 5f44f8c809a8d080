//! Reads `timeouts { read D; write D; idle D; maxtcpqueries N }`.

use corefile::args::{GoDuration, go_int, go_signed_duration};
use corefile::{Diagnostic, Token, suggest};
use plugin_api::go::show;
use plugin_api::{Settings, Setup};
use std::time::Duration;

/// The properties.
const NAMES: [&str; 4] = ["read", "write", "idle", "maxtcpqueries"];
/// Shortest time.
const MIN: Duration = Duration::from_secs(1);
/// Longest time.
const MAX: Duration = Duration::from_secs(24 * 3600);

/// Changes the settings of the block. Not by a table: CoreDNS looks at a value before it knows the property.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    while setup.input.next() {
        if !setup.input.remaining_args().is_empty() {
            return Err(setup.input.arg_err().with_prefix("plugin/timeouts"));
        }
        let mut is_empty = true;
        while setup.input.next_block() {
            property(setup)?;
            is_empty = false;
        }
        if is_empty {
            let error = setup.input.err("timeouts block with no timeouts specified");
            return Err(error.with_prefix("plugin/timeouts"));
        }
    }
    Ok(())
}

/// Reads one property.
fn property(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    let name = setup.input.val().to_owned();
    let args = setup.input.remaining_args();
    let [value] = args.as_slice() else { return Err(setup.input.arg_err()) };
    let refuse = |text: String| setup.input.err(text).pointing_at(value.span, setup.input.sources());
    if name == "maxtcpqueries" {
        setup.block.settings.max_tcp_queries = queries(value).map_err(refuse)?;
        return Ok(());
    }
    let duration = duration(value).map_err(refuse)?;
    let Settings { read_timeout, write_timeout, idle_timeout, .. } = &mut setup.block.settings;
    match name.as_str() {
        "read" => *read_timeout = duration,
        "write" => *write_timeout = duration,
        "idle" => *idle_timeout = duration,
        _ => {
            let error = setup.input.err(format!("unknown option: '{name}'"));
            return Err(error.with_suggestion(suggest(&name, NAMES)));
        }
    }
    Ok(())
}

/// A time between [`MIN`] and [`MAX`]; a bare number is seconds.
fn duration(word: &Token) -> Result<Duration, String> {
    let text = if go_int(word).is_ok() { format!("{word}s") } else { word.to_string() };
    let read = go_signed_duration(&text).map_err(|_| format!("failed to parse duration '{word}'"))?;
    let duration = read.or_zero();
    if (MIN..=MAX).contains(&duration) {
        return Ok(duration);
    }
    Err(format!("timeout provided '{}' needs to be between 1 second and 24 hours", shown(read)))
}

/// A duration as Go prints it.
fn shown(duration: GoDuration) -> String {
    let sign = if duration.is_negative() { "-" } else { "" };
    format!("{sign}{}", show(Duration::from_nanos(duration.nanos.unsigned_abs())))
}

/// A number of queries; none for any number.
fn queries(word: &Token) -> Result<Option<u32>, String> {
    let number = go_int(word).map_err(|error| format!("invalid value for maxtcpqueries '{word}': {error}"))?;
    match number {
        -1 => Ok(None),
        1.. => Ok(Some(u32::try_from(number).unwrap_or(u32::MAX))),
        _ => Err(format!("maxtcpqueries provided '{number}' needs to be -1 (unlimited) or a positive integer")),
    }
}
