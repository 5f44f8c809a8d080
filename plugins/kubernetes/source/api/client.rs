//! The client of the API server: one request at a time to where the settings say, with the client's credentials, following redirects
//! and reading compressed responses. Knows no kind of object.

use std::sync::{Mutex, PoisonError};

use bytes::{Buf, Bytes};
use futures_util::stream::try_unfold;
use http::{HeaderMap, Request, Response, StatusCode, Uri, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::rt::TokioExecutor;

use super::access::{Auth, Secret, Settings};
use super::credentials::{Carried, Credentials};
use super::dial::{Dialer, proxy_authorization};
use super::failure::Failure;

/// What the program calls itself.
const USER_AGENT: &str = concat!("ferrodns/", env!("CARGO_PKG_VERSION"));
/// How many redirects are followed, as in Go.
const MAX_REDIRECTS: usize = 10;
/// How much of a compressed body is decompressed at a time, in bytes: at most a thousand times as much comes out.
const GZIP_STEP: usize = 1024;

/// The body of a response.
pub(super) type Body = UnsyncBoxBody<Bytes, BodyError>;

/// Why a body breaks off.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// The connection has ended, or does not speak HTTP any more.
    #[error("{0}")]
    Connection(#[from] hyper::Error),
    /// What arrives cannot be decompressed, or a test cut the connection.
    #[error("{0}")]
    Octets(#[from] std::io::Error),
}

/// A client.
#[derive(Debug)]
pub(super) struct ApiClient {
    /// Where it asks, and as whom.
    settings: Settings,
    /// What its requests carry.
    credentials: Credentials,
    /// Its connections.
    connections: Mutex<Connections>,
}

/// Connections, and the certificate that they show.
#[derive(Debug)]
struct Connections {
    /// The connections.
    pool: Pool<Dialer, Empty<Bytes>>,
    /// The certificate of a credential plugin.
    identity: Option<Secret<(String, String)>>,
}

impl Connections {
    /// Makes connections that begin when they are needed.
    fn new(settings: &Settings, identity: Option<Secret<(String, String)>>) -> Result<Self, String> {
        let own = identity.as_ref().map(|Secret((certificate, key))| (certificate.as_bytes(), key.as_bytes()));
        let dialer = Dialer::new(settings, own)?;
        Ok(Self { pool: Pool::builder(TokioExecutor::new()).build(dialer), identity })
    }
}

impl ApiClient {
    /// Makes a client.
    ///
    /// # Errors
    /// Where there is no TLS configuration.
    pub(super) fn new(settings: Settings) -> Result<Self, String> {
        let connections = Mutex::new(Connections::new(&settings, None)?);
        Ok(Self { credentials: Credentials::new(&settings.auth), settings, connections })
    }

    /// Returns the settings.
    pub(super) const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Leaves the connections that there are; the next request begins another.
    pub(super) fn reconnect(&self) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        // What could be made once can be made again; if not, the old ones stay.
        if let Ok(new) = Connections::new(&self.settings, connections.identity.clone()) {
            *connections = new;
        }
    }

    /// Gets the credentials for a request; a credential plugin may take its time.
    pub(super) async fn carried(&self) -> Result<Carried, Failure> {
        if let Some(problem) = &self.settings.problem {
            return Err(Failure::Settings(problem.clone()));
        }
        let carried = self.credentials.carried().await.map_err(Failure::Settings)?;
        let identity = carried.granted.as_ref().and_then(|granted| granted.identity.clone());
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(self.settings.auth, Auth::Exec { .. }) && connections.identity != identity {
            let failed =
                |why| Failure::Settings(format!("getting credentials: failed parsing client key/certificate: {why}"));
            *connections = Connections::new(&self.settings, identity).map_err(failed)?;
        }
        Ok(carried)
    }

    /// Gets what is at a path, in one of the forms that `accept` names; the response need not be a success.
    pub(super) async fn get(&self, path: &str, accept: &str, carried: &Carried) -> Result<Response<Body>, Failure> {
        let home = self.settings.server.uri(path).map_err(Failure::Settings)?;
        let mut uri = home.clone();
        for _ in 0..=MAX_REDIRECTS {
            let request = self.request(&uri, accept, carried).map_err(Failure::Settings)?;
            let pool = self.connections.lock().unwrap_or_else(PoisonError::into_inner).pool.clone();
            let response = pool.request(request).await.map_err(|error| Failure::of_client(&error))?;
            if response.status() == StatusCode::UNAUTHORIZED {
                self.credentials.refuse(carried);
            }
            let Some(location) = redirect(response.status(), response.headers()) else { return decompressed(response) };
            uri = follow(&home, &uri, location).map_err(Failure::Refused)?;
        }
        Err(Failure::Refused(format!("stopped after {MAX_REDIRECTS} redirects, the last to {uri}")))
    }

    /// Makes a request.
    fn request(&self, uri: &Uri, accept: &str, carried: &Carried) -> Result<Request<Empty<Bytes>>, String> {
        let request = Request::get(uri).header(header::ACCEPT, accept).header(header::USER_AGENT, USER_AGENT);
        let mut request = request.body(Empty::new()).map_err(|error| error.to_string())?;
        let headers = request.headers_mut();
        for (name, value) in &self.settings.impersonate {
            headers.append(name, value.clone());
        }
        if let Some(value) = &carried.authorization {
            headers.insert(header::AUTHORIZATION, value.clone());
        }
        if uri.scheme_str() == Some("http")
            && let Some(proxy) = self.settings.proxies.choose(uri)?
            && let Some(value) = proxy_authorization(proxy)
        {
            headers.insert(header::PROXY_AUTHORIZATION, value);
        }
        Ok(request)
    }
}

/// Returns where a response sends the client instead.
fn redirect(status: StatusCode, headers: &HeaderMap) -> Option<&str> {
    let is_redirect = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
    headers.get(header::LOCATION).filter(|_| is_redirect)?.to_str().ok()
}

/// Returns the URI that a redirect leads to: on the server's own host, and encrypted if it was before, because the request carries
/// the client's credentials.
fn follow(home: &Uri, from: &Uri, location: &str) -> Result<Uri, String> {
    let failed = |why: &str| format!("the server redirects to {location:?}, which is not followed: {why}");
    let (scheme, authority) = (from.scheme_str().unwrap_or("http"), from.authority().map_or("", |host| host.as_str()));
    let folder = from.path().rsplit_once('/').map_or("", |(folder, _)| folder);
    let absolute = match location {
        _ if location.contains("://") => location.to_owned(),
        _ if location.starts_with("//") => format!("{scheme}:{location}"),
        _ if location.starts_with('/') => format!("{scheme}://{authority}{location}"),
        _ if location.starts_with('?') => format!("{scheme}://{authority}{}{location}", from.path()),
        _ => format!("{scheme}://{authority}{folder}/{location}"),
    };
    let absolute = absolute.split('#').next().unwrap_or_default();
    let uri: Uri = absolute.parse().map_err(|_| failed("it is no URL"))?;
    let host = |uri: &Uri| uri.host().unwrap_or_default().to_ascii_lowercase();
    if !matches!(uri.scheme_str(), Some("http" | "https")) || host(&uri).is_empty() {
        return Err(failed("it is no URL of HTTP"));
    }
    if host(&uri) != host(home) {
        return Err(failed(
            "it is another host, which must not get the client's credentials; is that the address of the server?",
        ));
    }
    if from.scheme_str() == Some("https") && uri.scheme_str() == Some("http") {
        return Err(failed("it is not encrypted"));
    }
    Ok(uri)
}

/// Returns a response whose body can be read; compressed ones come from proxies, the client asks for none.
fn decompressed(response: Response<Incoming>) -> Result<Response<Body>, Failure> {
    let encoding = response.headers().get(header::CONTENT_ENCODING).map(|value| value.as_bytes().to_ascii_lowercase());
    match encoding.as_deref() {
        None | Some(b"identity" | b"") => Ok(response.map(|body| body.map_err(BodyError::from).boxed_unsync())),
        Some(b"gzip" | b"x-gzip") => Ok(response.map(gunzipped)),
        Some(other) => {
            let other = String::from_utf8_lossy(other);
            Err(Failure::Refused(format!(
                "the response is compressed by {other:?}, which the client has not asked for"
            )))
        }
    }
}

/// A body that is decompressed as it arrives.
struct Gzip {
    /// The body.
    body: Incoming,
    /// What has arrived and is not decompressed yet.
    waiting: Bytes,
    /// What decompresses; none when the body has ended.
    decoder: Option<flate2::write::MultiGzDecoder<Vec<u8>>>,
}

impl Gzip {
    /// Returns the next octets; none at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        loop {
            let Some(decoder) = &mut self.decoder else { return Ok(None) };
            if self.waiting.has_remaining() {
                let step = self.waiting.split_to(self.waiting.len().min(GZIP_STEP));
                std::io::Write::write_all(decoder, &step)?;
                // What has arrived of a watch must not wait for what follows.
                std::io::Write::flush(decoder)?;
            } else {
                match self.body.frame().await {
                    Some(frame) => self.waiting = frame?.into_data().unwrap_or_default(),
                    None => {
                        decoder.try_finish()?;
                        let rest = std::mem::take(decoder.get_mut());
                        self.decoder = None;
                        return Ok(Some(rest.into()));
                    }
                }
                continue;
            }
            if !decoder.get_ref().is_empty() {
                return Ok(Some(std::mem::take(decoder.get_mut()).into()));
            }
        }
    }
}

