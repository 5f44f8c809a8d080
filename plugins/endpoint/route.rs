//! Which page a request is for, as Go's `net/http` finds it for a `ServeMux` with one pattern. Knows no page's content.

use super::{Page, not_found, text};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Version, header};
use http_body_util::Full;
use hyper::ext::ReasonPhrase;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::borrow::Cow;

/// Octets that Go escapes in a path that it prints (net/url: `escape` with `encodePath`).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b',')
    .remove(b'/')
    .remove(b':')
    .remove(b';')
    .remove(b'=')
    .remove(b'@');

/// What else may stand in a path as it is written without being escaped anew (net/url: `validEncoded`).
const WRITTEN: &[u8] = b"!'()*[]%";

/// Punctuation of a `Host` header (golang.org/x/net/http/httpguts: `validHostByte`).
const HOST: &[u8] = b"!$%&()*+,-.:;=[']_~";

/// What becomes of a request.
pub(super) enum Route {
    /// It is for the endpoint's page.
    Found,
    /// It is answered with this.
    Answered(Page),
}

/// Finds what a request is for, where `path` is what the endpoint serves. A path that ends in a slash stands for all below it.
pub(super) fn route<B>(request: &Request<B>, path: &str) -> Route {
    match refusal(request).or_else(|| elsewhere(request, path)) {
        Some(page) => Route::Answered(page),
        None => Route::Found,
    }
}

/// The answer to a request that names no path of ours.
fn refusal<B>(request: &Request<B>) -> Option<Page> {
    let (uri, is_connect) = (request.uri(), request.method() == Method::CONNECT);
    if let Some(why) = wrong_host(request) {
        return Some(bad_request(why));
    }
    if expects_too_much(request.headers()) {
        return Some(closing(empty(StatusCode::EXPECTATION_FAILED)));
    }
    let is_everything = uri.path() == "*";
    if is_everything && request.method() == Method::OPTIONS {
        return Some(empty(StatusCode::OK));
    }
    if is_everything {
        return Some(closing(empty(StatusCode::BAD_REQUEST)));
    }
    let is_relative = uri.scheme().is_none() && uri.authority().is_some();
    if (is_relative && !is_connect) || decoded(uri.path()).is_none() {
        return Some(bad_request(""));
    }
    is_relative.then(|| not_found("404 page not found\n"))
}

/// The answer to a request for another path than ours: a redirect to the same path written well, or that there is none.
fn elsewhere<B>(request: &Request<B>, path: &str) -> Option<Page> {
    let uri = request.uri();
    let written = escaped(uri.path());
    let clean = clean(&written);
    if request.method() != Method::CONNECT && clean != written {
        // Go takes the cleaned path for one that is not escaped yet, and escapes it once more.
        let query = uri.query().filter(|query| !query.is_empty()).map(|query| format!("?{query}"));
        let target = utf8_percent_encode(&clean, ESCAPED).to_string() + &query.unwrap_or_default();
        return Some(redirect(request.method(), StatusCode::TEMPORARY_REDIRECT, &target));
    }
    let asked: Vec<_> = clean.split('/').map(|part| percent_decode_str(part).collect::<Vec<u8>>()).collect();
    let served: Vec<_> = path.split('/').map(|part| part.as_bytes().to_vec()).collect();
    match path.strip_suffix('/').and_then(|_| served.split_last()) {
        None if asked == served => None,
        Some((_, folder)) if asked == folder => Some(redirect(request.method(), StatusCode::FOUND, path)),
        Some((_, folder)) if asked.starts_with(folder) => None,
        _ => Some(not_found("404 page not found\n")),
    }
}

/// What is wrong with the `Host` of a request; empty where Go says no more than "Bad Request".
fn wrong_host<B>(request: &Request<B>) -> Option<&'static str> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let is_needed = request.version() >= Version::HTTP_11 && request.method() != Method::CONNECT;
    let is_valid = |octet: &u8| octet.is_ascii_alphanumeric() || HOST.contains(octet);
    match (hosts.next(), hosts.next()) {
        (None, _) if is_needed => Some(": missing required Host header"),
        (_, Some(_)) => Some(""),
        (Some(host), None) if !host.as_bytes().iter().all(is_valid) => Some(": malformed Host header"),
        _ => None,
    }
}

