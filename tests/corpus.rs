//! Public Corefiles: does the program start on those on which CoreDNS starts, and refuse the others with the same first line?
//!
//! They are not part of the project. `FERRODNS_CORPUS=FILE` names the records: a file in the form of `language.jsonl` whose
//! cases may name Corefiles in `FILE/../../../corpus/corefiles`. Counts and names are printed, see `golden/README.md`; a case
//! that none of the [`Heap`]s explains is an error. `FERRODNS_CASES=TEXT` runs only cases whose name contains TEXT.

use std::collections::BTreeMap;
use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::say;
use crate::language::{Case, Ending, missing_plugin, run_all};

/// What the machine on which the cases were recorded has besides the addresses that every network has here, as arguments of
/// `ip`: two interfaces.
const FURNITURE: [&str; 13] = [
    "link add eth0 type veth peer name nodelocaldns",
    "link set eth0 addrgenmode none up",
    "link set nodelocaldns addrgenmode none up",
    "addr del 10.244.9.53/32 dev lo",
    "-6 addr del 2001:db8:9::53/128 dev lo",
    "addr add 10.244.9.53/24 dev eth0",
    "-6 addr add 2001:db8:9::53/64 dev eth0 nodad",
    "-6 addr add 2001:db8:9::100/128 dev lo nodad",
    "addr add 169.254.20.10/32 dev nodelocaldns",
    "addr add 169.254.10.10/32 dev nodelocaldns",
    "addr add 169.254.10.11/32 dev nodelocaldns",
    "addr add 10.233.0.3/32 dev nodelocaldns",
    "addr add 1.2.3.4/32 dev nodelocaldns",
];

/// Words that older releases of CoreDNS had.
const REMOVED: [&str; 5] = [
    "Unknown directive 'proxy'",
    "Unknown directive 'federation'",
    "unknown property 'upstream'",
    "unknown property 'resyncperiod'",
    "unknown property 'transfer'",
];

/// What a refusal says of a listener that comes later.
const NO_LISTENER: &str = "ferrodns does not speak";

/// What became of a case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Heap {
    /// As CoreDNS: started with the same listing, or refused with the same first line.
    Same,
    /// CoreDNS refuses a word that it has removed; we take it with a warning, and start.
    Taken,
    /// We take that word and refuse something else in the file, which CoreDNS does not come to.
    TakenButRefused,
    /// It needs a plugin that is not built in yet.
    Plugin(String),
    /// It needs a listener that is not built in yet.
    Listener,
    /// Nothing of this.
    Unexplained,
}

#[test]
fn public_corefiles_end_as_in_coredns() {
    let Some(file) = env::var_os("FERRODNS_CORPUS") else {
        return say("corpus: FERRODNS_CORPUS does not name the records of public Corefiles: left out");
    };
    let name = "corpus::public_corefiles_end_as_in_coredns";
    let Some(endings) = run_all(name, Path::new(&file), furnish) else { return };
    let mut heaps: BTreeMap<(String, Heap), Vec<String>> = BTreeMap::new();
    for (case, got) in &endings {
        let from = case.record["from"].as_str().unwrap_or_default().to_owned();
        let heap = Heap::of(case, got);
        let line = match heap {
            Heap::Same | Heap::Taken | Heap::Plugin(_) => case.id.clone(),
            Heap::Unexplained => format!("\n    {}: want {:?}\n    got {got:?}", case.id, case.want()),
            _ => format!("\n    {}: {}", case.id, got.stderr.first().unwrap_or(&got.outcome)),
        };
        heaps.entry((from, heap)).or_default().push(line);
    }
    for ((from, heap), cases) in &heaps {
        let named = if *heap == Heap::Same { String::new() } else { cases.join(" ") };
        say(&format!("corpus: {from}: {heap:?}: {} {named}", cases.len()));
    }
    let unexplained: Vec<_> = heaps.iter().filter(|((_, heap), _)| *heap == Heap::Unexplained).collect();
    assert!(unexplained.is_empty(), "{unexplained:?}");
}

impl Heap {
    /// Where a case belongs.
    fn of(case: &Case, got: &Ending) -> Self {
        let want = case.want();
        let first = want.stderr.first().map_or("", String::as_str);
        let is_removed = REMOVED.iter().any(|words| first.contains(words));
        match missing_plugin(got) {
            _ if want.agrees(got) => Self::Same,
            Some(plugin) => Self::Plugin(plugin),
            None if is_removed && got.outcome == "start" => Self::Taken,
            None if is_removed && got.outcome == "refuse" => Self::TakenButRefused,
            None if got.stderr.iter().any(|line| line.contains(NO_LISTENER)) => Self::Listener,
            None => Self::Unexplained,
        }
    }
}

/// Adds interfaces and addresses. Where that fails, cases that need them say so.
fn furnish() {
    for arguments in FURNITURE {
        let mut command = Command::new("ip");
        drop(command.args(arguments.split(' ')).stderr(Stdio::null()).status());
    }
}
