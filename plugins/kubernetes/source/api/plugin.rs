//! Credential plugins: a program that prints a token or a certificate (client-go `plugin/pkg/client/auth/exec`). Knows no request.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use corefile::os_error_text;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use http::HeaderValue;
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::time::{Instant, timeout};

use super::access::document::{Node, read};
use super::access::{Exec, Secret, bearer};

/// How long a plugin may run: it may ask a cloud, or a person's agent.
const RUN_TIMEOUT: Duration = Duration::from_secs(60);
/// How much of a plugin's output is read, in bytes: certificate and key have some thousand.
const MAX_OUTPUT: u64 = 1 << 20;
/// How much of a plugin's last line of complaint is shown, in characters.
const MAX_SHOWN: usize = 200;
/// The wait after the first failure; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait after a failure.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// A program that prints credentials; it runs once at a time, and again when they expire or are refused.
#[derive(Debug)]
pub(super) struct Plugin {
    /// The program.
    exec: Exec,
    /// Information about the cluster for the plugin: JSON, or empty.
    cluster: String,
    /// What it has printed.
    state: Mutex<State>,
}

/// A run of the plugin that several requests may wait for.
type PluginRun = Shared<BoxFuture<'static, Result<Arc<Granted>, String>>>;

/// What a plugin has printed.
#[derive(Debug, Default)]
struct State {
    /// The credentials that count.
    held: Option<Arc<Granted>>,
    /// The run that goes on; whoever needs credentials waits for it.
    running: Option<PluginRun>,
    /// Why the last run failed, and until when it is not run again.
    failed: Option<(String, Instant)>,
    /// How many runs in a row have failed.
    failures: u32,
}

/// Credentials that a plugin has printed.
#[derive(Debug, Default)]
pub(super) struct Granted {
    /// The header `Authorization`.
    pub(super) authorization: Option<HeaderValue>,
    /// A certificate and its key, in PEM.
    pub(super) identity: Option<Secret<(String, String)>>,
    /// When they expire.
    expires: Option<Instant>,
}

impl Plugin {
    /// Makes a plugin that has not run yet.
    pub(super) fn new(exec: Exec, cluster: String) -> Self {
        Self { exec, cluster, state: Mutex::default() }
    }

    /// Returns credentials that have not expired; runs the program if there are none.
    ///
    /// # Errors
    /// Why there are none, in client-go's words. After a failure the program is left alone for a while.
    pub(super) async fn granted(&self) -> Result<Arc<Granted>, String> {
        let run = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let is_fresh = |granted: &&Arc<Granted>| granted.expires.is_none_or(|expires| Instant::now() < expires);
            if let Some(granted) = state.held.as_ref().filter(is_fresh) {
                return Ok(Arc::clone(granted));
            }
            if let Some((why, _)) = state.failed.as_ref().filter(|(_, until)| Instant::now() < *until) {
                return Err(why.clone());
            }
            let (exec, cluster) = (self.exec.clone(), self.cluster.clone());
            state.running.get_or_insert_with(|| run(exec, cluster).boxed().shared()).clone()
        };
        let result = run.clone().await;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.running.take_if(|running| running.ptr_eq(&run)).is_some() {
            state.note(&result);
        }
        result
    }

    /// Takes credentials back that the server does not take.
    pub(super) fn refuse(&self, granted: &Arc<Granted>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.held.take_if(|held| Arc::ptr_eq(held, granted));
    }
}

impl State {
    /// Notes how a run ended.
    fn note(&mut self, result: &Result<Arc<Granted>, String>) {
        match result {
            Ok(granted) => (self.held, self.failed, self.failures) = (Some(Arc::clone(granted)), None, 0),
            Err(why) => {
                let wait = FIRST_WAIT.saturating_mul(1 << self.failures.min(10)).min(MAX_WAIT);
                self.failures = self.failures.saturating_add(1);
                self.failed = Some((why.clone(), Instant::now() + wait));
            }
        }
    }
}

/// Writes what a plugin is told in the variable `KUBERNETES_EXEC_INFO`: the version that it must print, what it wants to know of the
/// cluster, and that standard input cannot be read.
fn info(api_version: &str, cluster: &str) -> String {
    let cluster = if cluster.is_empty() { String::new() } else { format!("\"cluster\":{cluster},") };
    // The version is one of two known ones.
    format!(
        "{{\"kind\":\"ExecCredential\",\"apiVersion\":\"{api_version}\",\"spec\":{{{cluster}\"interactive\":false}}}}\n"
    )
}

