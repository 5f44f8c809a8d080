//! What is wrong in a Corefile, where, and how it is shown. Knows nothing of what it is about.

use std::fmt;
use std::sync::Arc;

use crate::span::{Sources, Span};

/// How much a diagnostic matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The Corefile cannot be used.
    Error,
    /// It can be used, and means something that its author may not expect.
    Warning,
}

/// The shape of the first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `FILE:LINE - Error during parsing: MESSAGE`; of a warning, `FILE:LINE - MESSAGE`.
    Parsing,
    /// `FILE:LINE - Syntax error: MESSAGE`.
    Syntax,
    /// `MESSAGE` alone, as CoreDNS prints errors that know no place.
    Plain,
}

/// Where a diagnostic points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file's name in messages.
    pub file: Arc<str>,
    /// The line in the first line of the message, from 1; 0 before the first token.
    pub line: u32,
    /// The bytes that the excerpt underlines; no excerpt without.
    pub span: Option<Span>,
}

/// One error or warning. Its [`Display`](fmt::Display) is CoreDNS's own line; [`render`] adds the excerpt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What stands before the message, outermost first, such as `plugin/cache`; each is followed by `: `.
    pub prefixes: Vec<String>,
    /// Where, if known.
    pub location: Option<Location>,
    /// The shape of the first line.
    pub kind: Kind,
    /// The message in CoreDNS's words; may span lines when it quotes text that does.
    pub message: String,
    /// What to do about it, in one line.
    pub help: Option<String>,
    /// Error or warning.
    pub severity: Severity,
}

impl Diagnostic {
    /// An error that knows no place.
    pub fn plain(message: impl Into<String>) -> Self {
        Self {
            prefixes: Vec::new(),
            location: None,
            kind: Kind::Plain,
            message: message.into(),
            help: None,
            severity: Severity::Error,
        }
    }

    /// `Error during parsing` at a place.
    pub fn parsing(location: Location, message: impl Into<String>) -> Self {
        Self { location: Some(location), kind: Kind::Parsing, ..Self::plain(message) }
    }

    /// `Syntax error` at a place: `found` stands where `expected` should.
    pub fn syntax(location: Location, found: &str, expected: &str) -> Self {
        let message = format!("Unexpected token '{found}', expecting '{expected}'");
        Self { location: Some(location), kind: Kind::Syntax, ..Self::plain(message) }
    }

    /// The same as a warning.
    #[must_use]
    pub fn into_warning(self) -> Self {
        Self { severity: Severity::Warning, ..self }
    }

    /// Puts `prefix` before all others, such as `plugin/cache`.
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefixes.insert(0, prefix.into());
        self
    }

    /// Adds, or replaces, what to do about it.
    #[must_use]
    pub fn with_help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// Adds `did you mean 'x'?` when there is an `x`.
    #[must_use]
    pub fn with_suggestion(self, suggestion: Option<&str>) -> Self {
        match suggestion {
            Some(word) => self.with_help(format!("did you mean '{word}'?")),
            None => self,
        }
    }

    /// Underlines `span` instead; the line in the first line stays, because CoreDNS's is where its cursor stood.
    #[must_use]
    pub fn pointing_at(mut self, span: Span, sources: &Sources) -> Self {
        match &mut self.location {
            Some(location) => location.span = Some(span),
            None => {
                let line = sources.excerpt(span).map_or(0, |excerpt| excerpt.line);
                self.location = Some(Location { file: sources.name(span.file), line, span: Some(span) });
            }
        }
        self
    }
}

/// CoreDNS's own line, prefixes included.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for prefix in &self.prefixes {
            write!(f, "{prefix}: ")?;
        }
        if let Some(Location { file, line, .. }) = &self.location {
            match self.kind {
                Kind::Parsing if self.severity == Severity::Warning => write!(f, "{file}:{line} - ")?,
                Kind::Parsing => write!(f, "{file}:{line} - Error during parsing: ")?,
                Kind::Syntax => write!(f, "{file}:{line} - Syntax error: ")?,
                Kind::Plain => (),
            }
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Diagnostic {}

/// The diagnostic as text, without a line break at its end: CoreDNS's line, then the place, the line and a caret.
///
/// ```text
/// plugin/cache: Corefile:7 - Error during parsing: unknown property 'prefech'
///   --> Corefile:7:9
///  7 |         prefech 10 1m 10%
///    |         ^^^^^^^ did you mean 'prefetch'?
/// ```
pub fn render(diagnostic: &Diagnostic, sources: &Sources) -> String {
    let first = diagnostic.to_string();
    match excerpt(diagnostic, sources) {
        Some(excerpt) => format!("{first}\n{excerpt}"),
        None => match &diagnostic.help {
            Some(help) => format!("{first}\n  = {help}"),
            None => first,
        },
    }
}

/// Says that a word which is underlined takes its value from the environment.
fn from_environment(diagnostic: &Diagnostic, sources: &Sources) -> Option<String> {
    let span = diagnostic.location.as_ref()?.span?;
    let written = sources.written(span)?;
    let (start, end) = if written.contains("{$") { ("{$", '}') } else { ("{%", '%') };
    let (name, _) = written.split_once(start)?.1.split_once(end)?;
    Some(format!("the value of {name} comes from the environment; is it set?"))
}

/// Characters of a line that an excerpt shows at most, so that one long line cannot flood a log.
const MAX_SHOWN: usize = 160;

/// The lines below the first; `None` when there is no span to show.
fn excerpt(diagnostic: &Diagnostic, sources: &Sources) -> Option<String> {
    let span = diagnostic.location.as_ref()?.span?;
    let shown = sources.excerpt(span)?;
    let (file, line, column) = (sources.name(span.file), shown.line, shown.column);
    let left = usize::try_from(column).ok()?.saturating_sub(1);
    let skipped = if left < MAX_SHOWN / 2 { 0 } else { left - MAX_SHOWN / 4 };
    let visible: String = shown.text.chars().skip(skipped).take(MAX_SHOWN).collect();
    let indent: String = visible.chars().take(left - skipped).map(|c| if c == '\t' { c } else { ' ' }).collect();
    let room = visible.chars().count().saturating_sub(left - skipped).max(1);
    let carets = "^".repeat(usize::try_from(shown.width).ok()?.min(room));
    let help = diagnostic.help.clone().or_else(|| from_environment(diagnostic, sources));
    let help = help.map_or_else(String::new, |help| format!(" {help}"));
    let number = line.to_string();
    let margin = " ".repeat(number.len());
    Some(format!("  --> {file}:{line}:{column}\n {number} | {visible}\n {margin} | {indent}{carets}{help}"))
}
