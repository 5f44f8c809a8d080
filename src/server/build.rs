//! From a parsed Corefile to servers that are set up and linked but not started (CoreDNS: core/dnsserver/register.go).
//!
//! Set-ups run plugin by plugin through all blocks, so the first error is CoreDNS's. Knows no socket.

use super::route::{Block, Router};
use super::{Limits, Parts, Server};
use crate::load::{Failure, Loaded};
use corefile::keys::{Scheme, ServerKey, inspect};
use corefile::{Diagnostic, ServerBlock};
use plugin_api::dns_metrics::{DnsMetrics, Scope};
use plugin_api::interface::interface_index;
use plugin_api::link::{Kept, MetadataProvider, View};
use plugin_api::setup::{Block as Drawer, Linked};
use plugin_api::{Lifecycle, Plugin, Process, Settings, Setup, Zone, Zones};
use prometheus_client::metrics::counter::Counter;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::sync::Arc;

/// A configuration that is ready to be started.
pub struct Configuration {
    /// What answers on each address, in the order that the file names them.
    pub sites: Vec<Planned>,
    /// What has to be started and stopped, in the order of the set-ups.
    pub managed: Vec<Arc<dyn Lifecycle>>,
    /// What the next configuration may take over.
    pub kept: Kept,
    /// Whether debug lines are wanted.
    pub debug: bool,
}

/// A listening address.
pub struct Planned {
    /// Its name: `dns://:53`.
    pub name: Arc<str>,
    /// Its address; port 0 where the system is to choose.
    pub address: SocketAddr,
    /// Sockets that `multisocket` asks for; 0 leaves it to the program.
    pub sockets: usize,
    /// Its zones, sorted, each once.
    pub zones: Vec<String>,
    /// What answers.
    pub server: Arc<Server>,
}

/// A block while it is being built.
struct Building<'a> {
    source: &'a ServerBlock,
    keys: Vec<ServerKey>,
    drawer: Drawer,
    /// Its addresses by key, then by host.
    places: Vec<Place>,
}

/// A key of a block on one host.
#[derive(Clone)]
struct Place {
    key: ServerKey,
    host: String,
    name: Arc<str>,
    address: SocketAddr,
}

/// Sets everything up.
///
/// # Errors
/// With all diagnostics of the stage that failed: keys, set-ups, addresses, links. The first is CoreDNS's.
pub fn build(
    loaded: &Loaded,
    port: &str,
    (process, previous): (&Process, &Kept),
    plugins: &[Plugin],
) -> Result<Configuration, Failure> {
    let corefile = &loaded.corefile;
    let sources = &corefile.sources;
    let reject = |diagnostics: Vec<Diagnostic>| Failure::rejected(&diagnostics, sources);
    for warning in &corefile.warnings {
        warn(warning);
    }
    let keys = inspect(&corefile.blocks, port, sources).map_err(reject)?;
    let mut blocks: Vec<Building<'_>> =
        corefile.blocks.iter().zip(keys).map(|(source, keys)| Building::new(source, keys)).collect();
    let mut kept = Kept::default();
    let managed = set_up(&mut blocks, loaded, (process, previous, &mut kept), plugins).map_err(reject)?;
    // CoreDNS knows no place here; ours shows the block's first key.
    let blame = |block: &ServerBlock, text: String| {
        let error = Diagnostic::plain(text);
        reject(vec![match block.keys.first() {
            Some(key) => error.pointing_at(key.span, sources),
            None => error,
        }])
    };
    for block in &mut blocks {
        block.find_places().map_err(|text| blame(block.source, text))?;
    }
    check_overlap(&blocks).map_err(|(block, text)| blame(block, text))?;
    check_schemes(&blocks).map_err(Failure::Start)?;
    let debug = blocks.iter().any(|block| block.drawer.settings.debug);
    let sites = serve(blocks, process).map_err(reject)?;
    warn_of_chance(&sites);
    Ok(Configuration { sites, managed, kept, debug })
}

/// Prints a warning.
fn warn(warning: &Diagnostic) {
    match &warning.help {
        Some(help) => tracing::warn!("{warning} ({help})"),
        None => tracing::warn!("{warning}"),
    }
}

