//! Turns the OpenMetrics text of prometheus-client into the text format 0.0.4 that CoreDNS's scrapers get.
//!
//! The differences: counters are named with `_total` in HELP and TYPE, whole numbers have no `.0`, there is no EOF line, and
//! families, their series and the labels of a series come sorted.

use std::fmt::Write as _;

/// One metric family.
struct Family<'a> {
    name: String,
    help: &'a str,
    kind: &'a str,
    lines: Vec<String>,
}

/// The text of the `wanted` families, of all if none is named.
pub(super) fn convert(encoded: &str, wanted: &[String]) -> String {
    let mut families = families(encoded);
    families.retain(|family| !family.lines.is_empty() && (wanted.is_empty() || wanted.contains(&family.name)));
    families.sort_by(|one, other| one.name.cmp(&other.name));
    let mut out = String::with_capacity(encoded.len());
    for family in &mut families {
        // Writing to a string cannot fail.
        _ = writeln!(out, "# HELP {0} {1}\n# TYPE {0} {2}", family.name, family.help, family.kind);
        family.lines.sort_by_cached_key(|line| series_key(line));
        for line in &family.lines {
            sample(line, &mut out);
        }
    }
    out
}

/// The families in the order of the text; a name that comes twice is merged.
fn families(encoded: &str) -> Vec<Family<'_>> {
    let mut families: Vec<Family<'_>> = Vec::new();
    for line in encoded.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap_or((rest, ""));
            // prometheus-client puts a full stop behind every help text.
            let help = help.strip_suffix('.').unwrap_or(help);
            families.push(Family { name: name.to_owned(), help, kind: "untyped", lines: Vec::new() });
        } else if let (Some(rest), Some(family)) = (line.strip_prefix("# TYPE "), families.last_mut()) {
            family.kind = rest.rsplit_once(' ').map_or("untyped", |(_, kind)| kind);
            if family.kind == "counter" && !family.name.ends_with("_total") {
                family.name.push_str("_total");
            }
        } else if let (false, Some(family)) = (line.starts_with('#') || line.is_empty(), families.last_mut()) {
            family.lines.push(with_sorted_labels(line));
        }
    }
    families
}

/// A sample with its labels in the order of the alphabet, but `le` behind all others.
fn with_sorted_labels(line: &str) -> String {
    let Some((name, (labels, rest))) =
        line.split_once('{').and_then(|(name, rest)| Some((name, rest.rsplit_once('}')?)))
    else {
        return line.to_owned();
    };
    let mut parts: Vec<&str> = Vec::new();
    let (mut start, mut is_quoted, mut is_escaped) = (0, false, false);
    for (at, letter) in labels.char_indices() {
        match letter {
            '"' if !is_escaped => is_quoted = !is_quoted,
            ',' if !is_quoted => {
                parts.push(labels.get(start..at).unwrap_or(""));
                start = at + 1;
            }
            _ => {}
        }
        is_escaped = letter == '\\' && !is_escaped;
    }
    parts.push(labels.get(start..).unwrap_or(""));
    parts.sort_by_key(|label| (label.starts_with("le="), label.split_once('=').map_or(*label, |(name, _)| name)));
    format!("{name}{{{}}}{rest}", parts.join(","))
}

/// What lines are sorted by: the labels but `le`, then buckets (in their order), sum and count.
fn series_key(line: &str) -> (String, u8) {
    let (name, labels) = line.split_at(line.find(['{', ' ']).unwrap_or(line.len()));
    let labels = labels.rsplit_once('}').map_or("", |(labels, _)| labels);
    let labels = match bound(labels) {
        Some((before, _, after)) => format!("{before}{}", after.trim_start_matches(',')),
        None => labels.to_owned(),
    };
    let part = if name.ends_with("_sum") { 1 } else { u8::from(name.ends_with("_count")) * 2 };
    (labels, part)
}

/// What stands before, in and behind the label `le` of a bucket.
fn bound(labels: &str) -> Option<(&str, &str, &str)> {
    let start = labels.find("{le=\"").or_else(|| labels.find(",le=\""))? + 1;
    let (before, rest) = labels.split_at(start);
    let (bound, after) = rest.strip_prefix("le=\"")?.split_once('"')?;
    Some((before, bound, after))
}

/// Writes one sample with Go's spelling of numbers.
fn sample(line: &str, out: &mut String) {
    let whole = |number| str::strip_suffix(number, ".0").unwrap_or(number);
    let (series, value) = line.rsplit_once(' ').unwrap_or((line, ""));
    match bound(series) {
        Some((before, bound, after)) => {
            let bound = whole(bound);
            _ = writeln!(out, "{before}le=\"{bound}\"{after} {}", whole(value));
        }
        None => _ = writeln!(out, "{series} {}", whole(value)),
    }
}

/// The process's own metrics, as Prometheus's client libraries name them; empty where `/proc` cannot be read.
pub(super) fn process() -> String {
    let Ok(process) = procfs::process::Process::myself() else { return String::new() };
    let mut out = String::new();
    let mut put = |name: &str, kind: &str, help: &str, value: f64| {
        _ = writeln!(out, "# HELP {name} {help}.\n# TYPE {name} {kind}\n{name} {value}");
    };
    if let Ok(stat) = process.stat() {
        let ticks = procfs::ticks_per_second() as f64;
        let cpu = (stat.utime + stat.stime) as f64 / ticks;
        put("process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.", cpu);
        put("process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", stat.vsize as f64);
        put(
            "process_resident_memory_bytes",
            "gauge",
            "Resident memory size in bytes.",
            (stat.rss * procfs::page_size()) as f64,
        );
        if let Ok(boot) = procfs::boot_time_secs() {
            let start = boot as f64 + stat.starttime as f64 / ticks;
            put("process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.", start);
        }
    }
    if let Ok(open) = process.fd_count() {
        put("process_open_fds", "gauge", "Number of open file descriptors.", open as f64);
    }
    if let Ok(procfs::process::LimitValue::Value(most)) =
        process.limits().map(|limits| limits.max_open_files.soft_limit)
    {
        put("process_max_fds", "gauge", "Maximum number of open file descriptors.", most as f64);
    }
    out
}
