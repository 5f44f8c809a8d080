//! The search list of a file like `/etc/resolv.conf`. Knows no query and no server.

use plugin_api::Name;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Octets of a file that are read: Kubernetes allows search lists of 2,048 characters, and the rest is a few lines.
const MAX_FILE: u64 = 65_536;
/// Most domains that are taken, as many as Kubernetes allows. Each may cost a query.
const MAX_DOMAINS: usize = 32;

/// Reads the search list of a file.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn read(path: &Path) -> io::Result<Vec<Name>> {
    let mut text = Vec::new();
    File::open(path)?.take(MAX_FILE).read_to_end(&mut text)?;
    Ok(parse(&String::from_utf8_lossy(&text)))
}

/// The domains of the last `search` or `domain` line, in lower case; what is no name is left out (miekg/dns:
/// ClientConfigFromReader).
fn parse(text: &str) -> Vec<Name> {
    let mut domains: Vec<&str> = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("search") => domains = words.collect(),
            Some("domain") => domains = words.take(1).collect(),
            _ => {}
        }
    }
    let names = domains.iter().filter_map(|domain| Name::from_text(domain).ok());
    names.map(|name| name.to_lower()).take(MAX_DOMAINS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The search list of a text, in words.
    fn list(text: &str) -> String {
        parse(text).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_last_line_counts() {
        assert_eq!(list("search Example.COM example.org.\nnameserver 127.0.0.1\n"), "example.com. example.org.");
        assert_eq!(list("search a.test\ndomain b.test c.test"), "b.test.");
        assert_eq!(list("domain b.test\n  search\t. c.test"), ". c.test.");
        assert_eq!(list("search a.test\nsearch"), "");
        assert_eq!(list("#search a.test\nsearch bad..name ok.test"), "ok.test.");
    }

    #[test]
    fn it_is_bounded() {
        assert_eq!(parse(&format!("search {}", "a.test ".repeat(100))).len(), 32);
    }
}
