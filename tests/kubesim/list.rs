//! LIST: which objects, from which snapshot, in which pages; and its body, written item by item.
//! Knows no sockets.

use std::io::{self, Write as _};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::body::{Format, Pieces};
use crate::object::{Form, Object};
use crate::protobuf;
use crate::request::{Freshness, Params, Target};
use crate::status::Refusal;
use crate::store::Store;

/// Pieces of a body are about this long: large against the cost of a write, small against a cluster.
const PIECE_BYTES: usize = 32 * 1024;

/// What `continue` says to the server; opaque to clients.
#[derive(Debug, Serialize, Deserialize)]
struct Token {
    /// Version of the snapshot; negative: whatever is newest.
    rv: i64,
    /// The first key of the next page.
    start: String,
}

impl Token {
    /// As text for the client.
    fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// From the client's text.
    fn decode(text: &str) -> Result<Self, Refusal> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        bytes
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .ok_or_else(|| Refusal::bad_request("continue key is not valid"))
    }
}

/// One page of a LIST.
#[derive(Debug)]
pub(crate) struct Page {
    /// Version of the snapshot.
    version: u64,
    /// Its objects.
    objects: Vec<Arc<Object>>,
    /// The token for the next page.
    next: Option<String>,
    /// How many objects follow after this page.
    remaining: Option<usize>,
}

/// Finds the objects that a LIST asks for. `may_go_on` says whether an expired token is answered with one that goes on
/// inconsistently.
pub(crate) fn list(store: &Store, target: &Target, params: &Params, may_go_on: bool) -> Result<Page, Refusal> {
    let selector = params.selector()?;
    let limit = params.number("limit")?.and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0);
    let (version, objects, limit) = match params.text("continue") {
        "" => {
            let freshness = params.freshness()?;
            let (version, objects) = snapshot(store, target, freshness)?;
            // As the watch cache of real servers: a limit means nothing at version 0.
            (version, objects, limit.filter(|_| freshness != Freshness::Any))
        }
        token => {
            if params.number("resourceVersion")?.is_some_and(|version| version > 0) {
                return Err(Refusal::bad_request("specifying resource version is not allowed when using continue"));
            }
            let (version, objects) = go_on(store, target, token, may_go_on)?;
            (version, objects, limit)
        }
    };
    let is_wanted = |object: &Arc<Object>| {
        target.namespace.as_deref().is_none_or(|namespace| object.namespace() == namespace) && selector.matches(object)
    };
    let mut wanted = objects.into_iter().filter(is_wanted);
    let objects: Vec<_> = wanted.by_ref().take(limit.unwrap_or(usize::MAX)).collect();
    let rest = wanted.count();
    let last = objects.last().filter(|_| rest > 0);
    let token = |last: &Arc<Object>| Token { rv: signed(version), start: format!("{}\0", last.key) }.encode();
    let next = last.map(token);
    // Real servers cannot count what a selector would leave.
    let remaining = next.is_some().then_some(rest).filter(|_| selector.is_empty());
    Ok(Page { version, objects, next, remaining })
}

/// All objects of the type at the version asked for.
fn snapshot(store: &Store, target: &Target, freshness: Freshness) -> Result<(u64, Vec<Arc<Object>>), Refusal> {
    let (current, objects) = store.shown(target.resource, "");
    match freshness {
        Freshness::Newest | Freshness::Any => Ok((current, objects)),
        Freshness::NotOlderThan(version) | Freshness::Exact(version) if version > current => {
            Err(Refusal::too_large(version, current))
        }
        Freshness::NotOlderThan(_) => Ok((current, objects)),
        Freshness::Exact(version) => {
            let objects = store.at(target.resource, "", version);
            Ok((version, objects.map_err(|expired| Refusal::expired(version, expired.oldest))?))
        }
    }
}

