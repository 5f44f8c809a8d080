//! `health`: an HTTP endpoint that says the process lives, and lameduck mode. See [README](README.md).

mod setup;
#[cfg(test)]
mod tests;

use crate::endpoint::{Endpoint, text};
use http::StatusCode;
use plugin_api::{BoxFuture, Histogram, Lifecycle, Plugin};
use prometheus_client::metrics::counter::Counter;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

pub(crate) use setup::register;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "health", setup: setup::setup };

/// How long the process's own request may take.
const SELF_CHECK_TIMEOUT: Duration = Duration::from_secs(3);
/// How often it is made, and how long it may take before it is worth a line.
const SELF_CHECK_PERIOD: Duration = Duration::from_secs(1);

/// The endpoint, its self-check and its lameduck time.
struct Health {
    endpoint: Arc<Endpoint>,
    lameduck: Duration,
    check: Check,
    task: Mutex<Option<AbortHandle>>,
}

/// What the self-check asks and counts.
#[derive(Clone)]
struct Check {
    /// The address as configured; an empty host is this machine.
    address: String,
    duration: Histogram,
    failures: Counter,
}

impl Lifecycle for Health {
    fn start(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async {
            check_url(&self.check.address)?;
            self.endpoint.show(Box::new(|_| text(StatusCode::OK, "OK")));
            self.endpoint.listen().await?;
            let task = tokio::spawn(self.check.clone().run());
            *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.abort_handle());
            Ok(())
        })
    }

    fn before_shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if !self.lameduck.is_zero() {
                tracing::info!(target: "plugin/health", "Going into lameduck mode for {}", plugin_api::go::show(self.lameduck));
                tokio::time::sleep(self.lameduck).await;
            }
        })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
        Box::pin(async {})
    }
}

impl Drop for Health {
    fn drop(&mut self) {
        drop(self.stop());
    }
}

/// Refuses an address that has no place in the URL of the self-check, as Go's `url.Parse` does: an escape (so every zone of
/// an IPv6 address), brackets around what is no IPv6 address, a port that is no number.
fn check_url(address: &str) -> Result<(), String> {
    let fail = |why: String| Err(format!("parse \"http://{address}\": {why}"));
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    if !port.bytes().all(|octet| octet.is_ascii_digit()) {
        return fail(format!("invalid port \":{port}\" after host"));
    }
    let (host, is_bracketed) = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(inner) => (inner, true),
        None => (host, false),
    };
    if let Some((ip, escaped)) = host.split_once('%') {
        let escape: String = escaped.chars().take(2).collect();
        let is_percent = is_bracketed && escape == "25";
        return match escape.len() == 2 && escape.bytes().all(|octet| octet.is_ascii_hexdigit()) {
            _ if is_percent => Ok(()),
            true if is_bracketed => fail(format!("invalid host: ParseAddr({ip:?}): unexpected character")),
            _ => fail(format!("invalid URL escape \"%{escape}\"")),
        };
    }
    if is_bracketed && host.parse::<Ipv6Addr>().is_err() {
        return fail(format!("invalid host: ParseAddr({host:?}): unable to parse IP"));
    }
    Ok(())
}

impl Check {
    /// Asks the endpoint once a second, for ever (CoreDNS: plugin/health/overloaded.go).
    async fn run(self) {
        let mut ticks = tokio::time::interval(SELF_CHECK_PERIOD);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            let began = Instant::now();
            let result = tokio::time::timeout(SELF_CHECK_TIMEOUT, self.ask()).await;
            let took = began.elapsed();
            self.duration.observe(took.as_secs_f64());
            let url = format!("http://{}/health", self.address);
            match result {
                Ok(Ok(())) if took > SELF_CHECK_PERIOD => {
                    tracing::warn!(target: "plugin/health", "Local health request to {url:?} took more than 1s: {took:?}");
                }
                Ok(Ok(())) => (),
                Ok(Err(error)) => self.failed(&url, &error.to_string()),
                Err(_) => self.failed(&url, "no answer within 3s"),
            }
        }
    }

    /// Counts and says a failure.
    fn failed(&self, url: &str, why: &str) {
        self.failures.inc();
        tracing::warn!(target: "plugin/health", "Local health request to {url:?} failed: {why}");
    }

    /// One request; any answer will do.
    async fn ask(&self) -> std::io::Result<()> {
        let mut stream = match loopbacks(&self.address) {
            Some(addresses) => TcpStream::connect(addresses.as_slice()).await?,
            None => TcpStream::connect(&*self.address).await?,
        };
        let request = format!("GET /health HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).await?;
        let mut first = [0; 12];
        stream.read_exact(&mut first).await?;
        Ok(())
    }
}

/// Where to ask an endpoint that listens at an unspecified address: at this machine, in whichever family the kernel has; none
/// for other addresses.
fn loopbacks(address: &str) -> Option<[SocketAddr; 2]> {
    let (host, port) = address.rsplit_once(':')?;
    let host = host.trim_matches(['[', ']']);
    let is_every = host.is_empty() || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_unspecified());
    let port: u16 = port.parse().ok()?;
    is_every.then_some([(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()])
}
