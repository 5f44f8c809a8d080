//! Certificates that can be looked up by their owner: those that are trusted, and those that a server sends along.

use super::certificate::{Certificate, PublicKey};
use super::pem::{self, Block};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Where systems keep their trusted certificates in one file; the first one that can be read counts (Go: `certFiles`).
const SYSTEM_FILES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// Where systems keep them in a file each; all are read (Go: `certDirectories`).
const SYSTEM_FOLDERS: [&str; 2] = ["/etc/ssl/certs", "/etc/pki/tls/certs"];

/// Why a text has no trusted certificates, in client-go's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RootsError {
    /// There is no PEM block in it, or text behind the last one.
    #[error("unable to parse bytes as PEM block")]
    NoPem,
    /// A certificate in it cannot be read.
    #[error("failed to parse certificate: {0}")]
    Broken(String),
    /// There are PEM blocks in it, but none that is a certificate.
    #[error("no valid certificate authority data seen")]
    NoCertificate,
}

/// Certificates, none twice, in the order they came.
#[derive(Debug, Default)]
pub(super) struct Pool {
    certificates: Vec<Certificate>,
    by_subject: HashMap<Box<[u8]>, Vec<usize>>,
}

impl Pool {
    /// Reads trusted certificates of a PEM text; what cannot be read is passed over as long as one can.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn from_pem(text: &[u8]) -> Result<Self, RootsError> {
        let mut pool = Self::default();
        let blocks = pem::blocks(text);
        let is_certificate = |block: &&Block| block.label == "CERTIFICATE" && !block.has_headers;
        let mut broken = None;
        for block in blocks.iter().filter(is_certificate) {
            match Certificate::parse(&block.octets) {
                Ok(certificate) => pool.add(certificate),
                Err(error) => broken = broken.or(Some(error)),
            }
        }
        match broken {
            _ if !pool.certificates.is_empty() => Ok(pool),
            Some(error) => Err(RootsError::Broken(error)),
            None if blocks.is_empty() || !ends_with_block(text) => Err(RootsError::NoPem),
            None => Err(RootsError::NoCertificate),
        }
    }

    /// Reads what the system trusts, from where `SSL_CERT_FILE` and `SSL_CERT_DIR` say or from the usual places. May be empty: then
    /// every handshake fails and says so.
    pub(super) fn of_system() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let files: Vec<PathBuf> = match variable("SSL_CERT_FILE") {
            Some(file) => vec![file.into()],
            None => SYSTEM_FILES.map(PathBuf::from).into(),
        };
        let folders: Vec<PathBuf> = match variable("SSL_CERT_DIR") {
            Some(folders) => folders.split(':').map(PathBuf::from).collect(),
            None => SYSTEM_FOLDERS.map(PathBuf::from).into(),
        };
        let mut pool = Self::default();
        if let Some(text) = files.iter().find_map(|file| std::fs::read(file).ok()) {
            pool.add_readable(&text);
        }
        for folder in folders {
            for file in entries(&folder) {
                pool.add_readable(&std::fs::read(file).unwrap_or_default());
            }
        }
        pool
    }

    /// Adds every certificate of a text that can be read.
    fn add_readable(&mut self, text: &[u8]) {
        if let Ok(other) = Self::from_pem(text) {
            other.certificates.into_iter().for_each(|certificate| self.add(certificate));
        }
    }

    /// Adds a certificate.
    pub(super) fn add(&mut self, certificate: Certificate) {
        if self.contains(&certificate) {
            return;
        }
        self.by_subject.entry(certificate.subject.raw.clone()).or_default().push(self.certificates.len());
        self.certificates.push(certificate);
    }

    /// Whether there is no certificate.
    pub(super) fn is_empty(&self) -> bool {
        self.certificates.is_empty()
    }

    /// Whether this very certificate is one of these.
    pub(super) fn contains(&self, certificate: &Certificate) -> bool {
        self.owned_by(&certificate.subject.raw).any(|ours| ours.raw == certificate.raw)
    }

    /// Returns those that may have signed a certificate; the likeliest first, by what both say of the signer's key.
    pub(super) fn signers_of<'a>(&'a self, certificate: &Certificate) -> Vec<&'a Certificate> {
        let wanted = &certificate.extensions.authority_key;
        let doubt = |signer: &&Certificate| {
            let has = &signer.extensions.subject_key;
            if has == wanted {
                0
            } else if has.is_empty() != wanted.is_empty() {
                1
            } else {
                2
            }
        };
        let mut found: Vec<_> = self.owned_by(&certificate.issuer.raw).collect();
        found.sort_by_key(doubt);
        found
    }

    /// Returns the certificates of an owner.
    fn owned_by(&self, subject: &[u8]) -> impl Iterator<Item = &Certificate> {
        let places = self.by_subject.get(subject).map(Vec::as_slice).unwrap_or_default();
        places.iter().filter_map(|place| self.certificates.get(*place))
    }
}

/// Whether nothing but white space stands behind the last block.
fn ends_with_block(text: &[u8]) -> bool {
    let last = text.split(|octet| *octet == b'\n').rfind(|line| !line.is_empty());
    text.ends_with(b"\n") && last.is_some_and(|line| line.starts_with(b"-----END "))
        || last.is_none()
        || !text.ends_with(b"\n") && last.is_some_and(|line| line.starts_with(b"-----END "))
}

/// Returns the files of a folder, without links to other files of it.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let is_alias = |path: &Path| std::fs::read_link(path).is_ok_and(|to| to.parent() == Some(Path::new("")));
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(|path| !is_alias(path)).collect();
    paths.sort();
    paths
}

/// Whether a signature of this key can ever be verified.
pub(super) const fn can_sign(certificate: &Certificate) -> bool {
    !matches!(certificate.key, PublicKey::Unknown)
}