/// The objects that a token still has to see.
fn go_on(store: &Store, target: &Target, token: &str, may_go_on: bool) -> Result<(u64, Vec<Arc<Object>>), Refusal> {
    let token = Token::decode(token)?;
    let Ok(version) = u64::try_from(token.rv) else { return Ok(store.shown(target.resource, &token.start)) };
    let objects = store.at(target.resource, &token.start, version).map_err(|_| {
        let mut refusal = Refusal::new(
            410,
            "Expired",
            "The provided continue parameter is too old to display a consistent list result. You can start a new list \
             without the continue parameter, or use the continue token in this response to retrieve the remainder of \
             the results.",
        );
        refusal.continue_token = may_go_on.then(|| Token { rv: -1, start: token.start.clone() }.encode());
        refusal
    })?;
    Ok((version, objects))
}

/// A version as tokens hold it; versions never come near the bound.
fn signed(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

/// The body of a LIST while it is being written.
pub(crate) struct Writer {
    /// What stands before the first item, then empty.
    start: Vec<u8>,
    /// Objects not yet written.
    objects: std::vec::IntoIter<Arc<Object>>,
    /// How each is written.
    form: Form,
    /// In which format.
    format: Format,
    /// Whether an item has been written.
    has_items: bool,
    /// Whether what ends it has been written.
    is_done: bool,
    /// The compressor, if one is wanted; none after the end.
    gzip: Option<GzEncoder<Vec<u8>>>,
}

impl Writer {
    /// A body for `page`, compressed or not.
    pub(crate) fn new(target: &Target, page: Page, form: Form, format: Format, gzip: Option<Compression>) -> Self {
        let mut metadata = json!({"resourceVersion": page.version.to_string()});
        if let Some(next) = page.next {
            metadata["continue"] = json!(next);
        }
        if let Some(remaining) = page.remaining {
            metadata["remainingItemCount"] = json!(remaining);
        }
        let resource = target.resource;
        let (kind, api_version) = match form {
            Form::Metadata => ("PartialObjectMetadataList".to_owned(), "meta.k8s.io/v1".to_owned()),
            Form::Whole | Form::Item => (format!("{}List", resource.kind), resource.api_version()),
        };
        let start = match format {
            Format::Json => {
                format!(r#"{{"kind":"{kind}","apiVersion":"{api_version}","metadata":{metadata},"items":["#)
                    .into_bytes()
            }
            Format::Protobuf => {
                let lengths = page.objects.iter().map(|object| object.message(form).len());
                protobuf::begin_list((&api_version, &kind), &metadata, lengths)
            }
        };
        let gzip = gzip.map(|level| GzEncoder::new(Vec::new(), level));
        Self { start, objects: page.objects.into_iter(), form, format, has_items: false, is_done: false, gzip }
    }

    /// The next piece before compression, none after the last.
    fn plain(&mut self) -> Option<Vec<u8>> {
        if self.is_done {
            return None;
        }
        let mut piece = std::mem::take(&mut self.start);
        piece.reserve(PIECE_BYTES);
        while piece.len() < PIECE_BYTES {
            let Some(object) = self.objects.next() else {
                piece.extend_from_slice(if self.format == Format::Json { b"]}\n" } else { &protobuf::END });
                self.is_done = true;
                break;
            };
            let has_items = std::mem::replace(&mut self.has_items, true);
            match self.format {
                Format::Json => {
                    piece.extend_from_slice(if has_items { b"," } else { b"" });
                    object.write(self.form, &mut piece);
                }
                Format::Protobuf => protobuf::item(object.message(self.form), &mut piece),
            }
        }
        Some(piece)
    }

    /// The next piece as it is sent, none after the last.
    fn piece(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some(mut gzip) = self.gzip.take() else { return Ok(self.plain()) };
        loop {
            let Some(plain) = self.plain() else { return gzip.finish().map(Some) };
            gzip.write_all(&plain)?;
            if !gzip.get_ref().is_empty() {
                let piece = std::mem::take(gzip.get_mut());
                self.gzip = Some(gzip);
                return Ok(Some(piece));
            }
        }
    }
}

impl Pieces for Writer {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        self.piece().transpose().map(|piece| piece.map(Bytes::from))
    }
}
