//! Name constraints of a CA (RFC 5280 §4.2.1.10): which names certificates below it may have, as Go compares them.

use super::certificate::Certificate;
use super::der::{Reader, tag};
use super::extensions::{AltNames, ascii, host_of};
use std::fmt;
use std::net::IpAddr;

/// Names that are allowed and names that are not.
#[derive(Debug, Default)]
pub(super) struct Constraints {
    permitted: Subtrees,
    excluded: Subtrees,
}

/// Names by kind; a kind of which there is none says nothing.
#[derive(Debug, Default)]
struct Subtrees {
    dns: Vec<String>,
    uris: Vec<String>,
    emails: Vec<String>,
    networks: Vec<Network>,
}

/// A network of one family.
#[derive(Clone, Debug)]
struct Network {
    /// Its address.
    address: Vec<u8>,
    /// Its mask.
    mask: Vec<u8>,
}

impl Network {
    /// Whether an address, in as many octets as its family has, is in the network.
    fn contains(&self, octets: &[u8]) -> bool {
        let pairs = self.address.iter().zip(&self.mask).zip(octets);
        self.address.len() == octets.len()
            && pairs.into_iter().all(|((ours, mask), theirs)| ours & mask == theirs & mask)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length: u32 = self.mask.iter().map(|octet| octet.count_ones()).sum();
        match (<[u8; 4]>::try_from(self.address.as_slice()), <[u8; 16]>::try_from(self.address.as_slice())) {
            (Ok(octets), _) => write!(f, "{}/{length}", IpAddr::from(octets)),
            (_, Ok(octets)) => write!(f, "{}/{length}", IpAddr::from(octets)),
            _ => Ok(()),
        }
    }
}

impl Constraints {
    /// Reads the extension; says also whether all kinds of names in it are known.
    ///
    /// # Errors
    /// In Go's words.
    pub(super) fn read(mut reader: Reader<'_>) -> Result<(Self, bool), String> {
        let invalid = "x509: invalid NameConstraints extension";
        let mut fields = reader.inside(tag::SEQUENCE).filter(|_| reader.is_empty()).ok_or(invalid)?;
        let mut field = |number: u8| match fields.is_next(tag::constructed(number)) {
            true => fields.content(tag::constructed(number)).ok_or(invalid),
            false => Ok(&[][..]),
        };
        let (permitted, excluded) = (field(0)?, field(1)?);
        if !fields.is_empty() {
            return Err(invalid.to_owned());
        }
        if permitted.is_empty() && excluded.is_empty() {
            return Err("x509: empty name constraints extension".to_owned());
        }
        let mut is_known = true;
        let permitted = Subtrees::read(Reader(permitted), &mut is_known)?;
        let excluded = Subtrees::read(Reader(excluded), &mut is_known)?;
        Ok((Self { permitted, excluded }, is_known))
    }

    /// Checks all names of a certificate below.
    fn check(&self, names: &AltNames) -> Result<(), String> {
        let (permitted, excluded) = (&self.permitted, &self.excluded);
        for ip in &names.ips {
            let octets = octets(*ip);
            let find = |networks: &[Network]| {
                networks.iter().find(|network| network.contains(&octets)).map(ToString::to_string)
            };
            judge(
                "IP address",
                &ip.to_string(),
                !permitted.networks.is_empty(),
                [find(&permitted.networks), find(&excluded.networks)],
            )?;
        }
        for name in &names.dns {
            if !is_domain(name, false) {
                return Err(format!("x509: cannot parse dnsName {name:?}"));
            }
            let found = [within(&permitted.dns, name), excluded_domain(&excluded.dns, name)];
            judge("DNS name", name, !permitted.dns.is_empty(), found)?;
        }
        for uri in &names.uris {
            let host = uri_host(uri)?;
            let found = [within(&permitted.uris, &host), excluded_domain(&excluded.uris, &host)];
            judge("URI", uri, !permitted.uris.is_empty(), found)?;
        }
        for email in &names.emails {
            let Some((local, domain)) = mailbox(email) else {
                return Err(format!("cannot parse rfc822Name {email:?}"));
            };
            let domain = domain.to_lowercase();
            let found = [
                mail_match(&permitted.emails, &local, &domain, within),
                mail_match(&excluded.emails, &local, &domain, excluded_domain),
            ];
            judge("email address", &format!("{local}@{domain}"), !permitted.emails.is_empty(), found)?;
        }
        Ok(())
    }
}

