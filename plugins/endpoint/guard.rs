//! What stands before the pages of an endpoint: TLS, passwords, a limit of requests, further headers; as a file in the form
//! of Prometheus's exporter-toolkit says. Knows no page.
//!
//! The file is read again for each connection, so that new certificates and passwords count at once.

use super::guard_tls::{self, TlsSection};
use super::{Page, text};
use base64::Engine as _;
use corefile::os_error_text;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use plugin_api::{Clock, go};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio_rustls::TlsAcceptor;

/// Passwords that were found right and are not computed again; a few scrapers have one each, and more start anew.
const MAX_KNOWN: usize = 32;

/// The cost of a password of an unknown user: that of most hashes, so that the time does not tell who exists.
const UNKNOWN_COST: u32 = 10;

/// The headers that may be set, each with the values that it may have; none for any.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
    ("Content-Security-Policy", &[]),
];

/// Octets of a web configuration or of one of its files; they have some kilobytes.
const MAX_FILE: u64 = 1 << 20;

/// The file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct WebConfig {
    tls_server_config: TlsSection,
    http_server_config: HttpSection,
    rate_limit: RateSection,
    /// User to hash of the password.
    basic_auth_users: BTreeMap<String, String>,
}

/// Its part on HTTP.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct HttpSection {
    /// Taken and without effect: HTTP/1.1 is all that a scraper needs.
    #[serde(rename = "http2")]
    _http2: Option<bool>,
    headers: BTreeMap<String, String>,
}

/// Its part on the number of requests.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RateSection {
    /// Between two requests; empty or zero for no limit.
    interval: String,
    /// How many may come at once.
    burst: u32,
}

/// The guard of an endpoint.
pub(crate) struct Guard {
    /// The file.
    path: PathBuf,
    clock: Clock,
    /// How many requests may come now, and when that was reckoned; none before the first.
    tokens: Mutex<Option<(f64, Instant)>>,
    /// User, hash and password that were found right.
    known: tokio::sync::Mutex<Vec<(String, String, String)>>,
}

/// What a connection is held to.
pub(super) struct Rules {
    /// Speaks TLS; none for plain HTTP.
    pub(super) tls: Option<TlsAcceptor>,
    /// On every answer.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// Time between requests and how many may come at once; none for no limit.
    rate: Option<(Duration, u32)>,
    /// Who may ask; all if there are none.
    users: BTreeMap<String, String>,
}

impl Guard {
    /// The guard that this file describes.
    pub(crate) fn new(path: PathBuf, clock: Clock) -> Self {
        Self { path, clock, tokens: Mutex::default(), known: tokio::sync::Mutex::default() }
    }

