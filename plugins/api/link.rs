//! How plugins of one server block reach one another: small traits, found by type at *link*.

use crate::name::Name;
use crate::request::Request;
use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// What the plugins of one server block offer one another, by trait and plugin name.
#[derive(Default)]
pub struct Links {
    offers: Vec<(TypeId, &'static str, Box<dyn Any + Send + Sync>)>,
}

impl Links {
    /// Offers a capability under the plugin's name: `links.offer::<dyn Ready>("kubernetes", arc)`.
    pub fn offer<T: ?Sized + Send + Sync + 'static>(&mut self, plugin: &'static str, what: Arc<T>) {
        self.offers.push((TypeId::of::<T>(), plugin, Box::new(what)));
    }

    /// The capability that `plugin` offers.
    #[must_use]
    pub fn find<T: ?Sized + Send + Sync + 'static>(&self, plugin: &str) -> Option<Arc<T>> {
        self.all::<T>().find(|(name, _)| *name == plugin).map(|(_, what)| what)
    }

    /// All offers of a capability, in the order of the plugins.
    pub fn all<T: ?Sized + Send + Sync + 'static>(&self) -> impl Iterator<Item = (&'static str, Arc<T>)> {
        self.offers
            .iter()
            .filter(|(id, ..)| *id == TypeId::of::<T>())
            .filter_map(|(_, plugin, what)| Some((*plugin, Arc::clone(what.downcast_ref::<Arc<T>>()?))))
    }
}

/// Whether a plugin can answer (CoreDNS: ready.Readiness).
pub trait Ready: Send + Sync {
    /// True once it can; why not otherwise.
    fn is_ready(&self) -> bool;
}

/// Gives the search list of a client (CoreDNS: autopath.AutoPather).
pub trait SearchPath: Send + Sync {
    /// The search domains for the client of `request`, the first of them the one that must end the name; empty if unknown.
    fn search_path(&self, request: &Request) -> Vec<Name>;

    /// The first of them alone, which is all that most queries need.
    fn first_domain(&self, request: &Request) -> Option<Name> {
        self.search_path(request).into_iter().next()
    }
}

/// Values about a query for logs, rewrites and views (CoreDNS: metadata.Provider).
pub trait MetadataProvider: Send + Sync {
    /// Keeps its values in the request, under `plugin/label`.
    fn provide(&self, request: &Request);
}

/// Decides whether a server block serves a query (CoreDNS: dnsserver.Viewer).
pub trait View: Send + Sync {
    /// The name of the view.
    fn name(&self) -> &str;
    /// Whether the query belongs to it.
    fn admits(&self, request: &Request) -> bool;
}

/// Hands out whole zones (CoreDNS: transfer.Transferer).
pub trait Transfer: Send + Sync {
    /// The records of `zone`, SOA first and last, as messages; a single SOA if `serial` is current. None if not authoritative.
    fn transfer(
        &self,
        zone: &Name,
        serial: Option<u32>,
    ) -> Option<Box<dyn Iterator<Item = Vec<crate::message::OwnedRecord>> + Send>>;
}

/// Tells secondaries that a zone has changed (CoreDNS: transfer.Transfer.Notify).
pub trait Notifier: Send + Sync {
    /// Sends NOTIFY for `zone` to whom it may be transferred; returns at once.
    fn notify(&self, zone: &Name);
}

/// What an external name leads to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ExternalHost {
    /// To an address.
    Address(IpAddr),
    /// To another name, that of a load balancer.
    Name(Box<Name>),
}

/// One address, or name, and one port of a service as it is seen from outside the cluster.
#[derive(Clone, Debug)]
pub struct ExternalEntry {
    /// The labels of its name below a zone, `SERVICE.NAMESPACE` or `ENDPOINT.SERVICE.NAMESPACE`, in wire form without the
    /// closing zero; empty if it can have no name.
    pub labels: Box<[u8]>,
    /// Where it is.
    pub host: ExternalHost,
    /// The port, if there is one.
    pub port: Option<u16>,
}

/// The name and protocol of a port, as the API writes them.
#[derive(Clone, Debug)]
pub struct ExternalPort {
    /// Its name, often empty.
    pub name: Box<str>,
    /// Its protocol.
    pub protocol: Box<str>,
}

/// A service as it is seen from outside the cluster.
#[derive(Clone, Debug)]
pub struct ExternalService {
    /// The labels `SERVICE.NAMESPACE`, in wire form without the closing zero.
    pub labels: Box<[u8]>,
    /// Whether the entries are its endpoints.
    pub is_headless: bool,
    /// What it is reached by.
    pub entries: Vec<(ExternalEntry, ExternalPort)>,
}

/// Knows the services of a cluster by the addresses that they have outside it (CoreDNS: external.Externaler).
pub trait ExternalNames: Send + Sync {
    /// Asks to keep what the other functions need; to be called at link, for it is kept from the start on.
    fn keep(&self);

    /// What stands under the lower-case labels below a zone, in wire form without the closing zero; none if there is no such
    /// name. Services without external addresses are given by their endpoints if `headless` is wanted.
    fn find(&self, labels: &[u8], headless: bool) -> Option<Vec<ExternalEntry>>;

    /// The labels of the services with the external address that a reverse name spells; none if it spells no address.
    fn services_at(&self, lower: &Name) -> Option<Vec<Box<[u8]>>>;

    /// The addresses by which this server is reached from outside.
    fn name_servers(&self, headless: bool) -> Vec<IpAddr>;

    /// The version of these names, in Unix seconds of the last change; 0 before any.
    fn serial(&self) -> u32;

    /// The plugin's own TTL, in seconds.
    fn ttl(&self) -> u32;

    /// All services that [`ExternalNames::find`] knows, and those in namespaces that do not exist.
    fn services(&self, headless: bool) -> Box<dyn Iterator<Item = ExternalService> + Send>;
}

/// Things that a reload hands from the old configuration to the new one, by type and a key that says what they were made from.
#[derive(Default)]
pub struct Kept {
    things: HashMap<(TypeId, String), Arc<dyn Any + Send + Sync>>,
}

impl Kept {
    /// Keeps a thing for the next configuration.
    pub fn keep<T: Send + Sync + 'static>(&mut self, key: impl Into<String>, thing: Arc<T>) {
        self.things.insert((TypeId::of::<T>(), key.into()), thing);
    }

    /// The thing that was kept under the same key, options and all.
    #[must_use]
    pub fn find<T: Send + Sync + 'static>(&self, key: &str) -> Option<Arc<T>> {
        let thing = self.things.get(&(TypeId::of::<T>(), key.to_owned()))?;
        Arc::clone(thing).downcast::<T>().ok()
    }
}