impl Subtrees {
    /// Reads one list of names.
    fn read(mut list: Reader<'_>, is_known: &mut bool) -> Result<Self, String> {
        let mut found = Self::default();
        while !list.is_empty() {
            let base = list.inside(tag::SEQUENCE).and_then(|mut subtree| subtree.any());
            let base = base.ok_or("x509: invalid NameConstraints extension")?;
            let text = || {
                let text = ascii(base.content);
                text.ok_or_else(|| {
                    let shown = base.content.escape_ascii();
                    format!("x509: invalid constraint value: x509: \"{shown}\" cannot be encoded as an IA5String")
                })
            };
            let failed = |kind: &str, text: &str| format!("x509: failed to parse {kind} constraint {text:?}");
            let domain = |kind: &str| {
                text().and_then(|text| if is_domain(&text, true) { Ok(text) } else { Err(failed(kind, &text)) })
            };
            match base.tag {
                0x82 => found.dns.push(domain("dnsName")?),
                0x87 => found.networks.push(network(base.content)?),
                0x81 => {
                    let text = text()?;
                    let is_valid = if text.contains('@') { mailbox(&text).is_some() } else { is_domain(&text, true) };
                    found.emails.push(if is_valid { text } else { return Err(failed("rfc822Name", &text)) });
                }
                0x86 => {
                    let text = text()?;
                    if text.parse::<IpAddr>().is_ok() {
                        return Err(format!("{}: cannot be IP address", failed("URI", &text)));
                    }
                    found.uris.push(if is_domain(&text, true) { text } else { return Err(failed("URI", &text)) });
                }
                _ => *is_known = false,
            }
        }
        Ok(found)
    }
}

/// Reads a network.
fn network(octets: &[u8]) -> Result<Network, String> {
    let half = octets.len() / 2;
    let (Some(address), Some(mask)) = (octets.get(..half), octets.get(half..)) else { return Err(String::new()) };
    if !matches!(octets.len(), 8 | 32) {
        return Err(format!("x509: IP constraint contained value of length {}", octets.len()));
    }
    let bits = mask.iter().fold(0_u128, |bits, octet| bits << 8 | u128::from(*octet)) << (128 - 8 * half);
    if bits.leading_ones() != bits.count_ones() {
        let mask: String = mask.iter().map(|octet| format!("{octet:02x}")).collect();
        return Err(format!("x509: IP constraint contained invalid mask {mask}"));
    }
    Ok(Network { address: address.to_vec(), mask: mask.to_vec() })
}

/// Checks the names of a chain, the last certificate first, against the constraints of every CA above.
///
/// # Errors
/// In Go's words, with the first name that is not allowed.
pub(super) fn check_chain(chain: &[&Certificate]) -> Result<(), String> {
    for (place, certificate) in chain.iter().enumerate() {
        let Some(names) = &certificate.extensions.names else { continue };
        for above in chain.iter().skip(place + 1) {
            if let Some(constraints) = &above.extensions.constraints {
                constraints.check(names)?;
            }
        }
    }
    Ok(())
}

/// Judges a name by what it was found in: what is allowed, and what is not.
fn judge(kind: &str, name: &str, is_limited: bool, [permitted, excluded]: [Option<String>; 2]) -> Result<(), String> {
    if is_limited && permitted.is_none() {
        return Err(format!("{kind} {name:?} is not permitted by any constraint"));
    }
    match excluded {
        Some(constraint) => Err(format!("{kind} {name:?} is excluded by constraint {constraint:?}")),
        None => Ok(()),
    }
}

/// Returns the domain that a name is in; an empty domain is all, one that begins with a dot leaves itself out.
fn within(domains: &[String], name: &str) -> Option<String> {
    let is_in = |domain: &&String| {
        let (domain, name) = (domain.to_ascii_lowercase(), name.to_ascii_lowercase());
        match name.strip_suffix(&domain) {
            Some(rest) => domain.is_empty() || rest.is_empty() || domain.starts_with('.') || rest.ends_with('.'),
            None => false,
        }
    };
    domains.iter().find(is_in).cloned()
}

