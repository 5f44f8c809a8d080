//! The `kubernetes` plugin: the names of a cluster, from the objects of its API.
//!
//! A source reads objects, the index turns them into a picture, a name below the zone says what of it is asked for, and the
//! handler writes records. See README.md; the names' schema is kubernetes/dns:docs/specification.md.

mod config;
mod setup;

mod answer;
mod autopath;
mod chase;
mod external;
mod handler;
mod lookup;
mod metadata;
mod nameserver;
mod question;
mod reverse;
mod transfer;

mod endpoints;
mod index;
mod inherit;
mod live;
mod metrics;
mod objects;
mod source;
mod thread;
mod warm;
mod writer;

#[cfg(test)]
mod fixture_tests;
#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod spec_tests;
#[cfg(test)]
mod tests;

pub(crate) use setup::PLUGIN;
