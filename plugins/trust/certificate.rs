//! One certificate (RFC 5280 §4.1), read as Go's `x509.ParseCertificate` reads it: what is refused here is refused there.
//!
//! Knows no trust and no time. Extensions are in [`extensions`](super::extensions).

use super::der::{Reader, is_integer, tag, unsigned};
use super::extensions::Extensions;
use super::names::Name;
use super::time::Instant;

/// A certificate that could be read.
#[derive(Debug)]
pub(super) struct Certificate {
    /// All octets.
    pub(super) raw: Box<[u8]>,
    /// The octets that are signed.
    pub(super) signed: Box<[u8]>,
    /// The version, from 1 to 3.
    pub(super) version: u64,
    /// The serial number, as encoded.
    pub(super) serial: Box<[u8]>,
    /// How it is signed.
    pub(super) algorithm: Algorithm,
    /// The signature.
    pub(super) signature: Box<[u8]>,
    /// The signer.
    pub(super) issuer: Name,
    /// The owner.
    pub(super) subject: Name,
    /// The first second of its validity.
    pub(super) not_before: Instant,
    /// The last second of its validity.
    pub(super) not_after: Instant,
    /// The owner's key.
    pub(super) key: PublicKey,
    /// All octets of the owner's key with its kind (`SubjectPublicKeyInfo`).
    pub(super) raw_key: Box<[u8]>,
    /// What else is said of it.
    pub(super) extensions: Extensions,
}

/// Hash function of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// How a certificate is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// RSA with padding of PKCS #1.
    Rsa(Hash),
    /// RSA-PSS.
    Pss(Hash),
    /// ECDSA.
    Ecdsa(Hash),
    /// Ed25519.
    Ed25519,
    /// An algorithm that is known and too weak, by Go's name.
    Weak(&'static str),
    /// DSA with SHA-256, which Go has no key for.
    Dsa,
    /// Any other.
    Unknown,
}

/// Elliptic curve of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    /// P-224: can be read, and nothing signed by it can be verified.
    P224,
    /// P-256.
    P256,
    /// P-384.
    P384,
    /// P-521.
    P521,
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PublicKey {
    /// RSA: the bits of its modulus, and the key (`RSAPublicKey`).
    Rsa(usize, Box<[u8]>),
    /// ECDSA: the curve and the point.
    Ec(Curve, Box<[u8]>),
    /// Ed25519.
    Ed25519(Box<[u8]>),
    /// A kind that Go reads and never verifies with, by Go's name.
    Other(&'static str),
    /// A kind that Go does not know.
    Unknown,
}

type Parsed<T> = Result<T, String>;

/// Makes an error of what is wrong.
fn bad(what: &str) -> impl FnOnce() -> String + '_ {
    move || format!("x509: {what}")
}

impl Certificate {
    /// Reads a certificate.
    ///
    /// # Errors
    /// In Go's words.
    pub(super) fn parse(der: &[u8]) -> Parsed<Self> {
        let mut all = Reader(der);
        let whole = all.element(tag::SEQUENCE).ok_or_else(bad("malformed certificate"))?;
        if !all.is_empty() {
            return Err(bad("trailing data")());
        }
        let mut outer = Reader(whole.content);
        let signed = outer.element(tag::SEQUENCE).ok_or_else(bad("malformed tbs certificate"))?;
        let mut body = Reader(signed.content);
        let version = version(&mut body)?;
        let serial = body.integer().ok_or_else(bad("malformed serial number"))?;
        if serial.first().is_some_and(|first| first & 0x80 != 0) {
            return Err(bad("negative serial number")());
        }
        let algorithm = body.content(tag::SEQUENCE).ok_or_else(bad("malformed signature algorithm identifier"))?;
        let again = outer.content(tag::SEQUENCE).ok_or_else(bad("malformed algorithm identifier"))?;
        if algorithm != again {
            return Err(bad("inner and outer signature algorithm identifiers don't match")());
        }
        let algorithm = signature_algorithm(algorithm)?;
        let issuer = Name::read(&mut body)?;
        let mut validity = body.inside(tag::SEQUENCE).ok_or_else(bad("malformed validity"))?;
        let (not_before, not_after) = (Instant::read(&mut validity)?, Instant::read(&mut validity)?);
        let subject = Name::read(&mut body)?;
        let raw_key = body.element(tag::SEQUENCE).ok_or_else(bad("malformed spki"))?;
        let key = public_key(Reader(raw_key.content))?;
        let extensions = if version > 1 { extensions(&mut body, version)? } else { Extensions::default() };
        let signature = outer.bit_octets().ok_or_else(bad("malformed signature"))?;
        let (raw, raw_key) = (whole.whole.into(), raw_key.whole.into());
        let (signed, serial, signature) = (signed.whole.into(), serial.into(), signature.into());
        Ok(Self {
            raw,
            signed,
            version,
            serial,
            algorithm,
            signature,
            issuer,
            subject,
            not_before,
            not_after,
            key,
            raw_key,
            extensions,
        })
    }

