//! Reads zone files (RFC 1035 §5, RFC 2308 §4 `$TTL`, RFC 3597 unknown types, BIND's `$GENERATE`) into records in wire form.
//!
//! Follows miekg/dns, whose reader CoreDNS uses, in what it accepts and in the words of its errors. Knows no zone: whether
//! records belong together is for the caller. Text that is not UTF-8 is read with replacement characters.

mod fields;
mod generate;
mod header;
mod lexer;
mod location;
mod rdata;
mod reader;
mod service;
#[cfg(test)]
mod tests;

pub(crate) use reader::{Reader, read_file};

use plugin_api::{Class, Name, Type};
use std::fmt;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Its owner, in the letters of the file.
    pub(crate) owner: Name,
    /// Its type.
    pub(crate) rtype: Type,
    /// Its class.
    pub(crate) class: Class,
    /// Its TTL in seconds.
    pub(crate) ttl: u32,
    /// Its rdata, names written out.
    pub(crate) rdata: Vec<u8>,
}

/// What is wrong in a zone file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ParseError {
    /// The file, as it was named.
    pub(super) file: String,
    /// What is wrong.
    pub(super) text: String,
    /// The word at which it was seen.
    pub(super) token: String,
    /// The line, from 1.
    pub(super) line: u32,
    /// The column behind the word, from 1.
    pub(super) column: u32,
}

/// As miekg/dns prints it.
impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            write!(f, "{}: ", self.file)?;
        }
        let token = corefile::args::go_quote(&self.token);
        write!(f, "dns: {}: {token} at line: {}:{}", self.text, self.line, self.column)
    }
}

impl std::error::Error for ParseError {}
