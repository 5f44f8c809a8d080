//! The command line, in the syntax of Go's package `flag`: `-x v`, `-x=v`, `--x v`; the last one wins.
//!
//! Usage text, errors and exit codes are CoreDNS's; `-kubernetes.manifests` is ours.

use crate::load::DEFAULT_PORT;
use std::path::PathBuf;

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flags {
    /// `-conf`: the Corefile; empty for the default one.
    pub conf: String,
    /// `-dns.port` and `-p`: the port of plain DNS.
    pub port: String,
    /// `-pidfile`: empty for none.
    pub pidfile: String,
    /// `-plugins`: list them.
    pub plugins: bool,
    /// `-quiet`: no listing and no banner.
    pub quiet: bool,
    /// `-version`: show it.
    pub version: bool,
    /// `-kubernetes.manifests`: stand in for the API server.
    pub manifests: Vec<PathBuf>,
}

impl Default for Flags {
    fn default() -> Self {
        Self {
            conf: String::new(),
            port: DEFAULT_PORT.to_owned(),
            pidfile: String::new(),
            plugins: false,
            quiet: false,
            version: false,
            manifests: Vec::new(),
        }
    }
}

/// The end of the process before anything began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The status.
    pub code: u8,
    /// What goes to standard error, without the last line's end.
    pub text: String,
}

/// How a flag takes its value.
enum Kind {
    /// It needs one.
    Text(&'static str, fn(&mut Flags, String)),
    /// It may have one after `=`.
    Switch(fn(&mut Flags, bool)),
}

/// A flag.
struct Flag {
    name: &'static str,
    usage: &'static str,
    kind: Kind,
}

/// All flags by name, as the usage text lists them.
const FLAGS: &[Flag] = &[
    Flag {
        name: "conf",
        usage: "Corefile to load (default \"Corefile\")",
        kind: Kind::Text("string", |flags, value| flags.conf = value),
    },
    Flag {
        name: "dns.port",
        usage: "Default port (default \"53\")",
        kind: Kind::Text("string", |flags, value| flags.port = value),
    },
    Flag {
        name: "kubernetes.manifests",
        usage: "File or folder of Kubernetes objects that replaces the API server; may be repeated",
        kind: Kind::Text("path", |flags, value| flags.manifests.push(value.into())),
    },
    Flag {
        name: "p",
        usage: "Default port (default \"53\")",
        kind: Kind::Text("string", |flags, value| flags.port = value),
    },
    Flag {
        name: "pidfile",
        usage: "Path to write pid file",
        kind: Kind::Text("string", |flags, value| flags.pidfile = value),
    },
    Flag { name: "plugins", usage: "List installed plugins", kind: Kind::Switch(|flags, on| flags.plugins = on) },
    Flag {
        name: "quiet",
        usage: "Quiet mode (no initialization output)",
        kind: Kind::Switch(|flags, on| flags.quiet = on),
    },
    Flag { name: "version", usage: "Show version", kind: Kind::Switch(|flags, on| flags.version = on) },
];

/// Reads the arguments, the program's name first.
///
/// # Errors
/// With the end of the process: the usage text, or what is wrong. Arguments that are no flags are an error with a time stamp,
/// which `now` gives.
pub fn parse(mut args: impl Iterator<Item = String>, now: impl FnOnce() -> String) -> Result<Flags, Exit> {
    let program = args.next().unwrap_or_default();
    let mut flags = Flags::default();
    let mut args = args.peekable();
    while let Some(arg) = args.next_if(|arg| arg.len() > 1 && arg.starts_with('-')) {
        if arg == "--" {
            break;
        }
        apply(&mut flags, &arg, &mut args).map_err(|error| refuse(&program, error))?;
    }
    let rest: Vec<String> = args.collect();
    if rest.is_empty() {
        return Ok(flags);
    }
    Err(Exit { code: 1, text: format!("{} extra command line arguments: [{}]", now(), rest.join(" ")) })
}

/// Applies one flag; the error is empty for a call for help.
fn apply(flags: &mut Flags, arg: &str, args: &mut impl Iterator<Item = String>) -> Result<(), String> {
    let text = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-')).unwrap_or(arg);
    if text.is_empty() || text.starts_with(['-', '=']) {
        return Err(format!("bad flag syntax: {arg}"));
    }
    let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value.to_owned())));
    let Some(flag) = FLAGS.iter().find(|flag| flag.name == name) else {
        let is_help = name == "help" || name == "h";
        return Err(if is_help { String::new() } else { format!("flag provided but not defined: -{name}") });
    };
    match flag.kind {
        Kind::Text(_, set) => match value.or_else(|| args.next()) {
            Some(value) => set(flags, value),
            None => return Err(format!("flag needs an argument: -{name}")),
        },
        Kind::Switch(set) => match value.as_deref().map_or(Some(true), boolean) {
            Some(on) => set(flags, on),
            None => {
                let value = value.unwrap_or_default();
                return Err(format!("invalid boolean value \"{value}\" for -{name}: parse error"));
            }
        },
    }
    Ok(())
}

/// A truth value as Go's `strconv.ParseBool`.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// The end after a bad flag: status 2, or 0 after a call for help; the usage in both cases.
fn refuse(program: &str, error: String) -> Exit {
    let usage = usage(program);
    if error.is_empty() { Exit { code: 0, text: usage } } else { Exit { code: 2, text: format!("{error}\n{usage}") } }
}

/// The usage text.
fn usage(program: &str) -> String {
    let mut text = format!("Usage of {program}:");
    for Flag { name, usage, kind } in FLAGS {
        let value = if let Kind::Text(value, _) = kind { format!(" {value}") } else { String::new() };
        text.push_str(&format!("\n  -{name}{value}\n    \t{usage}"));
    }
    text
}

/// The two lines of `-version` and of the banner.
#[must_use]
pub fn version() -> [String; 2] {
    let os = std::env::consts::OS;
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    };
    let commit = option_env!("FERRODNS_COMMIT").unwrap_or_default();
    [
        format!("ferrodns-{}", env!("CARGO_PKG_VERSION")),
        format!("{os}/{arch}, compatible with CoreDNS-1.14.7, {commit}"),
    ]
}

/// The lines of `-plugins`: sorted, but `on` last, which is no plugin to CoreDNS's list either; then an empty one.
#[must_use]
pub fn plugins(names: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable_by_key(|name| (*name == "on", *name));
    names.push("");
    names
}

/// The date and time, UTC, in the shape of Go's package `log`.
#[must_use]
pub fn timestamp(unix_seconds: u64) -> String {
    let (days, seconds) = (unix_seconds / 86_400, unix_seconds % 86_400);
    // Days since 1970 to a date in eras of 400 years that begin in March (Howard Hinnant, "chrono-compatible date algorithms").
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}/{month:02}/{day:02} {:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
#[path = "cli_tests.rs"]
mod tests;