    /// Names the certificate for people: its common name, else its organization, else its serial number.
    pub(super) fn title(&self) -> String {
        match (&self.subject.common_name, &self.subject.organization) {
            (Some(name), _) | (None, Some(name)) => name.clone(),
            (None, None) => format!("serial:{}", decimal(&self.serial)),
        }
    }
}

/// Reads the version.
fn version(body: &mut Reader<'_>) -> Parsed<u64> {
    let malformed = bad("malformed version");
    if !body.is_next(tag::constructed(0)) {
        return Ok(1);
    }
    let number = body.inside(tag::constructed(0)).and_then(|mut field| {
        let number = field.integer()?;
        field.is_empty().then(|| unsigned(number)).flatten()
    });
    match number {
        None => Err(malformed()),
        Some(number @ 0..=2) => Ok(number + 1),
        Some(_) => Err(bad("invalid version")()),
    }
}

/// Reads what stands behind the key.
fn extensions(body: &mut Reader<'_>, version: u64) -> Parsed<Extensions> {
    for (number, what) in [(1, "malformed issuerUniqueID"), (2, "malformed subjectUniqueID")] {
        if body.is_next(tag::context(number)) {
            body.any().ok_or_else(bad(what))?;
        }
    }
    if version < 3 || !body.is_next(tag::constructed(3)) {
        return Ok(Extensions::default());
    }
    let list = body.inside(tag::constructed(3)).and_then(|mut field| field.inside(tag::SEQUENCE));
    Extensions::read(list.ok_or_else(bad("malformed extensions"))?)
}

/// Takes an algorithm: its identifier, and all octets of its parameters.
fn algorithm(mut reader: Reader<'_>) -> Parsed<(&[u8], &[u8])> {
    let oid = reader.oid().ok_or_else(bad("malformed OID"))?;
    if reader.is_empty() {
        return Ok((oid, &[]));
    }
    let parameters = reader.any().ok_or_else(bad("malformed parameters"))?;
    Ok((oid, parameters.whole))
}

/// `1.2.840.113549.1.1`, what PKCS #1 defines.
const PKCS1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1];
/// `1.2.840.10045.4.3`, ECDSA with SHA-2.
const ECDSA_SHA2: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3];
/// `2.16.840.1.101.3.4.2`, hash functions.
const HASHES: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2];
/// `1.3.101.112`.
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// Says how a certificate is signed; parameters count for RSA-PSS and Ed25519 only.
fn signature_algorithm(identifier: &[u8]) -> Parsed<Algorithm> {
    let (oid, parameters) = algorithm(Reader(identifier))?;
    Ok(match (oid.strip_prefix(PKCS1), oid.strip_prefix(ECDSA_SHA2)) {
        (Some([4]), _) => Algorithm::Weak("MD5-RSA"),
        (Some([5]), _) => Algorithm::Weak("SHA1-RSA"),
        (Some([11]), _) => Algorithm::Rsa(Hash::Sha256),
        (Some([12]), _) => Algorithm::Rsa(Hash::Sha384),
        (Some([13]), _) => Algorithm::Rsa(Hash::Sha512),
        (Some([10]), _) => pss(parameters).map_or(Algorithm::Unknown, Algorithm::Pss),
        (_, Some([2])) => Algorithm::Ecdsa(Hash::Sha256),
        (_, Some([3])) => Algorithm::Ecdsa(Hash::Sha384),
        (_, Some([4])) => Algorithm::Ecdsa(Hash::Sha512),
        _ if oid == ED25519 && parameters.is_empty() => Algorithm::Ed25519,
        _ => match oid {
            [0x2b, 0x0e, 3, 2, 29] => Algorithm::Weak("SHA1-RSA"),
            [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1] => Algorithm::Weak("ECDSA-SHA1"),
            [0x2a, 0x86, 0x48, 0xce, 0x38, 4, 3] => Algorithm::Weak("DSA-SHA1"),
            [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, 2] => Algorithm::Dsa,
            _ => Algorithm::Unknown,
        },
    })
}

