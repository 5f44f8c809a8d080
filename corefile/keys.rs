//! Keys of server blocks: `[scheme://]zone[:port]`, and networks as reverse zones. Pure functions over text.
//!
//! The rules and messages are CoreDNS's (`core/dnsserver/register.go`, `plugin/normalize.go`, `plugin/pkg/cidr`), and
//! miekg/dns's for what is a domain name.

use std::fmt;
use std::net::IpAddr;

use crate::args::go_quote;
use crate::ast::ServerBlock;
use crate::diagnostic::Diagnostic;
use crate::parser::location;
use crate::span::Sources;

/// Bytes of a zone in a key at most, in presentation form.
const MAX_ZONE_BYTES: usize = 255;

/// How a zone is served, by the scheme in front of its key. Schemes are lower case; others are part of the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Scheme {
    /// `dns://`, and keys without a scheme: UDP and TCP.
    #[default]
    Dns,
    /// `tls://`: DoT.
    Tls,
    /// `quic://`: DoQ.
    Quic,
    /// `grpc://`.
    Grpc,
    /// `https://`: DoH.
    Https,
    /// `https3://`: DoH over HTTP/3.
    Https3,
    /// `unix://`: taken in keys, but nothing listens.
    Unix,
}

impl Scheme {
    /// Every scheme.
    const ALL: [Self; 7] = [Self::Dns, Self::Tls, Self::Quic, Self::Grpc, Self::Https, Self::Https3, Self::Unix];

    /// The word before `://`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::Quic => "quic",
            Self::Grpc => "grpc",
            Self::Https => "https",
            Self::Https3 => "https3",
            Self::Unix => "unix",
        }
    }

    /// The port when the key has none; `dns_port` is that of plain DNS. Empty for `unix`.
    pub fn default_port(self, dns_port: &str) -> &str {
        match self {
            Self::Dns => dns_port,
            Self::Tls | Self::Quic => "853",
            Self::Grpc | Self::Https | Self::Https3 => "443",
            Self::Unix => "",
        }
    }

    /// Takes the scheme off the front of `text`; [`Scheme::Dns`] when there is none.
    pub fn split(text: &str) -> (Self, &str) {
        let found = Self::ALL.into_iter().find_map(|scheme| {
            let rest = text.strip_prefix(scheme.as_str())?.strip_prefix("://")?;
            Some((scheme, rest))
        });
        found.unwrap_or((Self::Dns, text))
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A zone on a port. Its [`Display`](fmt::Display) is `scheme://zone.:port`, as in CoreDNS's messages.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServerKey {
    /// How it is served.
    pub scheme: Scheme,
    /// The zone in presentation form: lower case, absolute.
    pub zone: String,
    /// The port, a whole number without check of its range when it comes from a key (`-1` and `65536` are refused only
    /// when the socket is opened); otherwise the default, verbatim.
    pub port: String,
}

impl fmt::Display for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme, self.zone, self.port)
    }
}

/// The zones and ports of every block, in order; a network may give a block more zones than it has keys.
///
/// The first of the diagnostics is what CoreDNS says; all bad keys are reported. `dns_port` is the port of plain DNS.
pub fn inspect(
    blocks: &[ServerBlock],
    dns_port: &str,
    sources: &Sources,
) -> Result<Vec<Vec<ServerKey>>, Vec<Diagnostic>> {
    let mut failures = Vec::new();
    let mut inspected = Vec::new();
    for block in blocks {
        let mut keys = Vec::new();
        for key in &block.keys {
            match normalize(key, dns_port) {
                Ok(zones) => keys.extend(zones),
                Err(message) => {
                    let plain = Diagnostic { location: Some(location(key, sources)), ..Diagnostic::plain(message) };
                    failures.push(explain(key, plain).with_prefix("error inspecting server blocks"));
                }
            }
        }
        inspected.push(keys);
    }
    if failures.is_empty() { Ok(inspected) } else { Err(failures) }
}

/// Adds what to do about a key that cannot be read, where that is plain.
fn explain(key: &str, diagnostic: Diagnostic) -> Diagnostic {
    if key.ends_with('{') {
        return diagnostic.with_help("put a blank before '{'");
    }
    if key.starts_with(':') {
        return diagnostic.with_help(format!("a key begins with a zone; did you mean '.{key}'?"));
    }
    diagnostic
}

/// The zones that one key of a server block stands for, or CoreDNS's message.
pub fn normalize(key: &str, dns_port: &str) -> Result<Vec<ServerKey>, String> {
    let (scheme, rest) = Scheme::split(key);
    let (hosts, port) = split_host_port(rest)?;
    for host in &hosts {
        split_host_port(&absolute_name(host))?;
    }
    let port = port.unwrap_or_else(|| scheme.default_port(dns_port).to_owned());
    let key = |host: &String| ServerKey { scheme, zone: normal_name(host), port: port.clone() };
    Ok(hosts.iter().map(key).collect())
}

/// The zones that an argument of a plugin stands for, scheme and port left out; none when it cannot be read, which
/// CoreDNS passes over in silence.
pub fn zones(argument: &str) -> Vec<String> {
    let (_, rest) = Scheme::split(argument);
    let hosts = split_host_port(rest).map_or_else(|_| Vec::new(), |(hosts, _)| hosts);
    hosts.iter().map(|host| normal_name(host)).collect()
}

