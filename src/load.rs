//! Finds the Corefile, reads and parses it. Knows where text comes from; sets nothing up.

use aws_lc_rs::digest::{Context, SHA512};
use corefile::keys::inspect;
use corefile::{Corefile, Diagnostic, DiskFiles, Input, Options, ProcessEnv, Sources, Span, os_error_text, render};
use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Read as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::sync::Arc;

/// The Corefile when none is named.
const DEFAULT_FILE: &str = "Corefile";
/// The port of plain DNS when none is given.
pub(crate) const DEFAULT_PORT: &str = "53";

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
    /// Warnings about the file as a whole, for the log.
    pub notes: Vec<String>,
}

/// Why there is no configuration. Its text may have several lines; the first one is CoreDNS's.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The file cannot be read.
    #[error("{}{error}", via_flag(.is_named))]
    Read {
        /// What the system says, in Go's words.
        error: String,
        /// Whether `-conf` names the file.
        is_named: bool,
    },
    /// The user has something to mend.
    #[error("{}", texts(.errors))]
    Rejected {
        /// At least one.
        errors: Vec<Rejection>,
        /// What the file looks like, if not like a Corefile.
        note: Option<String>,
    },
    /// It could not be started.
    #[error("{0}")]
    Start(String),
    /// The process is about to end: what was begun is abandoned.
    #[error("the process is about to end")]
    Ending,
}

/// One thing that the user has to mend.
#[derive(Debug)]
pub struct Rejection {
    /// With the line that it is about.
    pub text: String,
    /// In one line: what CoreDNS says, then file, line and column if they are known.
    pub line: String,
}

/// What CoreDNS puts before an error of reading the file that `-conf` names.
fn via_flag(is_named: &bool) -> &'static str {
    if *is_named { "loading Caddyfile via flag: " } else { "" }
}

/// All texts, one below the other.
fn texts(errors: &[Rejection]) -> String {
    errors.iter().map(|error| &*error.text).collect::<Vec<_>>().join("\n")
}

impl Failure {
    /// Diagnostics with the lines that they are about.
    #[must_use]
    pub fn rejected(diagnostics: &[Diagnostic], sources: &Sources) -> Self {
        let errors = diagnostics.iter().map(|diagnostic| Rejection {
            text: render(diagnostic, sources),
            line: match diagnostic.location.as_ref().and_then(|location| place(location.span?, sources)) {
                Some(place) => format!("{diagnostic} ({place})"),
                None => diagnostic.to_string(),
            },
        });
        Self::Rejected { errors: errors.collect(), note: None }
    }

    /// What the file looks like, if it is refused and no Corefile.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        if let Self::Rejected { note, .. } = self { note.as_deref() } else { None }
    }

    /// The failure in one line, for logs: of several diagnostics the first, with its place.
    #[must_use]
    pub fn log_line(&self) -> Cow<'_, str> {
        match self {
            Self::Rejected { errors, .. } => errors.first().map_or("", |error| &error.line).into(),
            Self::Start(text) => text.into(),
            Self::Read { .. } | Self::Ending => self.to_string().into(),
        }
    }
}

/// Where a span begins: file, line and column.
fn place(span: Span, sources: &Sources) -> Option<String> {
    let shown = sources.excerpt(span)?;
    Some(format!("{}:{}:{}", sources.name(span.file), shown.line, shown.column))
}

/// What was read: the name in messages and the octets; none if there is nothing to read.
type Text = Option<(String, Vec<u8>)>;

impl Origin {
    /// Reads the configuration as at the start: nothing to read, or no server block in it, means the built-in one.
    ///
    /// # Errors
    /// When the file cannot be read or parsed.
    pub fn load(&self) -> Result<Loaded, Failure> {
        let serving = format!("serving the built-in configuration, whoami and log on port {}", self.port);
        let notes = match self.read()? {
            Some((name, octets)) => {
                let mut loaded = parse(&name, &octets)?;
                if !loaded.corefile.blocks.is_empty() {
                    loaded.notes.extend(self.idle_port(&loaded.corefile));
                    return Ok(loaded);
                }
                let warnings = loaded.corefile.warnings.iter().map(ToString::to_string);
                warnings.chain([format!("{name} has no server block: {serving}")]).collect()
            }
            None if self.is_spent() => vec![format!("there is no Corefile on standard input: {serving}")],
            None => vec![format!("there is no Corefile in {}: {serving}; name one with -conf", folder())],
        };
        let built_in = format!(".:{} {{\nwhoami\nlog\n}}\n", self.port);
        Ok(Loaded { is_built_in: true, notes, ..parse(DEFAULT_FILE, built_in.as_bytes())? })
    }

