//! Certificate policies of a chain (RFC 5280 §6.1, RFC 9618), with any policy asked for: only a CA that demands an explicit policy
//! makes a chain invalid.

use super::certificate::Certificate;
use super::extensions::Policies;
use std::collections::BTreeMap;

/// `anyPolicy`.
const ANY: &[u8] = &[0x55, 29, 32, 0];

/// Policies that are valid at one place of the chain, with those that the next certificate may name for each.
type Level = BTreeMap<Box<[u8]>, Vec<Box<[u8]>>>;

/// How many more certificates each rule leaves alone.
struct Counters {
    explicit: u64,
    mapping: u64,
    any: u64,
}

/// Whether the policies of a chain, the server's certificate first, are valid.
pub(super) fn are_valid(chain: &[&Certificate]) -> bool {
    let Some((_, below)) = chain.split_last().filter(|(_, below)| !below.is_empty()) else { return true };
    let start = u64::try_from(below.len() + 1).unwrap_or(u64::MAX);
    let mut left = Counters { explicit: start, mapping: start, any: start };
    let mut level = Some(Level::from([(ANY.into(), vec![ANY.into()])]));
    for (place, certificate) in below.iter().enumerate().rev() {
        let policies = &certificate.extensions.policies;
        let is_own = certificate.issuer.raw == certificate.subject.raw;
        level = level.filter(|_| !policies.listed.is_empty());
        if left.explicit == 0 && level.is_none() {
            return false;
        }
        if let Some(before) = level.take() {
            let mut next = narrow(&before, &policies.listed, left.any > 0 || place > 0 && is_own);
            if place > 0 && !map(&mut next, policies, left.mapping > 0) {
                return false;
            }
            level = Some(next);
        }
        if place > 0 {
            left.pass(policies, is_own);
        }
    }
    let explicit = match below.first().and_then(|certificate| certificate.extensions.policies.require_explicit) {
        Some(0) => 0,
        _ => left.explicit.saturating_sub(1),
    };
    explicit > 0 || level.is_some_and(|level| !level.is_empty())
}

/// Keeps those of a certificate's policies that the certificate above allows.
fn narrow(before: &Level, listed: &[Box<[u8]>], any_counts: bool) -> Level {
    let has_any = before.contains_key(ANY);
    let is_expected = |policy: &[u8]| has_any || before.values().flatten().any(|expected| **expected == *policy);
    let named = listed.iter().filter(|policy| ***policy != *ANY && is_expected(policy));
    let mut next: Level = named.map(|policy| (policy.clone(), vec![policy.clone()])).collect();
    if any_counts && listed.iter().any(|policy| **policy == *ANY) {
        for policy in before.values().flatten() {
            next.entry(policy.clone()).or_insert_with(|| vec![policy.clone()]);
        }
    }
    next
}

/// Maps policies of a CA to those that certificates below may name, or drops them where that is forbidden; says whether the mappings
/// are valid.
fn map(level: &mut Level, policies: &Policies, is_allowed: bool) -> bool {
    if !is_allowed {
        policies.mappings.iter().for_each(|(issuer, _)| drop(level.remove(issuer)));
        return true;
    }
    if policies.mappings.iter().any(|(issuer, subject)| [issuer, subject].iter().any(|policy| ***policy == *ANY)) {
        return false;
    }
    let mut mapped = Level::new();
    for (issuer, subject) in &policies.mappings {
        mapped.entry(issuer.clone()).or_default().push(subject.clone());
    }
    for (issuer, subjects) in mapped {
        if level.contains_key(&issuer) || level.contains_key(ANY) {
            level.insert(issuer, subjects);
        }
    }
    true
}

impl Counters {
    /// Counts a CA, and takes over its own demands.
    fn pass(&mut self, policies: &Policies, is_own: bool) {
        let limits = [policies.require_explicit, policies.inhibit_mapping, policies.inhibit_any];
        for (left, limit) in [&mut self.explicit, &mut self.mapping, &mut self.any].into_iter().zip(limits) {
            *left = left.saturating_sub(u64::from(!is_own)).min(limit.unwrap_or(u64::MAX));
        }
    }
}
