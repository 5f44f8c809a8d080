//! The TLS part of a guard: our certificate, who must show one, and what is spoken. Knows no request.

use super::guard::read_file;
use crate::trust::load_identity;
use corefile::os_error_text;
use serde::Deserialize;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::sign::SingleCertAndKey;
use tokio_rustls::rustls::{
    DigitallySignedStruct, DistinguishedName, Error, NamedGroup, RootCertStore, ServerConfig, SignatureScheme,
    SupportedCipherSuite, SupportedProtocolVersion, version,
};

/// The versions of TLS that may be named, oldest first, and what is spoken for them; those without are too old.
const VERSIONS: [(&str, Option<&SupportedProtocolVersion>); 4] =
    [("TLS10", None), ("TLS11", None), ("TLS12", Some(&version::TLS12)), ("TLS13", Some(&version::TLS13))];

/// The curves that may be named.
const CURVES: [(&str, NamedGroup); 4] = [
    ("CurveP256", NamedGroup::secp256r1),
    ("CurveP384", NamedGroup::secp384r1),
    ("CurveP521", NamedGroup::secp521r1),
    ("X25519", NamedGroup::X25519),
];

/// What the file says of TLS.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TlsSection {
    cert: String,
    key: String,
    client_ca: String,
    cert_file: String,
    key_file: String,
    client_ca_file: String,
    client_auth_type: String,
    client_allowed_sans: Vec<String>,
    cipher_suites: Vec<String>,
    curve_preferences: Vec<String>,
    min_version: String,
    max_version: String,
    /// Taken and without effect: our order is the one that counts.
    #[serde(rename = "prefer_server_cipher_suites")]
    _prefer: Option<bool>,
}

/// What speaks TLS as the section says; none if it says nothing. Names of files are relative to `folder`.
///
/// # Errors
/// In exporter-toolkit's words where it has some.
pub(super) fn acceptor(section: &TlsSection, folder: &Path) -> Result<Option<TlsAcceptor>, String> {
    let has = |texts: [&String; 2]| texts.iter().any(|text| !text.is_empty());
    let has_authority = has([&section.client_ca, &section.client_ca_file]);
    let (has_certificate, has_key) = (has([&section.cert, &section.cert_file]), has([&section.key, &section.key_file]));
    if !has_certificate && !has_key && !has_authority && section.client_auth_type.is_empty() {
        return Ok(None);
    }
    if !has_certificate {
        return Err("missing one of cert or cert_file".to_owned());
    }
    if !has_key {
        return Err("missing one of key or key_file".to_owned());
    }
    if !section.client_allowed_sans.is_empty() {
        return Err(
            "client_allowed_sans is not supported: leave it out, and let client_ca sign only who may ask".to_owned()
        );
    }
    let certificate = given(&section.cert, "cert_file", &section.cert_file, folder)?;
    let key = given(&section.key, "key_file", &section.key_file, folder)?;
    let identity = load_identity(&certificate, &key);
    let identity = identity.map_err(|error| format!("failed to load X509KeyPair: {error}"))?;
    let provider = Arc::new(provider(section)?);
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_protocol_versions(&versions(section)?).map_err(|error| error.to_string())?;
    let builder = match clients(section, folder, has_authority, provider)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

/// The octets that stand in the file itself, or in the file that is named.
fn given(text: &str, what: &str, path: &str, folder: &Path) -> Result<Vec<u8>, String> {
    if path.is_empty() {
        return Ok(text.as_bytes().to_vec());
    }
    let path = folder.join(path);
    read_file(&path).map_err(|error| {
        let show = path.display();
        format!("failed to read {what} ({show}): open {show}: {}", os_error_text(&error))
    })
}

/// The versions from the oldest to the newest that are named.
fn versions(section: &TlsSection) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
    let place = |name: &str, default: usize| match name {
        "" => Ok(default),
        name => {
            VERSIONS.iter().position(|(known, _)| *known == name).ok_or_else(|| format!("unknown TLS version: {name}"))
        }
    };
    let (oldest, newest) = (place(&section.min_version, 2)?, place(&section.max_version, 3)?);
    let range = VERSIONS.iter().take(newest + 1).skip(oldest);
    let versions: Vec<_> = range.filter_map(|(_, version)| *version).collect();
    if versions.is_empty() {
        return Err("no TLS version is left: only TLS12 and TLS13 are spoken".to_owned());
    }
    Ok(versions)
}

/// The ciphers and curves: all, or those that are named, in that order. The ciphers of TLS 1.3 cannot be chosen.
fn provider(section: &TlsSection) -> Result<CryptoProvider, String> {
    let mut provider = aws_lc_rs::default_provider();
    if !section.cipher_suites.is_empty() {
        let (always, mut old): (Vec<_>, Vec<_>) =
            provider.cipher_suites.into_iter().partition(|suite| matches!(suite, SupportedCipherSuite::Tls13(_)));
        let mut chosen = always;
        for name in &section.cipher_suites {
            let is_named = |suite: &SupportedCipherSuite| suite.suite().as_str() == Some(cipher(name));
            let at = old.iter().position(is_named);
            chosen.push(old.remove(at.ok_or_else(|| format!("unknown cipher: {name}"))?));
        }
        provider.cipher_suites = chosen;
    }
    if !section.curve_preferences.is_empty() {
        let find = |name: &String| {
            let (_, group) = CURVES.iter().find(|(known, _)| known == name)?;
            provider.kx_groups.iter().copied().find(|known| known.name() == *group)
        };
        let named = section.curve_preferences.iter();
        let groups: Result<_, _> =
            named.map(|name| find(name).ok_or_else(|| format!("unknown curve: {name}"))).collect();
        provider.kx_groups = groups?;
    }
    Ok(provider)
}

/// The name of a cipher without what Go adds to that of the IANA registry in two cases.
fn cipher(name: &str) -> &str {
    match name {
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305" => "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305" => "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        name => name,
    }
}

/// Who looks at the certificates of clients; none if nobody does.
fn clients(
    section: &TlsSection,
    folder: &Path,
    has_authority: bool,
    provider: Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, String> {
    let is_optional = match section.client_auth_type.as_str() {
        "" | "NoClientCert" if has_authority => {
            return Err("client CA's have been configured without a Client Auth Policy".to_owned());
        }
        "" | "NoClientCert" => return Ok(None),
        "RequestClientCert" => return Ok(Some(Arc::new(Anybody { provider, is_required: false }))),
        "RequireAnyClientCert" | "RequireClientCert" => {
            return Ok(Some(Arc::new(Anybody { provider, is_required: true })));
        }
        "VerifyClientCertIfGiven" => true,
        "RequireAndVerifyClientCert" => false,
        other => return Err(format!("invalid ClientAuth: {other}")),
    };
    let pem = given(&section.client_ca, "client_ca_file", &section.client_ca_file, folder)?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).flatten());
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = if is_optional { builder.allow_unauthenticated() } else { builder };
    builder.build().map(Some).map_err(|error| format!("client_ca: {error}"))
}

/// Takes any certificate, if only its owner holds the key.
#[derive(Debug)]
struct Anybody {
    provider: Arc<CryptoProvider>,
    is_required: bool,
}

impl ClientCertVerifier for Anybody {
    fn client_auth_mandatory(&self) -> bool {
        self.is_required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
