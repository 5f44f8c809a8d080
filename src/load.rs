//! Finds the Corefile, reads and parses it. Knows where text comes from; sets nothing up.

use aws_lc_rs::digest::{Context, SHA512};
use corefile::{Corefile, Diagnostic, DiskFiles, Input, Options, ProcessEnv, Sources, os_error_text, render};
use std::io::{self, IsTerminal as _, Read as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::sync::Arc;

/// The Corefile when none is named.
const DEFAULT_FILE: &str = "Corefile";

/// Where the configuration comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The value of `-conf`; empty for the default.
    pub conf: String,
    /// The port of plain DNS.
    pub port: String,
}

/// A configuration that has been read and parsed.
pub struct Loaded {
    /// What is written in it.
    pub corefile: Corefile,
    /// SHA-512 of its meaning, in hexadecimal.
    pub hash: String,
    /// Whether it is the built-in one, for want of any server block.
    pub is_built_in: bool,
}

/// Why there is no configuration. Its text may have several lines; the first one is CoreDNS's.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The file cannot be read.
    #[error("{0}")]
    Read(String),
    /// The user has something to mend.
    #[error("{}", .0.join("\n"))]
    Rejected(Vec<String>),
    /// It could not be started.
    #[error("{0}")]
    Start(String),
}

impl Failure {
    /// Diagnostics with the lines that they are about.
    #[must_use]
    pub fn rejected(diagnostics: &[Diagnostic], sources: &Sources) -> Self {
        Self::Rejected(diagnostics.iter().map(|diagnostic| render(diagnostic, sources)).collect())
    }

    /// The first diagnostic in one line, for logs: what CoreDNS says, then file, line and column if they are known.
    #[must_use]
    pub fn log_line(&self) -> String {
        let text = match self {
            Self::Read(text) | Self::Start(text) => text,
            Self::Rejected(diagnostics) => diagnostics.first().map_or("", String::as_str),
        };
        let place = text.split_once("\n  --> ").and_then(|(_, rest)| rest.lines().next());
        let end = ["\n  --> ", "\n  = "].iter().filter_map(|mark| text.find(mark)).min().unwrap_or(text.len());
        let message = text.get(..end).unwrap_or(text);
        place.map_or_else(|| message.to_owned(), |place| format!("{message} ({place})"))
    }
}

/// What was read: the name in messages and the octets; none if there is nothing to read.
type Text = Option<(String, Vec<u8>)>;

impl Origin {
    /// Reads the configuration as at the start: nothing to read, or no server block in it, means the built-in one.
    ///
    /// # Errors
    /// When the file cannot be read or parsed.
    pub fn load(&self) -> Result<Loaded, Failure> {
        let text = self.read()?;
        if let Some((name, octets)) = text {
            let loaded = parse(&name, &octets)?;
            if !loaded.corefile.blocks.is_empty() {
                return Ok(loaded);
            }
        }
        let built_in = format!(".:{} {{\nwhoami\nlog\n}}\n", self.port);
        Ok(Loaded { is_built_in: true, ..parse(DEFAULT_FILE, built_in.as_bytes())? })
    }

    /// Whether it can be read again: standard input is spent.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.conf == "stdin"
    }

    /// The hash of what would be loaded now, whatever its directives; none without any server block.
    ///
    /// # Errors
    /// When the file cannot be read or parsed.
    pub fn peek(&self) -> Result<Option<String>, Failure> {
        let Some((name, octets)) = self.read()? else { return Ok(None) };
        let options = Options { directives: None, hints: &[], env: &ProcessEnv, files: &DiskFiles };
        let corefile = corefile::parse(Input { name: &name, text: &octets }, options)
            .map_err(|rejected| Failure::rejected(&rejected.diagnostics, &rejected.sources))?;
        Ok(Some(hash(&corefile)).filter(|_| !corefile.blocks.is_empty()))
    }

    /// Reads the text.
    fn read(&self) -> Result<Text, Failure> {
        match &*self.conf {
            "" => match read_file(DEFAULT_FILE) {
                Ok(octets) => Ok(Some((DEFAULT_FILE.to_owned(), octets))),
                Err(error) if error.kind == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(Failure::Read(error.text)),
            },
            "stdin" => read_stdin().map_err(|error| Failure::Read(os_error_text(&error))),
            file => match read_file(file) {
                Ok(octets) => Ok(Some((file.to_owned(), octets))),
                Err(error) => Err(Failure::Read(format!("loading Caddyfile via flag: {}", error.text))),
            },
        }
    }
}

/// An error of reading in Go's words.
struct ReadError {
    kind: io::ErrorKind,
    text: String,
}

/// Reads a file; a directory is an error of reading, all others are errors of opening.
fn read_file(name: &str) -> Result<Vec<u8>, ReadError> {
    corefile::Files::read(&DiskFiles, Path::new(name)).map_err(|error| {
        let step = if error.kind() == io::ErrorKind::IsADirectory { "read" } else { "open" };
        ReadError { kind: error.kind(), text: format!("{step} {name}: {}", os_error_text(&error)) }
    })
}

/// Reads standard input, unless it is a terminal or another device.
fn read_stdin() -> io::Result<Text> {
    let is_device = std::fs::metadata("/dev/stdin").is_ok_and(|input| input.file_type().is_char_device());
    if is_device || io::stdin().is_terminal() {
        return Ok(None);
    }
    let mut octets = Vec::new();
    io::stdin().lock().take(corefile::MAX_FILE_BYTES).read_to_end(&mut octets)?;
    Ok(Some(("/dev/stdin".to_owned(), octets)))
}

/// Parses text with the plugins that are built in.
fn parse(name: &str, text: &[u8]) -> Result<Loaded, Failure> {
    let names: Vec<&str> = plugins::names().chain(plugins::OLD_NAMES).collect();
    let hints = plugins::hints();
    let options = Options { directives: Some(&names), hints: &hints, env: &ProcessEnv, files: &DiskFiles };
    match corefile::parse(Input { name, text }, options) {
        Ok(mut corefile) => {
            let hash = hash(&corefile);
            plugins::modernise(&mut corefile).map_err(|error| Failure::rejected(&[error], &corefile.sources))?;
            Ok(Loaded { corefile, hash, is_built_in: false })
        }
        Err(rejected) => Err(Failure::rejected(&rejected.diagnostics, &rejected.sources)),
    }
}

/// SHA-512 over all tokens with file and line, imports included: so a blank line between others counts, and indentation
/// does not (CoreDNS: plugin/reload hashes its parser's JSON, which has the line numbers).
fn hash(corefile: &Corefile) -> String {
    let sources: &Arc<Sources> = &corefile.sources;
    let mut context = Context::new(&SHA512);
    for block in &corefile.blocks {
        context.update(b"{");
        let tokens = block.directives.iter().flat_map(|directive| &directive.tokens);
        for token in block.keys.iter().chain(tokens) {
            context.update(sources.name(token.file).as_bytes());
            context.update(&token.line.to_be_bytes());
            context.update(&(token.text.len() as u64).to_be_bytes());
            context.update(token.text.as_bytes());
        }
    }
    context.finish().as_ref().iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn the_hash_sees_lines_but_not_blanks() {
        let hash = |text: &str| parse("Corefile", text.as_bytes()).unwrap().hash;
        let first = hash(".:53 {\n whoami\n}\n");
        assert_eq!(first.len(), 128);
        assert_eq!(first, hash(".:53   {\n      whoami # said\n}\n\n\n"));
        assert_ne!(first, hash(".:53 {\n\n whoami\n}\n"));
        assert_ne!(first, hash(".:53 {\n debug\n}\n"));
    }
}
