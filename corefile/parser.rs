//! Tokens to server blocks. Which directives exist is told by the caller; what their arguments mean is not known here.
//!
//! The grammar and its messages are those of CoreDNS's `caddyfile/parse.go`. One difference: after an unknown
//! directive it goes on, so that all of them are reported; the first one is what CoreDNS says.

use std::collections::HashMap;
use std::sync::Arc;

use crate::ast::{Corefile, Directive, Import, ServerBlock};
use crate::diagnostic::{Diagnostic, Location, render};
use crate::environment::{Env, substitute};
use crate::files::Files;
use crate::import::Importer;
use crate::lexer;
use crate::oddities::oddities;
use crate::snippet::snippet_name;
use crate::span::{FileId, Sources, decode};
use crate::stream::Stream;
use crate::suggest::suggest;
use crate::token::Token;

/// Tokens of a Corefile with all imports at most, about 50 MB; the largest known real one has some thousand.
pub(crate) const MAX_TOKENS: usize = 1 << 20;

/// Warnings of one Corefile at most; an import that is reached many times would repeat itself.
const MAX_WARNINGS: usize = 100;

/// Diagnostics of one Corefile at most; nobody reads more.
const MAX_DIAGNOSTICS: usize = 50;

/// The Corefile to parse.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Its name in messages, and where relative imports start: `Corefile`, a path, `/dev/stdin`.
    pub name: &'a str,
    /// Its bytes as read.
    pub text: &'a [u8],
}

/// What the parser must be told.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// The directives that exist; `None` takes any.
    pub directives: Option<&'a [&'a str]>,
    /// What to say of certain names that are not among them.
    pub hints: &'a [(&'a str, &'a str)],
    /// Where variables come from.
    pub env: &'a dyn Env,
    /// Where imports come from.
    pub files: &'a dyn Files,
}

/// A Corefile that cannot be used.
#[derive(Debug, Clone)]
pub struct Rejected {
    /// What is wrong: at least one; the first is what CoreDNS says.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts that were read, for messages.
    pub sources: Arc<Sources>,
}

impl Rejected {
    /// All diagnostics as text, without a line break at the end.
    pub fn render(&self) -> String {
        let list: Vec<String> = self.diagnostics.iter().map(|one| render(one, &self.sources)).collect();
        list.join("\n")
    }
}

/// Parses a Corefile and all it imports.
pub fn parse(input: Input<'_>, options: Options<'_>) -> Result<Corefile, Rejected> {
    let text = decode(input.text);
    let mut sources = Sources::default();
    let file = sources.add(input.name, &text);
    let mut parser = Parser {
        options,
        stream: Stream::new(lexer::tokens(file, &text, MAX_TOKENS)),
        sources,
        importer: Importer::default(),
        snippets: HashMap::new(),
        diagnostics: Vec::new(),
        warnings: Vec::new(),
        imports: Vec::new(),
    };
    let (blocks, failure) = parser.blocks();
    parser.diagnostics.extend(failure);
    let sources = Arc::new(parser.sources);
    if parser.diagnostics.is_empty() {
        return Ok(Corefile { blocks, sources, warnings: parser.warnings, imports: parser.imports });
    }
    Err(Rejected { diagnostics: parser.diagnostics, sources })
}

/// The state of one parse.
pub(crate) struct Parser<'a> {
    /// What the caller said.
    pub(crate) options: Options<'a>,
    /// The tokens, and where we are.
    pub(crate) stream: Stream,
    /// The texts read so far.
    pub(crate) sources: Sources,
    /// What is known of imported files.
    pub(crate) importer: Importer,
    /// The snippets defined so far, with their tokens.
    pub(crate) snippets: HashMap<String, Arc<[Token]>>,
    /// Errors after which parsing went on.
    diagnostics: Vec<Diagnostic>,
    /// Warnings so far.
    warnings: Vec<Diagnostic>,
    /// Imported files and patterns so far.
    pub(crate) imports: Vec<Import>,
}

/// An error after which parsing cannot go on.
pub(crate) type Parsed<T> = Result<T, Diagnostic>;

/// The directives of a block under construction, found by name.
#[derive(Default)]
struct Collected {
    /// In the order of first appearance.
    list: Vec<Directive>,
    /// Where in the list.
    places: HashMap<Arc<str>, usize>,
}