/// Returns the domain that a name is in or, if it is a wildcard, may be in.
fn excluded_domain(domains: &[String], name: &str) -> Option<String> {
    let parent = |name: &str| name.find('.').and_then(|at| name.get(at..)).map(str::to_ascii_lowercase);
    let is_wild =
        |domain: &&String| name.starts_with('*') && parent(name).is_some_and(|ours| parent(domain) == Some(ours));
    within(domains, name).or_else(|| domains.iter().find(is_wild).map(|domain| domain.to_ascii_lowercase()))
}

/// Returns the constraint that a mail address is in: an address, or a domain.
fn mail_match(
    constraints: &[String],
    local: &str,
    domain: &str,
    find: fn(&[String], &str) -> Option<String>,
) -> Option<String> {
    let (addresses, domains): (Vec<String>, Vec<String>) =
        constraints.iter().cloned().partition(|text| text.contains('@'));
    let is_same =
        |text: &String| mailbox(text).is_some_and(|(ours, of)| ours == local && of.eq_ignore_ascii_case(domain));
    if addresses.iter().any(is_same) {
        return Some(format!("{local}@{domain}"));
    }
    find(&domains, domain)
}

/// Returns the host of a URI, which must be a name.
fn uri_host(uri: &str) -> Result<String, String> {
    let host = host_of(uri).to_lowercase();
    if host.is_empty() {
        return Err(format!("URI with empty host ({uri:?}) cannot be matched against constraints"));
    }
    let name = match host.rsplit_once(':') {
        Some((name, _)) if !host.ends_with(']') => name,
        _ => &host,
    };
    if name.parse::<IpAddr>().is_ok() || name.starts_with('[') {
        return Err(format!("URI with IP ({uri:?}) cannot be matched against constraints"));
    }
    Ok(name.to_owned())
}

/// Returns the octets of an address.
fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// Whether a text may be a domain: no empty label but in front of a constraint, no dot at its end, nothing that cannot be seen.
pub(super) fn is_domain(text: &str, is_constraint: bool) -> bool {
    let rest = if is_constraint { text.strip_prefix('.').unwrap_or(text) } else { text };
    text.is_empty()
        || text.bytes().all(|octet| (33..=126).contains(&octet)) && rest.split('.').all(|label| !label.is_empty())
}

/// Splits a mail address (RFC 2821 §4.1.2) into its local part, without quotation, and its domain.
fn mailbox(text: &str) -> Option<(String, String)> {
    let (local, rest) = match text.strip_prefix('"') {
        Some(rest) => quoted(rest)?,
        None => atoms(text)?,
    };
    let domain = rest.strip_prefix('@')?;
    let is_valid = domain.is_empty() || is_domain(domain, false);
    is_valid.then(|| (local, domain.to_owned()))
}

/// Reads a local part in quotation marks, behind the first.
fn quoted(text: &str) -> Option<(String, &str)> {
    let (mut local, mut letters) = (String::new(), text.char_indices());
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((local, text.get(at + 1..)?)),
            '\\' => local
                .push(letters.next().map(|(_, letter)| letter).filter(|letter| !matches!(letter, '\0' | '\n' | '\r'))?),
            '\0' | '\t' | '\n' | '\r' => return None,
            letter if letter.is_ascii() => local.push(letter),
            _ => return None,
        }
    }
    None
}

/// Reads a local part of atoms with dots between; a backslash may stand before a letter.
fn atoms(text: &str) -> Option<(String, &str)> {
    let (mut local, mut end, mut letters) = (String::new(), 0, text.char_indices());
    while let Some((at, mut letter)) = letters.next() {
        if letter == '\\' {
            letter = letters.next()?.1;
        } else if !(letter.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(letter)) {
            break;
        }
        local.push(letter);
        end = at + letter.len_utf8() + usize::from(text.get(at..).is_some_and(|rest| rest.starts_with('\\')));
    }
    let is_valid = !local.is_empty() && !local.starts_with('.') && !local.ends_with('.') && !local.contains("..");
    is_valid.then_some((local, text.get(end..)?))
}