    /// A warning that the port of `-dns.port` is used nowhere: every key brings its own, another one.
    fn idle_port(&self, corefile: &Corefile) -> Option<String> {
        if self.port == DEFAULT_PORT {
            return None;
        }
        let keys = |port: &str| inspect(&corefile.blocks, port, &corefile.sources).ok();
        let with = keys(&self.port)?;
        let is_used = Some(&with) != keys("").as_ref() || with.iter().flatten().any(|key| key.port == self.port);
        (!is_used).then(|| format!("-dns.port {} has no effect: every server block names its port", self.port))
    }

    /// Its name in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        if self.conf.is_empty() { DEFAULT_FILE } else { &self.conf }
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
        let Some((name, octets)) = self.read()? else {
            return Err(self.unreadable(format!("open {DEFAULT_FILE}: no such file or directory")));
        };
        let corefile = parse_text(&name, &octets, None, &[])?;
        Ok(Some(hash(&corefile)).filter(|_| !corefile.blocks.is_empty()))
    }

    /// Reads the text.
    fn read(&self) -> Result<Text, Failure> {
        match &*self.conf {
            "" => match read_file(DEFAULT_FILE) {
                Ok(octets) => Ok(Some((DEFAULT_FILE.to_owned(), octets))),
                Err(error) if error.kind == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(self.unreadable(error.text)),
            },
            "stdin" => read_stdin().map_err(|error| self.unreadable(os_error_text(&error))),
            file => match read_file(file) {
                Ok(octets) => Ok(Some((file.to_owned(), octets))),
                Err(error) => Err(self.unreadable(error.text)),
            },
        }
    }

    /// The failure of reading it.
    fn unreadable(&self, error: String) -> Failure {
        Failure::Read { error, is_named: !self.conf.is_empty() && !self.is_spent() }
    }
}

/// The working directory, for messages.
fn folder() -> String {
    std::env::current_dir().map_or_else(|_| "the working directory".to_owned(), |path| path.display().to_string())
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
    let mut corefile = parse_text(name, text, Some(&names), &plugins::hints())?;
    let hash = hash(&corefile);
    plugins::modernise(&mut corefile).map_err(|error| Failure::rejected(&[error], &corefile.sources))?;
    Ok(Loaded { corefile, hash, is_built_in: false, notes: looks_like(name, text).into_iter().collect() })
}

/// Parses text; of a text that is refused and is no Corefile the failure says what it looks like.
fn parse_text(
    name: &str,
    text: &[u8],
    directives: Option<&[&str]>,
    hints: &[(&str, &str)],
) -> Result<Corefile, Failure> {
    let options = Options { directives, hints, env: &ProcessEnv, files: &DiskFiles };
    corefile::parse(Input { name, text }, options).map_err(|rejected| {
        match Failure::rejected(&rejected.diagnostics, &rejected.sources) {
            Failure::Rejected { errors, .. } => Failure::Rejected { errors, note: looks_like(name, text) },
            failure => failure,
        }
    })
}

/// A warning about text that is a Kubernetes object, as JSON or YAML, in the place of the Corefile that it may hold.
fn looks_like(name: &str, text: &[u8]) -> Option<String> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text).trim_ascii_start();
    let is_json = text.strip_prefix(b"{").is_some_and(|rest| rest.trim_ascii_start().starts_with(b"\""));
    let is_yaml = text.split(|octet| *octet == b'\n').any(|line| line.starts_with(b"apiVersion:"));
    let format = if is_json { "JSON" } else { "YAML" };
    (is_json || is_yaml).then(|| {
        format!(
            "{name} looks like {format}, not like a Corefile; of a ConfigMap the Corefile is the value of data.Corefile: \
            kubectl -n kube-system get configmap coredns -o jsonpath='{{.data.Corefile}}'"
        )
    })
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
