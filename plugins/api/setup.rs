//! From a directive to a handler: what a plugin's set-up is given and what it leaves behind.
//!
//! The moments of a server block: *set-up* reads the directive and pushes handlers; *link* finds what other plugins of the
//! block offer; *start* spawns watchers and opens side listeners; *serve*; *stop*. A reload takes a whole new
//! configuration through *start* before the old one stops; an error on the way changes nothing.

use crate::chain::{Chain, Handler};
use crate::clock::Clock;
use crate::link::{Kept, Links};
use crate::metrics::Metrics;
use crate::origin::BoxFuture;
use crate::zone::{Zone, Zones};
use corefile::{Diagnostic, Dispenser, Token};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A plugin: its name, which is its directive, and how it is set up.
#[derive(Clone, Copy)]
pub struct Plugin {
    /// The directive.
    pub name: &'static str,
    /// Reads all occurrences of the directive in one server block. An error is shown with the prefix `plugin/NAME: `.
    pub setup: fn(&mut Setup<'_>) -> Result<(), Diagnostic>,
}

/// What lives as long as the process and is lent to every configuration.
pub struct Process {
    /// The registry; counters survive a reload.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Clock,
    /// Files and folders that replace the API server of every `kubernetes` block (`-kubernetes.manifests`).
    pub manifests: Vec<PathBuf>,
    /// Asks the process to end, or to load its configuration again.
    pub control: Arc<dyn Control>,
}

/// What a plugin may ask of the process.
pub trait Control: Send + Sync {
    /// Ends the process with status 1 after this line (CoreDNS: log.Fatal, used by `loop`).
    fn fail(&self, message: String);
    /// Reads the configuration again; one that differs from what runs and is good is swapped in (plugin `reload`).
    fn reload_if_changed(&self) -> BoxFuture<'_, Reloaded>;
    /// SHA-512 over the running configuration with all it imports, in hexadecimal.
    fn configuration_hash(&self) -> String;
}

/// What came of reading the configuration again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// It is what runs already, or what failed before.
    Unchanged,
    /// It runs now.
    Done,
    /// It cannot be read or parsed; what ran goes on. Said at every try.
    Unparsable(String),
    /// It could not be set up or started; what ran goes on. Said once for each content.
    Failed(String),
}

/// Settings of a server block that belong to the server, not to a handler.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Base of relative paths (plugin `root`).
    pub root: Option<PathBuf>,
    /// Addresses to listen on, as text; empty means every address (plugin `bind`).
    pub hosts: Vec<String>,
    /// Whether `bind` stands in the block, even if all its addresses were excluded.
    pub is_bound: bool,
    /// Debug lines are printed and a panic is not caught (plugin `debug`).
    pub debug: bool,
    /// A caught panic is logged with its stack (plugin `errors`).
    pub stacktrace: bool,
    /// Other classes than IN are let in (plugins `chaos` and `forward`).
    pub any_class: bool,
    /// EDNS options that replies echo besides the well-known ones (plugin `rewrite`).
    pub echoed_options: Vec<u16>,
    /// Sockets for each address; 0 leaves it to the server (plugin `multisocket`).
    pub sockets: usize,
    /// Longest wait for the first query on a connection.
    pub read_timeout: Duration,
    /// Longest wait for a reply to be taken.
    pub write_timeout: Duration,
    /// Longest wait for the next query on a connection.
    pub idle_timeout: Duration,
    /// Most queries on one connection; none means any number.
    pub max_tcp_queries: Option<u32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            root: None,
            hosts: Vec::new(),
            is_bound: false,
            debug: false,
            stacktrace: false,
            any_class: false,
            echoed_options: Vec::new(),
            sockets: 0,
            read_timeout: Duration::from_secs(3),
            write_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(10),
            max_tcp_queries: None,
        }
    }
}

/// A part of a plugin that has a life: spawned tasks, side listeners, files that are watched.
pub trait Lifecycle: Send + Sync {
    /// Begins its work. An error undoes the whole start or reload; its text is shown as it is.
    fn start(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }

    /// The configuration has been swapped in and serves from now on. Before that, a start may still be undone.
    fn activate(&self) {}

