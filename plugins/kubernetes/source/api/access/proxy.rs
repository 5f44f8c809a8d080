//! Proxies on the way to the API server: `proxy-url`, or `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` as Go reads them
//! (`golang.org/x/net/http/httpproxy`). Knows no connection.

use std::net::IpAddr;

use http::Uri;
use ipnet::IpNet;

use super::go_url::GoUrl;

/// How a proxy is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Protocol {
    /// HTTP: requests for `http://`, `CONNECT` for `https://`.
    Http,
    /// The same within TLS.
    Https,
    /// SOCKS 5; the proxy resolves names.
    Socks5,
}

/// One proxy.
#[derive(Clone, PartialEq, Eq)]
pub(in super::super) struct Proxy {
    /// How it is spoken to.
    pub(in super::super) protocol: Protocol,
    /// Its host, IPv6 addresses in brackets.
    pub(in super::super) host: String,
    /// Its port.
    pub(in super::super) port: u16,
    /// The name and password that it is shown.
    pub(in super::super) user: Option<(String, String)>,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {}:{}", self.protocol, self.host, self.port)
    }
}

/// Which proxy is asked for which address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct ProxyRules {
    /// For `https://`; an error says why no connection can be made.
    https: Option<Result<Proxy, String>>,
    /// For `http://`.
    http: Option<Result<Proxy, String>>,
    /// What is reached without; none where every address is proxied.
    except: Option<Exceptions>,
}

/// The addresses that are reached without a proxy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Exceptions {
    /// Whether all are.
    is_all: bool,
    /// Networks, and the port that counts.
    networks: Vec<(IpNet, Option<String>)>,
    /// Ends of names, each with its leading dot.
    domains: Vec<Domain>,
}

/// An end of names.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Domain {
    /// With a leading dot, in lower case.
    suffix: String,
    /// Whether the name itself counts, too.
    is_name: bool,
    /// The port that counts.
    port: Option<String>,
}

impl ProxyRules {
    /// Reads the field `proxy-url`, which holds for every address.
    ///
    /// # Errors
    /// In client-go's words.
    pub(super) fn of_field(text: &str) -> Result<Self, String> {
        let url = GoUrl::parse(text).map_err(|_| format!("could not parse: {text}"))?;
        if !matches!(url.scheme.as_str(), "http" | "https" | "socks5") {
            return Err(format!("unsupported scheme {:?}, must be http, https, or socks5", url.scheme));
        }
        let proxy = Some(of_url(&url));
        Ok(Self { https: proxy.clone(), http: proxy, except: None })
    }

    /// Reads the environment.
    pub(super) fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let either = |upper: &str, lower: &str| {
            [upper, lower].into_iter().find_map(|name| variable(name).filter(|value| !value.is_empty()))
        };
        let read = |text: Option<String>| text.and_then(|text| environment_proxy(&text));
        let mut http = read(either("HTTP_PROXY", "http_proxy"));
        if http.is_some() && variable("REQUEST_METHOD").is_some_and(|method| !method.is_empty()) {
            // A client of a CGI script can set HTTP_PROXY, by a header.
            http = Some(Err("refusing to use HTTP_PROXY value in CGI environment".to_owned()));
        }
        let https = read(either("HTTPS_PROXY", "https_proxy"));
        let except = Exceptions::parse(&either("NO_PROXY", "no_proxy").unwrap_or_default());
        Self { https, http, except: Some(except) }
    }

    /// Returns the proxy for an address.
    ///
    /// # Errors
    /// Where a proxy is named that no connection can be made to.
    pub(in super::super) fn choose(&self, uri: &Uri) -> Result<Option<&Proxy>, String> {
        let is_tls = uri.scheme_str() == Some("https");
        let Some(proxy) = (if is_tls { &self.https } else { &self.http }) else { return Ok(None) };
        if self.except.as_ref().is_some_and(|except| except.holds(uri, if is_tls { 443 } else { 80 })) {
            return Ok(None);
        }
        proxy.as_ref().map(Some).map_err(Clone::clone)
    }
}

