//! From the TO arguments of `forward` to addresses: literals, files like resolv.conf, host names
//! (CoreDNS: plugin/pkg/parse/host.go, plugin/forward/resolve.go).

use super::resolve::Resolver;
use corefile::args::go_quote;
use corefile::keys::{Scheme, is_domain_name};
use std::net::{IpAddr, SocketAddr};

/// Octets of a resolv.conf that are read; the C library reads lines of 8 KiB and three servers.
const MAX_FILE: usize = 1 << 20;

/// An upstream's address and how it is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// How.
    pub(super) scheme: Scheme,
    /// Where.
    pub(super) address: SocketAddr,
    /// The TLS server name behind a `%`.
    pub(super) name: Option<String>,
}

/// What a TO argument stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// Addresses.
    Fixed(Vec<Target>),
    /// A name to be looked up, and the rest of the target.
    Host(String, u16, Scheme, Option<String>),
}

/// All entries that arguments stand for; empty files are left out.
///
/// # Errors
/// In CoreDNS's words.
pub(super) fn classify(arguments: &[&str]) -> Result<Vec<Entry>, String> {
    if let Some(argument) = arguments.iter().find(|argument| has_path(argument)) {
        let problem = "paths are not allowed in HTTPS upstream addresses (the /dns-query path is used by default)";
        return Err(format!("{problem}: {argument}"));
    }
    let mut entries = Vec::new();
    for argument in arguments {
        match entry(argument)? {
            Entry::Fixed(targets) if targets.is_empty() => {}
            entry => entries.push(entry),
        }
    }
    Ok(entries)
}

/// Whether it is an HTTPS address with a path.
fn has_path(argument: &str) -> bool {
    matches!(Scheme::split(argument), (Scheme::Https, rest) if rest.contains('/'))
}

/// The targets of all entries in their order, each address once: the first counts.
///
/// # Errors
/// When a name has no address.
pub(super) fn expand(entries: Vec<Entry>, resolver: &Resolver) -> Result<Vec<Target>, String> {
    let mut targets: Vec<Target> = Vec::new();
    for entry in entries {
        let found = match entry {
            Entry::Fixed(targets) => targets,
            Entry::Host(host, port, scheme, name) => {
                let addresses = resolver.lookup(&host);
                let addresses = addresses.map_err(|error| format!("failed to resolve {}: {error}", go_quote(&host)))?;
                let target = |ip| Target { scheme, address: SocketAddr::new(ip, port), name: name.clone() };
                addresses.into_iter().map(target).collect()
            }
        };
        for target in found {
            if !targets.iter().any(|known| known.address == target.address) {
                targets.push(target);
            }
        }
    }
    Ok(targets)
}

/// What one argument stands for.
fn entry(argument: &str) -> Result<Entry, String> {
    let (scheme, rest) = Scheme::split(argument);
    if rest.is_empty() {
        return Err(format!("invalid address: {}", go_quote(argument)));
    }
    if scheme == Scheme::Unix {
        return Err(unsupported(scheme, rest));
    }
    let split = split_host_port(rest);
    let bare = split.map_or_else(|| rest.trim_matches(['[', ']']), |(host, _)| host);
    let (address, zone) = split_zone(bare);
    let default_port = scheme.default_port("53").to_owned();
    if let Ok(ip) = address.parse::<IpAddr>() {
        let name = zone.filter(|zone| scheme == Scheme::Tls && !zone.is_empty()).map(str::to_owned);
        let port = split.map_or(default_port, |(_, port)| port.to_owned());
        let address = SocketAddr::new(ip, port_number(&port, argument)?);
        return Ok(Entry::Fixed(vec![supported(Target { scheme, address, name })?]));
    }
    let file = split.map_or(bare, |_| rest);
    if let Some(servers) = read_file(file) {
        return Ok(Entry::Fixed(servers));
    }
    host(argument).ok_or_else(|| format!("not an IP address, file, or valid domain: {}", go_quote(argument)))?
}

/// A host name with what stands around it; none if it cannot be one.
fn host(argument: &str) -> Option<Result<Entry, String>> {
    let (scheme, rest) = Scheme::split(argument);
    if !matches!(scheme, Scheme::Dns | Scheme::Tls | Scheme::Https) {
        return None;
    }
    let (host, port) = split_host_port(rest).unwrap_or_else(|| (rest, scheme.default_port("53")));
    let (host, zone) = split_zone(host);
    let host = host.trim_matches(['[', ']']);
    if host.is_empty() || !is_domain_name(host) {
        return None;
    }
    let name = zone.filter(|zone| scheme == Scheme::Tls && !zone.is_empty()).map(str::to_owned);
    // `ftp://192.0.2.1` is the host `ftp` with a port that is none; CoreDNS looks the host up first, so that fails first.
    let port = port_number(port, argument).or(Ok::<u16, String>(0)).unwrap_or(0);
    Some(Ok(Entry::Host(host.to_owned(), port, scheme, name)))
}

/// The target, if it is spoken to by a scheme that this plugin has.
fn supported(target: Target) -> Result<Target, String> {
    match target.scheme {
        Scheme::Dns | Scheme::Tls | Scheme::Https => Ok(target),
        scheme => Err(unsupported(scheme, &target.address.to_string())),
    }
}

/// The error of a scheme that this plugin does not have.
fn unsupported(scheme: Scheme, rest: &str) -> String {
    format!("'{scheme}' is not supported as a destination protocol in forward: {scheme}://{rest}")
}

/// A port; CoreDNS takes any text and fails at the first query.
fn port_number(text: &str, argument: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("invalid port in address: {}", go_quote(argument)))
}

/// Splits `host:port` and `[host]:port` (Go: net.SplitHostPort); none where there is no port.
fn split_host_port(text: &str) -> Option<(&str, &str)> {
    let (host, port) = text.rsplit_once(':')?;
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.strip_suffix(']')?;
        return (!inner.contains(['[', ']'])).then_some((inner, port));
    }
    (!host.contains([':', '[', ']']) && !port.contains(['[', ']'])).then_some((host, port))
}

/// Splits what follows the last `%`: an IPv6 scope, which is dropped, or a TLS server name.
fn split_zone(host: &str) -> (&str, Option<&str>) {
    host.rsplit_once('%').map_or((host, None), |(host, zone)| (host, Some(zone)))
}

/// The servers of a file like resolv.conf; none if it cannot be read.
fn read_file(path: &str) -> Option<Vec<Target>> {
    let text = std::fs::read(path).ok()?;
    let text = String::from_utf8_lossy(text.get(..MAX_FILE).unwrap_or(&text)).into_owned();
    let servers = nameservers(&text).into_iter().map(|address| Target { scheme: Scheme::Dns, address, name: None });
    Some(servers.collect())
}

/// The addresses of the `nameserver` lines of a text, on port 53. What is no address is left out.
pub(super) fn nameservers(text: &str) -> Vec<SocketAddr> {
    let lines = text.lines().filter(|line| !line.starts_with(['#', ';']));
    let words = lines.filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()).flatten()
    });
    words.filter_map(|word| split_zone(word).0.parse().ok()).map(|ip: IpAddr| SocketAddr::new(ip, 53)).collect()
}
