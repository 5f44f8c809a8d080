//! Test kit: a DNS client, answers in the form of the recorded suites, a fixed upstream, and a place apart to run in.
//!
//! For a test of one plugin, the client and the upstream are usually all that is needed:
//!
//! ```no_run
//! use test_support::{Client, Upstream};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let upstream = Upstream::start(1)?; // 127.0.0.1, UDP and TCP on one free port; stops when dropped
//! let mut client = Client::udp(upstream.address());
//!
//! let answer = client.ask("api.example.com A")?;
//! assert_eq!(answer.answer, ["api.example.com. 60 IN A 192.0.2.11"]);
//! assert_eq!(client.ask("x-nx.some.test AAAA tcp")?.rcode.as_deref(), Some("NXDOMAIN"));
//! # Ok(())
//! # }
//! ```
//!
//! * [`Query`] says what can stand in such a line, [`upstream`] which names the upstream knows.
//! * [`golden`] reads a recorded suite, [`compare`] compares an answer with the recorded one.
//! * [`netns`] gives a thread a network of its own, [`subject`] runs the server under test.

pub mod answer;
mod client;
pub mod compare;
pub mod golden;
pub mod http;
mod message;
mod mnemonic;
mod name;
pub mod netns;
pub mod ports;
mod query;
mod rdata;
mod reader;
pub mod subject;
pub mod upstream;

pub use answer::Answer;
pub use client::Client;
pub use mnemonic::{class_name, class_number, rcode_name, type_name, type_number};
pub use name::{BadName, Name};
pub use query::{Query, QueryError, Route};
pub use rdata::hex;
pub use reader::Fault;
pub use regex::Regex;
pub use upstream::Upstream;
