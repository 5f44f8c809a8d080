//! How the API server is reached: address, trust, credentials and proxy, from the pod's environment, a kubeconfig or the Corefile.
//!
//! What client-go takes is taken, with the same meaning, and what it refuses is refused in its words (CoreDNS
//! `plugin/kubernetes/kubernetes.go`, `getClientConfig`; client-go `tools/clientcmd` and `rest`). Makes no connection: what only a
//! request can show fails there.

mod choose;
pub(super) mod document;
mod go_url;
mod kubeconfig;
mod proxy;
mod server;
mod settings;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use corefile::os_error_text;

use self::choose::{Faults, Part, settle};
pub(super) use self::kubeconfig::Exec;
use self::kubeconfig::{Cluster, Kubeconfig, User};
pub(super) use self::proxy::{Protocol, Proxy, ProxyRules};
pub(super) use self::settings::{Auth, Secret, Settings, TlsSettings, bearer};
use crate::kubernetes::source::LOG;

/// Where a pod finds its credentials.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The largest kubeconfig, certificate or token that is read: bundles of all public authorities have a quarter of a MiB.
const MAX_FILE: u64 = 4 << 20;

/// Where the API server is and who the client is, as the Corefile says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Access {
    /// The environment and the service account of the pod.
    #[default]
    InCluster,
    /// Property `kubeconfig FILE [CONTEXT]`.
    Kubeconfig {
        /// The file.
        file: PathBuf,
        /// The context, or the file's current one.
        context: Option<String>,
    },
    /// Property `endpoint URL`, with or without `tls CERT KEY CA`.
    Endpoint {
        /// Where the server is.
        url: String,
        /// Certificate, key and CA.
        tls: Option<Tls>,
    },
}

/// Property `tls CERT KEY CA`; an empty path is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tls {
    /// The client's certificate.
    pub(crate) cert: PathBuf,
    /// Its key.
    pub(crate) key: PathBuf,
    /// What signs the server's certificate.
    pub(crate) ca: PathBuf,
}

/// Why the API server cannot be asked; the text is what CoreDNS writes behind `plugin/kubernetes: `.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct AccessError {
    /// What is wrong.
    text: String,
    /// Where, and what to do about it.
    cure: Option<String>,
}

impl AccessError {
    /// Makes an error that says everything by itself.
    fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), cure: None }
    }

    /// Makes an error of making a client, as CoreDNS writes it.
    fn not_created(why: &str, cure: Option<String>) -> Self {
        Self { text: format!("failed to create kubernetes notification controller: {why:?}"), cure }
    }

    /// Returns where the fault is, and what to do about it.
    pub(crate) fn cure(&self) -> Option<&str> {
        self.cure.as_deref()
    }

    /// Returns everything in one line.
    pub(super) fn told(&self) -> String {
        match &self.cure {
            Some(cure) => format!("{} ({cure})", self.text),
            None => self.text.clone(),
        }
    }
}

/// What a process is given from outside: its environment, and the folder of its service account.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    /// Returns a variable of the environment.
    pub(super) variable: &'a dyn Fn(&str) -> Option<String>,
    /// Where a pod finds its credentials.
    pub(super) account: &'a Path,
}

impl Surroundings<'_> {
    /// Returns a variable that is set and not empty.
    fn variable(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }
}

impl Access {
    /// Checks what can be checked without asking the server; warnings are logged.
    pub(crate) fn check(&self) -> Result<(), AccessError> {
        self.settings().map(drop)
    }

    /// Reads everything that a client needs.
    pub(super) fn settings(&self) -> Result<Settings, AccessError> {
        let variable = |name: &str| std::env::var(name).ok();
        self.settings_in(Surroundings { variable: &variable, account: Path::new(ACCOUNT) })
    }

    /// Reads everything that a client needs in these surroundings.
    pub(super) fn settings_in(&self, surroundings: Surroundings<'_>) -> Result<Settings, AccessError> {
        match self {
            Self::InCluster => in_cluster(surroundings),
            Self::Kubeconfig { file, context } => from_kubeconfig(file, context.as_deref(), surroundings),
            Self::Endpoint { url, tls } => from_endpoint(url, tls.as_ref(), surroundings),
        }
    }
}

