//! How many processors the program may use, and the line about it (uber-go/automaxprocs, as CoreDNS prints it).
//!
//! `GOMAXPROCS` is honoured, because manifests set it: it is the number of receiving threads for each address and of
//! the runtime's workers.

use std::fs;
use std::path::Path;

/// Most receiving threads for one address: beyond, nothing has been measured.
const MAX: usize = 64;

/// The number of processors, and what is printed about it.
pub struct Procs {
    /// At least 1.
    pub count: usize,
    /// The line, as CoreDNS prints it first.
    pub line: String,
}

/// Looks at the environment, then at the quota of the process's control group, then at the machine.
#[must_use]
pub fn procs() -> Procs {
    let machine = fs::read_to_string("/proc/cpuinfo")
        .map(|text| text.lines().filter(|line| line.starts_with("processor")).count())
        .unwrap_or(0);
    let allowed = std::thread::available_parallelism().map_or(1, usize::from);
    decide(std::env::var("GOMAXPROCS").ok().as_deref(), quota(Path::new("/")), allowed.max(1).min(machine.max(1)))
}

/// The decision, from what was found.
fn decide(environment: Option<&str>, quota: Option<f64>, machine: usize) -> Procs {
    if let Some(text) = environment.filter(|text| !text.is_empty()) {
        let count = text.parse().ok().filter(|count| *count > 0).unwrap_or(machine).min(MAX);
        return Procs { count, line: format!("maxprocs: Honoring GOMAXPROCS=\"{text}\" as set in environment") };
    }
    match quota {
        None => Procs {
            count: machine.min(MAX),
            line: format!("maxprocs: Leaving GOMAXPROCS={machine}: CPU quota undefined"),
        },
        Some(quota) if quota < 1.0 => {
            Procs { count: 1, line: "maxprocs: Updating GOMAXPROCS=1: using minimum allowed GOMAXPROCS".to_owned() }
        }
        Some(quota) => {
            let count = (1..=MAX).rev().find(|count| *count as f64 <= quota).unwrap_or(1);
            Procs { count, line: format!("maxprocs: Updating GOMAXPROCS={count}: determined from CPU quota") }
        }
    }
}

/// Processors that the control group allows, version 2 or 1; none without a limit. `root` is `/` but in tests.
fn quota(root: &Path) -> Option<f64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let mounted = root.join("sys/fs/cgroup");
    groups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?.trim_start_matches('/'));
        if controllers.is_empty() {
            // Within a container the path is often that of the host: the mount's own top is the group then.
            return read_v2(&mounted.join(path).join("cpu.max")).or_else(|| read_v2(&mounted.join("cpu.max")));
        }
        if !controllers.split(',').any(|controller| controller == "cpu") {
            return None;
        }
        let folder = mounted.join(controllers);
        read_v1(&folder.join(path)).or_else(|| read_v1(&folder)).or_else(|| read_v1(&mounted.join("cpu")))
    })
}

/// `cpu.max` of version 2: quota and period, or `max`.
fn read_v2(file: &Path) -> Option<f64> {
    let text = fs::read_to_string(file).ok()?;
    let mut fields = text.split_whitespace();
    let quota: f64 = fields.next()?.parse().ok()?;
    let period: f64 = fields.next().map_or(Ok(100_000.0), str::parse).ok()?;
    (period > 0.0).then(|| quota / period)
}

/// The two files of version 1; a quota of -1 is none.
fn read_v1(folder: &Path) -> Option<f64> {
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok()?.trim().parse::<f64>().ok();
    let (quota, period) = (read("cpu.cfs_quota_us")?, read("cpu.cfs_period_us")?);
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

#[cfg(test)]
mod tests {
    use super::decide;

    #[test]
    fn the_line_says_where_the_number_comes_from() {
        for (environment, quota, count, line) in [
            (None, None, 4, "maxprocs: Leaving GOMAXPROCS=4: CPU quota undefined"),
            (Some(""), None, 4, "maxprocs: Leaving GOMAXPROCS=4: CPU quota undefined"),
            (Some("1"), Some(2.0), 1, "maxprocs: Honoring GOMAXPROCS=\"1\" as set in environment"),
            (Some("x"), None, 4, "maxprocs: Honoring GOMAXPROCS=\"x\" as set in environment"),
            (None, Some(2.5), 2, "maxprocs: Updating GOMAXPROCS=2: determined from CPU quota"),
            (None, Some(0.1), 1, "maxprocs: Updating GOMAXPROCS=1: using minimum allowed GOMAXPROCS"),
        ] {
            let procs = decide(environment, quota, 4);
            assert_eq!((procs.count, &*procs.line), (count, line));
        }
    }
}
