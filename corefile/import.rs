//! `import`: puts the tokens of a snippet or of files in the place of the directive. Part of the parser.
//!
//! Snippets take no arguments: CoreDNS's dialect has no `{args.0}`. Files are read once per parse, however often they
//! are imported.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::ast::Import;
use crate::diagnostic::{Diagnostic, Kind};
use crate::files::{absolute, directory, os_error_text};
use crate::glob;
use crate::lexer;
use crate::parser::{MAX_TOKENS, Parser};
use crate::span::{FileId, decode};
use crate::token::Token;

/// Snippets put in per parse at most, counted in total (CoreDNS's `maxSnippetExpansions`).
const MAX_SNIPPETS: usize = 10_000;

/// File imports per parse at most, counted in total (CoreDNS's `maxFileExpansions`).
const MAX_FILES: usize = 100_000;

/// What one parse remembers of its imports.
#[derive(Default)]
pub(crate) struct Importer {
    /// Snippets put in so far.
    snippets: usize,
    /// File imports so far.
    files: usize,
    /// What each argument in each file stands for, so that a cycle costs little until its limit. Together not more
    /// than the tokens put in.
    arguments: HashMap<(FileId, Arc<str>), Arc<[Token]>>,
    /// The patterns looked at so far.
    patterns: HashSet<String>,
    /// The tokens of the files read so far, by absolute path.
    tokens: HashMap<String, Arc<[Token]>>,
}

impl Parser<'_> {
    /// Replaces `import ARGUMENT`, whose first word is current; the first new token is current afterwards.
    pub(crate) fn import(&mut self) -> Result<(), Diagnostic> {
        let word = self.stream.val().to_owned();
        if !self.stream.next_arg() {
            return Err(self.err(format!("Wrong argument count or unexpected line ending after '{word}'")));
        }
        let Some(argument) = self.substituted().filter(|argument| !argument.is_empty()) else {
            return Err(self.err("Import requires a non-empty filepath"));
        };
        if self.stream.next_arg() {
            let diagnostic = self.err("Import takes only one argument (glob pattern or file)");
            return Err(diagnostic.with_help("snippets take no arguments either"));
        }
        let tokens = match self.snippets.get(argument.as_str()).map(Arc::clone) {
            Some(body) => self.expand_snippet(body)?,
            None => self.import_files(&argument)?,
        };
        if self.stream.len().saturating_add(tokens.len()) > MAX_TOKENS {
            return Err(self.too_many_tokens());
        }
        self.stream.replace_two(&tokens);
        Ok(())
    }

    /// Counts a snippet that is put in.
    fn expand_snippet(&mut self, body: Arc<[Token]>) -> Result<Arc<[Token]>, Diagnostic> {
        if self.importer.snippets >= MAX_SNIPPETS {
            return Err(self.snippet_limit());
        }
        self.importer.snippets += 1;
        Ok(body)
    }

    /// The tokens of all files that the argument names.
    fn import_files(&mut self, argument: &Token) -> Result<Arc<[Token]>, Diagnostic> {
        if self.importer.files >= MAX_FILES {
            // CoreDNS prints the limit of snippets here too.
            return Err(self.err(format!("maximum file import depth ({MAX_SNIPPETS}) exceeded")));
        }
        self.importer.files += 1;
        let key = (argument.file, Arc::clone(&argument.text));
        if let Some(tokens) = self.importer.arguments.get(&key) {
            return Ok(Arc::clone(tokens));
        }
        let mut tokens = Vec::new();
        for path in self.matching(argument)? {
            tokens.extend_from_slice(&self.file_tokens(&path)?);
            if tokens.len() > MAX_TOKENS {
                return Err(self.too_many_tokens());
            }
        }
        let tokens: Arc<[Token]> = Arc::from(tokens);
        self.importer.arguments.insert(key, Arc::clone(&tokens));
        Ok(tokens)
    }

    /// The files that an argument names. A pattern may match nothing, with a warning; a plain path must exist.
    fn matching(&mut self, argument: &Token) -> Result<Vec<String>, Diagnostic> {
        let pattern = self.absolute_pattern(argument)?;
        let (stars, marks) = (pattern.matches('*').count(), pattern.matches('?').count());
        if stars > 1 || marks > 1 || (pattern.contains('[') && pattern.contains(']')) {
            let message = format!("Glob pattern may only contain one wildcard (*), but has others: {pattern}");
            return Err(self.err(message));
        }
        let paths = glob::glob(&pattern, self.options.files)
            .map_err(|bad| self.err(format!("Failed to use import pattern {argument}: {bad}")))?;
        if glob::is_pattern(&pattern) && self.importer.patterns.insert(pattern.clone()) {
            self.imports.push(Import::Glob(pattern.clone()));
        }
        if paths.is_empty() {
            if !pattern.contains(['*', '?', '[', ']']) {
                return Err(self.err(format!("File to import not found: {argument}")));
            }
            let warning = self.err(format!("No files matching import glob pattern: {argument}"));
            self.warn(Some(Diagnostic { kind: Kind::Plain, ..warning }.into_warning()));
        }
        Ok(paths)
    }

    /// The argument as an absolute path: a relative one starts beside the file in which it is written.
    fn absolute_pattern(&self, argument: &Token) -> Result<String, Diagnostic> {
        if argument.starts_with('/') {
            return Ok(argument.as_str().to_owned());
        }
        let importer = self.sources.name(argument.file);
        let base = if importer.starts_with('/') { Ok(PathBuf::from("/")) } else { self.options.files.current_dir() };
        let base = base.map_err(|error| {
            self.err(format!("Failed to get absolute path of file: {importer}: {}", os_error_text(&error)))
        })?;
        let directory = directory(&absolute(&importer, &base));
        Ok(absolute(argument, Path::new(&directory)))
    }

    /// The tokens of one file, read once.
    fn file_tokens(&mut self, path: &str) -> Result<Arc<[Token]>, Diagnostic> {
        let name = absolute(path, Path::new("/"));
        if let Some(tokens) = self.importer.tokens.get(&name) {
            return Ok(Arc::clone(tokens));
        }
        let read = self.options.files.read(Path::new(path));
        let bytes = read.map_err(|error| self.err(format!("Could not import {path}: {}", open_error(path, &error))))?;
        let text = decode(&bytes);
        let file = self.sources.add(&name, &text);
        let tokens: Arc<[Token]> = Arc::from(lexer::tokens(file, &text, MAX_TOKENS));
        self.imports.push(Import::File(PathBuf::from(&name)));
        self.importer.tokens.insert(name, Arc::clone(&tokens));
        Ok(tokens)
    }

    /// Snippets import one another without end.
    pub(crate) fn snippet_limit(&self) -> Diagnostic {
        self.err(format!("maximum snippet import depth ({MAX_SNIPPETS}) exceeded"))
    }
}

/// Go's words for a file that cannot be read.
fn open_error(path: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::IsADirectory => os_error_text(error),
        _ => format!("open {path}: {}", os_error_text(error)),
    }
}