/// Reads the parameters of RSA-PSS: one hash for all, a salt of its length, the usual trailer.
fn pss(parameters: &[u8]) -> Option<Hash> {
    let mut fields = Reader(parameters).inside(tag::SEQUENCE)?;
    let plain = |reader: Reader<'_>| -> Option<Hash> {
        let (oid, parameters) = algorithm(reader).ok()?;
        let hash = match oid.strip_prefix(HASHES)? {
            [1] => Hash::Sha256,
            [2] => Hash::Sha384,
            [3] => Hash::Sha512,
            _ => return None,
        };
        matches!(parameters, [] | [5, 0]).then_some(hash)
    };
    let hash = plain(fields.inside(tag::constructed(0))?.inside(tag::SEQUENCE)?)?;
    let (oid, mask) = algorithm(fields.inside(tag::constructed(1))?.inside(tag::SEQUENCE)?).ok()?;
    let is_mgf1 = oid.strip_prefix(PKCS1) == Some(&[8]);
    let is_same = plain(Reader(mask).inside(tag::SEQUENCE)?)? == hash;
    let mut salt = fields.inside(tag::constructed(2))?;
    let salt = unsigned(salt.integer()?)?;
    let trailer = match fields.inside(tag::constructed(3)) {
        Some(mut field) => unsigned(field.integer()?)?,
        None => 1,
    };
    let wanted = match hash {
        Hash::Sha256 => 32,
        Hash::Sha384 => 48,
        Hash::Sha512 => 64,
    };
    (is_mgf1 && is_same && salt == wanted && trailer == 1).then_some(hash)
}

/// Reads a public key with its kind.
fn public_key(mut reader: Reader<'_>) -> Parsed<PublicKey> {
    let kind = reader.content(tag::SEQUENCE).ok_or_else(bad("malformed public key algorithm identifier"))?;
    let (oid, parameters) = algorithm(Reader(kind))?;
    let key = reader.bit_octets().ok_or_else(bad("malformed subjectPublicKey"))?;
    match oid {
        _ if oid.strip_prefix(PKCS1) == Some(&[1]) => rsa_key(parameters, key),
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1] => ec_key(parameters, key),
        ED25519 if !parameters.is_empty() => Err(bad("Ed25519 key encoded with illegal parameters")()),
        ED25519 if key.len() != 32 => Err(bad("wrong Ed25519 public key size")()),
        ED25519 => Ok(PublicKey::Ed25519(key.into())),
        [0x2b, 0x65, 0x6e] if !parameters.is_empty() => Err(bad("X25519 key encoded with illegal parameters")()),
        [0x2b, 0x65, 0x6e] => Ok(PublicKey::Other("*ecdh.PublicKey")),
        [0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1] => Ok(PublicKey::Other("*dsa.PublicKey")),
        _ => Ok(PublicKey::Unknown),
    }
}

/// Reads an RSA key.
fn rsa_key(parameters: &[u8], key: &[u8]) -> Parsed<PublicKey> {
    if parameters != [5, 0] {
        return Err(bad("RSA key missing NULL parameters")());
    }
    let mut fields = Reader(key).inside(tag::SEQUENCE).ok_or_else(bad("invalid RSA public key"))?;
    let modulus = fields.integer().ok_or_else(bad("invalid RSA modulus"))?;
    let exponent = fields.integer().filter(|octets| is_integer(octets) && octets.len() <= 8);
    let exponent = exponent.ok_or_else(bad("invalid RSA public exponent"))?;
    let significant = modulus.strip_prefix(&[0]).unwrap_or(modulus);
    if modulus.first().is_some_and(|first| first & 0x80 != 0) || significant.is_empty() {
        return Err(bad("RSA modulus is not a positive number")());
    }
    if unsigned(exponent).is_none_or(|number| number == 0) {
        return Err(bad("RSA public exponent is not a positive number")());
    }
    let leading = significant.first().map_or(0, |first| first.leading_zeros() as usize);
    Ok(PublicKey::Rsa(significant.len() * 8 - leading, key.into()))
}

/// Reads a key on an elliptic curve: an uncompressed point of a named curve.
fn ec_key(parameters: &[u8], key: &[u8]) -> Parsed<PublicKey> {
    let curve = Reader(parameters).oid().ok_or_else(bad("invalid ECDSA parameters"))?;
    let (curve, length) = match curve {
        [0x2b, 0x81, 4, 0, 33] => (Curve::P224, 28),
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7] => (Curve::P256, 32),
        [0x2b, 0x81, 4, 0, 34] => (Curve::P384, 48),
        [0x2b, 0x81, 4, 0, 35] => (Curve::P521, 66),
        _ => return Err(bad("unsupported elliptic curve")()),
    };
    if key.first() != Some(&4) || key.len() != 1 + 2 * length {
        return Err("ecdsa: invalid uncompressed public key".to_owned());
    }
    Ok(PublicKey::Ec(curve, key.into()))
}

/// Writes an integer that is not negative in decimal.
fn decimal(octets: &[u8]) -> String {
    let mut digits: Vec<u8> = vec![0];
    for octet in octets {
        let mut carry = u32::from(*octet);
        for digit in &mut digits {
            carry += u32::from(*digit) << 8;
            *digit = u8::try_from(carry % 10).unwrap_or_default();
            carry /= 10;
        }
        while carry > 0 {
            digits.push(u8::try_from(carry % 10).unwrap_or_default());
            carry /= 10;
        }
    }
    digits.iter().rev().map(|digit| char::from(b'0' + digit)).collect()
}
