//! How the API server is reached: address, trust and credentials, from the pod's environment, a kubeconfig or the Corefile.
//!
//! Checked when the plugin is set up, with CoreDNS's words for what is wrong; read again whenever a client is made, so
//! that rotated files are picked up.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::FutureExt;
use http::{HeaderValue, Uri, header};
use hyper_rustls::{FixedServerNameResolver, HttpsConnectorBuilder};
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::{ClientBuilder, ConfigExt as _};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use secrecy::ExposeSecret;
use tokio::time::Instant;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tower::{BoxError, ServiceBuilder};

use crate::kubernetes::source::LOG;
use crate::trust::{self, ClientIdentity, ClientTls};

/// Where a pod finds its credentials.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// How long a connection may take, TLS included: three tries of a lost SYN.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a client may be made anew after refusals.
const RENEW_INTERVAL: Duration = Duration::from_secs(1);
/// What we call ourselves.
const USER_AGENT: &str = concat!("ferrodns/", env!("CARGO_PKG_VERSION"));

/// Where the API server is and who we are, as the Corefile says.
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
    /// Our certificate.
    pub(crate) cert: PathBuf,
    /// Its key.
    pub(crate) key: PathBuf,
    /// What signs the server's certificate.
    pub(crate) ca: PathBuf,
}

/// Why the API server cannot be asked; the text is what CoreDNS writes behind `plugin/kubernetes: `.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct AccessError(String);

impl Access {
    /// Checks what can be checked without asking the server; warnings are logged.
    pub(crate) fn check(&self) -> Result<(), AccessError> {
        self.config().map(drop)
    }

    /// Returns the server's URL.
    pub(super) fn server(&self) -> Result<String, AccessError> {
        Ok(self.config()?.cluster_url.to_string())
    }

    /// Reads everything that a client needs.
    fn config(&self) -> Result<Config, AccessError> {
        let mut config = match self {
            Self::InCluster => in_cluster(Path::new(ACCOUNT), |name| std::env::var(name).ok())?,
            Self::Kubeconfig { file, context } => from_kubeconfig(file, context.as_deref())?,
            Self::Endpoint { url, tls } => from_endpoint(url, tls.as_ref())?,
        };
        if config.cluster_url.scheme_str() != Some("https") {
            config.root_cert_file = None;
        }
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        config.default_retry = false;
        // Next to the API server, compressing costs both sides more than it saves.
        config.disable_compression = true;
        config.headers.push((header::USER_AGENT, HeaderValue::from_static(USER_AGENT)));
        Ok(config)
    }
}

/// Reads the environment and the service account of a pod.
fn in_cluster(account: &Path, variable: impl Fn(&str) -> Option<String>) -> Result<Config, AccessError> {
    let variable = |name| variable(name).filter(|value| !value.is_empty());
    let (Some(host), Some(port)) = (variable("KUBERNETES_SERVICE_HOST"), variable("KUBERNETES_SERVICE_PORT")) else {
        return Err(AccessError(
            "unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined"
                .to_owned(),
        ));
    };
    let token = account.join("token");
    std::fs::read(&token).map_err(|error| AccessError(go_open(&token, &error)))?;
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let mut config = Config::new(parse_url(&format!("https://{host}:{port}"))?);
    config.auth_info.token_file = Some(token.display().to_string());
    let ca = account.join("ca.crt");
    match std::fs::read(&ca) {
        Ok(_) => config.root_cert_file = Some(ca),
        Err(error) => tracing::error!(
            target: LOG,
            "Expected to load root CA config from {}, but got err: {}: %!s(<nil>)",
            ca.display(),
            go_open(&ca, &error)
        ),
    }
    Ok(config)
}

