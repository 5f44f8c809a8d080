//! Reads `auto [ZONES...] { directory DIR [REGEXP TEMPLATE]; reload DURATION }`.

use super::folder::{Folder, Search, Walker};
use super::handler::Auto;
use crate::pattern;
use corefile::Diagnostic;
use plugin_api::link::{Notifier, Transfer};
use plugin_api::setup::Setup;
use plugin_api::{Zones, property};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Which files are zone files, unless told.
const DEFAULT_PATTERN: &str = "db\\.(.*)";
/// From a match to the zone, unless told.
const DEFAULT_TEMPLATE: &str = "${1}";
/// Between two looks, unless told.
const DEFAULT_RELOAD: Duration = Duration::from_secs(60);
/// Most octets of a regular expression (CoreDNS: maxRegexpLen).
const MAX_PATTERN: usize = 10_000;

/// Sets the plugin up: one handler, and of several lines the last that says something counts.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    let pattern = pattern::compile(DEFAULT_PATTERN).map_err(|text| setup.plain(text))?;
    let template = DEFAULT_TEMPLATE.to_owned();
    let mut search = Search { directory: None, pattern, template, reload: DEFAULT_RELOAD };
    let mut origins = Zones::default();
    while setup.input.next() {
        let args = setup.input.remaining_args();
        origins = setup.zones(&args);
        while setup.input.next_block() {
            read_property(setup, &mut search)?;
        }
    }
    let folder = Arc::new(Folder::new(search));
    let auto = Arc::new(Auto { origins, folder: Arc::clone(&folder) });
    setup.push(Arc::clone(&auto) as _);
    setup.offer::<dyn Transfer>(auto);
    let told = Arc::clone(&folder);
    setup.on_link(move |linked| {
        if let Some(notifier) = linked.links.find::<dyn Notifier>("transfer") {
            told.set_notifier(notifier);
        }
        Ok(())
    });
    setup.manage(Arc::new(Walker(folder)));
    Ok(())
}

/// Reads one property.
fn read_property(setup: &mut Setup<'_>, search: &mut Search) -> Result<(), Diagnostic> {
    match setup.input.val() {
        "directory" => directory(setup, search),
        "reload" => reload(setup, search),
        "upstream" | "transfer" => {
            let text = format!("'{}' has no effect here any more", setup.input.val());
            let warning = setup.input.err(text).with_help("leave it out; transfers are the plugin 'transfer'");
            setup.input.remaining_args();
            setup.warn(warning);
            Ok(())
        }
        "no_reload" => {
            let warning = setup.input.err("'no_reload' is an old word for 'reload 0'").with_help("write 'reload 0'");
            setup.warn(warning);
            search.reload = Duration::ZERO;
            Ok(())
        }
        _ => Err(property::unknown(&setup.input, ["directory", "reload"].into_iter())),
    }
}

/// `directory DIR [REGEXP TEMPLATE]`. Versions before 1.5 took a number of seconds behind, which has no effect any more.
fn directory(setup: &mut Setup<'_>, search: &mut Search) -> Result<(), Diagnostic> {
    if !setup.input.next_arg() {
        return Err(setup.input.arg_err());
    }
    let path = setup.path(setup.input.val());
    let show = path.display().to_string();
    if let Err(error) = std::fs::metadata(&path) {
        if error.kind() != io::ErrorKind::NotFound {
            let error = corefile::os_error_text(&error);
            return Err(setup.input.err(format!("Unable to access root path '{show}': stat {show}: {error}")));
        }
        tracing::warn!(target: "plugin/auto", "Directory does not exist: {show}");
    }
    search.directory = Some(path);
    if setup.input.next_arg() {
        let text = setup.input.val();
        if text.len() > MAX_PATTERN {
            return Err(setup.input.err("regexp too large"));
        }
        search.pattern = pattern::compile(text).map_err(|text| setup.plain(text))?;
        if search.pattern.group_count() == 1 {
            return Err(setup.input.err("Need at least one sub expression"));
        }
        if !setup.input.next_arg() {
            return Err(setup.input.arg_err());
        }
        search.template = setup.input.val().replace('{', "${");
    }
    if setup.input.next_arg() {
        return Err(setup.input.arg_err());
    }
    Ok(())
}

/// `reload DURATION`.
fn reload(setup: &mut Setup<'_>, search: &mut Search) -> Result<(), Diagnostic> {
    let args = setup.input.remaining_args();
    let Some(text) = args.first() else { return Err(setup.plain("reload duration value is expected")) };
    let read = corefile::args::go_signed_duration(text);
    let duration = read.map_err(|error| setup.plain(format!("plugin/file: {error}")))?;
    if duration.is_negative() {
        return Err(setup.plain("plugin/file: invalid duration"));
    }
    search.reload = duration.or_zero();
    Ok(())
}
