//! Weights of addresses from a file that is read again when it changes. Knows no reply.

use super::order::address;
use arc_swap::ArcSwap;
use plugin_api::go::show;
use plugin_api::{BoxFuture, Lifecycle, Name, Record};
use rand::Rng;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Most octets of a weight file that are read; some 500,000 lines.
const MAX_FILE: u64 = 16 << 20;

/// Why there are no weights.
#[derive(Debug, thiserror::Error)]
pub(super) enum WeightError {
    /// The file cannot be opened.
    #[error("weight file open error")]
    Open,
    /// The file cannot be read.
    #[error("{0}")]
    Read(std::io::Error),
    /// The file is no weight file.
    #[error("{0}")]
    Parse(String),
}

/// Weights by name and address; 1 for those that are not named.
type Table = HashMap<Name, Vec<(IpAddr, u8)>>;

/// The weights, and the task that keeps them.
pub(super) struct Weights {
    path: PathBuf,
    /// Time between two looks at the file; zero for none after the first.
    reload: Duration,
    table: ArcSwap<Table>,
    /// What the file held when it was read.
    seen: Mutex<Option<Vec<u8>>>,
    task: Mutex<Option<JoinHandle<()>>>,
    this: Weak<Self>,
}

impl Weights {
    /// Nothing is read before the start.
    pub(super) fn new(path: PathBuf, reload: Duration) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            path,
            reload,
            table: ArcSwap::default(),
            seen: Mutex::default(),
            task: Mutex::default(),
            this: Weak::clone(this),
        })
    }

    /// Draws one of several addresses of one name by weight; gives its place.
    pub(super) fn draw(&self, records: &[Record<'_>]) -> usize {
        let table = self.table.load();
        let weight = |record: &Record<'_>| {
            let known = table.get(&record.owner_name()).map_or(&[][..], Vec::as_slice);
            let own = known.iter().find(|(known, _)| Some(*known) == address(record));
            own.map_or(1, |(_, weight)| u32::from(*weight))
        };
        let weights: Vec<u32> = records.iter().map(weight).collect();
        let sum: u32 = weights.iter().sum();
        let mut drawn = if sum == 0 { 0 } else { rand::rng().random_range(0..sum) };
        weights
            .iter()
            .position(|weight| {
                drawn < *weight || {
                    drawn -= weight;
                    false
                }
            })
            .unwrap_or(0)
    }

    /// Reads the file if it has changed. What is wrong with it is said once.
    pub(super) fn read(&self) -> Result<(), WeightError> {
        let mut file = File::open(&self.path).map_err(|_| WeightError::Open)?;
        let mut text = Vec::new();
        file.by_ref().take(MAX_FILE).read_to_end(&mut text).map_err(WeightError::Read)?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.as_ref() == Some(&text) {
            return Ok(());
        }
        let path = self.path.to_string_lossy();
        let table = parse(&String::from_utf8_lossy(&text), &path).map_err(WeightError::Parse);
        *seen = Some(text);
        self.table.store(Arc::new(table?));
        tracing::info!(target: "plugin/loadbalance", "Successfully reloaded weight file {path}");
        Ok(())
    }

    /// Reads the file again and again, off the threads that serve.
    async fn keep(weights: Weak<Self>, reload: Duration) {
        loop {
            tokio::time::sleep(reload).await;
            let Some(weights) = weights.upgrade() else { return };
            match tokio::task::spawn_blocking(move || weights.read()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(target: "plugin/loadbalance", "{error}"),
                Err(error) => tracing::error!(target: "plugin/loadbalance", "Reading the weight file failed: {error}"),
            }
        }
    }
}

impl Lifecycle for Weights {
    fn start(&self) -> BoxFuture<'_, Result<(), String>> {
        let read = match self.read() {
            Err(error @ WeightError::Open) if !self.reload.is_zero() => {
                let again = show(self.reload);
                tracing::warn!(
                    target: "plugin/loadbalance",
                    "Failed to open weight file:{error}. Will try again in {again}"
                );
                Ok(())
            }
            read => read.map_err(|error| format!("plugin/loadbalance: {error}")),
        };
        if read.is_ok() && !self.reload.is_zero() {
            let task = tokio::spawn(Self::keep(Weak::clone(&self.this), self.reload));
            *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        }
        Box::pin(async { read })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
        Box::pin(async {})
    }
}

/// Reads lines with a name, each followed by lines with an address and its weight.
fn parse(text: &str, path: &str) -> Result<Table, String> {
    let mut table = Table::new();
    let mut current: Option<Name> = None;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            [name] => {
                let parsed = Name::from_text(name).ok().filter(|_| name.parse::<IpAddr>().is_err());
                let Some(parsed) = parsed else {
                    return Err(format!(
                        "wrong domain name:\"{name}\" in weight file {path}. (Maybe a missing weight value?)"
                    ));
                };
                table.entry(parsed.clone()).or_default();
                current = Some(parsed);
            }
            [address, weight] => {
                let parsed: IpAddr =
                    address.parse().map_err(|_| format!("wrong IP address:\"{address}\" in weight file {path}"))?;
                let weight = weight
                    .parse()
                    .ok()
                    .filter(|weight| *weight > 0_u8)
                    .ok_or_else(|| format!("wrong weight value:\"{weight}\" in weight file {path}"))?;
                let name = current.clone().ok_or_else(|| format!("missing domain name in weight file {path}"))?;
                table.entry(name).or_default().push((parsed.to_canonical(), weight));
            }
            _ => return Err(format!("could not parse weight line:\"{line}\" in weight file {path}")),
        }
    }
    Ok(table)
}