/// Reads a kubeconfig.
fn from_kubeconfig(file: &Path, context: Option<&str>) -> Result<Config, AccessError> {
    if let Err(error) = std::fs::metadata(file) {
        return Err(AccessError(format!("stat {}: {}", file.display(), go_error(&error))));
    }
    let kubeconfig = Kubeconfig::read_from(file).map_err(|error| AccessError(error.to_string()))?;
    if let Some(context) = context
        && !kubeconfig.contexts.iter().any(|named| named.name == context)
    {
        return Err(AccessError(format!("context {context:?} does not exist")));
    }
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    let loading = Config::from_custom_kubeconfig(kubeconfig, &options);
    let loaded = loading.now_or_never().unwrap_or(Err(kube::config::KubeconfigError::FindPath));
    loaded.map_err(|error| AccessError(error.to_string()))
}

/// Makes what `endpoint` and `tls` say.
fn from_endpoint(url: &str, tls: Option<&Tls>) -> Result<Config, AccessError> {
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = if url.contains("://") { url.to_owned() } else { format!("{scheme}://{url}") };
    let mut config = Config::new(parse_url(&url)?);
    if let Some(Tls { cert, key, ca }) = tls {
        let named = |path: &Path| (!path.as_os_str().is_empty()).then(|| path.display().to_string());
        config.auth_info.client_certificate = named(cert);
        config.auth_info.client_key = named(key);
        config.root_cert_file = named(ca).map(PathBuf::from);
        if config.cluster_url.scheme_str() == Some("https") {
            for path in [cert, key, ca].into_iter().filter(|path| !path.as_os_str().is_empty()) {
                std::fs::read(path).map_err(|error| not_created(&go_open(path, &error)))?;
            }
        }
    }
    Ok(config)
}

/// Parses the server's address, with Go's words where the port is none.
fn parse_url(url: &str) -> Result<Uri, AccessError> {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or_default();
    let port = authority.rsplit_once(':').filter(|_| !authority.ends_with(']')).map(|(_, port)| port);
    if let Some(port) = port
        && !port.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Err(not_created(&format!("parse {url:?}: invalid port {:?} after host", format!(":{port}"))));
    }
    url.parse().map_err(|error| not_created(&format!("parse {url:?}: {error}")))
}

/// Writes an error as CoreDNS does when no client can be made.
fn not_created(why: &str) -> AccessError {
    AccessError(format!("failed to create kubernetes notification controller: {why:?}"))
}

/// Writes an error of opening a file as Go does.
fn go_open(path: &Path, error: &std::io::Error) -> String {
    format!("open {}: {}", path.display(), go_error(error))
}

/// Writes an error of the system as Go does: lower case, without its number.
fn go_error(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" (os error").map_or(text.as_str(), |(text, _)| text).to_lowercase()
}

/// Makes clients, and new ones when credentials or trust have changed.
#[derive(Debug)]
pub(super) struct Connector {
    /// How.
    maker: Maker,
    /// The client of now.
    current: Mutex<Made>,
}

/// A client that was made.
#[derive(Debug)]
struct Made {
    /// It.
    client: Shared,
    /// When, or when another was tried last.
    at: Instant,
    /// The server that it asks.
    server: String,
}

/// Where clients come from.
#[derive(Debug, Clone)]
pub(super) enum Maker {
    /// They are made anew.
    Access(Access),
    /// A test has made one.
    #[cfg(test)]
    Given(Shared),
}

/// A client that can be printed.
#[derive(Clone)]
pub(super) struct Shared(pub(super) Client);

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

impl Connector {
    /// Makes the first client; needs a runtime.
    pub(super) fn new(maker: &Maker) -> Result<Arc<Self>, AccessError> {
        let (client, server) = maker.make()?;
        let made = Made { client, at: Instant::now(), server };
        Ok(Arc::new(Self { maker: maker.clone(), current: Mutex::new(made) }))
    }

    /// Says where the server is, for people.
    pub(super) fn place(&self) -> String {
        self.maker.server().unwrap_or_default()
    }

    /// Returns the client of now.
    pub(super) fn client(&self) -> Client {
        self.current().client.0.clone()
    }