/// Warns of server blocks that listen on every address and write it differently (`0.0.0.0`, `::`, no `bind`): they share the port,
/// and the system gives each query to one of them by chance, as it does with CoreDNS.
fn warn_of_chance(sites: &[Planned]) {
    let is_every = |site: &&Planned| site.address.ip().is_unspecified() && site.address.port() != 0;
    let every: Vec<_> = sites.iter().filter(is_every).collect();
    for (index, site) in every.iter().enumerate() {
        let is_other = |other: &&&Planned| other.address.port() == site.address.port() && other.zones != site.zones;
        if let Some(other) = every.iter().take(index).find(is_other) {
            tracing::warn!(
                "{} and {} stand for the same addresses and serve different zones: each query reaches one of them by chance \
                 (write the same `bind` in all server blocks on port {})",
                other.name,
                site.name,
                site.address.port()
            );
        }
    }
}

/// Runs the set-ups, plugin by plugin. After an error the others still run, for their diagnostics, but say nothing.
fn set_up(
    blocks: &mut [Building<'_>],
    loaded: &Loaded,
    (process, previous, kept): (&Process, &Kept, &mut Kept),
    plugins: &[Plugin],
) -> Result<Vec<Arc<dyn Lifecycle>>, Vec<Diagnostic>> {
    let mut managed = Vec::new();
    let mut failures = Vec::new();
    for plugin in plugins {
        for block in &mut *blocks {
            let Some(directive) = block.source.directive(plugin.name) else { continue };
            let mut setup = Setup {
                plugin: plugin.name,
                input: directive.dispenser(&loaded.corefile.sources),
                block: &mut block.drawer,
                process,
                previous,
                kept: &mut *kept,
            };
            let result = if failures.is_empty() {
                (plugin.setup)(&mut setup)
            } else {
                tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::default(), || {
                    (plugin.setup)(&mut setup)
                })
            };
            managed.extend(block.drawer.managed.drain(..).map(|(_, part)| part));
            let warnings = std::mem::take(&mut block.drawer.warnings);
            match result {
                Ok(()) if failures.is_empty() => warnings.iter().for_each(warn),
                Ok(()) => (),
                Err(error) => failures.push(error.with_prefix(format!("plugin/{}", plugin.name))),
            }
        }
    }
    if failures.is_empty() { Ok(managed) } else { Err(failures) }
}

impl<'a> Building<'a> {
    /// A block before any set-up. A zone that is no name that a query can have is left out: nobody can ask for it.
    fn new(source: &'a ServerBlock, keys: Vec<ServerKey>) -> Self {
        let zones = keys.iter().filter_map(|key| Zone::from_text(&key.zone).ok()).collect();
        let drawer = Drawer { zones: Zones::new(zones), ..Drawer::default() };
        Self { source, keys, drawer, places: Vec::new() }
    }

    /// Finds the addresses of all keys; the errors are Go's.
    fn find_places(&mut self) -> Result<(), String> {
        let Settings { hosts, is_bound, .. } = &self.drawer.settings;
        let everywhere = [String::new()];
        let hosts: &[String] = if *is_bound { hosts } else { &everywhere };
        for key in self.keys.iter().filter(|key| key.scheme != Scheme::Unix) {
            for host in hosts {
                let address = resolve(host, &key.port)?;
                let name = format!("{}://{}", key.scheme, shown(host, address));
                self.places.push(Place { key: key.clone(), host: host.clone(), name: name.into(), address });
            }
        }
        Ok(())
    }
}

/// The address of a host and a port as CoreDNS's configuration gives them (Go: net.ResolveTCPAddr).
fn resolve(host: &str, port: &str) -> Result<SocketAddr, String> {
    let port = match port {
        "" => 0,
        number if number.parse::<i64>().is_ok() => {
            number.parse().map_err(|_| format!("address {number}: invalid port"))?
        }
        word => return Err(format!("lookup tcp/{word}: unknown port")),
    };
    if host.is_empty() {
        return Ok(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port));
    }
    let (text, zone) = host.split_once('%').unwrap_or((host, ""));
    let ip: IpAddr = text.parse().map_err(|_| format!("lookup {host}: no such host"))?;
    Ok(match ip.to_canonical() {
        IpAddr::V6(ip) if !zone.is_empty() => SocketAddrV6::new(ip, port, 0, interface_index(zone)).into(),
        ip => SocketAddr::new(ip, port),
    })
}