impl Collected {
    /// The tokens of the directive called `name`, a new one if it is the first of its name.
    fn tokens(&mut self, name: &Token) -> Option<&mut Vec<Token>> {
        let next = self.list.len();
        let at = *self.places.entry(Arc::clone(&name.text)).or_insert(next);
        if at == next {
            self.list.push(Directive { name: name.clone(), tokens: Vec::new() });
        }
        self.list.get_mut(at).map(|directive| &mut directive.tokens)
    }
}

impl Parser<'_> {
    /// The whole file: its blocks, and what ended parsing early.
    fn blocks(&mut self) -> (Vec<ServerBlock>, Option<Diagnostic>) {
        let mut blocks = Vec::new();
        if self.stream.len() > MAX_TOKENS {
            return (blocks, Some(self.too_many_tokens()));
        }
        while self.stream.next() {
            match self.block() {
                Ok(block) => blocks.extend(block),
                Err(failure) => return (blocks, Some(failure)),
            }
        }
        self.warnings.extend(oddities(&blocks, &self.sources));
        (blocks, None)
    }

    /// One server block; `None` for a snippet, and for a block without keys, which CoreDNS drops without a word.
    fn block(&mut self) -> Parsed<Option<ServerBlock>> {
        let (keys, is_at_end) = self.keys()?;
        if is_at_end {
            return Ok(Some(ServerBlock { keys, directives: Vec::new() }).filter(|block| !block.keys.is_empty()));
        }
        if let Some(name) = snippet_name(&keys) {
            self.snippet(name)?;
            return Ok(None);
        }
        let nameless = keys.is_empty().then(|| self.err("a server block without a zone is left out").into_warning());
        let directives = self.block_contents()?;
        self.warn(nameless);
        Ok(Some(ServerBlock { keys, directives }).filter(|block| !block.keys.is_empty()))
    }

    /// The keys up to `{` or the end of the line, and whether the file ended with them.
    fn keys(&mut self) -> Parsed<(Vec<Token>, bool)> {
        let mut keys = Vec::new();
        let mut is_expecting_another = false;
        loop {
            let key = self.substituted();
            if key.as_ref().is_some_and(|key| *key == "import") && self.stream.is_new_line() {
                self.import()?;
                continue;
            }
            if let Some(key) = key.filter(|key| !key.is_empty()) {
                if key == "{" {
                    if is_expecting_another {
                        return Err(self.err("Expected another address but had '{' - check for extra comma"));
                    }
                    return Ok((keys, false));
                }
                let stripped = key.strip_suffix(',').map(Arc::from);
                is_expecting_another = stripped.is_some();
                keys.push(Token { text: stripped.unwrap_or_else(|| Arc::clone(&key.text)), ..key });
            }
            if !self.stream.next() {
                return if is_expecting_another { Err(self.eof_err()) } else { Ok((keys, true)) };
            }
            if !is_expecting_another && self.stream.is_new_line() {
                return Ok((keys, false));
            }
        }
    }

    /// What follows the keys: directives in braces, or up to the end of the file without.
    fn block_contents(&mut self) -> Parsed<Vec<Directive>> {
        let opening = self.stream.token().filter(|token| *token == "{").cloned();
        let Some(opening) = opening else {
            self.stream.back();
            return Ok(self.directives()?.0);
        };
        let (directives, is_closed) = self.directives()?;
        if self.stream.val() != "}" {
            return Err(self.missing_brace());
        }
        if !is_closed {
            // CoreDNS looks only at the last word of the file, which may be the brace of a directive.
            let warning = Diagnostic::parsing(location(&opening, &self.sources), "this brace is never closed");
            self.warn(Some(warning.into_warning()));
        }
        Ok(directives)
    }

    /// Directives up to `}` or the end of the file, and whether there was a `}`.
    fn directives(&mut self) -> Parsed<(Vec<Directive>, bool)> {
        let mut collected = Collected::default();
        while self.stream.next() {
            match self.stream.val() {
                "}" => return Ok((collected.list, true)),
                "import" => {
                    self.import()?;
                    self.stream.back();
                }
                _ => self.directive(&mut collected)?,
            }
        }
        Ok((collected.list, false))
    }

    /// One directive: the rest of its line, and its block if one is opened there.
    fn directive(&mut self, collected: &mut Collected) -> Parsed<()> {
        let (Some(written), Some(name)) = (self.stream.token().cloned(), self.substituted()) else { return Ok(()) };
        if let Some(unknown) = self.unknown(&name) {
            if self.diagnostics.len() >= MAX_DIAGNOSTICS {
                return Err(unknown);
            }
            self.diagnostics.push(unknown);
        }
        collected.tokens(&name).into_iter().for_each(|tokens| tokens.push(written.clone()));
        let mut depth = 0_usize;
        while self.stream.next() {
            let is_new_line = self.stream.is_new_line();
            match self.stream.val() {
                "{" => depth += 1,
                _ if is_new_line && depth == 0 => {
                    self.stream.back();
                    break;
                }
                "}" if depth > 0 => depth -= 1,
                "}" => return Err(self.stray_brace()),
                "import" if is_new_line => {
                    self.import()?;
                    self.stream.back();
                    continue;
                }
                _ => (),
            }
            let Some(token) = self.substitute_in_place() else { continue };
            collected.tokens(&name).into_iter().for_each(|tokens| tokens.push(token.clone()));
        }
        if depth > 0 { Err(self.eof_err()) } else { Ok(()) }
    }

    /// The current token with variables replaced, leaving the stream as it is.
    pub(crate) fn substituted(&self) -> Option<Token> {
        let token = self.stream.token()?.clone();
        let has_reference = token.contains("{$") || token.contains("{%");
        let text = if has_reference { Arc::from(substitute(&token, self.options.env)) } else { token.text };
        Some(Token { text, ..token })
    }

    /// Replaces variables in the stream itself, where line breaks in values count for what is on which line.
    fn substitute_in_place(&mut self) -> Option<Token> {
        let token = self.substituted()?;
        if let Some(place) = self.stream.token_mut() {
            place.text = Arc::clone(&token.text);
        }
        Some(token)
    }

    /// Where the stream is, for a diagnostic.
    pub(crate) fn location(&self) -> Location {
        let nowhere = || Location { file: self.sources.name(FileId::MAIN), line: 0, span: None };
        self.stream.token().map_or_else(nowhere, |token| location(token, &self.sources))
    }

    /// Keeps a warning, if there is one and there is room.
    pub(crate) fn warn(&mut self, warning: Option<Diagnostic>) {
        let room = MAX_WARNINGS.saturating_sub(self.warnings.len());
        self.warnings.extend(warning.into_iter().take(room));
    }

    /// `Error during parsing` here.
    pub(crate) fn err(&self, message: impl Into<String>) -> Diagnostic {
        Diagnostic::parsing(self.location(), message)
    }

    /// The diagnostic for a directive that does not exist; `None` if it does.
    fn unknown(&self, name: &Token) -> Option<Diagnostic> {
        let known = self.options.directives.filter(|known| !known.contains(&name.as_str()))?;
        let diagnostic = self.err(format!("Unknown directive '{name}'"));
        let hint = self.options.hints.iter().find(|(word, _)| *name == *word);
        Some(match hint {
            Some((_, hint)) => diagnostic.with_help(*hint),
            // The text of a ConfigMap with all around it, or another language.
            None if name.ends_with(':') => diagnostic.with_help("a Corefile has no fields with colons; is this YAML?"),
            None => diagnostic.with_suggestion(suggest(name, known.iter().copied())),
        })
    }

    /// The file ended within something.
    fn eof_err(&self) -> Diagnostic {
        self.err("Unexpected EOF")
    }

    /// A `}` on the line of a directive that has opened no block.
    fn stray_brace(&self) -> Diagnostic {
        let diagnostic = self.err("Unexpected '}' because no matching opening brace");
        diagnostic.with_help("the brace that closes a server block begins a line of its own")
    }

    /// The file ended and a block or snippet is still open.
    pub(crate) fn missing_brace(&self) -> Diagnostic {
        let help =
            if self.is_unterminated() { "a closing quotation mark is missing" } else { "a closing brace is missing" };
        Diagnostic::syntax(self.location(), self.stream.val(), "}").with_help(help)
    }

    /// Whether the current token begins with a quotation mark and goes to the end of its text without another.
    fn is_unterminated(&self) -> bool {
        let Some(span) = self.location().span else { return false };
        let written = self.sources.written(span).unwrap_or_default();
        written.starts_with('"') && (written.len() < 2 || !written.ends_with('"'))
    }

    /// More tokens than [`MAX_TOKENS`].
    pub(crate) fn too_many_tokens(&self) -> Diagnostic {
        self.err(format!("more than {MAX_TOKENS} words with all imports"))
    }
}

/// Where a token stands, for a diagnostic.
pub(crate) fn location(token: &Token, sources: &Sources) -> Location {
    Location { file: sources.name(token.file), line: token.line, span: Some(token.span) }
}
