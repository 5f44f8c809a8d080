//! How TLS is spoken to upstreams: whom we trust, who we are (CoreDNS: plugin/pkg/tls). Never without verification.

use corefile::os_error_text;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

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
    let identity = match &files.identity {
        Some((certificate, key)) => Some(read_identity(certificate, key)?),
        None => None,
    };
    let roots = match &files.authority {
        Some(path) => read_roots(path)?,
        None => system_roots(),
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    let builder = builder.with_root_certificates(roots);
    match identity {
        None => Ok(builder.with_no_client_auth()),
        Some((certificates, key)) => {
            let config = builder.with_client_auth_cert(certificates, key);
            config.map_err(|error| format!("could not load TLS cert: tls: {error}"))
        }
    }
}

/// The name that a certificate must have: a server name, or the address.
///
/// # Errors
/// When the text is neither.
pub(super) fn server_name(text: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(text.to_owned()).map_err(|_| format!("invalid TLS server name: {text}"))
}

/// Our certificate chain and key.
fn read_identity(
    certificate: &Path,
    key: &Path,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
    let failed = |text: String| format!("could not load TLS cert: {text}");
    let chain = read(certificate).map_err(failed)?;
    let key = read(key).map_err(failed)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&chain).collect();
    let chain = chain.map_err(|error| failed(format!("tls: {error}")))?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| failed(format!("tls: {error}")))?;
    if chain.is_empty() {
        return Err(failed("tls: failed to find any PEM data in certificate input".to_owned()));
    }
    Ok((chain, key))
}

/// The certificates of a file as trusted ones.
fn read_roots(path: &Path) -> Result<RootCertStore, String> {
    let pem = read(path).map_err(|text| format!("error reading {}: {text}", path.display()))?;
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).flatten());
    if added == 0 { Err(format!("could not read root certs: no certificate in {}", path.display())) } else { Ok(roots) }
}

/// Whom the system trusts. Without any, every handshake fails, and says so.
fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// A file's octets, or Go's words.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("open {}: {}", path.display(), os_error_text(&error)))
}
