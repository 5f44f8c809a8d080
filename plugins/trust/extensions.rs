//! Extensions of a certificate (RFC 5280 §4.2), as far as Go looks at them. An extension that Go cannot read makes the certificate
//! unreadable, as there.

use super::constraints::{Constraints, is_domain};
use super::der::{Reader, tag, unsigned};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What the extensions say.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    /// Bits of the key usage, the first named one lowest; 0 if nothing is said.
    pub(super) key_usage: u16,
    /// Whether the owner may sign, if that is said.
    pub(super) basic: Option<Basic>,
    /// The names of the owner, if there are any.
    pub(super) names: Option<AltNames>,
    /// The names that certificates below may have.
    pub(super) constraints: Option<Constraints>,
    /// The key of the signer.
    pub(super) authority_key: Box<[u8]>,
    /// The key of the owner.
    pub(super) subject_key: Box<[u8]>,
    /// What the key may be used for, as object identifiers; empty for anything.
    pub(super) purposes: Vec<Box<[u8]>>,
    /// The policies and what is demanded of them.
    pub(super) policies: Policies,
    /// Whether there is a critical extension that is not looked at.
    pub(super) has_unknown_critical: bool,
}

/// Basic constraints.
#[derive(Clone, Copy, Debug)]
pub(super) struct Basic {
    /// Whether the owner is a CA.
    pub(super) is_ca: bool,
    /// How many CAs may stand between this one and the last certificate.
    pub(super) max_path: Option<u64>,
}

/// Names of a certificate's owner.
#[derive(Debug, Default)]
pub(super) struct AltNames {
    /// The octets of the extension, to compare with another's.
    pub(super) raw: Box<[u8]>,
    /// DNS names.
    pub(super) dns: Vec<String>,
    /// Mail addresses.
    pub(super) emails: Vec<String>,
    /// Addresses.
    pub(super) ips: Vec<IpAddr>,
    /// URIs.
    pub(super) uris: Vec<String>,
}

/// A policy of the issuer and the equal one of the subject.
type Mapping = (Box<[u8]>, Box<[u8]>);

/// Certificate policies and their constraints.
#[derive(Debug, Default)]
pub(super) struct Policies {
    /// The policies.
    pub(super) listed: Vec<Box<[u8]>>,
    /// Pairs of equal policies: the issuer's, the subject's.
    pub(super) mappings: Vec<Mapping>,
    /// After how many certificates a policy must be valid.
    pub(super) require_explicit: Option<u64>,
    /// After how many certificates policies are no longer mapped.
    pub(super) inhibit_mapping: Option<u64>,
    /// After how many certificates `anyPolicy` does not count.
    pub(super) inhibit_any: Option<u64>,
}

type Parsed<T> = Result<T, String>;

impl Extensions {
    /// Reads the list of extensions.
    ///
    /// # Errors
    /// In Go's words.
    pub(super) fn read(mut list: Reader<'_>) -> Parsed<Self> {
        let (mut extensions, mut seen) = (Self::default(), Vec::new());
        while !list.is_empty() {
            let mut one = list.inside(tag::SEQUENCE).ok_or("x509: malformed extension")?;
            let oid = one.oid().ok_or("x509: malformed extension OID field")?;
            let is_critical = if one.is_next(tag::BOOLEAN) {
                one.boolean().ok_or("x509: malformed extension critical field")?
            } else {
                false
            };
            let value = one.content(tag::OCTET_STRING).ok_or("x509: malformed extension value field")?;
            if seen.contains(&oid) {
                return Err(format!("x509: certificate contains duplicate extension with OID {:?}", dotted(oid)));
            }
            seen.push(oid);
            let is_known = extensions.take(oid, is_critical, value)?;
            extensions.has_unknown_critical |= is_critical && !is_known;
        }
        Ok(extensions)
    }