/// The address as Go shows it: without host for the wildcard, with the interface's name for a link-local one.
fn shown(host: &str, address: SocketAddr) -> String {
    match (host.split_once('%'), address) {
        _ if host.is_empty() => format!(":{}", address.port()),
        (Some((_, zone)), SocketAddr::V6(v6)) => format!("[{}%{zone}]:{}", v6.ip(), v6.port()),
        _ => address.to_string(),
    }
}

/// Refuses zones that two blocks would serve on one address (CoreDNS: core/dnsserver/address.go).
fn check_overlap<'a>(blocks: &[Building<'a>]) -> Result<(), (&'a ServerBlock, String)> {
    let mut taken: HashSet<(String, &str)> = HashSet::new();
    let mut unbound: HashMap<String, &str> = HashMap::new();
    for block in blocks {
        if block.drawer.links.all::<dyn View>().nth(1).is_some() {
            return Err((block.source, "multiple views defined in server block".to_owned()));
        }
        let is_viewed = block.drawer.links.all::<dyn View>().next().is_some();
        for Place { key, host, .. } in &block.places {
            let key = key.to_string();
            let on = |host: &str| if host.is_empty() { key.clone() } else { format!("{key} on {host}") };
            if taken.contains(&(key.clone(), &**host)) {
                return Err((block.source, format!("cannot serve {} - it is already defined", on(host))));
            }
            let other = unbound.get(&key).copied().filter(|_| host.is_empty() || taken.contains(&(key.clone(), "")));
            if let Some(other) = other {
                let other = if host.is_empty() { other } else { "" };
                let (this, other) = (on(host), on(other));
                let text = format!("cannot serve {this} - zone overlap listener capacity with {other}");
                return Err((block.source, text));
            }
            if !is_viewed {
                unbound.insert(key.clone(), host);
                taken.insert((key, host));
            }
        }
    }
    Ok(())
}

