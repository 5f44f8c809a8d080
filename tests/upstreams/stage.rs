//! The program between a client and an upstream that lies: asked, timed, its metrics read, its cache tried.
//!
//! The same tests run against a CoreDNS (`FERRODNS_SUBJECT`); where the two differ on purpose a test says so.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use test_support::{Answer, Client, http};

use super::liar::Liar;
use crate::harness::subject;
use crate::process::{LIMIT, Life, Scene};

/// Two attempts of at most 500 ms, and no probes: what happens is quick and can be counted.
pub(crate) const QUICK: &str = "read_timeout 500ms\nmax_fails 0\nmax_connect_attempts 2";

/// The metrics that are counted: name, what it is called here, the labels that are told.
const COUNTED: &[(&str, &str, &[&str])] = &[
    ("coredns_proxy_conn_cache_misses_total", "opened", &["proto"]),
    ("coredns_proxy_conn_cache_hits_total", "reused", &["proto"]),
    ("coredns_proxy_request_duration_seconds_count", "reply", &["rcode"]),
    ("coredns_proxy_healthcheck_failures_total", "probes failed", &[]),
    ("coredns_forward_healthcheck_broken_total", "broken", &[]),
    ("coredns_forward_max_concurrent_rejects_total", "rejected", &[]),
    ("coredns_cache_entries", "kept", &["type"]),
    ("coredns_cache_drops_total", "dropped", &[]),
];

/// A program and its upstream. The program goes first.
pub(crate) struct Stage {
    /// The program.
    pub(crate) life: Life,
    /// The upstream.
    pub(crate) liar: Liar,
}

/// What is to come of a query.
#[derive(Debug)]
pub(crate) struct Want {
    /// The code of the answer.
    pub(crate) rcode: &'static str,
    /// How long it takes, in milliseconds. The upper end is far off: the machine may be busy.
    pub(crate) millis: Range<u128>,
    /// What the metrics say.
    pub(crate) counts: &'static str,
}

/// Whether the program under test is a CoreDNS.
pub(crate) fn is_coredns() -> bool {
    subject().file_name().is_some_and(|name| name.to_string_lossy().contains("coredns"))
}

impl Stage {
    /// A cache and `forward` with these properties before an upstream.
    pub(crate) fn new(liar: Liar, properties: &str) -> Self {
        let to = liar.address.to_string();
        Self::to(liar, &to, properties)
    }

    /// The same with the upstream written as said.
    pub(crate) fn to(liar: Liar, to: &str, properties: &str) -> Self {
        let scene = Scene::new(&format!(
            ".:{{$PORT}} {{\n bind 127.0.0.1\n prometheus 127.0.0.1:{{$SIDE}}\n cache\n forward . {to} {{\n{properties}\n}}\n}}\n"
        ));
        Self { life: scene.start(), liar }
    }

    /// Asks as a line says; the answer, and how long it took.
    pub(crate) fn ask(&self, line: &str) -> (Answer, Duration) {
        let start = Instant::now();
        let answer = Client::udp(self.life.address).ask(&format!("{line} wait=20")).unwrap();
        (answer, start.elapsed())
    }

    /// Asks, and compares what comes with what is to come: `theirs` from a CoreDNS, if that differs on purpose.
    pub(crate) fn hold(&self, line: &str, ours: Want, theirs: Option<Want>) -> Answer {
        let want = theirs.filter(|_| is_coredns()).unwrap_or(ours);
        let (answer, took) = self.ask(line);
        let counts = self.counts();
        let context = format!("{line}: {answer:?} after {took:?}, {counts}");
        assert_eq!(answer.rcode.as_deref(), Some(want.rcode), "{context}");
        assert!(want.millis.contains(&took.as_millis()), "{context}");
        assert_eq!(counts, want.counts, "{context}");
        answer
    }

    /// The metrics of upstreams and cache that are not 0, in words.
    pub(crate) fn counts(&self) -> String {
        let (_, page) = http::get(self.life.side, "/metrics").unwrap();
        let mut found = BTreeMap::new();
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let Some(at) = COUNTED.iter().position(|(counted, ..)| *counted == name) else { continue };
            let (_, word, told) = COUNTED[at];
            let mut text = word.to_owned();
            for label in told {
                let value = labels.split_once(&format!("{label}=\"")).and_then(|(_, rest)| rest.split('"').next());
                write!(text, " {}", value.unwrap()).unwrap();
            }
            *found.entry((at, text)).or_insert(0.0) += value.parse::<f64>().unwrap();
        }
        let shown =
            found.iter().filter(|(_, value)| **value != 0.0).map(|((_, text), value)| format!("{text} {value}"));
        shown.collect::<Vec<_>>().join(", ")
    }

    /// Waits until a count is this high.
    pub(crate) fn await_count(&self, word: &str, least: u32) {
        let end = Instant::now() + LIMIT;
        let is_there = |counts: &str| {
            let count = counts.split(", ").find_map(|count| count.strip_prefix(word)?.trim().parse().ok());
            count.is_some_and(|count: u32| count >= least)
        };
        while !is_there(&self.counts()) {
            assert!(Instant::now() < end, "not {least} {word}: {}", self.counts());
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Lets the upstream tell the truth, and asks for the name again and for two that forgeries are about: all are asked for
    /// anew and answered right, so nothing that came before is in the cache.
    pub(crate) fn nothing_is_kept(&self, name: &str, route: &str) {
        self.liar.become_honest();
        for name in [name, "z.test", "victim.test"] {
            let before = self.liar.count_of(name);
            let (answer, _) = self.ask(&format!("{name} A {route}"));
            assert_eq!(answer.answer, [format!("{name}. 60 IN A 192.0.2.1")], "{answer:?}");
            assert_eq!(self.liar.count_of(name), before + 1, "{name} is asked for anew");
        }
    }
}
