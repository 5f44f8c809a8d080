//! ferrodns: a DNS server for Kubernetes clusters that takes the place of CoreDNS.
//!
//! Reading order: [`cli`] (flags), [`run`] (the life of the process), [`server`] (what answers on an address),
//! [`transport`] (sockets), [`log`] (lines on standard output).

pub mod log;
pub mod server;
pub mod transport;