/// Refuses schemes that nothing here speaks; plain DNS in their place would be worse.
fn check_schemes(blocks: &[Building<'_>]) -> Result<(), String> {
    let mut places = blocks.iter().flat_map(|block| &block.places);
    match places.find(|place| place.key.scheme != Scheme::Dns) {
        Some(Place { key, .. }) => Err(format!("cannot serve {key} - ferrodns does not speak '{}'", key.scheme)),
        None => Ok(()),
    }
}

/// What the blocks of one address have in common, as it comes together.
struct Site {
    name: Arc<str>,
    address: SocketAddr,
    sockets: usize,
    zones: Vec<String>,
    router: Router,
    any_class: bool,
    debug: bool,
    stacktrace: bool,
    echoed: Vec<u16>,
    limits: Limits,
}

/// Links the plugins of each block and groups the blocks by address.
fn serve(blocks: Vec<Building<'_>>, process: &Process) -> Result<Vec<Planned>, Vec<Diagnostic>> {
    let mut sites: Vec<Site> = Vec::new();
    let mut failures = Vec::new();
    // Known to all of the process, as in CoreDNS.
    let mut echoed: Vec<u16> = Vec::new();
    for building in blocks {
        let Building { mut drawer, places, .. } = building;
        let view = drawer.links.all::<dyn View>().next().map(|(_, view)| view);
        let chain = std::mem::take(&mut drawer.handlers).into();
        let servers: Vec<Arc<str>> = places.iter().map(|place| Arc::clone(&place.name)).collect();
        let addresses: Vec<SocketAddr> = places.iter().map(|place| place.address).collect();
        let linked = Linked {
            links: &drawer.links,
            chain: &chain,
            zones: &drawer.zones,
            servers: &servers,
            addresses: &addresses,
            view: view.as_ref().map_or("", |view| view.name()),
        };
        for (plugin, linker) in std::mem::take(&mut drawer.linkers) {
            if let Err(error) = linker(&linked) {
                failures.push(error.with_prefix(format!("plugin/{plugin}")));
            }
        }
        let metadata = drawer.links.find::<dyn MetadataProvider>("metadata");
        let block = Arc::new(Block { chain, view, metadata });
        echoed.extend(&drawer.settings.echoed_options);
        for place in places {
            let at = sites.iter().position(|site| site.name == place.name).unwrap_or_else(|| {
                sites.push(Site::new(&place, drawer.settings.sockets));
                sites.len() - 1
            });
            if let Some(site) = sites.get_mut(at) {
                site.add(&place.key, &block, &drawer.settings);
            }
        }
    }
    for site in &mut sites {
        site.echoed.clone_from(&echoed);
    }
    if failures.is_empty() { Ok(sites.into_iter().map(|site| site.finish(process)).collect()) } else { Err(failures) }
}

impl Site {
    /// The site of a place; the number of sockets is that of its first block.
    fn new(place: &Place, sockets: usize) -> Self {
        Self {
            name: Arc::clone(&place.name),
            address: place.address,
            sockets,
            zones: Vec::new(),
            router: Router::default(),
            any_class: false,
            debug: false,
            stacktrace: false,
            echoed: Vec::new(),
            limits: Limits::default(),
        }
    }

    /// Adds a block under one of its keys. Of settings that blocks share the last one that says something wins.
    fn add(&mut self, key: &ServerKey, block: &Arc<Block>, settings: &Settings) {
        let prefix = if key.scheme == Scheme::Dns { String::new() } else { format!("{}://", key.scheme) };
        let shown = format!("{prefix}{}", key.zone);
        if let Err(at) = self.zones.binary_search(&shown) {
            self.zones.insert(at, shown);
        }
        if let Ok(zone) = Zone::from_text(&key.zone) {
            self.router.add(&zone, Arc::clone(block));
        }
        self.any_class |= settings.any_class;
        self.debug |= settings.debug;
        self.stacktrace = settings.stacktrace;
        let usual = Limits::default();
        let pick = |said, usual, before| if said == usual { before } else { said };
        self.limits = Limits {
            read: pick(settings.read_timeout, usual.read, self.limits.read),
            write: pick(settings.write_timeout, usual.write, self.limits.write),
            idle: pick(settings.idle_timeout, usual.idle, self.limits.idle),
            queries: settings.max_tcp_queries.or(self.limits.queries),
        };
    }

    /// The finished site.
    fn finish(self, process: &Process) -> Planned {
        let scope = Scope { server: Arc::clone(&self.name), zone: "dropped".into(), view: "".into() };
        let server = Server::new(Parts {
            name: Arc::clone(&self.name),
            router: self.router,
            any_class: self.any_class,
            debug: self.debug,
            stacktrace: self.stacktrace,
            echoed: self.echoed,
            limits: self.limits,
            clock: process.clock.clone(),
            panics: panics(process),
            dropped: Some(DnsMetrics::new(&process.metrics, scope, "")),
        });
        let Self { name, address, sockets, zones, .. } = self;
        Planned { name, address, sockets, zones, server }
    }
}

/// The counter of panics.
pub(crate) fn panics(process: &Process) -> Counter {
    process.metrics.get("panics", "A metrics that counts the number of panics.", Counter::default)
}

impl Planned {
    /// The lines of the listing for this address, once for each socket that was asked for.
    #[must_use]
    pub fn listing(&self) -> Vec<String> {
        let port = self.address.port();
        let shown = self.name.split_once("://").map_or(&*self.name, |(_, address)| address);
        let host = shown.rsplit_once(':').map_or(shown, |(host, _)| host).trim_matches(['[', ']']);
        let on = if host.is_empty() { String::new() } else { format!(" on {host}") };
        let mut lines = Vec::new();
        for zone in &self.zones {
            let bare = zone.split_once("://").map_or(&**zone, |(_, bare)| bare);
            if !is_preferred(bare) {
                lines.push(format!("Warning: Domain {bare:?} does not follow RFC1035 preferred syntax"));
            }
            lines.push(format!("{zone}:{port}{on}"));
        }
        vec![lines; self.sockets.max(1)].concat()
    }
}

/// Whether a zone follows the preferred syntax of RFC 1035 §2.3.1; the root and reverse zones count as if they did.
fn is_preferred(zone: &str) -> bool {
    if zone == "." || zone.ends_with(".in-addr.arpa.") || zone.ends_with(".ip6.arpa.") {
        return true;
    }
    let is_label = |label: &str| {
        label.starts_with(|first: char| first.is_ascii_alphabetic())
            && label.ends_with(|last: char| last.is_ascii_alphanumeric())
            && label.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
    };
    zone.strip_suffix('.').is_some_and(|zone| zone.split('.').all(is_label))
}

#[cfg(test)]
#[path = "build_tests.rs"]
mod tests;
