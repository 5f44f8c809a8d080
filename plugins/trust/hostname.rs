//! Whether a certificate is valid for a name or an address (RFC 6125), as Go compares: alternative names only, a wildcard as the whole
//! first label.

use super::certificate::Certificate;
use super::extensions::AltNames;
use std::net::IpAddr;

/// So many names are listed in an error; with more their number is told.
const MAX_LISTED: usize = 100;

/// Checks that a certificate is valid for a host: an address, in brackets or not, or a name.
///
/// # Errors
/// In Go's words, with the names that the certificate has.
pub(super) fn check_host(certificate: &Certificate, host: &str) -> Result<(), String> {
    let none = AltNames::default();
    let names = certificate.extensions.names.as_ref().unwrap_or(&none);
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        let is_same = |theirs: &IpAddr| theirs.to_canonical() == ip.to_canonical();
        return if names.ips.iter().any(is_same) { Ok(()) } else { Err(mismatch(certificate, names, bare)) };
    }
    if names.dns.iter().any(|pattern| is_match(pattern, host)) {
        return Ok(());
    }
    Err(mismatch(certificate, names, host))
}

/// Whether a name of a certificate stands for a host.
fn is_match(pattern: &str, host: &str) -> bool {
    if !is_hostname(pattern, true) || !is_hostname(host, false) {
        return ![pattern, host].iter().any(|name| matches!(*name, "" | ".")) && pattern.eq_ignore_ascii_case(host);
    }
    same_labels(pattern, host)
}

/// Whether all labels are the same, or the first one is a wildcard.
fn same_labels(pattern: &str, host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let (mut patterns, mut labels) = (pattern.split('.'), host.split('.'));
    let (Some(pattern), Some(label)) = (patterns.next(), labels.next()) else { return false };
    (pattern == "*" || pattern.eq_ignore_ascii_case(label))
        && patterns.by_ref().map(str::to_ascii_lowercase).eq(labels.by_ref().map(str::to_ascii_lowercase))
}

/// Whether a text is a host name, with some leniency; a pattern may have a wildcard in front and no dot at its end.
fn is_hostname(text: &str, is_pattern: bool) -> bool {
    let text = if is_pattern { text } else { text.strip_suffix('.').unwrap_or(text) };
    let is_label = |(place, label): (usize, &str)| {
        let is_wild = is_pattern && place == 0 && label == "*";
        let is_valid = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
        is_wild || !label.is_empty() && !label.starts_with('-') && label.bytes().all(is_valid)
    };
    text != "*" && text.split('.').enumerate().all(is_label)
}

/// Says which names a certificate is valid for.
fn mismatch(certificate: &Certificate, names: &AltNames, host: &str) -> String {
    let has_names = certificate.extensions.names.is_some();
    let common = certificate.subject.common_name.as_deref().filter(|name| !name.is_empty());
    if !has_names && common.is_some_and(|name| same_labels(name, host)) {
        return "x509: certificate relies on legacy Common Name field, use SANs instead".to_owned();
    }
    let (listed, kind) = if host.parse::<IpAddr>().is_ok() {
        if names.ips.is_empty() {
            return format!("x509: cannot validate certificate for {host} because it doesn't contain any IP SANs");
        }
        (names.ips.iter().map(|ip| ip.to_canonical().to_string()).collect(), "IP SANs")
    } else {
        (names.dns.clone(), "names")
    };
    if listed.len() >= MAX_LISTED {
        return format!("x509: certificate is valid for {} {kind}, but none matched {host}", listed.len());
    }
    let listed = listed.join(", ");
    if listed.is_empty() {
        return format!("x509: certificate is not valid for any names, but wanted to match {host}");
    }
    format!("x509: certificate is valid for {listed}, not {host}")
}
