//! A certificate authority made at start, and what it signs.
//! Knows no HTTP.

use std::net::IpAddr;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// Any failure while making certificates, none of which a caller can mend.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Names under which clients know API servers.
const NAMES: [&str; 4] = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];

/// A certificate and its key in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Certificate.
    pub certificate: String,
    /// Private key, PKCS #8.
    pub key: String,
}

/// All that TLS needs, on both sides.
pub(crate) struct Authority {
    /// The CA's certificate in PEM.
    pub(crate) ca: String,
    /// A certificate for clients.
    pub(crate) client: Pair,
    /// The CA's certificate.
    certificate: Certificate,
    /// What signs.
    issuer: Issuer<'static, KeyPair>,
    /// An address that server certificates name.
    address: IpAddr,
}

impl Authority {
    /// Makes a CA and a client certificate.
    pub(crate) fn new(address: IpAddr) -> Result<Self, Failure> {
        let (certificate, issuer) = authority()?;
        let params = CertificateParams::default();
        let (client, key) = sign(params, "kubesim-client", ExtendedKeyUsagePurpose::ClientAuth, &issuer)?;
        let client = Pair { certificate: client.pem(), key: key.serialize_pem() };
        Ok(Self { ca: certificate.pem(), client, certificate, issuer, address })
    }

    /// The server's side of TLS, with a new certificate for the loopback addresses and the server's own.
    pub(crate) fn acceptor(&self) -> Result<TlsAcceptor, Failure> {
        let mut params = CertificateParams::new(NAMES.map(str::to_owned))?;
        for ip in ["127.0.0.1".parse()?, "::1".parse()?, self.address] {
            params.subject_alt_names.push(SanType::IpAddress(ip));
        }
        let (server, key) = sign(params, "kubesim", ExtendedKeyUsagePurpose::ServerAuth, &self.issuer)?;
        acceptor(&self.certificate, &server, &key)
    }
}

/// Makes a CA.
fn authority() -> Result<(Certificate, Issuer<'static, KeyPair>), Failure> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "kubesim-ca");
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok((certificate, Issuer::new(params, key)))
}

/// Signs a certificate for a new key.
fn sign(
    mut params: CertificateParams,
    name: &str,
    purpose: ExtendedKeyUsagePurpose,
    issuer: &Issuer<'static, KeyPair>,
) -> Result<(Certificate, KeyPair), Failure> {
    params.distinguished_name.push(DnType::CommonName, name);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![purpose];
    let key = KeyPair::generate()?;
    Ok((params.signed_by(&key, issuer)?, key))
}

/// The server's side of TLS: HTTP/2 before HTTP/1.1, client certificates of our CA looked at but not demanded.
fn acceptor(ca: &Certificate, server: &Certificate, key: &KeyPair) -> Result<TlsAcceptor, Failure> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(ca.der().clone())?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![server.der().clone()], key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
