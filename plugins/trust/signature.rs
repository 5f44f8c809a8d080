//! Signatures: of one certificate by another, and of a handshake by the server's key.

use super::certificate::{Algorithm, Certificate, Curve, Hash, PublicKey};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1, ECDSA_P384_SHA256_ASN1,
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA512_ASN1, ECDSA_P521_SHA256_ASN1, ECDSA_P521_SHA384_ASN1,
    ECDSA_P521_SHA512_ASN1, ED25519, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA384, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};
use tokio_rustls::rustls::SignatureScheme;

/// Bits of the shortest RSA key that Go verifies with.
const MIN_RSA_BITS: usize = 1024;
/// The bit of the key usage for signing certificates.
const MAY_SIGN: u16 = 1 << 5;

/// The algorithm is none that can be verified.
const UNSUPPORTED: &str = "x509: cannot verify signature: algorithm unimplemented";

/// Checks that a certificate is signed by another, which may sign.
///
/// # Errors
/// In Go's words.
pub(super) fn check_signed(certificate: &Certificate, signer: &Certificate) -> Result<(), String> {
    let may_sign = match signer.extensions.basic {
        None => signer.version < 3,
        Some(basic) => basic.is_ca,
    };
    let usage = signer.extensions.key_usage;
    if !may_sign || usage != 0 && usage & MAY_SIGN == 0 {
        return Err("x509: invalid signature: parent certificate cannot sign this kind of certificate".to_owned());
    }
    if signer.key == PublicKey::Unknown {
        return Err(UNSUPPORTED.to_owned());
    }
    if let Algorithm::Weak(name) = certificate.algorithm {
        return Err(format!("x509: cannot verify signature: insecure algorithm {name}"));
    }
    verify(&signer.key, certificate.algorithm, &certificate.signed, &certificate.signature)
}

/// Checks a signature of a handshake, of TLS 1.2 or 1.3.
///
/// # Errors
/// With what is wrong, when key and scheme do not belong together or the signature is another's.
pub(super) fn check_handshake(
    key: &PublicKey,
    scheme: SignatureScheme,
    message: &[u8],
    signature: &[u8],
) -> Result<(), String> {
    let algorithm = match scheme {
        SignatureScheme::RSA_PKCS1_SHA256 => Algorithm::Rsa(Hash::Sha256),
        SignatureScheme::RSA_PKCS1_SHA384 => Algorithm::Rsa(Hash::Sha384),
        SignatureScheme::RSA_PKCS1_SHA512 => Algorithm::Rsa(Hash::Sha512),
        SignatureScheme::RSA_PSS_SHA256 => Algorithm::Pss(Hash::Sha256),
        SignatureScheme::RSA_PSS_SHA384 => Algorithm::Pss(Hash::Sha384),
        SignatureScheme::RSA_PSS_SHA512 => Algorithm::Pss(Hash::Sha512),
        SignatureScheme::ECDSA_NISTP256_SHA256 => Algorithm::Ecdsa(Hash::Sha256),
        SignatureScheme::ECDSA_NISTP384_SHA384 => Algorithm::Ecdsa(Hash::Sha384),
        SignatureScheme::ECDSA_NISTP521_SHA512 => Algorithm::Ecdsa(Hash::Sha512),
        SignatureScheme::ED25519 => Algorithm::Ed25519,
        _ => return Err(UNSUPPORTED.to_owned()),
    };
    verify(key, algorithm, message, signature)
}

/// Whether a scheme of TLS 1.3 belongs to a key: there the curve is part of it, and PKCS #1 is gone.
pub(super) fn fits_tls13(key: &PublicKey, scheme: SignatureScheme) -> bool {
    match key {
        PublicKey::Ec(Curve::P256, _) => scheme == SignatureScheme::ECDSA_NISTP256_SHA256,
        PublicKey::Ec(Curve::P384, _) => scheme == SignatureScheme::ECDSA_NISTP384_SHA384,
        PublicKey::Ec(Curve::P521, _) => scheme == SignatureScheme::ECDSA_NISTP521_SHA512,
        PublicKey::Rsa(..) => {
            use SignatureScheme as Scheme;
            matches!(scheme, Scheme::RSA_PSS_SHA256 | Scheme::RSA_PSS_SHA384 | Scheme::RSA_PSS_SHA512)
        }
        PublicKey::Ed25519(_) => scheme == SignatureScheme::ED25519,
        _ => false,
    }
}

