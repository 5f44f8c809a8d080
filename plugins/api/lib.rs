//! The contract of a plugin: what it is given, what it gives back, how it is set up.
//!
//! Reading order: [`chain`] (handler and next), [`request`], [`reply`], [`message`] and [`builder`] (what goes through the chain),
//! [`setup`] and [`property`] (from a directive to a handler), [`link`] (how plugins find one another). The rest are the
//! field's nouns: [`name`], [`zone`], [`rr`], [`wire`], [`rdata`], [`edns`].
//!
//! This crate knows no concrete plugin, no socket and no runtime.

pub mod builder;
pub mod chain;
pub mod clock;
pub mod dns_metrics;
pub mod edns;
pub mod go;
pub mod interface;
pub mod limits;
pub mod link;
pub mod message;
pub mod metrics;
pub mod name;
pub mod origin;
pub mod property;
mod question;
pub mod rdata;
pub mod reply;
pub mod request;
pub mod rr;
pub mod setup;
pub mod wire;
pub mod zone;

#[cfg(test)]
mod tests;

pub use builder::{ReplyBuilder, Soa, Srv};
pub use chain::{Chain, Handler, Next, Rest};
pub use clock::Clock;
pub use edns::Edns;
pub use limits::{Limits, WAITING_QUERIES};
pub use message::{Gist, GistKind, Message, OwnedRecord};
pub use metrics::{Histogram, Metrics};
pub use name::{Name, NameError};
pub use origin::{BoxFuture, Origin, Site, Transport, Upstream};
pub use property::{Args, Property, read_block};
pub use question::Question;
pub use reply::{Error, Outcome, Reply, Response};
pub use request::Request;
pub use rr::{Class, Opcode, Rcode, Type, flag};
pub use setup::{Block, Control, Lifecycle, Linked, Plugin, Process, Reloaded, Settings, Setup};
pub use wire::{Record, Section, WireError};
pub use zone::{Fallthrough, Zone, Zones};
