//! How TLS is spoken to upstreams: whom we trust, who we are (CoreDNS: plugin/pkg/tls). Never without verification.

use crate::trust::{self, ClientIdentity, ClientTls, TrustError};
use corefile::os_error_text;
use std::path::{Path, PathBuf};
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

/// The files of the property `tls`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TlsFiles {
    /// Our certificate and its key.
    pub(super) identity: Option<(PathBuf, PathBuf)>,
    /// Whom we trust; the system's list without.
    pub(super) authority: Option<PathBuf>,
}

/// A client's configuration from files.
///
/// # Errors
/// In CoreDNS's words, for what cannot be read.
pub(super) fn client_config(files: &TlsFiles) -> Result<ClientConfig, String> {
    let not_loaded = |text: String| format!("could not load TLS cert: {text}");
    let (mut certificate, mut key, mut authorities) = (Vec::new(), Vec::new(), None);
    if let Some(identity) = &files.identity {
        certificate = read(&identity.0).map_err(not_loaded)?;
        key = read(&identity.1).map_err(not_loaded)?;
    }
    if let Some(path) = &files.authority {
        let pem = read(path).map_err(|text| format!("error reading {}: {text}", path.display()))?;
        if pem.is_empty() {
            return Err(format!("could not read root certs: no certificate in {}", path.display()));
        }
        authorities = Some(pem);
    }
    let identity = files.identity.is_some().then_some(ClientIdentity { certificate: &certificate, key: &key });
    let tls = ClientTls { authorities: authorities.as_deref(), identity, ..ClientTls::default() };
    trust::client_config(&tls).map_err(|error| match (error, &files.authority) {
        (TrustError::Identity(error), _) => not_loaded(error.to_string()),
        (TrustError::Roots(_), Some(path)) => {
            format!("could not read root certs: no certificate in {}", path.display())
        }
        (error, _) => error.to_string(),
    })
}

/// The name that a certificate must have: a server name, or the address.
///
/// # Errors
/// When the text is neither.
pub(super) fn server_name(text: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(text.to_owned()).map_err(|_| format!("invalid TLS server name: {text}"))
}

/// A file's octets, or Go's words.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("open {}: {}", path.display(), os_error_text(&error)))
}
