//! The server as tests hold it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;

use crate::access::Access;
use crate::clock::Clock;
use crate::endpoints::{self, Packing};
use crate::faults::Faults;
use crate::gate::Gate;
use crate::hook::{Honest, Recorded};
use crate::kubeconfig;
use crate::load::{self, LoadError};
use crate::object::key_of;
use crate::recorder::Recorder;
use crate::resource::Resource;
use crate::serve::{self, Tasks};
use crate::settings::{Settings, WatchExpired, WatchList};
use crate::shared::Shared;
use crate::store::Store;
use crate::tls::{Authority, Pair};
use crate::write;

/// What to start.
#[derive(Debug)]
pub struct Builder {
    /// Where to listen.
    address: SocketAddr,
    /// Whether to speak TLS.
    is_tls: bool,
    /// The token that lets in.
    token: Option<String>,
    /// Whether a client certificate lets in.
    takes_certificates: bool,
    /// Whether time is turned by hand.
    is_manual_clock: bool,
    /// The rest.
    settings: Settings,
}

impl Builder {
    /// Listens there instead of on a free port of 127.0.0.1.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Speaks TLS, with a CA of its own, made now.
    #[must_use]
    pub fn tls(mut self, is_tls: bool) -> Self {
        self.is_tls = is_tls;
        self
    }

    /// Demands this bearer token (401 otherwise).
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Demands a certificate of its CA, or the token if there is one. Needs TLS to be of use.
    #[must_use]
    pub fn client_certificate(mut self, takes_certificates: bool) -> Self {
        self.takes_certificates = takes_certificates;
        self
    }

    /// Sends bookmarks this often; 60 s otherwise.
    #[must_use]
    pub fn bookmark_period(mut self, period: Duration) -> Self {
        self.settings.bookmark_period = period;
        self
    }

    /// Remembers this many changes of each type; 10,000 otherwise.
    #[must_use]
    pub fn history(mut self, changes: usize) -> Self {
        self.settings.history = changes;
        self
    }

    /// Says how a watch learns that its version is too old; by an event otherwise.
    #[must_use]
    pub fn watch_expired(mut self, how: WatchExpired) -> Self {
        self.settings.watch_expired = how;
        self
    }

    /// Says whether watches may ask for initial events; they may otherwise.
    #[must_use]
    pub fn watch_list(mut self, mode: WatchList) -> Self {
        self.settings.watch_list = mode;
        self
    }

    /// Says whether an expired `continue` is answered with a token that goes on inconsistently; it is otherwise.
    #[must_use]
    pub fn inconsistent_continue(mut self, is_offered: bool) -> Self {
        self.settings.inconsistent_continue = is_offered;
        self
    }

    /// Compresses lists for clients that ask; it does otherwise.
    #[must_use]
    pub fn gzip(mut self, is_offered: bool) -> Self {
        self.settings.gzip = is_offered;
        self
    }

    /// Answers in protobuf to clients that ask; it does otherwise.
    #[must_use]
    pub fn protobuf(mut self, is_offered: bool) -> Self {
        self.settings.protobuf = is_offered;
        self
    }

    /// Lets time stand still for bookmarks and watch time-outs; [`KubeSim::advance`] turns it.
    #[must_use]
    pub fn manual_clock(mut self) -> Self {
        self.is_manual_clock = true;
        self
    }

    /// Starts the server on the current tokio runtime. Fails if the address cannot be had.
    pub async fn start(self) -> io::Result<KubeSim> {
        let listener = TcpListener::bind(self.address).await?;
        let address = listener.local_addr()?;
        let authority = self.is_tls.then(|| Authority::new(address.ip())).transpose().map_err(io::Error::other)?;
        let acceptor = authority.as_ref().map(Authority::acceptor).transpose().map_err(io::Error::other)?;
        let gate = Arc::new(Gate::new(acceptor));
        let shared = Arc::new(Shared {
            store: Store::new(self.settings.history),
            access: Access {
                token: Mutex::new(self.token),
                takes_certificates: self.takes_certificates,
                forbidden: Mutex::default(),
            },
            clock: if self.is_manual_clock { Clock::manual() } else { Clock::real() },
            recorder: Recorder::new(),
            settings: self.settings,
            faults: Faults::default(),
            hook: RwLock::new(Arc::new(Honest)),
        });
        let tasks = Tasks::new();
        serve::listen(&tasks, listener, address, Arc::clone(&gate), Arc::clone(&shared));
        let is_tls = authority.is_some();
        Ok(KubeSim { address, is_tls, authority: Mutex::new(authority), gate, shared, tasks })
    }
}