    /// Says what is wrong with the file, if anything.
    ///
    /// # Errors
    /// For a file that cannot be read or holds what cannot be done.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !self.path.exists() {
            return Err(format!("TLS config file does not exist: {}", self.path.display()));
        }
        self.rules().map(drop).map_err(|error| format!("Failed to start HTTPS metrics server: {error}"))
    }

    /// Reads the file.
    pub(super) fn rules(&self) -> Result<Rules, String> {
        let show = self.path.display();
        let octets = read_file(&self.path).map_err(|error| format!("open {show}: {}", os_error_text(&error)))?;
        let written = String::from_utf8(octets).map_err(|_| format!("{show}: not UTF-8"))?;
        let config: Option<WebConfig> = serde_saphyr::from_str(&written).map_err(|error| {
            // Without the excerpt that follows: this becomes one line of the log.
            let error = error.to_string();
            let first = error.lines().next().unwrap_or_default();
            format!("{show}: {}", first.strip_prefix("error: ").unwrap_or(first))
        })?;
        let config = config.unwrap_or_default();
        for hash in config.basic_auth_users.values() {
            hash.parse::<bcrypt::HashParts>().map_err(|_| format!("{show}: a password is no bcrypt hash"))?;
        }
        let folder = self.path.parent().unwrap_or_else(|| Path::new(""));
        Ok(Rules {
            tls: guard_tls::acceptor(&config.tls_server_config, folder)?,
            headers: config.http_server_config.headers()?,
            rate: config.rate_limit.read()?,
            users: config.basic_auth_users,
        })
    }

    /// The page for a request that goes no further; none for one that may.
    pub(super) async fn refuse(&self, rules: &Rules, headers: &HeaderMap) -> Option<Page> {
        if rules.rate.is_some_and(|rate| !self.has_room(rate)) {
            return Some(text(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests\n"));
        }
        if rules.users.is_empty() || self.knows(rules, headers).await {
            return None;
        }
        let mut page = text(StatusCode::UNAUTHORIZED, "Unauthorized\n");
        page.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
        page.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        Some(page)
    }

    /// Takes one of the requests that may come; false if there is none left.
    fn has_room(&self, (interval, burst): (Duration, u32)) -> bool {
        let now = self.clock.now();
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, since) = tokens.unwrap_or((f64::from(burst), now));
        let grown = now.saturating_duration_since(since).as_secs_f64() / interval.as_secs_f64();
        let left = (before + grown).min(f64::from(burst));
        let is_free = left >= 1.0;
        *tokens = Some((if is_free { left - 1.0 } else { left }, now));
        is_free
    }

    /// Whether a request names a user with the right password. One at a time: a hash takes a processor for a while.
    async fn knows(&self, rules: &Rules, headers: &HeaderMap) -> bool {
        let Some((user, password)) = credentials(headers) else { return false };
        let hash = rules.users.get(&user).cloned();
        let mut known = self.known.lock().await;
        let is_known =
            |one: &(String, String, String)| one.0 == user && Some(&one.1) == hash.as_ref() && one.2 == password;
        if known.iter().any(is_known) {
            return true;
        }
        let (asked, against) = (password.clone(), hash.clone());
        let computed = tokio::task::spawn_blocking(move || match against {
            Some(hash) => bcrypt::verify(asked, &hash).unwrap_or(false),
            None => {
                drop(bcrypt::hash_with_salt(asked, UNKNOWN_COST, [0; 16]));
                false
            }
        });
        let is_right = computed.await.unwrap_or(false);
        if let (true, Some(hash)) = (is_right, hash) {
            if known.len() >= MAX_KNOWN {
                known.clear();
            }
            known.push((user, hash, password));
        }
        is_right
    }
}

impl HttpSection {
    /// The headers, if they may be set to that.
    fn headers(&self) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
        let header = |(name, value): (&String, &String)| {
            let known = HEADERS.iter().find(|(known, _)| known == name);
            let (_, values) = known.ok_or_else(|| format!("HTTP header {name:?} can not be configured"))?;
            if !values.is_empty() && !values.contains(&value.as_str()) {
                return Err(format!("invalid value for {name}. Expected one of: {values:?}, but got: {value:?}"));
            }
            let wrong = || format!("invalid value for {name}: {value:?}");
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
            Ok((name, HeaderValue::from_str(value).map_err(|_| wrong())?))
        };
        self.headers.iter().filter(|(_, value)| !value.is_empty()).map(header).collect()
    }
}

impl RateSection {
    /// The limit, if there is one.
    fn read(&self) -> Result<Option<(Duration, u32)>, String> {
        if self.interval.is_empty() {
            return Ok(None);
        }
        let interval = go::duration(&self.interval).map_err(|error| format!("rate_limit: {error}"))?;
        Ok((!interval.is_zero()).then_some((interval, self.burst)))
    }
}

/// Reads a file that has an end: a pipe or a device is refused before it is opened.
pub(super) fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let kind = std::fs::metadata(path)?;
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !kind.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut octets = Vec::new();
    std::fs::File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut octets)?;
    if octets.len() as u64 > MAX_FILE {
        return Err(io::Error::other("larger than 1 MiB"));
    }
    Ok(octets)
}

/// User and password of a request (RFC 7617 §2).
fn credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let (user, password) =
        String::from_utf8(decoded).ok()?.split_once(':').map(|(a, b)| (a.to_owned(), b.to_owned()))?;
    Some((user, password))
}