/// Verifies a signature.
fn verify(key: &PublicKey, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> Result<(), String> {
    let (verifier, octets, failure): (&dyn VerificationAlgorithm, _, _) = match (key, algorithm) {
        (_, Algorithm::Unknown | Algorithm::Weak(_)) => return Err(UNSUPPORTED.to_owned()),
        (PublicKey::Rsa(bits, _), Algorithm::Rsa(_) | Algorithm::Pss(_)) if *bits < MIN_RSA_BITS => {
            return Err(format!(
                "crypto/rsa: {bits}-bit keys are insecure (see https://go.dev/pkg/crypto/rsa#hdr-Minimum_key_size)"
            ));
        }
        (PublicKey::Rsa(_, key), Algorithm::Rsa(hash)) => (rsa(hash), key, "crypto/rsa: verification error"),
        (PublicKey::Rsa(_, key), Algorithm::Pss(hash)) => (pss(hash), key, "crypto/rsa: verification error"),
        (PublicKey::Ec(curve, key), Algorithm::Ecdsa(hash)) => {
            (ecdsa(*curve, hash).ok_or(UNSUPPORTED)?, key, "x509: ECDSA verification failure")
        }
        (PublicKey::Ed25519(key), Algorithm::Ed25519) => (&ED25519, key, "x509: Ed25519 verification failure"),
        (PublicKey::Other(_) | PublicKey::Unknown, _) => return Err(UNSUPPORTED.to_owned()),
        (key, algorithm) => return Err(mismatch(key, algorithm)),
    };
    UnparsedPublicKey::new(verifier, octets).verify(message, signature).map_err(|_| failure.to_owned())
}

fn rsa(hash: Hash) -> &'static dyn VerificationAlgorithm {
    match hash {
        Hash::Sha256 => &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        Hash::Sha384 => &RSA_PKCS1_2048_8192_SHA384,
        Hash::Sha512 => &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
    }
}

fn pss(hash: Hash) -> &'static dyn VerificationAlgorithm {
    match hash {
        Hash::Sha256 => &RSA_PSS_2048_8192_SHA256,
        Hash::Sha384 => &RSA_PSS_2048_8192_SHA384,
        Hash::Sha512 => &RSA_PSS_2048_8192_SHA512,
    }
}

fn ecdsa(curve: Curve, hash: Hash) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match (curve, hash) {
        (Curve::P224, _) => return None,
        (Curve::P256, Hash::Sha256) => &ECDSA_P256_SHA256_ASN1,
        (Curve::P256, Hash::Sha384) => &ECDSA_P256_SHA384_ASN1,
        (Curve::P256, Hash::Sha512) => &ECDSA_P256_SHA512_ASN1,
        (Curve::P384, Hash::Sha256) => &ECDSA_P384_SHA256_ASN1,
        (Curve::P384, Hash::Sha384) => &ECDSA_P384_SHA384_ASN1,
        (Curve::P384, Hash::Sha512) => &ECDSA_P384_SHA512_ASN1,
        (Curve::P521, Hash::Sha256) => &ECDSA_P521_SHA256_ASN1,
        (Curve::P521, Hash::Sha384) => &ECDSA_P521_SHA384_ASN1,
        (Curve::P521, Hash::Sha512) => &ECDSA_P521_SHA512_ASN1,
    })
}

/// Says that a key is of another kind than the signature.
fn mismatch(key: &PublicKey, algorithm: Algorithm) -> String {
    let wanted = match algorithm {
        Algorithm::Rsa(_) | Algorithm::Pss(_) => "RSA",
        Algorithm::Ecdsa(_) => "ECDSA",
        Algorithm::Ed25519 => "Ed25519",
        _ => "DSA",
    };
    let has = match key {
        PublicKey::Rsa(..) => "*rsa.PublicKey",
        PublicKey::Ec(..) => "*ecdsa.PublicKey",
        _ => "ed25519.PublicKey",
    };
    format!("x509: signature algorithm specifies an {wanted} public key, but have public key of type {has}")
}
