//! What is measured, as the command line says.

use crate::kit::Failure;
use crate::kit::work::Work;
use std::fmt;
use std::time::Duration;

/// How a server is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Server and client share a core: cost alone.
    OneCore,
    /// The client has a core of its own: the server's core is full.
    TwoCores,
    /// So many queries a second.
    Rate(u32),
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneCore => f.write_str("1core"),
            Self::TwoCores => f.write_str("2core"),
            Self::Rate(rate) => write!(f, "{}k", rate / 1000),
        }
    }
}

impl Mode {
    /// Reads `1core`, `2core`, `20k`.
    fn read(text: &str) -> Option<Self> {
        match text {
            "1core" => Some(Self::OneCore),
            "2core" => Some(Self::TwoCores),
            other => Some(Self::Rate(other.strip_suffix('k')?.parse::<u32>().ok()? * 1000)),
        }
    }

    /// Share of the machine that strangers may use in a burst that counts.
    pub(crate) const fn foreign(self) -> f64 {
        match self {
            Self::OneCore => 0.45,
            Self::TwoCores => 0.09,
            Self::Rate(_) => 0.10,
        }
    }

    /// The aim of a kind of work in this mode.
    pub(crate) const fn aim(self, work: &Work) -> f64 {
        if let Self::Rate(_) = self { 1.2 } else { work.target }
    }
}

/// What the command line says.
#[derive(Debug)]
pub(crate) struct Options {
    /// Names of rows; none is all.
    rows: Vec<String>,
    /// Modes; none is those that fit a row.
    chosen: Vec<Mode>,
    /// Rounds; a figure to be quoted wants at least 12.
    pub(crate) rounds: usize,
    /// Length of a burst.
    pub(crate) length: Duration,
    /// Share of the machine that strangers may use, instead of each mode's own.
    pub(crate) foreign: Option<f64>,
    /// Services of the cluster.
    pub(crate) services: usize,
    /// Whether other servers that are installed are measured, too.
    pub(crate) peers: bool,
    /// A CoreDNS binary (`FERRODNS_COREDNS`).
    pub(crate) coredns: Option<String>,
    /// The API server that it reads; known when it is started.
    pub(crate) api: Option<String>,
    /// What this process is to be instead.
    pub(crate) yardstick: Option<String>,
}

impl Options {
    /// Reads the command line.
    pub(crate) fn read() -> Result<Self, Failure> {
        let mut options = Self {
            rows: Vec::new(),
            chosen: Vec::new(),
            rounds: 12,
            length: Duration::from_millis(600),
            foreign: None,
            services: 10_000,
            peers: true,
            coredns: std::env::var("FERRODNS_COREDNS").ok(),
            api: None,
            yardstick: None,
        };
        let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or("a value is missing");
            match word.as_str() {
                "--rounds" => options.rounds = value()?.parse()?,
                "--seconds" => options.length = Duration::from_secs_f64(value()?.parse()?),
                "--foreign" => options.foreign = Some(value()?.parse()?),
                "--services" => options.services = value()?.parse()?,
                "--mode" => options.chosen.push(Mode::read(&value()?).ok_or("modes are 1core, 2core, 20k")?),
                "--alone" => options.peers = false,
                "--echo" | "--echo-tcp" | "--upstream" => options.yardstick = Some(word),
                row => options.rows.push(row.to_owned()),
            }
        }
        Ok(options)
    }

    /// Whether a row is wanted.
    pub(crate) fn wants(&self, row: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|wanted| wanted == row)
    }

    /// The modes of a row: all at saturation, the usual case also at fixed rates.
    pub(crate) fn modes(&self, work: &Work) -> Vec<Mode> {
        if !self.chosen.is_empty() {
            return self.chosen.clone();
        }
        let mut modes = vec![Mode::OneCore, Mode::TwoCores];
        if matches!(work.name, "kubernetes" | "kubeadm") {
            modes.extend([Mode::Rate(20_000), Mode::Rate(50_000)]);
        }
        modes
    }
}