    /// The process is about to end; the listeners still answer (`health` waits here in lameduck mode).
    fn before_shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    /// Ends its work, after the last query that uses it.
    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// Looks for what other plugins offer, once all of the block are set up.
pub type Linker = Box<dyn FnOnce(&Linked<'_>) -> Result<(), Diagnostic> + Send>;

/// What a linker sees.
pub struct Linked<'a> {
    /// The offers of the block's plugins.
    pub links: &'a Links,
    /// The finished chain of the block.
    pub chain: &'a Chain,
    /// The zones of the block.
    pub zones: &'a Zones,
    /// The listeners of the block, as metrics and logs name them: `dns://:53`. Plugin instances are shared by all keys of a block.
    pub servers: &'a [Arc<str>],
    /// The socket addresses of these listeners; port 0 where the system is to choose.
    pub addresses: &'a [std::net::SocketAddr],
    /// The block's view, empty without one.
    pub view: &'a str,
}

/// What the set-ups of a server block leave behind.
#[derive(Default)]
pub struct Block {
    /// The zones of the block's keys, in their order.
    pub zones: Zones,
    /// Settings of the server.
    pub settings: Settings,
    /// The handlers in chain order.
    pub handlers: Vec<Arc<dyn Handler>>,
    /// What the plugins offer one another.
    pub links: Links,
    /// To be run when all are set up.
    pub linkers: Vec<(&'static str, Linker)>,
    /// To be started, and stopped.
    pub managed: Vec<(&'static str, Arc<dyn Lifecycle>)>,
    /// Said about the configuration without refusing it.
    pub warnings: Vec<Diagnostic>,
}

/// The set-up of one directive in one server block.
pub struct Setup<'a> {
    /// The plugin's name.
    pub plugin: &'static str,
    /// The cursor over all occurrences of the directive in the block.
    pub input: Dispenser,
    /// What is being built.
    pub block: &'a mut Block,
    /// What lives longer.
    pub process: &'a Process,
    /// What the configuration before this one kept.
    pub previous: &'a Kept,
    /// What this one keeps for the next.
    pub kept: &'a mut Kept,
}

impl Setup<'_> {
    /// Appends a handler to the chain of the block.
    pub fn push(&mut self, handler: Arc<dyn Handler>) {
        self.block.handlers.push(handler);
    }

    /// Offers a capability to the other plugins of the block, under this plugin's name.
    pub fn offer<T: ?Sized + Send + Sync + 'static>(&mut self, what: Arc<T>) {
        self.block.links.offer(self.plugin, what);
    }

    /// Runs `linker` when all plugins of the block are set up.
    pub fn on_link(&mut self, linker: impl FnOnce(&Linked<'_>) -> Result<(), Diagnostic> + Send + 'static) {
        self.block.linkers.push((self.plugin, Box::new(linker)));
    }

    /// Starts `part` with the server and stops it with the configuration.
    pub fn manage(&mut self, part: Arc<dyn Lifecycle>) {
        self.block.managed.push((self.plugin, part));
    }

    /// Says something about the configuration without refusing it.
    pub fn warn(&mut self, warning: Diagnostic) {
        let warning = warning.into_warning().with_prefix(format!("plugin/{}", self.plugin));
        self.block.warnings.push(warning);
    }

    /// The error of a plugin that may stand once in a block only (CoreDNS: plugin.ErrOnce).
    #[must_use]
    pub fn once(&self) -> Diagnostic {
        self.plain("this plugin can only be used once per Server Block")
    }

    /// An error that CoreDNS prints without file and line; ours still shows the place where the cursor stands.
    #[must_use]
    pub fn plain(&self, message: impl Into<String>) -> Diagnostic {
        Diagnostic { kind: corefile::Kind::Plain, ..self.input.err(message) }
    }

    /// The zones that a plugin is asked to serve: those of its arguments, CIDR networks as reverse zones and what is no zone
    /// left out; the block's own if there are none (CoreDNS: plugin.OriginsFromArgsOrServerBlock).
    #[must_use]
    pub fn zones(&self, args: &[Token]) -> Zones {
        if args.is_empty() { self.block.zones.clone() } else { Zones::new(normalise(args)) }
    }

    /// A path as the plugin means it: relative ones are below the block's root.
    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        match &self.block.settings.root {
            Some(root) if Path::new(path).is_relative() => root.join(path),
            _ => PathBuf::from(path),
        }
    }
}

/// The zones that `args` name; CIDR networks become reverse zones, what is no zone is left out (CoreDNS: Host.NormalizeExact).
#[must_use]
pub fn normalise(args: &[Token]) -> Vec<Zone> {
    args.iter().flat_map(|arg| corefile::keys::zones(arg)).filter_map(|zone| Zone::from_text(&zone).ok()).collect()
}
