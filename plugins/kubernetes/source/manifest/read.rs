//! Files and folders of manifests, read as streams: a file of any size costs the memory of its largest object.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::de::DeserializeSeed;

use super::decode::{KIND_TOO_LATE, Objects};
use super::head::Heads;
use super::object::Written;

/// How much of a file is read at once, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;
/// How deep an object may nest; Kubernetes' own limit for custom objects is 32.
const MAX_DEPTH: usize = 64;

/// What is wrong with a manifest, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub(crate) struct ManifestError {
    /// The file.
    pub(crate) path: PathBuf,
    /// Line and column, from 1; none for a file that cannot be read.
    pub(crate) at: Option<(u64, u64)>,
    /// What is wrong.
    pub(crate) message: String,
}

impl ManifestError {
    /// An error that concerns a file as a whole.
    pub(super) fn io(path: &Path, error: &io::Error) -> Self {
        Self { path: path.to_owned(), at: None, message: error.to_string() }
    }

    /// Writes the place, as compilers do, and what is wrong.
    fn text(&self) -> String {
        let path = self.path.display();
        match self.at {
            Some((line, column)) => format!("{path}:{line}:{column}: {}", self.message),
            None => format!("{path}: {}", self.message),
        }
    }
}

/// Lists the files that `path` stands for: itself, or the manifests in the folder, sorted by name.
pub(super) fn files(path: &Path) -> Result<Vec<PathBuf>, ManifestError> {
    let fail = |error: io::Error| ManifestError::io(path, &error);
    if !std::fs::metadata(path).map_err(fail)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(fail)? {
        let file = entry.map_err(fail)?.path();
        let is_hidden = file.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if !is_hidden && Format::by_name(&file).is_some() && !file.is_dir() {
            found.push(file);
        }
    }
    found.sort();
    Ok(found)
}

/// Reads a file and hands its objects to `sink`, in order.
pub(super) fn read(path: &Path, sink: &mut dyn FnMut(Written)) -> Result<(), ManifestError> {
    let fail = |error: io::Error| ManifestError::io(path, &error);
    let open = || File::open(path).map(|file| BufReader::with_capacity(CHUNK_BYTES, file)).map_err(fail);
    let mut file = open()?;
    let format = Format::by_name(path).map_or_else(|| Format::by_content(&mut file), Ok).map_err(fail)?;
    let attempt = |file, second, sink: &mut dyn FnMut(Written)| match format {
        Format::Json => json(file, second, sink),
        Format::Yaml => yaml(file, second, sink),
    };
    let mut result = attempt(file, false, sink);
    if result.as_ref().is_err_and(|error| error.message.contains(KIND_TOO_LATE)) {
        result = attempt(open()?, true, sink);
    }
    result.map_err(|mut error| {
        path.clone_into(&mut error.path);
        error
    })
}

/// How a manifest is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// YAML documents, between `---` if there are several.
    Yaml,
    /// JSON values, one after the other.
    Json,
}

impl Format {
    /// Returns the format that a file's name tells.
    fn by_name(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "yaml" | "yml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    /// Returns the format that a file's first character tells.
    fn by_content(file: &mut impl BufRead) -> io::Result<Self> {
        let start = file.fill_buf()?;
        let first = start.iter().find(|byte| !byte.is_ascii_whitespace());
        Ok(if first == Some(&b'{') { Self::Json } else { Self::Yaml })
    }
}

/// Reads JSON values; with `second`, each is expected to have had its heads read first.
fn json(file: BufReader<File>, second: bool, sink: &mut dyn FnMut(Written)) -> Result<(), ManifestError> {
    if second {
        return json_in_memory(file, sink);
    }
    let mut from = serde_json::Deserializer::from_reader(file);
    while from.end().is_err() {
        Objects { sink, heads: None }.deserialize(&mut from).map_err(|error| json_error(&error))?;
    }
    Ok(())
}

/// Reads JSON values whose kinds come too late: the heads first, then the objects.
fn json_in_memory(mut file: BufReader<File>, sink: &mut dyn FnMut(Written)) -> Result<(), ManifestError> {
    let mut text = Vec::new();
    file.read_to_end(&mut text).map_err(|error| ManifestError::io(Path::new(""), &error))?;
    let mut heads = Heads::default();
    let mut from = serde_json::Deserializer::from_slice(&text);
    while from.end().is_err() {
        heads.deserialize(&mut from).map_err(|error| json_error(&error))?;
    }
    let mut objects = Objects { sink, heads: Some(heads.0) };
    let mut from = serde_json::Deserializer::from_slice(&text);
    while from.end().is_err() {
        objects.deserialize(&mut from).map_err(|error| json_error(&error))?;
    }
    Ok(())
}

/// Reads YAML documents.
fn yaml(file: BufReader<File>, second: bool, sink: &mut dyn FnMut(Written)) -> Result<(), ManifestError> {
    let mut documents = Documents { file, line: Vec::new(), lines: 0, is_over: false };
    while let Some(mut document) = documents.next().map_err(|error| ManifestError::io(Path::new(""), &error))? {
        let first_line = document.first_line;
        let fail = |error: serde_saphyr::Error| yaml_error(&error, first_line);
        if !second {
            let mut objects = Objects { sink, heads: None };
            let read = |from: serde_saphyr::Deserializer<'_, '_>| (&mut objects).deserialize(from);
            serde_saphyr::with_deserializer_from_reader_with_options(&mut document, options(), read).map_err(fail)?;
            continue;
        }
        let mut text = String::new();
        document.read_to_string(&mut text).map_err(|error| ManifestError::io(Path::new(""), &error))?;
        let mut heads = Heads::default();
        serde_saphyr::with_deserializer_from_str_with_options(&text, options(), |from| heads.deserialize(from))
            .map_err(fail)?;
        let mut objects = Objects { sink, heads: Some(heads.0) };
        serde_saphyr::with_deserializer_from_str_with_options(&text, options(), |from| objects.deserialize(from))
            .map_err(fail)?;
    }
    Ok(())
}

/// Returns how YAML is read: as large as it comes (the operator wrote it), but not deeper than objects are.
fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_reader_input_bytes: None,
            max_events: usize::MAX,
            max_nodes: usize::MAX,
            max_total_scalar_bytes: usize::MAX,
            max_total_comment_bytes: usize::MAX,
            max_depth: MAX_DEPTH,
        },
        with_snippet: false,
    }
}

