//! Plugin `forward`: asks other servers (upstreams) over UDP, TCP, TLS and HTTPS. See README.md.
//!
//! Reading order: `setup` and `target` (directive to `Forward`), `handler` (what happens to a query), `policy`, `upstream` (one
//! server and its health), `datagrams` with `socket` and `places`, `streams` and `https` (how it is spoken to), `reply` (what counts as its reply), `fault`
//! (what went wrong). Knows no cache.

mod datagrams;
mod fault;
mod handler;
mod https;
mod legacy;
mod metrics;
mod places;
mod policy;
mod reply;
mod resolve;
mod setup;
mod socket;
mod streams;
mod target;
#[cfg(test)]
mod tests;
mod tls;
mod upstream;

pub(crate) use legacy::{OLD, modernise};
pub(crate) use metrics::register;
use plugin_api::{Limits, Plugin};

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "forward", setup: setup::setup };

/// Shows the bounds that are in no Corefile.
pub(crate) fn limits(limits: &Limits) {
    limits.bound("forward_queries", handler::MAX_WAITING);
    limits.bound("forward_sockets", datagrams::MAX_SOCKETS);
    limits.bound("forward_queries_of_a_socket", datagrams::QUERIES_PER_SOCKET);
    limits.bound("forward_connections", streams::MAX_CONNECTIONS);
}
