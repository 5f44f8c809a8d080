//! URLs as Go's `net/url` reads them: kubeconfigs and the environment are written for that, and `http::Uri` reads some of them
//! otherwise. Knows no Kubernetes.

use std::net::Ipv6Addr;

/// A URL; query and fragment are dropped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct GoUrl {
    /// The scheme in lower case; empty if there is none.
    pub(super) scheme: String,
    /// The user's name and password before the host.
    pub(super) user: Option<(String, Option<String>)>,
    /// Host and port as written, escapes resolved; empty if there is none.
    pub(super) authority: String,
    /// The path, escapes resolved.
    pub(super) path: String,
}

impl GoUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// In Go's words.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        Self::read(text).map_err(|why| format!("parse {text:?}: {why}"))
    }

    /// Reads a URL; an error says only why.
    fn read(text: &str) -> Result<Self, String> {
        let text = text.split('#').next().unwrap_or_default();
        if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
            return Err("net/url: invalid control character in URL".to_owned());
        }
        let (scheme, rest) = split_scheme(text)?;
        let rest = rest.split('?').next().unwrap_or_default();
        let scheme = scheme.to_ascii_lowercase();
        if !rest.starts_with('/') {
            if !scheme.is_empty() {
                // What Go calls opaque has no host.
                return Ok(Self { scheme, ..Self::default() });
            }
            if rest.split('/').next().unwrap_or_default().contains(':') {
                return Err("first path segment in URL cannot contain colon".to_owned());
            }
        }
        let has_authority = !scheme.is_empty() || !rest.starts_with("///");
        let Some(after) = rest.strip_prefix("//").filter(|_| has_authority) else {
            return Ok(Self { scheme, path: unescape(rest)?, ..Self::default() });
        };
        let (authority, path) = after.find('/').and_then(|at| after.split_at_checked(at)).unwrap_or((after, ""));
        let (user, host) = split_user(authority)?;
        Ok(Self { scheme, user, authority: read_host(host)?, path: unescape(path)? })
    }

    /// Returns the host without port and brackets.
    pub(super) fn host(&self) -> &str {
        let host = self.split_port().0;
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    /// Returns the port; none if it is not written, or empty.
    pub(super) fn port(&self) -> Option<&str> {
        self.split_port().1.filter(|port| !port.is_empty())
    }

    /// Splits host and port.
    fn split_port(&self) -> (&str, Option<&str>) {
        match self.authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (&self.authority, None),
        }
    }
}

/// Splits a scheme off; empty if there is none.
fn split_scheme(text: &str) -> Result<(&str, &str), String> {
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return Err("missing protocol scheme".to_owned()),
            b':' => return Ok(text.split_once(':').unwrap_or(("", text))),
            _ => break,
        }
    }
    Ok(("", text))
}

/// A user's name and password.
type User = (String, Option<String>);

/// Splits the user's name and password off.
fn split_user(authority: &str) -> Result<(Option<User>, &str), String> {
    let Some((user, host)) = authority.rsplit_once('@') else { return Ok((None, authority)) };
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte);
    if !user.bytes().all(is_valid) {
        return Err("net/url: invalid userinfo".to_owned());
    }
    let user = match user.split_once(':') {
        Some((name, password)) => (unescape(name)?, Some(unescape(password)?)),
        None => (unescape(user)?, None),
    };
    Ok((Some(user), host))
}

/// Checks host and port, and resolves the escapes in the host.
fn read_host(text: &str) -> Result<String, String> {
    let behind_host = if text.starts_with('[') {
        let (address, behind) = text.rsplit_once(']').ok_or("missing ']' in host")?;
        let address = address.split('%').next().unwrap_or_default();
        if address.get(1..).is_none_or(|address| address.parse::<Ipv6Addr>().is_err()) {
            return Err(format!("invalid host {text:?}"));
        }
        behind
    } else {
        text.rfind(':').and_then(|at| text.get(at..)).unwrap_or_default()
    };
    let is_port = match behind_host.strip_prefix(':') {
        Some(port) => port.bytes().all(|byte| byte.is_ascii_digit()),
        None => behind_host.is_empty(),
    };
    if !is_port {
        return Err(format!("invalid port {behind_host:?} after host"));
    }
    let is_valid = |letter: &char| !letter.is_ascii() || letter.is_ascii_alphanumeric() || is_host_mark(*letter);
    if let Some(letter) = text.chars().find(|letter| !is_valid(letter)) {
        return Err(format!("invalid character {:?} in host name", letter.to_string()));
    }
    unescape(text)
}

/// Says whether a mark may stand in a host.
fn is_host_mark(letter: char) -> bool {
    "-_.~!$&'()*+,;=:[]<>\"%".contains(letter)
}

/// Resolves escapes; what is no UTF-8 then is replaced.
fn unescape(text: &str) -> Result<String, String> {
    let octets = text.as_bytes();
    let mut plain = Vec::with_capacity(octets.len());
    let mut at = 0;
    while let Some(octet) = octets.get(at) {
        if *octet != b'%' {
            plain.push(*octet);
            at += 1;
            continue;
        }
        let digits = octets.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        let value = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let Some(value) = value.and_then(|digits| u8::from_str_radix(digits, 16).ok()) else {
            let shown = octets.get(at..octets.len().min(at + 3)).unwrap_or_default();
            return Err(format!("invalid URL escape {:?}", String::from_utf8_lossy(shown)));
        };
        plain.push(value);
        at += 3;
    }
    Ok(String::from_utf8(plain).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// Writes a path with the escapes that Go writes.
pub(super) fn escape_path(path: &str) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            write!(text, "%{byte:02X}").unwrap_or_default();
        }
    }
    text
}
