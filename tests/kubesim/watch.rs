//! WATCH: the events of one stream, in order, until its time is over.
//! Knows no sockets; the connection asks for the next line.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::watch::Receiver;

use crate::body::{Format, Pieces, cut};
use crate::hook::{Recorded, Step};
use crate::negotiate::Shape;
use crate::object::{Form, Object};
use crate::protobuf;
use crate::request::{Params, Target};
use crate::selector::Selector;
use crate::settings::{WatchExpired, WatchList};
use crate::shared::Shared;
use crate::status::Refusal;
use crate::store::Change;

/// How many changes are fetched at a time: bounds what a slow client keeps in memory.
const BATCH: usize = 128;

/// How long a watch lasts if the client does not say; real servers take 30 to 60 minutes.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(45 * 60);

/// A last bookmark comes this long before a watch ends, as from real servers: so even a short watch brings one.
const LAST_BOOKMARK: Duration = Duration::from_secs(2);

/// The annotation on the bookmark that ends the initial events.
const INITIAL_END: &str = "k8s.io/initial-events-end";

/// One stream of events.
pub(crate) struct Watch {
    /// The server.
    shared: Arc<Shared>,
    /// The request that began it.
    request: Arc<Recorded>,
    /// What is watched.
    target: Target,
    /// Which objects are shown.
    selector: Selector,
    /// How they are shown.
    form: Form,
    /// In which format.
    format: Format,
    /// Changes up to this version have been shown.
    cursor: u64,
    /// Objects to be shown first.
    initial: std::vec::IntoIter<Arc<Object>>,
    /// Whether a bookmark is to follow them.
    marks_initial: bool,
    /// What is to be done next.
    steps: VecDeque<Step>,
    /// Tells of newer versions.
    newest: Receiver<u64>,
    /// When the stream ends.
    end: Duration,
    /// When the next bookmark is due, if any are wanted.
    bookmark: Option<Duration>,
    /// Whether there may be more changes than the last batch had.
    is_behind: bool,
    /// Whether nothing follows after `steps`.
    is_over: bool,
}

impl Watch {
    /// Begins a watch as the parameters say.
    pub(crate) fn start(
        shared: &Arc<Shared>,
        request: Arc<Recorded>,
        target: Target,
        params: &Params,
        shape: Shape,
    ) -> Result<Self, Refusal> {
        let now = shared.clock.now();
        let has_bookmarks = params.is_on("allowWatchBookmarks");
        let end = now + params.timeout()?.unwrap_or(DEFAULT_TIMEOUT);
        let mut watch = Self {
            request,
            selector: params.selector()?,
            form: if shape.part.is_some() { Form::Metadata } else { Form::Whole },
            format: shape.format,
            cursor: 0,
            initial: Vec::new().into_iter(),
            marks_initial: false,
            steps: VecDeque::new(),
            newest: shared.store.subscribe(),
            end,
            bookmark: next_bookmark(now, shared.settings.bookmark_period, end).filter(|_| has_bookmarks),
            is_behind: true,
            is_over: false,
            target,
            shared: Arc::clone(shared),
        };
        let version = params.number("resourceVersion")?.unwrap_or(0);
        match params.text("sendInitialEvents") {
            "" if version == 0 => watch.show_current(),
            "" => watch.resume(version)?,
            "true" | "1" => {
                check_watch_list(shared, params, version)?;
                watch.show_current();
                watch.marks_initial = has_bookmarks;
            }
            _ if version == 0 => watch.cursor = shared.store.shown_version(),
            _ => watch.resume(version)?,
        }
        Ok(watch)
    }

    /// Shows everything there is before the changes after it.
    fn show_current(&mut self) {
        let (version, objects) = self.shared.store.shown(self.target.resource, "");
        self.cursor = version;
        self.initial = objects.into_iter();
    }

    /// Goes on after `version`, or tells that it is too old.
    fn resume(&mut self, version: u64) -> Result<(), Refusal> {
        self.cursor = version;
        let Err(expired) = self.shared.store.changes(self.target.resource, version, 0) else { return Ok(()) };
        let refusal = Refusal::expired(version, expired.oldest);
        match self.shared.settings.watch_expired {
            WatchExpired::Http => Err(refusal),
            WatchExpired::Event => {
                self.push("ERROR", refusal.body().to_string().as_bytes(), None);
                self.is_over = true;
                Ok(())
            }
        }
    }

    /// Whether an object is among those watched.
    fn shows(&self, object: &Object) -> bool {
        self.target.namespace.as_deref().is_none_or(|namespace| object.namespace() == namespace)
            && self.target.name.as_deref().is_none_or(|name| object.name() == name)
            && self.selector.matches(object)
    }

