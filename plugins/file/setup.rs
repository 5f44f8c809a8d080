//! Reads `file DBFILE [ZONES...] { ... }`, and the files.

use super::handler::File;
use super::served::{Follower, Served, Settings};
use corefile::Diagnostic;
use plugin_api::link::{Notifier, Transfer};
use plugin_api::{Args, Fallthrough, Property, Setup, Zones, go, property};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Between two looks at a file, unless told.
const DEFAULT_RELOAD: Duration = Duration::from_secs(60);

/// What the lines say. CoreDNS has one of these for all lines of a block: what one line sets holds for those behind.
struct Config {
    reload: Duration,
    by_time: bool,
    fallthrough: Fallthrough,
    /// Words of old versions that were met, with what to say of them.
    old: Vec<Diagnostic>,
}

/// The properties.
const PROPERTIES: &[Property<Config>] = &[
    Property::new("fallthrough", property::ANY, fallthrough),
    Property::new("reload", property::ANY, reload),
    Property::new("reload_by_mtime", property::ANY, reload_by_mtime),
    Property::new("upstream", property::ANY, upstream),
    Property::new("transfer", property::ANY, transfer),
    Property::new("no_reload", property::ANY, no_reload),
];

/// Sets the plugin up: one handler for all lines of the block.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    let fallthrough = Fallthrough::never();
    let mut config = Config { reload: DEFAULT_RELOAD, by_time: false, fallthrough, old: Vec::new() };
    let mut served: Vec<Arc<Served>> = Vec::new();
    let mut unread: Option<String> = None;
    while setup.input.next() {
        if !setup.input.next_arg() {
            return Err(setup.input.arg_err());
        }
        let path = clean(&setup.path(setup.input.val()));
        let args = setup.input.remaining_args();
        let zones = setup.zones(&args);
        let at = setup.input.clone();
        let place = |message: String| Diagnostic { kind: corefile::Kind::Plain, ..at.err(message) };
        let first = served.len();
        property::read_block(&mut setup.input, &mut config, PROPERTIES).or_else(|error| {
            // CoreDNS reads the file first: its error comes before one of the block.
            read_all(&path, &zones, &config).map_err(&place).and(Err(error))
        })?;
        served.extend(read_all(&path, &zones, &config).map_err(&place)?);
        unread = unread.or_else(|| served.get(first..).and_then(|new| new.first()).and_then(missing));
    }
    if let Some(error) = unread {
        if config.reload.is_zero() {
            return Err(setup.plain(format!("plugin/file: {error}")));
        }
        let (error, interval) = (corefile::args::go_quote(&error), go::show(config.reload));
        tracing::warn!(target: "plugin/file", "Failed to open {error}: trying again in {interval}");
    }
    std::mem::take(&mut config.old).into_iter().for_each(|old| setup.warn(old));
    finish(setup, served, config.fallthrough);
    Ok(())
}

/// Appends the handler and what belongs to it.
fn finish(setup: &mut Setup<'_>, served: Vec<Arc<Served>>, fallthrough: Fallthrough) {
    let file = Arc::new(File { served: served.iter().cloned().collect(), fallthrough });
    setup.push(Arc::clone(&file) as _);
    setup.offer::<dyn Transfer>(file);
    let told = served.clone();
    setup.on_link(move |linked| {
        if let Some(notifier) = linked.links.find::<dyn Notifier>("transfer") {
            told.iter().for_each(|served| served.set_notifier(Arc::clone(&notifier)));
        }
        Ok(())
    });
    setup.manage(Arc::new(Follower(served)));
}

/// Reads a file for each of its zones; a file that cannot be opened is left to be read later.
fn read_all(path: &Path, zones: &Zones, config: &Config) -> Result<Vec<Arc<Served>>, String> {
    let settings = Settings { reload: config.reload, by_time: config.by_time };
    let mut all = Vec::new();
    for zone in zones.as_slice() {
        let served = Served::new(zone.name().clone(), path.to_owned(), settings);
        match served.load() {
            Err(error) if !error.starts_with("open ") => return Err(error),
            _ => all.push(served),
        }
    }
    Ok(all)
}

/// Why the file of a zone could not be opened, if it could not.
fn missing(served: &Arc<Served>) -> Option<String> {
    if served.zone().is_some() {
        return None;
    }
    served.load().err()
}

/// A path without `.`, and without `..` where something stands before it (Go: filepath.Clean).
pub(crate) fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    if out.as_os_str().is_empty() { PathBuf::from(".") } else { out }
}

/// `fallthrough [ZONES...]`.
fn fallthrough(config: &mut Config, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    config.fallthrough = Fallthrough::to(args.zones());
    Ok(())
}

/// `reload DURATION`.
fn reload(config: &mut Config, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    if args.values.is_empty() {
        return Err(args.plain_at(0, "reload duration value is expected"));
    }
    let read = corefile::args::go_signed_duration(args.get(0));
    let duration = read.map_err(|error| args.plain_at(0, format!("plugin/file: {error}")))?;
    // CoreDNS panics at a negative one (golden case language plugin-file/06).
    if duration.is_negative() {
        return Err(args.plain_at(0, "reload duration must not be negative"));
    }
    config.reload = duration.or_zero();
    Ok(())
}

/// `reload_by_mtime`.
#[expect(clippy::unnecessary_wraps, reason = "the shape of a property")]
fn reload_by_mtime(config: &mut Config, _args: &mut Args<'_>) -> Result<(), Diagnostic> {
    config.by_time = true;
    Ok(())
}

/// `upstream`, of versions before 1.6.
#[expect(clippy::unnecessary_wraps, reason = "the shape of a property")]
fn upstream(config: &mut Config, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    let text = "'upstream' has no effect: targets outside of the zone are looked up through this server";
    config.old.push(args.input.err(text).with_help("leave it out"));
    Ok(())
}

/// `transfer to|from ADDRESS...`, of versions before 1.8.
#[expect(clippy::unnecessary_wraps, reason = "the shape of a property")]
fn transfer(config: &mut Config, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    let text = "'transfer' has no effect here: zones are handed out by the plugin 'transfer'";
    config.old.push(args.input.err(text).with_help("write 'transfer { to ADDRESS }' in the server block"));
    Ok(())
}

/// `no_reload`, of versions before 1.5.
#[expect(clippy::unnecessary_wraps, reason = "the shape of a property")]
fn no_reload(config: &mut Config, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    config.reload = Duration::ZERO;
    config.old.push(args.input.err("'no_reload' is an old word for 'reload 0'").with_help("write 'reload 0'"));
    Ok(())
}