/// Reads the environment and the service account of a pod (client-go `rest/config.go`, `InClusterConfig`).
fn in_cluster(surroundings: Surroundings<'_>) -> Result<Settings, AccessError> {
    let (Some(host), Some(port)) =
        (surroundings.variable("KUBERNETES_SERVICE_HOST"), surroundings.variable("KUBERNETES_SERVICE_PORT"))
    else {
        let missing = "unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined";
        return Err(AccessError::plain(missing));
    };
    let token = surroundings.account.join("token");
    read_file(&token).map_err(AccessError::plain)?;
    let ca = surroundings.account.join("ca.crt");
    let authority = match read_file(&ca).and_then(|pem| settings::check_authorities(&pem).map(|()| pem)) {
        Ok(pem) => pem,
        Err(why) => {
            let ca = ca.display();
            tracing::error!(target: LOG, "Expected to load root CA config from {ca}, but got err: {why}");
            Vec::new()
        }
    };
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let cluster = Cluster { server: format!("https://{host}:{port}"), authority_data: authority, ..Cluster::default() };
    let user = User { token_file: token.display().to_string(), ..User::default() };
    let mut faults = Faults::default();
    let part = Part { name: "", cluster: &cluster, user: &user, place: "the pod's environment" };
    settle(&part, &mut faults, surroundings)
}

/// Reads a kubeconfig (client-go `tools/clientcmd/client_config.go`, `DirectClientConfig`).
fn from_kubeconfig(
    file: &Path,
    context: Option<&str>,
    surroundings: Surroundings<'_>,
) -> Result<Settings, AccessError> {
    let place = file.display();
    if let Err(error) = std::fs::metadata(file)
        && error.kind() == std::io::ErrorKind::NotFound
    {
        return Err(AccessError::plain(format!("stat {place}: {}", os_error_text(&error))));
    }
    let failed = |text: String| format!("error loading config file \"{place}\": {text}");
    let text = read_file(file).map_err(|text| AccessError::plain(failed(text)))?;
    let kubeconfig = Kubeconfig::parse(&String::from_utf8_lossy(&text)).map_err(|error| {
        let cure = Some(format!("{place}: {}", error.cure));
        AccessError { text: failed(error.text), cure }
    })?;
    let base = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let base = base.parent().unwrap_or_else(|| Path::new("/"));
    let choice = choose::choose(&kubeconfig.resolved(base), context, &place.to_string(), surroundings)?;
    match choice {
        Some(settings) => Ok(settings),
        // As client-go: what says nothing at all is no reason against the pod's own account.
        None if is_pod(surroundings) => in_cluster(surroundings),
        None => Err(choose::empty(&place.to_string())),
    }
}

/// Says whether this is a pod with a service account.
fn is_pod(surroundings: Surroundings<'_>) -> bool {
    let has = |name: &str| surroundings.variable(name).is_some();
    let token = std::fs::metadata(surroundings.account.join("token"));
    has("KUBERNETES_SERVICE_HOST") && has("KUBERNETES_SERVICE_PORT") && token.is_ok_and(|token| !token.is_dir())
}

/// Makes what `endpoint` and `tls` say.
fn from_endpoint(url: &str, tls: Option<&Tls>, surroundings: Surroundings<'_>) -> Result<Settings, AccessError> {
    let named = |path: &Path| path.display().to_string();
    let tls = tls.cloned().unwrap_or_default();
    let cluster = Cluster { server: url.to_owned(), authority: named(&tls.ca), ..Cluster::default() };
    let user = User { certificate: named(&tls.cert), key: named(&tls.key), ..User::default() };
    let mut faults = Faults::default();
    let part = Part { name: "", cluster: &cluster, user: &user, place: "the properties `endpoint` and `tls`" };
    let settings = settle(&part, &mut faults, surroundings)?;
    if settings.tls.is_none() && tls != Tls::default() {
        tracing::warn!(
            target: LOG,
            "the property tls has no effect, {} is not encrypted; write https:// before the endpoint", settings.server.shown()
        );
    }
    Ok(settings)
}

/// Reads a file of bounded size; an error has Go's words.
fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let failed = |error: &std::io::Error| format!("open {shown}: {}", os_error_text(error));
    let metadata = std::fs::metadata(path).map_err(|error| failed(&error))?;
    if metadata.is_dir() {
        return Err(format!("read {shown}: is a directory"));
    }
    if !metadata.is_file() {
        return Err(format!("read {shown}: not a regular file"));
    }
    let mut octets = Vec::new();
    let file = File::open(path).map_err(|error| failed(&error))?;
    let read = file.take(MAX_FILE + 1).read_to_end(&mut octets);
    read.map_err(|error| format!("read {shown}: {}", os_error_text(&error)))?;
    if octets.len() as u64 > MAX_FILE {
        return Err(format!("read {shown}: more than {} MiB", MAX_FILE >> 20));
    }
    Ok(octets)
}

/// Reads the token in a file, white space around it cut off.
///
/// # Errors
/// In client-go's words.
pub(super) fn read_token(path: &Path) -> Result<String, String> {
    let text = read_file(path)
        .map_err(|error| format!("failed to read token file {:?}: {error}", path.display().to_string()))?;
    let token = String::from_utf8_lossy(&text).trim().to_owned();
    if token.is_empty() {
        Err(format!("read empty token from file {:?}", path.display().to_string()))
    } else {
        Ok(token)
    }
}
