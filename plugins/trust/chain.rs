//! Builds chains from a server's certificate to one that is trusted (RFC 5280 §6) and judges them, as Go's `x509.Certificate.Verify`
//! does. Knows no handshake.

use super::certificate::Certificate;
use super::constraints;
use super::hostname::check_host;
use super::policies;
use super::pool::{Pool, can_sign};
use super::signature::check_signed;
use super::time::Instant;

/// Candidates that are looked at for one certificate of a server (Go: `maxChainSignatureChecks`).
const MAX_CANDIDATES: usize = 100;
/// `id-kp-serverAuth`, without the prefix of all purposes.
const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
/// `anyExtendedKeyUsage`.
const ANY_PURPOSE: &[u8] = &[0x55, 29, 37, 0];

/// Why a certificate is refused; the texts are Go's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// A critical extension is not known.
    #[error("x509: unhandled critical extension")]
    UnknownCritical,
    /// It is too early or too late.
    #[error("x509: certificate has expired or is not yet valid: current time {0}")]
    Expired(String),
    /// The signer is no CA.
    #[error("x509: certificate is not authorized to sign other certificates")]
    NoAuthority,
    /// There are more CAs in the chain than one of them allows.
    #[error("x509: too many intermediates for path length constraint")]
    TooLong,
    /// The name is another.
    #[error("{0}")]
    Host(String),
    /// No chain ends in a trusted certificate.
    #[error("x509: certificate signed by unknown authority{0}")]
    UnknownAuthority(String),
    /// Too many candidates had to be looked at.
    #[error("x509: signature check attempts limit reached while verifying certificate chain")]
    TooManyCandidates,
    /// A CA must not sign for a name of the certificate.
    #[error("x509: a root or intermediate certificate is not authorized to sign for this name: {0}")]
    Constrained(String),
    /// The certificate, or a CA, is not for servers.
    #[error("x509: certificate specifies an incompatible key usage")]
    Purpose,
    /// Policies forbid every chain.
    #[error("x509: no valid chains built: {0}")]
    NoChain(String),
}

/// Judges a server's certificate: its validity, its name if one is given, and the chains that can be made of what the server sent and
/// what is trusted. One good chain will do.
pub(super) fn verify(
    certificate: &Certificate,
    intermediates: &Pool,
    roots: &Pool,
    host: Option<&str>,
    now: Instant,
) -> Result<(), Refusal> {
    check_alone(certificate, 0, now)?;
    if let Some(host) = host {
        check_host(certificate, host).map_err(Refusal::Host)?;
    }
    let mut search = Search { intermediates, roots, now, candidates: 0, chains: Vec::new() };
    if roots.contains(certificate) {
        search.chains.push(vec![certificate]);
    } else {
        search.extend(&[certificate])?;
    }
    judge(&search.chains)
}

/// Checks what can be checked of one certificate, above which so many CAs stand already.
fn check_alone(certificate: &Certificate, intermediates: u64, now: Instant) -> Result<(), Refusal> {
    if certificate.extensions.has_unknown_critical {
        return Err(Refusal::UnknownCritical);
    }
    if now < certificate.not_before {
        return Err(Refusal::Expired(format!("{now} is before {}", certificate.not_before)));
    }
    if now > certificate.not_after {
        return Err(Refusal::Expired(format!("{now} is after {}", certificate.not_after)));
    }
    let max_path = certificate.extensions.basic.and_then(|basic| basic.max_path);
    if max_path.is_some_and(|max_path| intermediates > max_path) { Err(Refusal::TooLong) } else { Ok(()) }
}

/// A search for chains, depth first.
struct Search<'a> {
    intermediates: &'a Pool,
    roots: &'a Pool,
    now: Instant,
    /// How many candidates have been looked at.
    candidates: usize,
    /// The chains that end in a trusted certificate.
    chains: Vec<Vec<&'a Certificate>>,
}

/// Whether a candidate ends a chain.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    Intermediate,
}

