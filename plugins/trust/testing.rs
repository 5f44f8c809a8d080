//! Servers with unusual certificates, for tests that shake hands over loopback.

use super::provider;
use rcgen::{
    BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P521_SHA512,
    PKCS_ED25519, SignatureAlgorithm, date_time_ymd,
};
use std::sync::Arc;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A server, and what its clients are given.
pub(crate) struct Served {
    /// What is unusual.
    pub(crate) what: &'static str,
    /// The trusted certificates, PEM.
    pub(crate) authorities: String,
    /// The server's side.
    pub(crate) config: Arc<ServerConfig>,
    /// The reason for which clients refuse the server; empty if they do not.
    pub(crate) refusal: &'static str,
}

/// Returns the servers; each has certificates for `dns.test` or `*.test`, and for 127.0.0.1.
pub(crate) fn servers() -> Vec<Served> {
    let own = certificate("own", &PKCS_ECDSA_P256_SHA256, None);
    let (p256, p521) =
        (certificate("p256", &PKCS_ECDSA_P256_SHA256, None), certificate("p521", &PKCS_ECDSA_P521_SHA512, None));
    let expired = certificate("expired", &PKCS_ECDSA_P256_SHA256, None);
    let unknown = "x509: certificate signed by unknown authority";
    let below = |name, algorithm, issuer| certificate(name, algorithm, Some(issuer));
    let pinned = below("pinned", &PKCS_ECDSA_P256_SHA256, &p256);
    vec![
        Served { what: "a CA is the server", authorities: own.pem(), config: own.serve(), refusal: "" },
        served("P-521", &p521, &below("leaf", &PKCS_ECDSA_P521_SHA512, &p521), ""),
        served("Ed25519", &p256, &below("leaf", &PKCS_ED25519, &p256), ""),
        served("a wildcard", &p256, &below("wild", &PKCS_ECDSA_P256_SHA256, &p256), ""),
        served("a pinned leaf", &pinned, &pinned, ""),
        served("another leaf is pinned", &pinned, &below("leaf", &PKCS_ECDSA_P256_SHA256, &p256), unknown),
        served(
            "an expired CA",
            &expired,
            &below("leaf", &PKCS_ECDSA_P256_SHA256, &expired),
            "x509: certificate has expired or is not yet valid: current time ",
        ),
    ]
}

fn served(what: &'static str, trusted: &Made, server: &Made, refusal: &'static str) -> Served {
    Served { what, authorities: trusted.pem(), config: server.serve(), refusal }
}

/// A certificate and its key.
struct Made {
    certificate: rcgen::Certificate,
    params: CertificateParams,
    key: KeyPair,
}

/// Makes a certificate; one without issuer is a CA.
fn certificate(name: &str, algorithm: &'static SignatureAlgorithm, issuer: Option<&Made>) -> Made {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let host = if name == "wild" { "*.test" } else { "dns.test" };
    let mut params = CertificateParams::new(vec![host.to_owned(), "127.0.0.1".to_owned()]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    if name == "expired" {
        params.not_after = date_time_ymd(2020, 1, 1);
    }
    let certificate = match issuer {
        Some(issuer) => {
            let der = issuer.key.serialize_pem();
            let signer = Issuer::new(issuer.params.clone(), KeyPair::from_pem(&der).unwrap());
            params.signed_by(&key, &signer).unwrap()
        }
        None => {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.self_signed(&key).unwrap()
        }
    };
    Made { certificate, params, key }
}

impl Made {
    fn pem(&self) -> String {
        self.certificate.pem()
    }

    fn serve(&self) -> Arc<ServerConfig> {
        let chain: Vec<CertificateDer<'static>> = vec![self.certificate.der().clone()];
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).unwrap();
        let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        Arc::new(builder.with_no_client_auth().with_single_cert(chain, key).unwrap())
    }
}