    /// Reads all files again and makes a new client, not more often than once a second; the old one stays if that fails.
    pub(super) fn renew(&self) {
        let mut current = self.current();
        if current.at.elapsed() < RENEW_INTERVAL {
            return;
        }
        current.at = Instant::now();
        match self.maker.make() {
            Ok((client, server)) => {
                if current.server != server {
                    let old = &current.server;
                    tracing::info!(target: LOG, "asking the Kubernetes API at {server}, no longer at {old}");
                }
                (current.client, current.server) = (client, server);
            }
            Err(error) => tracing::warn!(target: LOG, "credentials for the Kubernetes API not renewed: {error}"),
        }
    }

    /// Makes a new client if the server is said to be elsewhere by now: a kubeconfig may name another. A file that cannot be read says
    /// nothing; the server may well come back where it was.
    pub(super) fn follow(&self) {
        if self.maker.server().is_ok_and(|server| server != self.current().server) {
            self.renew();
        }
    }

    /// The client of now, to be read or changed.
    fn current(&self) -> MutexGuard<'_, Made> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Maker {
    /// Returns the server's URL.
    pub(super) fn server(&self) -> Result<String, AccessError> {
        match self {
            Self::Access(access) => access.server(),
            #[cfg(test)]
            Self::Given(_) => Ok("https://kubernetes.test/".to_owned()),
        }
    }

    /// Makes a client; gives also the URL of the server that it asks.
    fn make(&self) -> Result<(Shared, String), AccessError> {
        match self {
            Self::Access(access) => {
                let config = access.config()?;
                let server = config.cluster_url.to_string();
                Ok((Shared(make(&config)?), server))
            }
            #[cfg(test)]
            Self::Given(client) => Ok((client.clone(), self.server()?)),
        }
    }
}

/// Makes a client.
fn make(config: &Config) -> Result<Client, AccessError> {
    let failed = |error: &dyn std::fmt::Display| not_created(&error.to_string());
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    let https = HttpsConnectorBuilder::new().with_tls_config(tls(config)?).https_or_http();
    let https = match &config.tls_server_name {
        Some(name) => {
            let name = ServerName::try_from(name.clone()).map_err(|error| failed(&error))?;
            https.with_server_name_resolver(FixedServerNameResolver::new(name))
        }
        None => https,
    };
    let mut connector = TimeoutConnector::new(https.enable_http1().wrap_connector(tcp));
    connector.set_connect_timeout(config.connect_timeout);
    connector.set_read_timeout(config.read_timeout);
    connector.set_write_timeout(config.write_timeout);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer().map_err(|error| failed(&error))?)
        .layer(config.extra_headers_layer().map_err(|error| failed(&error))?)
        .map_err(BoxError::from)
        .service(hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(connector));
    Ok(ClientBuilder::new(service, config.default_namespace.clone()).build())
}

