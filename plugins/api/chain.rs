//! The handlers of a server block in their order, and the walk through them.

use crate::reply::{Error, Reply};
use crate::request::Request;
use std::sync::Arc;

/// Answers a query, or passes it on.
pub trait Handler: Send + Sync + 'static {
    /// The plugin's name, as its directive.
    fn name(&self) -> &'static str;

    /// Answers `request`, or hands it to `next`. Must not block: what waits is a [`Reply::later`].
    fn handle<'a>(&'a self, request: &'a Request, next: Next<'a>) -> Reply<'a>;
}

/// The handlers of one server block, in the order a query meets them.
pub type Chain = Arc<[Arc<dyn Handler>]>;

/// The rest of a chain.
#[derive(Clone, Copy)]
pub struct Next<'a> {
    chain: &'a Chain,
    at: usize,
}

impl<'a> Next<'a> {
    /// The whole chain.
    #[must_use]
    pub const fn start(chain: &'a Chain) -> Self {
        Self { chain, at: 0 }
    }

    /// Asks the next handler. Behind the last one there is an error that names it.
    pub fn run(self, request: &'a Request) -> Reply<'a> {
        match self.chain.get(self.at) {
            Some(handler) => handler.handle(request, Self { chain: self.chain, at: self.at + 1 }),
            None => Reply::now(Err(Error::no_next_plugin(self.last_name()))),
        }
    }

    /// The name of the handler that [`Next::run`] would ask.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        self.chain.get(self.at).map(|handler| handler.name())
    }

    /// The names of the handlers that are left.
    pub fn names(self) -> impl Iterator<Item = &'static str> + 'a {
        self.chain.iter().skip(self.at).map(|handler| handler.name())
    }

    /// The name of the handler before this place; empty at the start.
    fn last_name(self) -> &'static str {
        self.at.checked_sub(1).and_then(|at| self.chain.get(at)).map_or("", |handler| handler.name())
    }

    /// An owned rest, for work that outlives the query.
    #[must_use]
    pub fn detach(self) -> Rest {
        Rest { chain: Arc::clone(self.chain), at: self.at }
    }
}

/// The rest of a chain, owned.
#[derive(Clone)]
pub struct Rest {
    chain: Chain,
    at: usize,
}

impl Rest {
    /// The same rest, borrowed, to be run.
    #[must_use]
    pub const fn next(&self) -> Next<'_> {
        Next { chain: &self.chain, at: self.at }
    }
}
