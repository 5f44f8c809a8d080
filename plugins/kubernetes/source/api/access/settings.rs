//! Everything that a client of the API server needs, read and checked (client-go `rest/transport.go`, `transport/transport.go`).

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue};
use serde::Serialize;
use tokio_rustls::rustls::ClientConfig;

use super::choose::Part;
use super::kubeconfig::{Cluster, Exec, User};
use super::proxy::ProxyRules;
use super::server::Server;
use super::{AccessError, Surroundings, read_file};
use crate::trust::{self, ClientIdentity, ClientTls, TrustError};

/// A value that no log shows.
#[derive(Clone, Default, PartialEq, Eq)]
pub(in super::super) struct Secret<T>(pub(in super::super) T);

impl<T> std::fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

/// What a client needs.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Settings {
    /// Where the server is.
    pub(in super::super) server: Server,
    /// Trust and the client's certificate; none where the connection is not encrypted.
    pub(in super::super) tls: Option<TlsSettings>,
    /// The client's credentials.
    pub(in super::super) auth: Auth,
    /// Headers that say which user requests are made as.
    pub(in super::super) impersonate: Vec<(HeaderName, HeaderValue)>,
    /// The proxy before the server.
    pub(in super::super) proxies: ProxyRules,
    /// Why every request fails, if one does.
    pub(in super::super) problem: Option<String>,
}

/// Trust and the client's certificate, as PEM texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct TlsSettings {
    /// The certificates that are trusted; the system's where there are none.
    pub(in super::super) authorities: Vec<u8>,
    /// The client's certificate; empty for none.
    pub(in super::super) certificate: Vec<u8>,
    /// Its key.
    pub(in super::super) key: Secret<Vec<u8>>,
    /// The name that the server's certificate must have, if not that in the address.
    pub(in super::super) server_name: String,
    /// Whether any certificate will do.
    pub(in super::super) is_insecure: bool,
}

/// What says who the client is, beside its certificate.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) enum Auth {
    /// Nothing.
    Anonymous,
    /// A name and a password, as the header that carries them.
    Basic(Secret<HeaderValue>),
    /// A bearer token. What the file says counts and is read again; the token beside it is for as long as there is no file.
    Token {
        /// The token in the kubeconfig; empty for none.
        inline: Secret<String>,
        /// The file with a token.
        file: Option<PathBuf>,
    },
    /// What a program prints.
    Exec {
        /// The program.
        exec: Exec,
        /// Information about the cluster for the plugin: JSON, or empty.
        cluster: String,
    },
}

impl TlsSettings {
    /// Makes the configuration of connections; `certificate` and `key` count instead of the settings' own if they are given.
    pub(in super::super) fn config(&self, identity: Option<(&[u8], &[u8])>) -> Result<ClientConfig, TrustError> {
        let own = (!self.certificate.is_empty()).then_some((self.certificate.as_slice(), self.key.0.as_slice()));
        let identity = identity.or(own).map(|(certificate, key)| ClientIdentity { certificate, key });
        trust::client_config(&ClientTls {
            authorities: Some(&self.authorities),
            identity,
            server_name: Some(&self.server_name),
            is_insecure: self.is_insecure,
        })
    }

    /// Checks the settings; the system's certificates are not read for that.
    fn check(&self) -> Result<(), TrustError> {
        let is_insecure = self.is_insecure || self.authorities.is_empty();
        Self { is_insecure, ..self.clone() }.config(None).map(drop)
    }
}