/// Reads a variable of the environment: a URL, or host and port of an HTTP proxy. Go ignores what is neither.
fn environment_proxy(text: &str) -> Option<Result<Proxy, String>> {
    match GoUrl::parse(text) {
        Ok(url) if !url.scheme.is_empty() && !url.authority.is_empty() => Some(of_url(&url)),
        first => {
            let second = GoUrl::parse(&format!("http://{text}"));
            second.or(first).ok().map(|url| of_url(&url))
        }
    }
}

/// Makes a proxy of a URL; a scheme that Go does not know is spoken to in HTTP, as Go does.
pub(super) fn of_url(url: &GoUrl) -> Result<Proxy, String> {
    let (protocol, port) = match url.scheme.as_str() {
        "https" => (Protocol::Https, 443),
        "socks5" | "socks5h" => (Protocol::Socks5, 1080),
        _ => (Protocol::Http, 80),
    };
    let shown = format!("{}://{}", url.scheme, url.authority);
    let host = url.host();
    if host.is_empty() || !host.is_ascii() {
        return Err(format!("the proxy {shown:?} has no host that can be asked"));
    }
    let port = url.port().map_or(Ok(port), str::parse).map_err(|_| format!("the proxy {shown:?} has no valid port"))?;
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let user = url.user.clone().map(|(name, password)| (name, password.unwrap_or_default()));
    Ok(Proxy { protocol, host, port, user })
}

impl Exceptions {
    /// Reads `NO_PROXY`; what makes no sense in it is ignored.
    fn parse(text: &str) -> Self {
        let mut except = Self::default();
        for entry in text.split(',') {
            let entry = entry.trim().to_lowercase();
            if entry == "*" {
                return Self { is_all: true, ..Self::default() };
            }
            // The library takes leading zeros, Go does not.
            let is_plain = entry.split('/').next().is_some_and(|address| address.parse::<IpAddr>().is_ok());
            if let Some(network) = entry.parse::<IpNet>().ok().filter(|_| is_plain) {
                except.networks.push((network, None));
                continue;
            }
            let (host, port) = split_port(&entry);
            if let Ok(address) = host.parse::<IpAddr>() {
                except.networks.push((IpNet::from(address.to_canonical()), port));
                continue;
            }
            let host = if host.starts_with("*.") { host.trim_start_matches('*') } else { host };
            match host.strip_prefix('.') {
                _ if host.is_empty() => {}
                Some(_) => except.domains.push(Domain { suffix: host.to_owned(), is_name: false, port }),
                None => except.domains.push(Domain { suffix: format!(".{host}"), is_name: true, port }),
            }
        }
        except
    }

    /// Says whether an address is reached without a proxy; what is on this machine always is.
    fn holds(&self, uri: &Uri, default_port: u16) -> bool {
        let host = uri.host().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port = uri.port_u16().unwrap_or(default_port).to_string();
        let is_port = |wanted: &Option<String>| wanted.as_ref().is_none_or(|wanted| *wanted == port);
        if self.is_all || host == "localhost" {
            return true;
        }
        if let Ok(address) = host.parse::<IpAddr>() {
            let address = address.to_canonical();
            let is_in = |(network, port): &(IpNet, _)| network.contains(&address) && is_port(port);
            return address.is_loopback() || self.networks.iter().any(is_in);
        }
        let host = host.to_lowercase();
        self.domains.iter().any(|domain| {
            let is_name = domain.is_name && domain.suffix.get(1..) == Some(&*host);
            (host.ends_with(&domain.suffix) || is_name) && is_port(&domain.port)
        })
    }
}

/// Splits host and port as Go's `net.SplitHostPort` does; what it refuses is a host.
fn split_port(entry: &str) -> (&str, Option<String>) {
    let Some((host, port)) = entry.rsplit_once(':') else { return (entry, None) };
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match inner {
        Some(inner) => (inner, Some(port.to_owned()).filter(|port| !port.is_empty())),
        None if host.contains([':', '[', ']']) || port.contains(']') => (entry, None),
        None => (host, Some(port.to_owned()).filter(|port| !port.is_empty())),
    }
}
