//! Tests of the simulated API server over real sockets, through its public interface only.

#![expect(clippy::unwrap_used, reason = "a helper of tests may unwrap as the tests themselves")]

mod client;

mod endpoints;
mod faults;
mod list;
mod load;
mod protobuf;
mod tls;
mod transport;
mod watch;
mod write;
