//! Judges certificates and signatures of servers for the TLS library.

use super::certificate::{Certificate, PublicKey};
use super::chain;
use super::pool::Pool;
use super::signature::{check_handshake, fits_tls13};
use super::time::Instant;
use std::io;
use std::sync::Arc;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, PeerIncompatible, SignatureScheme,
};

/// Bits of the longest RSA key of a server (Go: `tls.defaultMaxRSAKeySize`).
const MAX_RSA_BITS: usize = 8192;

/// Why a server is refused, in the words of Go's `crypto/tls`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Rejection {
    /// A certificate cannot be read.
    #[error("tls: failed to parse certificate from server: {0}")]
    Unreadable(String),
    /// A key is too long.
    #[error("tls: server sent certificate containing RSA key larger than {MAX_RSA_BITS} bits")]
    LongKey,
    /// The certificate is not trusted, or is another's.
    #[error("tls: failed to verify certificate: {0}")]
    Untrusted(#[from] chain::Refusal),
    /// Nothing can be signed with the key.
    #[error("tls: server's certificate contains an unsupported type of public key: {0}")]
    Key(&'static str),
    /// The handshake is signed with another key.
    #[error("tls: invalid signature by the server certificate: {0}")]
    Signature(String),
}

/// Judges servers.
#[derive(Debug)]
pub(super) struct Verifier {
    /// The trusted certificates; none if every certificate will do.
    pub(super) roots: Option<Pool>,
    /// The name that certificates must have, instead of the dialled one.
    pub(super) name: Option<String>,
}

impl Verifier {
    /// Judges what a server has sent, its own certificate first, at a time.
    pub(super) fn judge(&self, sent: &[&[u8]], host: &str, now: Instant) -> Result<(), Rejection> {
        let mut certificates = Vec::with_capacity(sent.len());
        for der in sent {
            let certificate = Certificate::parse(der).map_err(Rejection::Unreadable)?;
            if matches!(certificate.key, PublicKey::Rsa(bits, _) if bits > MAX_RSA_BITS) {
                return Err(Rejection::LongKey);
            }
            certificates.push(certificate);
        }
        let mut certificates = certificates.into_iter();
        let Some(own) = certificates.next() else { return Err(Rejection::Unreadable("none".to_owned())) };
        if let Some(roots) = &self.roots {
            let mut intermediates = Pool::default();
            certificates.for_each(|certificate| intermediates.add(certificate));
            let host = self.name.as_deref().unwrap_or(host);
            chain::verify(&own, &intermediates, roots, Some(host), now)?;
        }
        match own.key {
            PublicKey::Other(kind) => Err(Rejection::Key(kind)),
            PublicKey::Unknown => Err(Rejection::Key("<nil>")),
            _ => Ok(()),
        }
    }
}

/// Wraps a rejection for the TLS library.
fn rejected(rejection: Rejection) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(rejection))))
}

/// Returns the words for a server's rejection if that is what an error, or any of its causes, is about.
pub(crate) fn rejection(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(mut error) = next {
        // An error of input and output hides what it wraps from `source`, and may wrap another one (hyper-rustls).
        while let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            error = inner;
        }
        if let Some(Error::InvalidCertificate(CertificateError::Other(other))) = error.downcast_ref::<Error>() {
            return Some(other.0.to_string());
        }
        next = error.source();
    }
    None
}

/// Checks the signature of a handshake by a certificate's key.
fn check_signature(
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    message: &[u8],
    fits: impl Fn(&PublicKey, SignatureScheme) -> bool,
) -> Result<HandshakeSignatureValid, Error> {
    let certificate = Certificate::parse(certificate).map_err(|error| rejected(Rejection::Unreadable(error)))?;
    if !fits(&certificate.key, signed.scheme) {
        return Err(PeerIncompatible::NoSignatureSchemesInCommon.into());
    }
    let checked = check_handshake(&certificate.key, signed.scheme, message, signed.signature());
    checked.map(|()| HandshakeSignatureValid::assertion()).map_err(|error| rejected(Rejection::Signature(error)))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let sent: Vec<&[u8]> = [end_entity].into_iter().chain(intermediates).map(AsRef::as_ref).collect();
        let now = Instant(i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        let judged = self.judge(&sent, &server_name.to_str(), now);
        judged.map(|()| ServerCertVerified::assertion()).map_err(rejected)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        check_signature(certificate, signed, message, |_, _| true)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        check_signature(certificate, signed, message, fits_tls13)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        use SignatureScheme as Scheme;
        vec![
            Scheme::RSA_PSS_SHA256,
            Scheme::ECDSA_NISTP256_SHA256,
            Scheme::ED25519,
            Scheme::RSA_PSS_SHA384,
            Scheme::RSA_PSS_SHA512,
            Scheme::RSA_PKCS1_SHA256,
            Scheme::RSA_PKCS1_SHA384,
            Scheme::RSA_PKCS1_SHA512,
            Scheme::ECDSA_NISTP384_SHA384,
            Scheme::ECDSA_NISTP521_SHA512,
        ]
    }
}