/// Makes the TLS side of a client.
fn tls(config: &Config) -> Result<ClientConfig, AccessError> {
    let read = |path: &Path| std::fs::read(path).map_err(|error| not_created(&go_open(path, &error)));
    let part = |data: Option<&str>, file: Option<&String>| match (data, file) {
        (Some(data), _) => BASE64.decode(data).map(Some).map_err(|error| not_created(&error.to_string())),
        (None, Some(file)) => read(Path::new(file)).map(Some),
        (None, None) => Ok(None),
    };
    let auth = &config.auth_info;
    let certificate = part(auth.client_certificate_data.as_deref(), auth.client_certificate.as_ref())?;
    let key = part(auth.client_key_data.as_ref().map(ExposeSecret::expose_secret), auth.client_key.as_ref())?;
    let authorities = match (&config.root_cert_file, &config.root_cert) {
        (Some(path), _) => Some(read(path)?),
        (None, Some(certificates)) => {
            let pem = |der| format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", BASE64.encode(der));
            Some(certificates.iter().map(pem).collect::<String>().into_bytes())
        }
        (None, None) => None,
    };
    let identity = certificate.as_deref().zip(key.as_deref());
    let identity = identity.map(|(certificate, key)| ClientIdentity { certificate, key });
    let is_insecure = config.accept_invalid_certs;
    let made = trust::client_config(&ClientTls {
        authorities: authorities.as_deref(),
        identity,
        is_insecure,
        server_name: None,
    });
    let mut made = made.map_err(|error| not_created(&error.to_string()))?;
    if auth.exec.is_some() {
        // A plugin may hand out a certificate; kube asks it.
        let mut with_roots = config.clone();
        (with_roots.root_cert, with_roots.root_cert_file) = (Some(Vec::new()), None);
        let other = with_roots.rustls_client_config().map_err(|error| not_created(&error.to_string()))?;
        made.client_auth_cert_resolver = other.client_auth_cert_resolver;
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the error of a check.
    fn error(access: &Access) -> String {
        access.check().unwrap_err().to_string()
    }

    #[test]
    fn a_pod_without_its_environment_is_told_in_the_words_of_client_go() {
        let none = |_: &str| None;
        let missing = "unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined";
        assert_eq!(in_cluster(Path::new("/nowhere"), none).unwrap_err().to_string(), missing);
        let some = |name: &str| Some(if name.ends_with("HOST") { "::1" } else { "443" }.to_owned());
        let error = in_cluster(Path::new("/nowhere"), some).unwrap_err().to_string();
        assert_eq!(error, "open /nowhere/token: no such file or directory");
    }

    #[test]
    fn a_pod_without_a_ca_goes_on() {
        let account = std::env::temp_dir().join(format!("ferrodns-account-{}", std::process::id()));
        std::fs::create_dir_all(&account).unwrap();
        std::fs::write(account.join("token"), "t").unwrap();
        let some = |name: &str| Some(if name.ends_with("HOST") { "fd00::1" } else { "6443" }.to_owned());
        let config = in_cluster(&account, some).unwrap();
        std::fs::remove_dir_all(&account).unwrap();
        assert_eq!(config.cluster_url, "https://[fd00::1]:6443/");
        assert_eq!(config.root_cert_file, None);
    }

    #[test]
    fn addresses_are_taken_as_client_go_takes_them() {
        let url = |text: &str, tls: Option<Tls>| from_endpoint(text, tls.as_ref()).unwrap().cluster_url.to_string();
        assert_eq!(url("10.0.0.1:6443", Some(Tls::default())), "https://10.0.0.1:6443/");
        assert_eq!(url("localhost:8080", None), "http://localhost:8080/");
        assert_eq!(url("https://host/k8s/clusters/c", None), "https://host/k8s/clusters/c");
        assert_eq!(url("https://[fd00::1]:6443", None), "https://[fd00::1]:6443/");
        assert_eq!(
            error(&Access::Endpoint { url: ":::bad".into(), tls: None }),
            r#"failed to create kubernetes notification controller: "parse \"http://:::bad\": invalid port \":bad\" after host""#
        );
    }

    #[test]
    fn a_kubeconfig_must_exist_and_have_the_context() {
        let missing = Access::Kubeconfig { file: "missing.conf".into(), context: None };
        assert_eq!(error(&missing), "stat missing.conf: no such file or directory");
        let file = std::env::temp_dir().join(format!("ferrodns-kubeconfig-{}", std::process::id()));
        let text =
            "{apiVersion: v1, kind: Config, current-context: x, clusters: [{name: c, cluster: {server: 'http://h:1'}}],
            contexts: [{name: x, context: {cluster: c, user: u}}], users: [{name: u, user: {token: t}}]}";
        std::fs::write(&file, text).unwrap();
        let with =
            |context: Option<&str>| Access::Kubeconfig { file: file.clone(), context: context.map(str::to_owned) };
        assert_eq!(with(None).config().unwrap().cluster_url, "http://h:1/");
        assert_eq!(with(Some("x")).check(), Ok(()));
        assert_eq!(error(&with(Some("nosuch"))), "context \"nosuch\" does not exist");
        std::fs::remove_file(&file).unwrap();
    }
}
