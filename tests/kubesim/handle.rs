//! One request to one answer: record, hook, access, then whatever the path means.
//! Knows no sockets.

use std::io;
use std::sync::Arc;

use flate2::Compression;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Limited};
use hyper::body::Body as HttpBody;

use crate::body::{self, Body};
use crate::discovery;
use crate::flow::Shaped;
use crate::hook::{Recorded, Verdict};
use crate::list::{self, Writer};
use crate::negotiate::{Accept, Part, Shape};
use crate::object::Form;
use crate::request::{Params, Target};
use crate::shared::Shared;
use crate::status::Refusal;
use crate::watch::Watch;
use crate::write::{self, Write};

/// Why the body of a request could not be read.
type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// Bodies of writes are refused beyond this, twice what real servers take.
const BODY_BYTES: usize = 6 * 1024 * 1024;

/// Answers a request. `has_certificate` tells whether the client showed a certificate of our CA.
pub(crate) async fn handle(
    shared: Arc<Shared>,
    has_certificate: bool,
    request: Request<impl HttpBody<Data: Send, Error: Into<BodyError>> + Send>,
) -> io::Result<Response<Body>> {
    let target = Target::parse(request.uri().path());
    let recorded = shared.recorder.keep(record(&request, target.as_ref()));
    let accept = Accept::parse(&recorded.accept, shared.settings.protobuf);
    let flow = match shared.verdict(&recorded) {
        Verdict::Answer => None,
        Verdict::Shape(flow) => Some(flow),
        Verdict::Refuse { code, retry_after } => return Ok(body::refuse(&injected(code, retry_after), accept.plain())),
        Verdict::Hang => std::future::pending().await,
        Verdict::Cut => return Err(io::ErrorKind::ConnectionReset.into()),
    };
    if let Some(flow) = flow {
        tokio::time::sleep(flow.delay).await;
    }
    let response = match shared.access.authenticate(request.headers(), has_certificate) {
        Ok(()) => respond(&shared, &recorded, &accept, target, request).await,
        Err(refusal) => Err(refusal),
    };
    let response = response.unwrap_or_else(|refusal| body::refuse(&refusal, accept.plain()));
    Ok(match flow {
        Some(flow) => response.map(|body| body::stream(Shaped::new(body, flow))),
        None => response,
    })
}

/// What the recorder keeps of a request.
fn record<B>(request: &Request<B>, target: Option<&Target>) -> Recorded {
    Recorded {
        number: 0,
        time: tokio::time::Instant::now().into_std(),
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        accept: header(request.headers(), &ACCEPT).to_owned(),
        accept_encoding: header(request.headers(), &ACCEPT_ENCODING).to_owned(),
        user_agent: header(request.headers(), &USER_AGENT).to_owned(),
        is_http2: request.version() == Version::HTTP_2,
        resource: target.map(|target| target.resource),
    }
}

/// A header's text, empty if it is absent.
fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
}

/// The refusal that a hook wants.
fn injected(code: u16, retry_after: Option<u64>) -> Refusal {
    let reason = match code {
        401 => "Unauthorized",
        403 => "Forbidden",
        410 => "Expired",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "InternalError",
    };
    let mut refusal = Refusal::new(code, reason, "refused on purpose");
    if let Some(seconds) = retry_after {
        refusal.details = serde_json::json!({"retryAfterSeconds": seconds});
    }
    refusal
}

/// Answers a request of a known client.
async fn respond(
    shared: &Arc<Shared>,
    recorded: &Arc<Recorded>,
    accept: &Accept<'_>,
    target: Option<Target>,
    request: Request<impl HttpBody<Data: Send, Error: Into<BodyError>> + Send>,
) -> Result<Response<Body>, Refusal> {
    let Some(target) = target else {
        return discovery::answer(&recorded.path, &recorded.accept).ok_or_else(Refusal::no_such_path);
    };
    let params = Params::parse(&recorded.query);
    let is_watch = params.is_on("watch");
    shared.access.authorize(verb(request.method(), &target, is_watch), &target)?;
    let shape = accept.objects(target.resource)?;
    match (request.method(), &target.name) {
        (&Method::GET, _) if is_watch => {
            let watch = Watch::start(shared, Arc::clone(recorded), target, &params, shape)?;
            Ok(body::typed(StatusCode::OK, shape.format.stream_type(), body::stream(watch)))
        }
        (&Method::GET, None) => list(shared, &target, &params, shape, request.headers()),
        (&Method::GET, Some(name)) => get(shared, &target, name, shape),
        _ => {
            let content_type = header(request.headers(), &CONTENT_TYPE).to_owned();
            let content_type = content_type.split(';').next().unwrap_or_default().trim();
            let method = request.method().clone();
            let read = Limited::new(request.into_body(), BODY_BYTES).collect().await;
            let body =
                read.map_err(|_| Refusal::new(413, "RequestEntityTooLarge", "limit is 6291456 bytes"))?.to_bytes();
            write::write(&shared.store, &Write { method: &method, target: &target, content_type, body: &body, shape })
        }
    }
}

/// The verb of access rules.
fn verb(method: &Method, target: &Target, is_watch: bool) -> &'static str {
    match *method {
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ if is_watch => "watch",
        _ if target.name.is_none() => "list",
        _ => "get",
    }
}

/// LIST.
fn list(
    shared: &Shared,
    target: &Target,
    params: &Params,
    shape: Shape,
    headers: &HeaderMap,
) -> Result<Response<Body>, Refusal> {
    let page = list::list(&shared.store, target, params, shared.settings.inconsistent_continue)?;
    let form = match shape.part {
        None => Form::Item,
        Some(Part::List) => Form::Metadata,
        Some(Part::One) => return Err(other_kind("PartialObjectMetadata", "a list")),
    };
    let is_compressed = shared.settings.gzip && header(headers, &ACCEPT_ENCODING).contains("gzip");
    let level = is_compressed.then(Compression::fast);
    let body = body::stream(Writer::new(target, page, form, shape.format, level));
    let mut response = body::typed(StatusCode::OK, shape.format.media_type(), body);
    if is_compressed {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}

/// GET of one object.
fn get(shared: &Shared, target: &Target, name: &str, shape: Shape) -> Result<Response<Body>, Refusal> {
    let object = shared.store.get(target.resource, &write::key(target, name));
    let object = object.ok_or_else(|| Refusal::not_found(target.resource, name))?;
    let form = match shape.part {
        None => Form::Whole,
        Some(Part::One) => Form::Metadata,
        Some(Part::List) => return Err(other_kind("PartialObjectMetadataList", "not a list")),
    };
    let bytes = object.bytes(form, shape.format);
    Ok(body::typed(StatusCode::OK, shape.format.media_type(), body::whole(bytes)))
}

/// 406 for an object as a kind that it cannot be.
fn other_kind(kind: &str, what: &str) -> Refusal {
    Refusal::new(406, "NotAcceptable", format!("you requested {kind}, but the requested object is {what}"))
}
