//! Reads `hosts [FILE [ZONES...]] { [LINES] ttl; no_reverse; reload; fallthrough; fallthrough_unsupported }`.

use super::file::Hosts;
use super::handler::HostsHandler;
use super::metrics::HostsMetrics;
use super::table::{Scope, read_address};
use corefile::args::{go_int, go_quote, go_signed_duration};
use corefile::{Diagnostic, Dispenser, Token, os_error_text, suggest};
use plugin_api::setup::normalise;
use plugin_api::{Fallthrough, Lifecycle, Setup, Zones};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What the directive says.
struct Config {
    path: PathBuf,
    zones: Zones,
    /// Lines in the form of a hosts file.
    inline: String,
    ttl: u32,
    has_reverse: bool,
    reload: Duration,
    fallthrough: Fallthrough,
    passes_other_types: bool,
    /// Lines without effect.
    warnings: Vec<Diagnostic>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: PathBuf::from("/etc/hosts"),
            zones: Zones::default(),
            inline: String::new(),
            ttl: 3600,
            has_reverse: true,
            reload: Duration::from_secs(5),
            fallthrough: Fallthrough::never(),
            passes_other_types: false,
            warnings: Vec::new(),
        }
    }
}

/// Appends the handler; the file is read at the start.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    let mut config = read(setup)?;
    config.warnings.drain(..).for_each(|warning| setup.warn(warning));
    let metrics = HostsMetrics::new(&setup.process.metrics, &config.path.to_string_lossy());
    let scope = Scope { zones: config.zones.clone(), has_reverse: config.has_reverse };
    let hosts = Hosts::new((config.path, config.reload), scope, &config.inline, metrics);
    setup.manage(Arc::clone(&hosts) as Arc<dyn Lifecycle>);
    setup.push(Arc::new(HostsHandler {
        hosts,
        zones: config.zones,
        fallthrough: config.fallthrough,
        passes_other_types: config.passes_other_types,
        ttl: config.ttl,
    }));
    Ok(())
}

/// Reads the directive.
fn read(setup: &mut Setup<'_>) -> Result<Config, Diagnostic> {
    let mut config = Config::default();
    let mut is_first = true;
    while setup.input.next() {
        if !std::mem::take(&mut is_first) {
            return Err(setup.once());
        }
        let args = setup.input.remaining_args();
        let zones = args.get(1..).unwrap_or_default();
        if let Some(path) = args.first() {
            config.path = setup.path(path);
            look_at(setup, &config.path)?;
        }
        config.zones = setup.zones(zones);
        while setup.input.next_block() {
            property(&mut setup.input, &mut config)?;
        }
    }
    if config.passes_other_types && config.fallthrough == Fallthrough::never() {
        return Err(setup.input.err("fallthrough_unsupported requires fallthrough"));
    }
    Ok(config)
}

/// Warns of a file that is missing or none; one that must not be seen is an error.
fn look_at(setup: &Setup<'_>, path: &Path) -> Result<(), Diagnostic> {
    let shown = path.display();
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => {
            let quoted = go_quote(&path.to_string_lossy());
            tracing::warn!(target: "plugin/hosts", "Hosts file {quoted} is a directory");
        }
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {
            tracing::warn!(target: "plugin/hosts", "File does not exist: {shown}");
        }
        Err(error) => {
            let reason = os_error_text(&error);
            return Err(setup.input.err(format!("unable to access hosts file '{shown}': stat {shown}: {reason}")));
        }
    }
    Ok(())
}

/// Reads a property, or a line in the form of a hosts file: any unknown word begins one until `fallthrough` was seen.
fn property(input: &mut Dispenser, config: &mut Config) -> Result<(), Diagnostic> {
    let name = input.val().to_owned();
    let err = |input: &Dispenser, text: String| Err(input.err(text));
    match name.as_str() {
        "fallthrough" => config.fallthrough = fallthrough(&input.remaining_args()),
        "fallthrough_unsupported" => {
            if !input.remaining_args().is_empty() {
                return Err(input.arg_err());
            }
            config.passes_other_types = true;
        }
        "no_reverse" => config.has_reverse = false,
        "ttl" => match input.remaining_args().first().map(|word| go_int(word)) {
            None => return err(input, "ttl needs a time in second".to_owned()),
            Some(Err(_)) => return err(input, "ttl needs a number of second".to_owned()),
            Some(Ok(ttl @ 1..=65535)) => config.ttl = u32::try_from(ttl).unwrap_or(u32::MAX),
            Some(Ok(_)) => return err(input, "ttl provided is invalid".to_owned()),
        },
        "reload" => config.reload = reload(input)?,
        _ if config.fallthrough == Fallthrough::never() => {
            if read_address(&name).is_none() {
                // CoreDNS takes such a line for one of a hosts file that has no effect, and does not say so.
                let near = suggest(&name, ["fallthrough", "fallthrough_unsupported", "no_reverse", "ttl", "reload"]);
                let said = input.err(format!("'{name}' is no IP address: the line has no effect"));
                config.warnings.push(said.with_suggestion(near));
            }
            config.inline.push_str(&name);
            for word in input.remaining_args() {
                config.inline.push(' ');
                config.inline.push_str(&word);
            }
            config.inline.push('\n');
        }
        _ => return err(input, format!("unknown property '{name}'")),
    }
    Ok(())
}

/// Reads the time between two looks at the file.
fn reload(input: &mut Dispenser) -> Result<Duration, Diagnostic> {
    let args = input.remaining_args();
    let [word] = args.as_slice() else {
        return Err(input.err("reload needs a duration (zero seconds to disable)"));
    };
    match go_signed_duration(word) {
        Err(_) => Err(input.err(format!("invalid duration for reload '{word}'"))),
        Ok(duration) if duration.is_negative() => {
            Err(input.err(format!("invalid negative duration for reload '{word}'")))
        }
        Ok(duration) => Ok(duration.or_zero()),
    }
}

/// The zones of `fallthrough`: all names without argument, none where no argument is a zone.
fn fallthrough(args: &[Token]) -> Fallthrough {
    match normalise(args) {
        zones if args.is_empty() || !zones.is_empty() => Fallthrough::to(zones),
        _ => Fallthrough::never(),
    }
}