    /// Puts an event through the hook into `steps`. `encoded` is the object in protobuf, if it is there already.
    fn push(&mut self, kind: &str, object: &[u8], encoded: Option<&Object>) {
        let mut line = Vec::with_capacity(object.len() + 40);
        line.extend_from_slice(br#"{"type":""#);
        line.extend_from_slice(kind.as_bytes());
        line.extend_from_slice(br#"","object":"#);
        line.extend_from_slice(object);
        line.extend_from_slice(b"}\n");
        let line = Bytes::from(line);
        let steps = self.shared.steps(&self.request, line.clone());
        if self.format == Format::Json {
            self.steps.extend(steps);
            return;
        }
        // Faults and hooks speak JSON; what they leave as it is need not be read again.
        let (form, resource) = (self.form, self.target.resource);
        let translate = |step| match (step, encoded) {
            (Step::Send(sent), Some(object)) if sent == line => {
                Step::Send(protobuf::event(kind, &object.bytes(form, Format::Protobuf)))
            }
            (Step::Send(sent), _) => Step::Send(protobuf::event_of_line(&sent, resource)),
            (step, _) => step,
        };
        self.steps.extend(steps.into_iter().map(translate));
    }

    /// Puts an event with an object into `steps`.
    fn push_object(&mut self, kind: &str, object: &Object) {
        self.push(kind, &object.bytes(self.form, Format::Json), Some(object));
    }

    /// Puts a change into `steps`, as it looks through the selector: an object that no longer fits is deleted.
    fn push_change(&mut self, change: &Change) {
        let before = change.before.as_ref().filter(|object| self.shows(object));
        let after = change.after.as_ref().filter(|object| self.shows(object));
        match (before, after) {
            (None, None) => {}
            (None, Some(after)) => self.push_object("ADDED", after),
            (Some(_), Some(after)) => self.push_object("MODIFIED", after),
            (Some(before), None) => self.push_object("DELETED", &before.at(change.version)),
        }
    }

    /// Puts a bookmark at the cursor into `steps`.
    fn push_bookmark(&mut self, annotations: Option<Value>) {
        let resource = self.target.resource;
        let (kind, api_version) = match self.form {
            Form::Metadata => ("PartialObjectMetadata", "meta.k8s.io/v1".to_owned()),
            Form::Whole | Form::Item => (resource.kind, resource.api_version()),
        };
        let mut object = json!({
            "kind": kind, "apiVersion": api_version,
            "metadata": {"resourceVersion": self.cursor.to_string(), "creationTimestamp": null},
        });
        if let Some(annotations) = annotations {
            object["metadata"]["annotations"] = annotations;
        }
        self.push("BOOKMARK", object.to_string().as_bytes(), None);
    }

    /// Fills `steps` from what is known now. An unlucky client that is slower than the history is cut off cleanly.
    fn refill(&mut self) {
        if self.shared.clock.now() >= self.end {
            self.is_over = true;
            return;
        }
        while let Some(object) = self.initial.next() {
            if self.shows(&object) {
                return self.push_object("ADDED", &object);
            }
        }
        if std::mem::take(&mut self.marks_initial) {
            return self.push_bookmark(Some(json!({INITIAL_END: "true"})));
        }
        let newest = *self.newest.borrow_and_update();
        let Ok(changes) = self.shared.store.changes(self.target.resource, self.cursor, BATCH) else {
            self.is_over = true;
            return;
        };
        self.is_behind = changes.len() == BATCH;
        for change in changes {
            self.cursor = change.version;
            self.push_change(&change);
        }
        if !self.is_behind {
            // All changes up to there have been seen, so idle watches do not fall out of the history.
            self.cursor = self.cursor.max(newest);
        }
    }

    /// Waits until there may be something to do.
    async fn wait(&mut self) {
        let shared = Arc::clone(&self.shared);
        tokio::select! {
            biased;
            // The sender lives in the store, which lives in `shared`: it cannot be gone.
            _ = self.newest.changed() => {}
            () = shared.clock.wait_until(Some(self.end)) => self.is_over = true,
            () = shared.clock.wait_until(self.bookmark) => {
                // After a restore from a backup a watch may be ahead of what there is; of that nothing can be said.
                if self.cursor <= shared.store.version() {
                    self.push_bookmark(None);
                }
                self.bookmark = next_bookmark(shared.clock.now(), shared.settings.bookmark_period, self.end);
            }
        }
    }
}

/// When the next bookmark is due: after the period, or shortly before the end; none after that.
fn next_bookmark(now: Duration, period: Duration, end: Duration) -> Option<Duration> {
    let last = end.saturating_sub(LAST_BOOKMARK);
    if now < last { Some((now + period).min(last)) } else { Some(now + period).filter(|next| *next < end) }
}

/// Whether initial events may be asked for, here and in this way.
fn check_watch_list(shared: &Shared, params: &Params, version: u64) -> Result<(), Refusal> {
    if let WatchList::Refused(code) = shared.settings.watch_list {
        let message = "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled";
        return Err(Refusal::new(code, if code == 422 { "Invalid" } else { "BadRequest" }, message));
    }
    if params.text("resourceVersionMatch") != "NotOlderThan" {
        let message = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
        return Err(Refusal::invalid("FieldValueForbidden", message));
    }
    let current = shared.store.shown_version();
    if version > current { Err(Refusal::too_large(version, current)) } else { Ok(()) }
}

impl Pieces for Watch {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            match self.steps.pop_front() {
                Some(Step::Send(line)) => return Some(Ok(line)),
                Some(Step::Cut) => return Some(Err(cut().await)),
                Some(Step::Close) => return None,
                Some(Step::Hang) => std::future::pending().await,
                None if self.is_over => return None,
                None => self.refill(),
            }
            let is_idle = self.steps.is_empty() && self.initial.len() == 0 && !self.marks_initial && !self.is_behind;
            if is_idle && !self.is_over {
                self.wait().await;
            }
        }
    }
}