/// Makes the header of a bearer token.
///
/// # Errors
/// Where no header can carry the token; the token itself is not shown.
pub(in super::super) fn bearer(token: &str, place: &str) -> Result<HeaderValue, String> {
    let token = token.trim();
    if token.is_empty() {
        return Err(format!("the token {place} is empty"));
    }
    if let Some(at) = token.bytes().position(|byte| byte < b' ' && byte != b'\t' || byte == 0x7f) {
        return Err(format!(
            "net/http: invalid header field value for \"Authorization\": the token {place} has a control character behind its \
             first {at} octets"
        ));
    }
    let value = HeaderValue::from_bytes(format!("Bearer {token}").as_bytes());
    let mut value = value.map_err(|_| format!("the token {place} cannot stand in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Checks that a text has certificates, as trusted ones.
pub(super) fn check_authorities(pem: &[u8]) -> Result<(), String> {
    let tls = TlsSettings { authorities: pem.to_vec(), ..TlsSettings::default() };
    tls.check().map_err(|error| error.to_string())
}

/// Makes the settings of a cluster and a user.
pub(super) fn make(part: &Part<'_>, surroundings: Surroundings<'_>) -> Result<Settings, AccessError> {
    let Part { cluster, user, place, .. } = part;
    let refused = |why: String, cure: String| AccessError::not_created(&why, Some(format!("{place}: {cure}")));
    let server = Server::parse(&cluster.server)
        .map_err(|why| refused(why, format!("write the server {:?} as https://HOST:PORT", cluster.server)))?;
    let proxies = if cluster.proxy_url.is_empty() {
        ProxyRules::of_environment(surroundings.variable)
    } else {
        ProxyRules::of_field(&cluster.proxy_url).map_err(AccessError::plain)?
    };
    let mut problem = server.uri("/").err();
    let impersonate = impersonate(user).unwrap_or_else(|why| {
        problem.get_or_insert(why);
        Vec::new()
    });
    let (mut auth, mut tls) = (Auth::Anonymous, None);
    // As client-go: whoever listens on the way must not learn a credential.
    if server.is_tls() {
        if let Some(provider) = &user.auth_provider {
            let cure =
                format!("no client has the provider {provider:?} any more; use `exec`, a `tokenFile` or a certificate");
            return Err(refused(format!("no Auth Provider found for name {provider:?}"), cure));
        }
        auth = self::auth(part)?;
        tls = Some(tls_settings(part, &mut problem)?);
    }
    if let Some((name, password)) = &server.user {
        auth = basic(name, password.as_deref().unwrap_or_default())?;
    }
    if let Auth::Token { inline, file: None } = &auth {
        problem = problem.or_else(|| bearer(&inline.0, &format!("in {place}")).err());
    }
    Ok(Settings { server, tls, auth, impersonate, proxies, problem })
}

/// Makes the headers that say which user requests are made as.
fn impersonate(user: &User) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let mut fields = vec![("Impersonate-User".to_owned(), &user.impersonate)];
    fields.push(("Impersonate-Uid".to_owned(), &user.impersonate_uid));
    fields.retain(|(_, value)| !value.is_empty());
    if user.impersonate.is_empty() {
        return Ok(Vec::new());
    }
    fields.extend(user.impersonate_groups.iter().map(|group| ("Impersonate-Group".to_owned(), group)));
    for (key, values) in &user.impersonate_extra {
        let name = format!("Impersonate-Extra-{}", escape_key(key));
        fields.extend(values.iter().map(|value| (name.clone(), value)));
    }
    let header = |(name, value): (String, &String)| {
        let failed =
            || format!("net/http: invalid header field value for {name:?}: check the fields `as...` of the user");
        let header = HeaderName::try_from(name.as_str()).map_err(|_| failed())?;
        Ok((header, HeaderValue::from_bytes(value.trim_matches([' ', '\t']).as_bytes()).map_err(|_| failed())?))
    };
    fields.into_iter().map(header).collect()
}

/// Writes a key as part of a header's name (client-go `transport/round_trippers.go`, `headerKeyEscape`).
fn escape_key(key: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&'*+-.^_`|~".contains(&byte);
    let escape = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02x}") };
    key.bytes().map(escape).collect()
}

/// Makes a user's credentials.
fn auth(part: &Part<'_>) -> Result<Auth, AccessError> {
    let Part { cluster, user, place, .. } = part;
    let refused = |why: String, cure: String| AccessError::not_created(&why, Some(format!("{place}: {cure}")));
    let has_basic = !user.username.is_empty();
    if !user.token.is_empty() || !user.token_file.is_empty() {
        let file = (!user.token_file.is_empty()).then(|| PathBuf::from(&user.token_file));
        if let Some(path) = file.as_deref().filter(|_| user.token.is_empty()) {
            let cure = format!("{place}: the token is read from {}: mount it there", path.display());
            let token = read_file(path).map_err(|text| AccessError { text, cure: Some(cure.clone()) })?;
            if token.is_empty() {
                return Err(refused(format!("read empty token from file {:?}", path.display().to_string()), cure));
            }
        }
        if has_basic {
            let cure = "leave the user either `tokenFile` or `username` and `password`".to_owned();
            return Err(refused("username/password or bearer token may be set, but not both".to_owned(), cure));
        }
        return Ok(Auth::Token { inline: Secret(user.token.trim().to_owned()), file });
    }
    if has_basic {
        return basic(&user.username, &user.password);
    }
    let has_certificate = !user.certificate.is_empty() || !user.certificate_data.is_empty();
    let Some(exec) = &user.exec else { return Ok(Auth::Anonymous) };
    let known = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];
    if !known.contains(&exec.api_version.as_str()) {
        let cure = format!("write `apiVersion: {}` and use a version of {} that has it", known[0], exec.command);
        return Err(refused(format!("exec plugin: invalid apiVersion {:?}", exec.api_version), cure));
    }
    if has_certificate {
        return Ok(Auth::Anonymous);
    }
    let cluster = if exec.wants_cluster { exec_cluster(cluster)? } else { String::new() };
    Ok(Auth::Exec { exec: exec.clone(), cluster })
}