/// Decompresses a body.
fn gunzipped(body: Incoming) -> Body {
    let decoder = Some(flate2::write::MultiGzDecoder::new(Vec::new()));
    let gzip = Gzip { body, waiting: Bytes::new(), decoder };
    let frames = try_unfold(gzip, |mut gzip| async move {
        Ok::<_, BodyError>(gzip.next().await?.map(|octets| (Frame::data(octets), gzip)))
    });
    StreamBody::new(frames).boxed_unsync()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_on_the_host_and_never_lose_encryption() {
        let to = |from: &str, location: &str| {
            let from: Uri = from.parse().unwrap();
            follow(&from, &from, location).map(|uri| uri.to_string())
        };
        let from = "https://h:1/api/v1/services?watch=true";
        assert_eq!(to(from, "/other?a=b").as_deref(), Ok("https://h:1/other?a=b"));
        assert_eq!(to(from, "other").as_deref(), Ok("https://h:1/api/v1/other"));
        assert_eq!(to(from, "?limit=1").as_deref(), Ok("https://h:1/api/v1/services?limit=1"));
        assert_eq!(to(from, "//H:2/x#y").as_deref(), Ok("https://H:2/x"));
        assert_eq!(to(from, "https://h/x").as_deref(), Ok("https://h/x"));
        assert_eq!(to("http://h:1/", "https://h/x").as_deref(), Ok("https://h/x"));
        let refused = |location: &str| to(from, location).unwrap_err();
        assert!(refused("https://i:1/x").contains("\"https://i:1/x\", which is not followed: it is another host"));
        assert!(refused("//i/x").contains("another host"));
        assert!(refused("http://h:1/x").ends_with("it is not encrypted"));
        assert!(refused("ftp://h:1/x").ends_with("no URL of HTTP"));
        assert!(refused("https://").ends_with("no URL"));
        assert!(refused("https://h@i/").contains("another host"));
    }
}