/// Runs a plugin once.
async fn run(exec: Exec, cluster: String) -> Result<Arc<Granted>, String> {
    if exec.interactive_mode == "Always" {
        return Err(
            "exec plugin cannot support interactive mode: standard input is not a terminal (a DNS server has none: set `interactiveMode: Never`)".to_owned()
        );
    }
    let (status, output, complaint) = timeout(RUN_TIMEOUT, execute(&exec, &cluster))
        .await
        .map_err(|_| format!("exec: executable {exec} has not ended within {} s", RUN_TIMEOUT.as_secs()))??;
    if !status.success() {
        let code = status.code().map_or_else(|| status.to_string(), |code| format!("exit code {code}"));
        let said = last_line(&complaint);
        return Err(format!("exec: executable {exec} failed with {code}{said}"));
    }
    granted(&String::from_utf8_lossy(&output), &exec).map(Arc::new)
}

/// Runs the program to its end; returns what it wrote to standard output and to standard error.
async fn execute(exec: &Exec, cluster: &str) -> Result<(ExitStatus, Vec<u8>, Vec<u8>), String> {
    let mut command = Command::new(&exec.command);
    command.args(&exec.args).envs(exec.env.iter().map(|(name, value)| (name, value)));
    command.env("KUBERNETES_EXEC_INFO", info(&exec.api_version, cluster)).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| not_started(exec, &error))?;
    let (output, complaint) = (child.stdout.take(), child.stderr.take());
    let (status, output, complaint) = tokio::join!(child.wait(), read_all(output), read_all(complaint));
    let failed = |error: io::Error| format!("exec: {exec}: {}", os_error_text(&error));
    Ok((status.map_err(failed)?, output.map_err(failed)?, complaint.map_err(failed)?))
}

/// Reads what a program writes, within a bound.
async fn read_all(from: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    if let Some(from) = from {
        from.take(MAX_OUTPUT).read_to_end(&mut octets).await?;
    }
    Ok(octets)
}

/// Says why a program does not start.
fn not_started(exec: &Exec, error: &io::Error) -> String {
    if error.kind() != io::ErrorKind::NotFound || exec.command.contains('/') {
        return format!("exec: fork/exec {exec}: {}", os_error_text(error));
    }
    let hint = if exec.install_hint.is_empty() { "the program must be in the image" } else { &exec.install_hint };
    format!("exec: executable {exec} not found ({})", shown(hint))
}

/// Returns the last line of a complaint in brackets.
fn last_line(complaint: &[u8]) -> String {
    let text = String::from_utf8_lossy(complaint);
    let last = text.lines().map(str::trim).rfind(|line| !line.is_empty());
    last.map(|line| format!(" ({})", shown(line))).unwrap_or_default()
}

/// Returns the start of a text without control characters.
fn shown(text: &str) -> String {
    text.chars().take(MAX_SHOWN).map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// Reads what a plugin has printed.
fn granted(output: &str, exec: &Exec) -> Result<Granted, String> {
    let value = read(output).map_err(|error| format!("decoding stdout: {}", error.text))?;
    if !value.is_object() && !value.is_null() {
        return Err("decoding stdout: couldn't get version/kind; the plugin printed no ExecCredential".to_owned());
    }
    let root = Node::root(&value, "ExecCredential");
    let text = |node: Node<'_>| node.text().map_err(|error| format!("decoding stdout: {}", error.text));
    let kind = text(root.field("ExecCredential", "kind"))?;
    let version = text(root.field("ExecCredential", "apiVersion"))?;
    if !matches!(kind.as_str(), "" | "ExecCredential") {
        return Err(format!("decoding stdout: no kind {kind:?} is registered for version {version:?} in scheme"));
    }
    let wanted = &exec.api_version;
    if version != *wanted {
        let version = if version.is_empty() { "none" } else { &version };
        return Err(format!(
            "exec plugin is configured to use API version {wanted}, plugin returned version {version}"
        ));
    }
    let status = root.field("ExecCredential", "status").structure("v1.ExecCredentialStatus");
    let status = status.map_err(|error| format!("decoding stdout: {}", error.text))?;
    if status.is_null() {
        return Err("exec plugin didn't return a status field".to_owned());
    }
    let field = |name: &str| text(status.field("ExecCredentialStatus", name));
    let (token, certificate, key) = (field("token")?, field("clientCertificateData")?, field("clientKeyData")?);
    if token.is_empty() && certificate.is_empty() && key.is_empty() {
        return Err("exec plugin didn't return a token or cert/key pair".to_owned());
    }
    if certificate.is_empty() != key.is_empty() {
        return Err("exec plugin returned only certificate or key, not both".to_owned());
    }
    let authorization = (!token.trim().is_empty()).then(|| bearer(&token, &format!("of {exec}"))).transpose()?;
    let identity = (!key.is_empty()).then_some(Secret((certificate, key)));
    Ok(Granted { authorization, identity, expires: expiry(&field("expirationTimestamp")?)? })
}

/// Returns the moment of a timestamp; one that is past is now.
fn expiry(text: &str) -> Result<Option<Instant>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let at: Timestamp =
        text.parse().map_err(|_| format!("decoding stdout: expirationTimestamp {text:?} is no time"))?;
    let left = Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default();
    // What lasts for centuries does not expire.
    Ok(Instant::now().checked_add(left))
}
