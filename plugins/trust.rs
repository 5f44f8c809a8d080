//! TLS as a client: whom the program trusts and by which certificate it is known, for the API server and for upstreams alike.
//!
//! What Go's `crypto/x509` and `crypto/tls` take is taken, what they refuse is refused, in their words. Knows no file, no address
//! and no plugin: callers read the PEM texts and hand them over.
//!
//! ```text
//! let config = trust::client_config(&ClientTls { authorities: Some(ca_pem), ..ClientTls::default() })?;
//! let stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
//! ```

mod certificate;
mod chain;
mod constraints;
mod der;
mod extensions;
mod hostname;
mod identity;
mod names;
mod pem;
mod policies;
mod pool;
mod signature;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod time;
mod verifier;

pub(crate) use identity::{IdentityError, load_identity};
pub(crate) use pool::RootsError;
pub(crate) use verifier::rejection;

use pool::Pool;
use std::sync::{Arc, OnceLock};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::sign::SingleCertAndKey;
use tokio_rustls::rustls::{ClientConfig, Error};
use verifier::Verifier;

/// Trust and identity of a TLS client, as PEM texts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ClientTls<'a> {
    /// The certificates that are trusted; the system's without, and also where the text is empty (client-go: `rootCertPool`).
    pub(crate) authorities: Option<&'a [u8]>,
    /// The certificate that the client shows.
    pub(crate) identity: Option<ClientIdentity<'a>>,
    /// The name that the server's certificate must have instead of the name that was dialled. The name for SNI is the connector's.
    pub(crate) server_name: Option<&'a str>,
    /// Whether any certificate of the server will do (`insecure-skip-tls-verify`).
    pub(crate) is_insecure: bool,
}

/// A certificate chain and its key, as PEM texts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientIdentity<'a> {
    /// The chain, the client's own certificate first.
    pub(crate) certificate: &'a [u8],
    /// The private key.
    pub(crate) key: &'a [u8],
}

/// Why there is no TLS configuration, in the words of Go's `crypto/tls` and client-go.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrustError {
    /// The text of trusted certificates has none.
    #[error("unable to load root certificates: {0}")]
    Roots(#[from] RootsError),
    /// The client's certificate or key is not usable.
    #[error("{0}")]
    Identity(#[from] IdentityError),
    /// Both a list of trusted certificates and no verification are asked for.
    #[error("specifying a root certificates file with the insecure flag is not allowed")]
    InsecureWithRoots,
    /// The TLS library refuses the configuration.
    #[error("tls: {0}")]
    Library(#[from] Error),
}

/// Returns the cryptography of the whole program.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(aws_lc_rs::default_provider())))
}

/// Makes the configuration of a TLS client. Reads the system's certificates if no others are named.
///
/// # Errors
/// In client-go's words, for PEM texts that are not usable.
pub(crate) fn client_config(tls: &ClientTls<'_>) -> Result<ClientConfig, TrustError> {
    let authorities = tls.authorities.filter(|pem| !pem.is_empty());
    if tls.is_insecure && authorities.is_some() {
        return Err(TrustError::InsecureWithRoots);
    }
    let roots = match authorities {
        _ if tls.is_insecure => None,
        Some(pem) => Some(Pool::from_pem(pem)?),
        None => Some(system_roots()),
    };
    let name = tls.server_name.filter(|name| !name.is_empty()).map(str::to_owned);
    let verifier = Verifier { roots, name };
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    let Some(ClientIdentity { certificate, key }) = tls.identity else { return Ok(builder.with_no_client_auth()) };
    let identity = load_identity(certificate, key)?;
    Ok(builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity))))
}

/// Reads the certificates that the system trusts; says so where there are none.
fn system_roots() -> Pool {
    let roots = Pool::of_system();
    if roots.is_empty() {
        tracing::warn!(target: "plugin/tls", "the system has no CA certificates: no TLS server will be trusted; name a CA file");
    }
    roots
}