/// Makes basic authentication.
fn basic(name: &str, password: &str) -> Result<Auth, AccessError> {
    let value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(format!("{name}:{password}"))));
    let mut value = value.map_err(|error| AccessError::plain(error.to_string()))?;
    value.set_sensitive(true);
    Ok(Auth::Basic(Secret(value)))
}

/// Information about the cluster for a credential plugin (client-go `pkg/apis/clientauthentication/v1`, `Cluster`).
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct ExecCluster<'a> {
    /// Its address.
    server: &'a str,
    /// See [`Cluster::tls_server_name`].
    #[serde(skip_serializing_if = "str::is_empty")]
    tls_server_name: &'a str,
    /// See [`Cluster::is_insecure`].
    #[serde(skip_serializing_if = "is_false")]
    insecure_skip_tls_verify: bool,
    /// See [`Cluster::authority_data`], in base64.
    #[serde(skip_serializing_if = "String::is_empty")]
    certificate_authority_data: String,
    /// See [`Cluster::proxy_url`].
    #[serde(skip_serializing_if = "str::is_empty")]
    proxy_url: &'a str,
    /// See [`Cluster::has_no_compression`].
    #[serde(skip_serializing_if = "is_false")]
    disable_compression: bool,
    /// See [`Cluster::exec_config`]; written also where there is none.
    config: Option<&'a serde_json::Value>,
}

/// Says whether a flag need not be written.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// Writes the information about the cluster for a credential plugin.
fn exec_cluster(cluster: &Cluster) -> Result<String, AccessError> {
    let told = ExecCluster {
        server: &cluster.server,
        tls_server_name: &cluster.tls_server_name,
        insecure_skip_tls_verify: cluster.is_insecure,
        certificate_authority_data: STANDARD.encode(authority(cluster).map_err(AccessError::plain)?),
        proxy_url: &cluster.proxy_url,
        disable_compression: cluster.has_no_compression,
        config: cluster.exec_config.as_ref(),
    };
    serde_json::to_string(&told).map_err(|error| AccessError::plain(error.to_string()))
}

/// Returns the certificates that are trusted.
fn authority(cluster: &Cluster) -> Result<Vec<u8>, String> {
    of_either(&cluster.authority_data, &cluster.authority)
}

/// Returns the octets, or what is in the file where there are none.
fn of_either(data: &[u8], file: &str) -> Result<Vec<u8>, String> {
    if data.is_empty() && !file.is_empty() { read_file(Path::new(file)) } else { Ok(data.to_vec()) }
}

/// Makes trust and the client's certificate, and checks them.
fn tls_settings(part: &Part<'_>, problem: &mut Option<String>) -> Result<TlsSettings, AccessError> {
    let Part { cluster, user, place, .. } = part;
    let refused = |why: &str, cure: &str| AccessError::not_created(why, Some(format!("{place}: {cure}")));
    if cluster.is_insecure && !(cluster.authority.is_empty() && cluster.authority_data.is_empty()) {
        let why = "specifying a root certificates file with the insecure flag is not allowed";
        return Err(refused(why, "remove `insecure-skip-tls-verify`, or the certificate authority"));
    }
    let read = |data: &[u8], file: &str| of_either(data, file).map_err(|why| refused(&why, "the file cannot be read"));
    let mut tls = TlsSettings {
        authorities: read(&cluster.authority_data, &cluster.authority)?,
        server_name: cluster.tls_server_name.clone(),
        is_insecure: cluster.is_insecure,
        ..TlsSettings::default()
    };
    if !user.certificate.is_empty() || !user.certificate_data.is_empty() {
        tls.certificate = read(&user.certificate_data, &user.certificate)?;
        tls.key = Secret(read(&user.key_data, &user.key)?);
    }
    // Files are read again for each connection by client-go: what is wrong in them may be right by then.
    let is_of_files = user.certificate_data.is_empty() && user.key_data.is_empty();
    match tls.check() {
        Ok(()) => {}
        Err(TrustError::Identity(error)) if is_of_files => *problem = Some(error.to_string()),
        Err(TrustError::Identity(error)) => {
            let cure = "check `client-certificate-data` and `client-key-data`: PEM in base64, which belong together";
            return Err(refused(&error.to_string(), cure));
        }
        Err(error) => {
            return Err(refused(&error.to_string(), "check `certificate-authority`, or the third file of `tls`: PEM"));
        }
    }
    Ok(tls)
}

/// Writes the program, without its arguments: they may be secret.
impl std::fmt::Display for Exec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.command)
    }
}