impl<'a> Search<'a> {
    /// Finds all ways from the last certificate of a chain to a trusted one.
    fn extend(&mut self, chain: &[&'a Certificate]) -> Result<(), Refusal> {
        let Some(last) = chain.last().copied() else { return Ok(()) };
        let (before, mut hint, mut failure) = (self.chains.len(), None, None);
        let (roots, intermediates) = (self.roots.signers_of(last), self.intermediates.signers_of(last));
        let candidates = roots.into_iter().map(|signer| (signer, Place::Root));
        for (signer, place) in candidates.chain(intermediates.into_iter().map(|signer| (signer, Place::Intermediate))) {
            self.candidates += 1;
            if self.candidates > MAX_CANDIDATES {
                failure = Some(Refusal::TooManyCandidates);
                break;
            }
            if !can_sign(signer) || is_in(signer, chain) {
                continue;
            }
            if let Err(why) = check_signed(last, signer) {
                hint.get_or_insert_with(|| (why, signer.title()));
                continue;
            }
            if let Err(refusal) = self.check_signer(signer, place, chain) {
                hint.get_or_insert_with(|| (refusal.to_string(), signer.title()));
                failure = Some(refusal);
                continue;
            }
            let longer: Vec<_> = chain.iter().copied().chain([signer]).collect();
            failure = match place {
                Place::Root => {
                    self.chains.push(longer);
                    None
                }
                Place::Intermediate => self.extend(&longer).err(),
            };
            if failure == Some(Refusal::TooManyCandidates) {
                break;
            }
        }
        match failure {
            _ if self.chains.len() > before => Ok(()),
            Some(refusal) => Err(refusal),
            None => Err(Refusal::UnknownAuthority(hint.map_or_else(String::new, |(why, title)| {
                format!(
                    " (possibly because of {why:?} while trying to verify candidate authority certificate {title:?})"
                )
            }))),
        }
    }

    /// Checks a certificate that has signed the last one of a chain.
    fn check_signer(&self, signer: &Certificate, place: Place, chain: &[&Certificate]) -> Result<(), Refusal> {
        let intermediates = u64::try_from(chain.len() - 1).unwrap_or(u64::MAX);
        let is_ca = signer.extensions.basic.is_some_and(|basic| basic.is_ca);
        let checked = check_alone(signer, intermediates, self.now);
        if place == Place::Intermediate
            && !is_ca
            && !matches!(checked, Err(Refusal::UnknownCritical | Refusal::Expired(_)))
        {
            return Err(Refusal::NoAuthority);
        }
        checked
    }
}

/// Whether a certificate of the same owner, key and names is in a chain: two that signed each other must not lead in a circle.
fn is_in(candidate: &Certificate, chain: &[&Certificate]) -> bool {
    let names = |certificate: &Certificate| certificate.extensions.names.as_ref().map(|names| names.raw.clone());
    let is_same =
        |other: &&Certificate| candidate.subject.raw == other.subject.raw && candidate.raw_key == other.raw_key;
    chain.iter().filter(|other| is_same(other)).any(|other| names(other) == names(candidate))
}

/// Judges chains as wholes; one must be good.
fn judge(chains: &[Vec<&Certificate>]) -> Result<(), Refusal> {
    let (mut by_policy, mut by_purpose, mut by_name) = (0, 0, None);
    for chain in chains {
        if !policies::are_valid(chain) {
            by_policy += 1;
        } else if !are_for_servers(chain) {
            by_purpose += 1;
        } else if let Err(why) = constraints::check_chain(chain) {
            by_name.get_or_insert(why);
        } else {
            return Ok(());
        }
    }
    match by_name {
        Some(why) => Err(Refusal::Constrained(why)),
        None if by_policy == 0 => Err(Refusal::Purpose),
        None => {
            let counted = |count: i32, what: &str| (count > 0).then(|| format!("{count} candidate chains with {what}"));
            let all = [counted(by_purpose, "incompatible key usage"), counted(by_policy, "invalid policies")];
            Err(Refusal::NoChain(all.into_iter().flatten().collect::<Vec<_>>().join(", ")))
        }
    }
}

/// Whether every certificate of a chain that names purposes may be used for servers.
fn are_for_servers(chain: &[&Certificate]) -> bool {
    chain.iter().all(|certificate| {
        let purposes = &certificate.extensions.purposes;
        purposes.is_empty() || purposes.iter().any(|purpose| matches!(&**purpose, SERVER_AUTH | ANY_PURPOSE))
    })
}
