//! A certificate authority made at start, and what it signs.
//! Knows no HTTP.

use std::net::IpAddr;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
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
    /// The server's side.
    pub(crate) acceptor: TlsAcceptor,
}

impl Authority {
    /// Makes a CA, a server certificate for the loopback addresses and `address`, and a client certificate.
    pub(crate) fn new(address: IpAddr) -> Result<Self, Failure> {
        let (ca, issuer) = authority()?;
        let mut params = CertificateParams::new(NAMES.map(str::to_owned))?;
        for ip in ["127.0.0.1".parse()?, "::1".parse()?, address] {
            params.subject_alt_names.push(SanType::IpAddress(ip));
        }
        let (server, server_key) = sign(params, "kubesim", ExtendedKeyUsagePurpose::ServerAuth, &issuer)?;
        let (client, client_key) =
            sign(CertificateParams::default(), "kubesim-client", ExtendedKeyUsagePurpose::ClientAuth, &issuer)?;
        let acceptor = acceptor(&ca, &server, &server_key)?;
        let client = Pair { certificate: client.pem(), key: client_key.serialize_pem() };
        Ok(Self { ca: ca.pem(), client, acceptor })
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
    let provider = Arc::new(ring::default_provider());
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