/// Splits `zone[:port]`; a network becomes its reverse zones. The zones are as written otherwise.
///
/// The port is what follows the last colon if that is a whole number, so `2001:db8::1` is `2001:db8:` on port 1.
pub fn split_host_port(text: &str) -> Result<(Vec<String>, Option<String>), String> {
    if text.is_empty() || text.ends_with(':') {
        return Err(format!("expecting data after last colon: {}", go_quote(text)));
    }
    let number = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<i64>().ok()?)));
    let (host, port) = number.map_or((text, None), |(host, port)| (host, Some(port.to_string())));
    if host.len() > MAX_ZONE_BYTES {
        return Err(format!("specified zone is too long: {} > {MAX_ZONE_BYTES}", host.len()));
    }
    if !is_domain_name(host) {
        return Err(format!("zone is not a valid domain name: {host}"));
    }
    let Some((address, prefix)) = network(host) else { return Ok((vec![host.to_owned()], port)) };
    if host.starts_with(':') || (host.starts_with('0') && host.contains(':')) {
        return Err(format!("invalid CIDR {host}"));
    }
    Ok((reverse_zones(address, prefix), port))
}

/// The address and prefix length of a network in CIDR notation (Go's `net.ParseCIDR`).
fn network(text: &str) -> Option<(IpAddr, u32)> {
    let (address, length) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let is_number = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
    let length: u32 = length.parse().ok().filter(|_| is_number)?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    (length <= bits).then_some((address, length))
}

/// The reverse zones of a network, split at the next label boundary: at most 128 for IPv4, 8 for IPv6.
fn reverse_zones(address: IpAddr, prefix: u32) -> Vec<String> {
    let (bits, step, value) = match address {
        IpAddr::V4(v4) => (32, 8, u128::from(v4.to_bits())),
        IpAddr::V6(v6) => (128, 4, v6.to_bits()),
    };
    let boundary = prefix.next_multiple_of(step);
    let labels = boundary / step;
    // The bits of the zones' labels as one number: the network's own, and below them a counter.
    let first = value.checked_shr(bits - prefix).unwrap_or(0) << (boundary - prefix);
    (0..1_u128 << (boundary - prefix)).map(|index| reverse_zone(first | index, labels, step)).collect()
}

/// One reverse zone: the lowest `labels` groups of `step` bits, lowest first.
fn reverse_zone(value: u128, labels: u32, step: u32) -> String {
    let group = |index: u32| (value >> (index * step)) & ((1 << step) - 1);
    let mut zone = String::new();
    for index in 0..labels {
        match step {
            8 => zone.push_str(&format!("{}.", group(index))),
            _ => zone.push_str(&format!("{:x}.", group(index))),
        }
    }
    zone + if step == 8 { "in-addr.arpa." } else { "ip6.arpa." }
}

/// Lower case and absolute.
fn normal_name(name: &str) -> String {
    // Letter by letter, as Go: no rule for the last letter of a word, and one letter for one.
    absolute_name(name).chars().map(|letter| letter.to_lowercase().next().unwrap_or(letter)).collect()
}

/// With a dot at the end, if there is none that counts.
fn absolute_name(name: &str) -> String {
    if is_absolute(name) { name.to_owned() } else { format!("{name}.") }
}

/// Whether a name ends with a dot that is not escaped.
pub fn is_absolute(name: &str) -> bool {
    let Some(rest) = name.strip_suffix('.') else { return false };
    let backslashes = rest.bytes().rev().take_while(|byte| *byte == b'\\').count();
    backslashes % 2 == 0
}

/// Whether text is a domain name in presentation form by the rules of miekg/dns: labels of at most 63 bytes, none
/// empty, at most 256 bytes in all, whatever bytes they hold.
pub fn is_domain_name(name: &str) -> bool {
    if name.is_empty() {
        return false;
    }
    let absolute = absolute_name(name);
    let bytes = absolute.as_bytes();
    let mut labels = LabelScan::default();
    while let Some(&byte) = bytes.get(labels.at) {
        let is_good = match byte {
            b'\\' => labels.escape(bytes),
            b'.' => labels.dot(bytes.len()),
            _ => labels.letter(),
        };
        if !is_good {
            return false;
        }
        labels.at += 1;
    }
    !labels.is_escaping
}

/// Bytes of a message's name that [`LabelScan`] allows.
const MAX_NAME_BYTES: usize = 256;

/// The state of [`is_domain_name`].
#[derive(Default)]
struct LabelScan {
    /// The byte looked at.
    at: usize,
    /// Where the label would begin if escapes were one byte each.
    begin: usize,
    /// The bytes of all labels so far, with their length bytes.
    total: usize,
    /// Whether the byte before was a dot.
    was_dot: bool,
    /// Whether an escape is open, as miekg/dns counts it.
    is_escaping: bool,
}

impl LabelScan {
    /// A backslash: passes over `\DDD` or `\X`.
    fn escape(&mut self, bytes: &[u8]) -> bool {
        self.is_escaping = !self.is_escaping;
        let digits = bytes.get(self.at + 1..self.at + 4);
        let extra = if digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_digit)) { 3 } else { 1 };
        self.at += extra;
        self.begin += extra;
        self.was_dot = false;
        self.total < MAX_NAME_BYTES
    }

    /// A dot: ends a label.
    fn dot(&mut self, length: usize) -> bool {
        self.is_escaping = false;
        if (self.at == 0 && length > 1) || self.was_dot {
            return false;
        }
        self.was_dot = true;
        let label = self.at.saturating_sub(self.begin);
        self.total += 1 + label;
        self.begin = self.at + 1;
        label < 64 && self.total <= MAX_NAME_BYTES
    }

    /// Any other byte.
    fn letter(&mut self) -> bool {
        self.is_escaping = false;
        self.was_dot = false;
        true
    }
}