/// Places an error of the JSON reader.
fn json_error(error: &serde_json::Error) -> ManifestError {
    let text = error.to_string();
    let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message).to_owned();
    let at = Some((error.line() as u64, error.column() as u64));
    ManifestError { path: PathBuf::new(), at, message }
}

/// Places an error of the YAML reader; lines before `first_line` belong to other documents.
fn yaml_error(error: &serde_saphyr::Error, first_line: u64) -> ManifestError {
    let text = error.to_string();
    let (line, column) = error.location().map_or((1, 1), |place| (place.line(), place.column()));
    let message = text.replace(&format!(" at line {line}, column {column}"), "");
    ManifestError { path: PathBuf::new(), at: Some((first_line + line, column)), message }
}

/// The YAML documents of a file.
///
/// A line that starts with `---` ends a document whatever it stands in (YAML 1.2 §9.1.2), so no parser is needed here.
struct Documents {
    /// The file.
    file: BufReader<File>,
    /// The line that has been read ahead, empty if none.
    line: Vec<u8>,
    /// How many lines have been handed out or skipped.
    lines: u64,
    /// Whether the file has ended.
    is_over: bool,
}

impl Documents {
    /// Returns the next document that has anything in it.
    fn next(&mut self) -> io::Result<Option<Document<'_>>> {
        loop {
            if self.line.is_empty() && !self.advance()? {
                return Ok(None);
            }
            if is_separator(&self.line) {
                // What follows on the same line belongs to the document, and keeps its column.
                self.line.iter_mut().take(SEPARATOR.len()).for_each(|byte| *byte = b' ');
            }
            if !is_blank(&self.line) && !self.line.starts_with(b"%") {
                let first_line = self.lines - 1;
                return Ok(Some(Document { documents: self, at: 0, first_line, is_over: false }));
            }
            self.line.clear();
        }
    }

    /// Reads the next line; false at the end of the file.
    fn advance(&mut self) -> io::Result<bool> {
        self.line.clear();
        self.is_over = self.is_over || self.file.read_until(b'\n', &mut self.line)? == 0;
        self.lines += u64::from(!self.is_over);
        Ok(!self.is_over)
    }
}

/// What a line begins with that separates documents.
const SEPARATOR: &[u8] = b"---";

/// Says whether a line separates documents.
fn is_separator(line: &[u8]) -> bool {
    line.strip_prefix(SEPARATOR).is_some_and(|rest| rest.first().is_none_or(u8::is_ascii_whitespace))
}

/// Says whether a line holds nothing, or only a comment.
fn is_blank(line: &[u8]) -> bool {
    let first = line.iter().find(|byte| !byte.is_ascii_whitespace());
    first.is_none_or(|byte| *byte == b'#')
}

/// The text of one document.
struct Document<'a> {
    /// Where it is read from.
    documents: &'a mut Documents,
    /// How much of the current line has been handed out, in bytes.
    at: usize,
    /// How many lines of the file stand before it.
    first_line: u64,
    /// Whether its last line has been handed out.
    is_over: bool,
}

impl Read for Document<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if !self.is_over && self.at >= self.documents.line.len() {
            self.is_over = !self.documents.advance()? || is_separator(&self.documents.line);
            self.at = 0;
        }
        if self.is_over {
            return Ok(0);
        }
        let left = self.documents.line.get(self.at..).unwrap_or_default();
        let length = left.len().min(into.len());
        let (part, rest) = (left.get(..length).unwrap_or_default(), into.get_mut(..length).unwrap_or_default());
        rest.copy_from_slice(part);
        self.at += length;
        Ok(length)
    }
}