/// What came of loading manifests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// How many objects were stored.
    pub objects: usize,
    /// Kinds that the server does not know, whose objects were left out, sorted, each once.
    pub unknown: Vec<String>,
}

/// A running server. Dropping it stops it.
pub struct KubeSim {
    /// Where it listens.
    address: SocketAddr,
    /// Whether it speaks TLS.
    is_tls: bool,
    /// Its certificates, if it speaks TLS.
    authority: Mutex<Option<Authority>>,
    /// What becomes of connections.
    pub(crate) gate: Arc<Gate>,
    /// Its state.
    pub(crate) shared: Arc<Shared>,
    /// Its tasks.
    tasks: Tasks,
}

impl KubeSim {
    /// Begins to say what to start.
    #[must_use]
    pub fn builder() -> Builder {
        Builder {
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            is_tls: false,
            token: None,
            takes_certificates: false,
            is_manual_clock: false,
            settings: Settings::default(),
        }
    }

    /// Starts a server with no special wishes. Fails if there is no free port.
    pub async fn start() -> io::Result<Self> {
        Self::builder().start().await
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", if self.is_tls { "https" } else { "http" }, self.address)
    }

    /// A kubeconfig with everything embedded: URL, CA, token, client certificate.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        let token = self.shared.access.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let client = self.client().filter(|_| self.shared.access.takes_certificates);
        kubeconfig::render(&self.url(), self.ca().as_deref(), token.as_deref(), client.as_ref())
    }

    /// The CA's certificate in PEM, if the server speaks TLS.
    #[must_use]
    pub fn ca(&self) -> Option<String> {
        self.authority().as_ref().map(|authority| authority.ca.clone())
    }

    /// A client certificate of its CA, if the server speaks TLS.
    #[must_use]
    pub fn client(&self) -> Option<Pair> {
        self.authority().as_ref().map(|authority| authority.client.clone())
    }

    /// Its certificates.
    pub(crate) fn authority(&self) -> MutexGuard<'_, Option<Authority>> {
        self.authority.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Loads a file, or all manifests in and below a folder. Fails at the first file that cannot be read; nothing is
    /// stored then.
    pub fn load_path(&self, path: &Path) -> Result<Loaded, LoadError> {
        self.store(load::path(path)?)
    }

    /// Loads objects from a text in YAML or JSON: several documents, lists, a dump.
    pub fn load_yaml(&self, text: &str) -> Result<Loaded, LoadError> {
        self.store(load::text(text).map_err(|error| LoadError::Syntax(Path::new("").to_owned(), error))?)
    }

    /// Stores loaded objects.
    fn store(&self, values: Vec<Value>) -> Result<Loaded, LoadError> {
        self.each(values, |resource, value| drop(self.shared.store.put(resource, value)))
    }

    /// Does something with every loaded object, once all are known to be sound. One of kind `FakeApi` is no object: its
    /// `forbid` names plurals to forbid.
    fn each(&self, values: Vec<Value>, act: impl Fn(&'static Resource, Value)) -> Result<Loaded, LoadError> {
        let mut loaded = Loaded::default();
        let mut sound = Vec::with_capacity(values.len());
        for value in values {
            let kind = value["kind"].as_str().unwrap_or_default();
            if kind == "FakeApi" {
                let plurals = value["forbid"].as_array().into_iter().flatten();
                plurals.filter_map(Value::as_str).for_each(|plural| self.forbid(plural));
                continue;
            }
            let Some(resource) = Resource::by_kind(value["apiVersion"].as_str(), kind) else {
                loaded.unknown.push(kind.to_owned());
                continue;
            };
            if value["metadata"]["name"].as_str().is_none_or(str::is_empty) {
                return Err(LoadError::Object(format!("an object of kind {kind} has no name")));
            }
            sound.push((resource, value));
        }
        loaded.objects = sound.len();
        loaded.unknown.sort();
        loaded.unknown.dedup();
        sound.into_iter().for_each(|(resource, value)| act(resource, value));
        Ok(loaded)
    }

    /// Creates or replaces an object, always as a new version, which it returns; 0 if its kind is unknown or it has no
    /// name.
    pub fn put(&self, object: Value) -> u64 {
        let kind = object["kind"].as_str().unwrap_or_default();
        let resource = Resource::by_kind(object["apiVersion"].as_str(), kind);
        let has_name = object["metadata"]["name"].as_str().is_some_and(|name| !name.is_empty());
        resource.filter(|_| has_name).map_or(0, |resource| self.shared.store.put(resource, object).version)
    }

    /// Merges objects from a text in YAML or JSON into those that are there, or creates them; what does not change makes
    /// no new version. Kinds that are unknown are left out.
    pub fn apply_yaml(&self, text: &str) -> Result<Loaded, LoadError> {
        let values = load::text(text).map_err(|error| LoadError::Syntax(Path::new("").to_owned(), error))?;
        let store = &self.shared.store;
        self.each(values, |resource, value| write::apply(store, resource, value))
    }

    /// Brings the EndpointSlices of all Services up to date, as the controllers of a cluster do: from selectors and Pods
    /// (100 per slice), and from Endpoints where there is no selector. Slices that change get `now` (RFC 3339) as the
    /// time of the change that they follow from. Returns how many slices were written or deleted.
    pub fn sync_endpoints(&self, now: &str) -> usize {
        endpoints::sync(&self.shared.store, now, Packing::Stay)
    }

    /// As [`KubeSim::sync_endpoints`], but moves endpoints together into as few slices as possible.
    pub fn rebalance_endpoints(&self, now: &str) -> usize {
        endpoints::sync(&self.shared.store, now, Packing::Tight)
    }

    /// Deletes an object; `kind` may be a kind, a plural or a short name, the namespace is ignored where there is none.
    /// Returns the version of the deletion, none if there was no such object.
    pub fn delete(&self, kind: &str, namespace: &str, name: &str) -> Option<u64> {
        let resource = Resource::by_name(kind)?;
        let key = key_of(resource.namespaced.then_some(namespace), name);
        self.shared.store.delete(resource, &key).map(|object| object.version)
    }

    /// An object as it is now.
    #[must_use]
    pub fn get(&self, kind: &str, namespace: &str, name: &str) -> Option<Value> {
        let resource = Resource::by_name(kind)?;
        let key = key_of(resource.namespaced.then_some(namespace), name);
        self.shared.store.get(resource, &key).map(|object| object.value())
    }

    /// All objects of a type as they are now, by namespace and name; none of a type that is unknown.
    #[must_use]
    pub fn objects(&self, kind: &str) -> Vec<Value> {
        let Some(resource) = Resource::by_name(kind) else { return Vec::new() };
        self.shared.store.current(resource, "").1.iter().map(|object| object.value()).collect()
    }

    /// The newest version of all.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.shared.store.version()
    }

    /// Answers 403 for this plural from now on.
    pub fn forbid(&self, plural: &str) {
        self.shared.access.forbidden.lock().unwrap_or_else(PoisonError::into_inner).insert(plural.to_owned());
    }

    /// Takes [`KubeSim::forbid`] back.
    pub fn allow(&self, plural: &str) {
        self.shared.access.forbidden.lock().unwrap_or_else(PoisonError::into_inner).remove(plural);
    }

    /// Demands this token from now on, or none.
    pub fn set_token(&self, token: Option<&str>) {
        *self.shared.access.token.lock().unwrap_or_else(PoisonError::into_inner) = token.map(str::to_owned);
    }

    /// Turns a manual clock forward.
    pub fn advance(&self, by: Duration) {
        self.shared.clock.advance(by);
    }

    /// The requests so far, oldest first; at most the newest 100,000.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.recorder.all()
    }

    /// Waits until the requests so far are as wanted.
    pub async fn wait_for_requests(&self, is_wanted: impl FnMut(&[Recorded]) -> bool) {
        self.shared.recorder.wait_for(is_wanted).await;
    }

    /// Stops the server and waits until all its tasks are gone and its port is free.
    pub async fn shutdown(self) {
        self.tasks.join().await;
    }
}

impl Drop for KubeSim {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}
