//! The certificate and the private key that this end shows, read as Go's `tls.X509KeyPair` reads them.

use super::certificate::{Certificate, PublicKey};
use super::pem::{self, Block};
use super::provider;
use std::sync::Arc;
use tokio_rustls::rustls::SignatureAlgorithm;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::{CertifiedKey, SigningKey};

/// Why a certificate and a key cannot be used, in Go's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IdentityError {
    /// The certificate's text has no PEM block.
    #[error("tls: failed to find any PEM data in certificate input")]
    NoCertificate,
    /// The certificate's text has a key in it.
    #[error(
        "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched"
    )]
    KeyAsCertificate,
    /// The certificate's text has blocks of other labels only.
    #[error(
        "tls: failed to find \"CERTIFICATE\" PEM block in certificate input after skipping PEM blocks of the following types: [{0}]"
    )]
    OtherCertificate(String),
    /// The key's text has no PEM block.
    #[error("tls: failed to find any PEM data in key input")]
    NoKey,
    /// The key's text has a certificate in it.
    #[error("tls: found a certificate rather than a key in the PEM for the private key")]
    CertificateAsKey,
    /// The key's text has blocks of other labels only.
    #[error(
        "tls: failed to find PEM block with type ending in \"PRIVATE KEY\" in key input after skipping PEM blocks of the following types: [{0}]"
    )]
    OtherKey(String),
    /// The certificate cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// The certificate's key is of a kind that nothing can be signed with.
    #[error("tls: unknown public key algorithm")]
    UnknownKind,
    /// The key is of another kind than the certificate's.
    #[error("tls: private key type does not match public key type")]
    OtherKind,
    /// The key is of no known form or kind.
    #[error("tls: failed to parse private key")]
    Key,
    /// The key belongs to another certificate.
    #[error("tls: private key does not match public key")]
    Mismatch,
}

/// Reads a certificate chain and its key: PKCS #1, PKCS #8 or SEC 1, whatever the label says; blocks before the key are passed over.
///
/// # Errors
/// In Go's words.
pub(crate) fn load_identity(certificate: &[u8], key: &[u8]) -> Result<CertifiedKey, IdentityError> {
    let chain = chain(certificate)?;
    let block = key_block(key)?;
    let own =
        Certificate::parse(chain.first().map(AsRef::as_ref).unwrap_or_default()).map_err(IdentityError::Unreadable)?;
    let key = signing_key(&block, &provider())?;
    let is_kind = match (&own.key, key.algorithm()) {
        (PublicKey::Other(_) | PublicKey::Unknown, _) => return Err(IdentityError::UnknownKind),
        (PublicKey::Rsa(..), SignatureAlgorithm::RSA) => true,
        (PublicKey::Ec(..), SignatureAlgorithm::ECDSA) => true,
        (PublicKey::Ed25519(_), SignatureAlgorithm::ED25519) => true,
        _ => false,
    };
    if !is_kind {
        return Err(IdentityError::OtherKind);
    }
    if key.public_key().is_some_and(|key| key.as_ref() != &*own.raw_key) {
        return Err(IdentityError::Mismatch);
    }
    Ok(CertifiedKey::new(chain, key))
}

/// Reads the certificates of a text.
fn chain(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let (certificates, others): (Vec<_>, Vec<_>) =
        pem::blocks(text).into_iter().partition(|block| block.label == "CERTIFICATE");
    match others.as_slice() {
        _ if !certificates.is_empty() => {
            Ok(certificates.into_iter().map(|block| CertificateDer::from(block.octets)).collect())
        }
        [] => Err(IdentityError::NoCertificate),
        [one] if one.label.ends_with("PRIVATE KEY") => Err(IdentityError::KeyAsCertificate),
        others => Err(IdentityError::OtherCertificate(labels(others))),
    }
}

/// Returns the first private key of a text.
fn key_block(text: &[u8]) -> Result<Block, IdentityError> {
    let is_key = |block: &Block| block.label == "PRIVATE KEY" || block.label.ends_with(" PRIVATE KEY");
    let mut blocks = pem::blocks(text);
    if let Some(place) = blocks.iter().position(is_key) {
        return Ok(blocks.swap_remove(place));
    }
    Err(match blocks.as_slice() {
        [] => IdentityError::NoKey,
        [one] if one.label == "CERTIFICATE" => IdentityError::CertificateAsKey,
        others => IdentityError::OtherKey(labels(others)),
    })
}

/// Reads a private key in any of its forms.
fn signing_key(block: &Block, provider: &CryptoProvider) -> Result<Arc<dyn SigningKey>, IdentityError> {
    let forms = [
        PrivateKeyDer::Pkcs1(block.octets.clone().into()),
        PrivateKeyDer::Pkcs8(block.octets.clone().into()),
        PrivateKeyDer::Sec1(block.octets.clone().into()),
    ];
    forms.into_iter().find_map(|form| provider.key_provider.load_private_key(form).ok()).ok_or(IdentityError::Key)
}

/// The labels of blocks, as Go prints a list.
fn labels(blocks: &[Block]) -> String {
    blocks.iter().map(|block| block.label.as_str()).collect::<Vec<_>>().join(" ")
}