/// Whether a request wants what no server knows, by its `Expect` header.
fn expects_too_much(headers: &HeaderMap) -> bool {
    let expected = headers.get_all(header::EXPECT);
    expected.iter().any(|value| !value.is_empty())
        && !expected.iter().any(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// The octets that a path stands for; none where it is escaped wrongly.
pub(crate) fn decoded(path: &str) -> Option<Cow<'_, [u8]>> {
    let is_escape = |after: &str| after.len() >= 2 && after.bytes().take(2).all(|octet| octet.is_ascii_hexdigit());
    path.split('%').skip(1).all(is_escape).then(|| percent_decode_str(path).into())
}

/// A path as Go shows it: as it is written, or escaped anew where something is written that has to be escaped.
fn escaped(path: &str) -> Cow<'_, str> {
    let is_written =
        |octet: u8| WRITTEN.contains(&octet) || octet.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&octet);
    if path.bytes().all(is_written) {
        return Cow::Borrowed(path);
    }
    let octets: Vec<u8> = percent_decode_str(path).collect();
    Cow::Owned(percent_encoding::percent_encode(&octets, ESCAPED).to_string())
}

/// A path without empty, `.` and `..` parts.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => (),
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let slash = if path.ends_with('/') && !parts.is_empty() { "/" } else { "" };
    format!("/{}{slash}", parts.join("/"))
}

/// Sends the client to another path (Go: net/http `Redirect`).
fn redirect(method: &Method, status: StatusCode, to: &str) -> Page {
    let reason = status.canonical_reason().unwrap_or_default();
    let body = format!("<a href=\"{}\">{reason}</a>.\n\n", escape_html(to));
    let mut page = text(status, if method == Method::GET { body } else { String::new() });
    match *method {
        Method::GET | Method::HEAD => {
            page.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))
        }
        _ => page.headers_mut().remove(header::CONTENT_TYPE),
    };
    if let Ok(location) = HeaderValue::from_str(&utf8_percent_encode(to, &AsciiSet::EMPTY).to_string()) {
        page.headers_mut().insert(header::LOCATION, location);
    }
    page
}

/// A text within HTML, as Go escapes it.
fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&#34;"),
            '\'' => escaped.push_str("&#39;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// A page without body and type.
fn empty(status: StatusCode) -> Page {
    let mut page = Page::new(Full::default());
    *page.status_mut() = status;
    page
}

/// The page for a request that is none, and the end of its connection.
fn bad_request(why: &'static str) -> Page {
    let mut page = closing(text(StatusCode::BAD_REQUEST, format!("400 Bad Request{why}")));
    if let Ok(reason) = ReasonPhrase::try_from(format!("Bad Request{why}").into_bytes()) {
        page.extensions_mut().insert(reason);
    }
    page
}

/// The page, with the end of its connection behind it.
pub(super) fn closing(mut page: Page) -> Page {
    page.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    page
}

#[cfg(test)]
mod tests {
    use super::{clean, decoded, escape_html, escaped};

    #[test]
    fn paths_are_cleaned_as_go_does() {
        for (path, expected) in
            [("//health", "/health"), ("/a/../b", "/b"), ("/health/", "/health/"), ("/", "/"), ("/./x", "/x")]
        {
            assert_eq!(clean(path), expected);
        }
    }

    #[test]
    fn paths_are_escaped_as_go_does() {
        assert_eq!(escaped("/x'y&z=1;@:$,+!*()%2f"), "/x'y&z=1;@:$,+!*()%2f");
        assert_eq!(escaped("/x\"!%41"), "/x%22%21A");
        assert_eq!(decoded("/%68ealth").as_deref(), Some(&b"/health"[..]));
        for path in ["/%zz", "/%", "/%4", "/%4\u{e9}"] {
            assert_eq!(decoded(path), None, "{path}");
        }
        assert_eq!(escape_html("<a b=\"c\" d='e'>&"), "&lt;a b=&#34;c&#34; d=&#39;e&#39;&gt;&amp;");
    }
}