    /// Takes one extension; says whether it was looked at.
    fn take(&mut self, oid: &[u8], is_critical: bool, value: &[u8]) -> Parsed<bool> {
        let mut reader = Reader(value);
        match oid {
            [0x55, 29, 15] => self.key_usage = key_usage(reader).ok_or("x509: invalid key usage")?,
            [0x55, 29, 19] => self.basic = Some(basic(reader).ok_or("x509: invalid basic constraints")?),
            [0x55, 29, 17] => {
                let names = AltNames::read(value)?;
                let is_empty = names.is_empty();
                self.names = Some(names);
                return Ok(!is_empty);
            }
            [0x55, 29, 30] => {
                let (constraints, is_known) = Constraints::read(reader)?;
                self.constraints = Some(constraints);
                return Ok(is_known);
            }
            [0x55, 29, 31] => distribution_points(reader)?,
            [0x55, 29, 35] if is_critical => {
                return Err("x509: authority key identifier incorrectly marked critical".to_owned());
            }
            [0x55, 29, 35] => {
                let key = authority_key(reader).ok_or("x509: invalid authority key identifier")?;
                self.authority_key = key.into();
            }
            [0x55, 29, 14] if is_critical => {
                return Err("x509: subject key identifier incorrectly marked critical".to_owned());
            }
            [0x55, 29, 14] => {
                let key = reader.content(tag::OCTET_STRING).ok_or("x509: invalid subject key identifier")?;
                self.subject_key = key.into();
            }
            [0x55, 29, 37] => self.purposes = purposes(reader).ok_or("x509: invalid extended key usages")?,
            [0x55, 29, 32 | 33 | 36 | 54] => self.policies.take(oid, reader)?,
            [0x2b, 6, 1, 5, 5, 7, 1, 1] if is_critical => {
                return Err("x509: authority info access incorrectly marked critical".to_owned());
            }
            [0x2b, 6, 1, 5, 5, 7, 1, 1] => information_access(reader).ok_or("x509: invalid authority info access")?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Reads the bits of a key usage.
fn key_usage(mut reader: Reader<'_>) -> Option<u16> {
    let (_, octets) = reader.bits()?;
    let bit = |number: usize| {
        let octet = octets.get(number / 8).copied().unwrap_or_default();
        u16::from(octet >> (7 - number % 8) & 1) << number
    };
    Some((0..9).map(bit).sum())
}

/// Reads basic constraints.
fn basic(mut reader: Reader<'_>) -> Option<Basic> {
    let mut fields = reader.inside(tag::SEQUENCE)?;
    let is_ca = if fields.is_next(tag::BOOLEAN) { fields.boolean()? } else { false };
    let max_path = if fields.is_next(tag::INTEGER) {
        Some(unsigned(fields.integer()?).filter(|number| i64::try_from(*number).is_ok())?)
    } else {
        None
    };
    Some(Basic { is_ca, max_path })
}

/// Reads the signer's key identifier; empty if another field stands first.
fn authority_key(mut reader: Reader<'_>) -> Option<&[u8]> {
    let mut fields = reader.inside(tag::SEQUENCE)?;
    if fields.is_next(tag::context(0)) { fields.content(tag::context(0)) } else { Some(&[]) }
}

/// Reads purposes of a key.
fn purposes(mut reader: Reader<'_>) -> Option<Vec<Box<[u8]>>> {
    let (mut list, mut found) = (reader.inside(tag::SEQUENCE)?, Vec::new());
    while !list.is_empty() {
        found.push(list.oid()?.into());
    }
    Some(found)
}

/// Walks over places of revocation lists, which must be readable and are not used.
fn distribution_points(mut reader: Reader<'_>) -> Parsed<()> {
    let mut points = reader.inside(tag::SEQUENCE).ok_or("x509: invalid CRL distribution points")?;
    let invalid = "x509: invalid CRL distribution point";
    while !points.is_empty() {
        let mut point = points.inside(tag::SEQUENCE).ok_or(invalid)?;
        if !point.is_next(tag::constructed(0)) {
            continue;
        }
        let mut names =
            point.inside(tag::constructed(0)).and_then(|mut name| name.inside(tag::constructed(0))).ok_or(invalid)?;
        while names.is_next(tag::context(6)) {
            names.any().ok_or(invalid)?;
        }
    }
    Ok(())
}

/// Walks over places of further information, which must be readable and are not used.
fn information_access(mut reader: Reader<'_>) -> Option<()> {
    let mut list = reader.inside(tag::SEQUENCE)?;
    while !list.is_empty() {
        let mut one = list.inside(tag::SEQUENCE)?;
        one.oid()?;
        if one.is_next(tag::context(6)) {
            one.any()?;
        }
    }
    Some(())
}

impl AltNames {
    /// Reads names.
    fn read(value: &[u8]) -> Parsed<Self> {
        let mut names = Self { raw: value.into(), ..Self::default() };
        let mut list = Reader(value).inside(tag::SEQUENCE).ok_or("x509: invalid subject alternative names")?;
        while !list.is_empty() {
            let name = list.any().ok_or("x509: invalid subject alternative name")?;
            let text = |what: &str| ascii(name.content).ok_or_else(|| format!("x509: SAN {what} is malformed"));
            match name.tag ^ 0x80 {
                1 => names.emails.push(text("rfc822Name")?),
                2 => names.dns.push(text("dNSName")?),
                6 => names.uris.push(uri(text("uniformResourceIdentifier")?)?),
                7 => names.ips.push(
                    address(name.content)
                        .ok_or_else(|| format!("x509: cannot parse IP address of length {}", name.content.len()))?,
                ),
                _ => {}
            }
        }
        Ok(names)
    }

    /// Whether there is no name of a kind that is looked at.
    fn is_empty(&self) -> bool {
        self.dns.is_empty() && self.emails.is_empty() && self.ips.is_empty() && self.uris.is_empty()
    }
}

/// Reads a text of ASCII.
pub(super) fn ascii(octets: &[u8]) -> Option<String> {
    octets.is_ascii().then(|| octets.iter().map(|octet| char::from(*octet)).collect())
}

/// Reads an address.
fn address(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        return Some(Ipv4Addr::from(octets).into());
    }
    <[u8; 16]>::try_from(octets).ok().map(|octets| Ipv6Addr::from(octets).into())
}

/// Checks a URI: no control characters, no missing scheme, and a host that may be one.
fn uri(text: String) -> Parsed<String> {
    let shown = text.as_bytes().escape_ascii();
    if text.bytes().any(|octet| octet < 0x20 || octet == 0x7f) {
        let why = "net/url: invalid control character in URL";
        return Err(format!("x509: cannot parse URI \"{shown}\": parse \"{shown}\": {why}"));
    }
    if text.starts_with(':') {
        return Err(format!("x509: cannot parse URI \"{shown}\": parse \"{shown}\": missing protocol scheme"));
    }
    let host = host_of(&text);
    if !host.is_empty() && !is_domain(host, false) {
        return Err(format!("x509: cannot parse URI {text:?}: invalid domain"));
    }
    Ok(text)
}

/// Returns host and port of a URI; empty if there are none.
pub(super) fn host_of(uri: &str) -> &str {
    let Some((_, rest)) = uri.split_once("://") else { return "" };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

impl Policies {
    /// Takes one of the extensions about policies.
    fn take(&mut self, oid: &[u8], mut reader: Reader<'_>) -> Parsed<()> {
        match oid.last() {
            Some(32) => self.listed = listed(reader).ok_or("x509: invalid certificate policies")?,
            Some(33) => self.mappings = mappings(reader).ok_or("x509: invalid policy mappings extension")?,
            Some(36) => {
                let fields = reader.inside(tag::SEQUENCE).and_then(policy_constraints);
                (self.require_explicit, self.inhibit_mapping) =
                    fields.ok_or("x509: invalid policy constraints extension")?;
            }
            _ => {
                let number = reader.integer().and_then(unsigned);
                self.inhibit_any = Some(number.ok_or("x509: invalid inhibit any policy extension")?);
            }
        }
        Ok(())
    }
}

/// Reads policies; none stands twice.
fn listed(mut reader: Reader<'_>) -> Option<Vec<Box<[u8]>>> {
    let (mut list, mut found) = (reader.inside(tag::SEQUENCE)?, Vec::<Box<[u8]>>::new());
    while !list.is_empty() {
        let oid = list.inside(tag::SEQUENCE)?.content(tag::OID)?;
        if oid.is_empty() || found.iter().any(|known| **known == *oid) {
            return None;
        }
        found.push(oid.into());
    }
    Some(found)
}

/// Reads pairs of policies.
fn mappings(mut reader: Reader<'_>) -> Option<Vec<Mapping>> {
    let (mut list, mut found) = (reader.inside(tag::SEQUENCE)?, Vec::new());
    while !list.is_empty() {
        let mut pair = list.inside(tag::SEQUENCE)?;
        found.push((pair.content(tag::OID)?.into(), pair.content(tag::OID)?.into()));
    }
    Some(found)
}

/// Reads how many certificates may go without a policy, and how many may map one.
fn policy_constraints(mut fields: Reader<'_>) -> Option<(Option<u64>, Option<u64>)> {
    let mut field = |number: u8| match fields.is_next(tag::context(number)) {
        true => fields.content(tag::context(number)).and_then(unsigned).map(Some),
        false => Some(None),
    };
    Some((field(0)?, field(1)?))
}

/// Writes an object identifier in its usual form.
fn dotted(oid: &[u8]) -> String {
    let (mut numbers, mut number) = (Vec::new(), 0_u64);
    for octet in oid {
        number = number << 7 | u64::from(octet & 0x7f);
        if octet & 0x80 == 0 {
            if numbers.is_empty() {
                let first = (number / 40).min(2);
                numbers.push(first);
                number -= first * 40;
            }
            numbers.push(number);
            number = 0;
        }
    }
    numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(".")
}
