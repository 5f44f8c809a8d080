//! The address of the API server, as client-go reads it (`rest/url_utils.go`, `DefaultServerURL`).

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};

use super::go_url::{GoUrl, escape_path};

/// Where the API server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Server {
    /// Scheme and authority; an error is the reason why no request can be made, in Go's words.
    origin: Result<(Scheme, Authority), String>,
    /// What stands before every path, without a slash at the end.
    prefix: String,
    /// The address as a person reads it.
    shown: String,
    /// The user's name and password in the address.
    pub(super) user: Option<(String, Option<String>)>,
}

impl Server {
    /// Reads an address: a URL, or a host with or without a port, which is asked in plain HTTP.
    ///
    /// # Errors
    /// In the words of client-go, for what it refuses. What it takes although nothing can be reached there is taken, too: requests
    /// fail then.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let url = match GoUrl::parse(text) {
            Ok(url) if !url.scheme.is_empty() && !url.authority.is_empty() => url,
            _ => {
                let url = GoUrl::parse(&format!("http://{text}"))?;
                if !matches!(url.path.as_str(), "" | "/") {
                    return Err(format!("host must be a URL or a host:port pair: {text:?}"));
                }
                url
            }
        };
        let prefix = escape_path(&clean(&url.path));
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let host = if url.host().contains(':') { format!("[{}]", url.host()) } else { url.host().to_owned() };
        let shown = format!("{}://{host}{port}{prefix}/", url.scheme);
        Ok(Self { origin: origin(&url, &format!("{host}{port}")), prefix, shown, user: url.user })
    }

    /// Returns the URI of a path, which begins with a slash, and a query.
    ///
    /// # Errors
    /// Where no request can be made to this address.
    pub(in super::super) fn uri(&self, path: &str) -> Result<Uri, String> {
        let (scheme, authority) = self.origin.clone()?;
        let path = PathAndQuery::try_from(format!("{}{path}", self.prefix)).map_err(|error| error.to_string())?;
        let builder = Uri::builder().scheme(scheme).authority(authority).path_and_query(path);
        builder.build().map_err(|error| error.to_string())
    }

    /// Says whether connections are encrypted.
    pub(super) fn is_tls(&self) -> bool {
        self.shown.starts_with("https://")
    }

    /// Returns the address as a person reads it.
    pub(in super::super) fn shown(&self) -> &str {
        &self.shown
    }
}

/// Makes scheme and authority, if a connection can be made there.
fn origin(url: &GoUrl, authority: &str) -> Result<(Scheme, Authority), String> {
    let scheme = match url.scheme.as_str() {
        "https" => Scheme::HTTPS,
        "http" => Scheme::HTTP,
        other => return Err(format!("unsupported protocol scheme {other:?}")),
    };
    let is_address = url.host().parse::<std::net::Ipv6Addr>().is_ok();
    if url.host().is_empty() || (url.host().contains(':') && !is_address) {
        return Err(format!("no host in the address {authority:?}"));
    }
    if url.port().is_some_and(|port| !port.parse::<u16>().is_ok_and(|port| port != 0)) {
        return Err(format!("address {authority}: invalid port"));
    }
    let authority = Authority::try_from(authority.as_bytes());
    Ok((scheme, authority.map_err(|error| format!("address {:?}: {error}", url.authority))?))
}

/// Makes a path absolute and resolves `.`, `..` and empty segments; `/` is empty.
fn clean(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    segments.iter().flat_map(|segment| ["/", *segment]).collect()
}
