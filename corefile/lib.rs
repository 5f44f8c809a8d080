//! The Corefile language of CoreDNS: text in, server blocks with spans out, or diagnostics in CoreDNS's own words.
//!
//! Knows no plugin's name, no DNS server, no runtime. Files and environment are handed in, so that a parse depends on
//! nothing else. Read in this order: [`parse`] and what it gives ([`Corefile`], [`ServerBlock`], [`Directive`]); the
//! cursor that set-ups run over a directive ([`Dispenser`]); what goes wrong ([`Diagnostic`], [`render`]); the keys of
//! server blocks ([`keys`]); numbers and durations in arguments ([`args`], [`args::go_duration`]).

pub mod args;
mod ast;
mod diagnostic;
mod dispenser;
mod duration;
mod environment;
mod files;
mod glob;
mod import;
pub mod keys;
mod lexer;
mod oddities;
mod parser;
mod snippet;
mod span;
mod stream;
mod suggest;
mod token;

pub use ast::{Corefile, Directive, Import, ServerBlock};
pub use diagnostic::{Diagnostic, Kind, Location, Severity, render};
pub use dispenser::Dispenser;
pub use environment::{Env, ProcessEnv, substitute};
pub use files::{DiskFiles, Files, MAX_FILE_BYTES, os_error_text};
pub use parser::{Input, Options, Rejected, parse};
pub use span::{Excerpt, FileId, Source, Sources, Span, decode};
pub use suggest::suggest;
pub use token::Token;

#[cfg(test)]
extern crate self as corefile;

#[cfg(test)]
mod args_tests;
#[cfg(test)]
mod exercise;
#[cfg(test)]
mod files_tests;
#[cfg(test)]
mod keys_tests;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod tests;
