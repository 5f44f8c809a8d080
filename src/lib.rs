//! ferrodns: a DNS server for Kubernetes clusters that takes the place of CoreDNS.
//!
//! Reading order: [`cli`] (flags), [`run`] (the life of the process), [`load`] (the Corefile), [`instance`] (what runs: started,
//! replaced, stopped), [`server`] (what answers on an address), [`transport`] (sockets), [`log`] (lines on standard output).

pub mod cli;
pub mod cpu;
pub mod instance;
pub mod load;
pub mod log;
pub mod run;
pub mod server;
pub mod transport;

#[cfg(test)]
extern crate self as ferrodns;
