//! Where text stood: files as read, byte spans, lines and columns. Knows nothing of tokens or grammar.

use std::sync::Arc;

/// Identifies one text of [`Sources`]. [`FileId::MAIN`] is the Corefile itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct FileId(pub(crate) u32);

impl FileId {
    /// The Corefile that parsing began with; imported files have other numbers.
    pub const MAIN: Self = Self(0);
}

/// A run of bytes in a text: `start..end`, counted in [`Source::text`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// The text it is in.
    pub file: FileId,
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl Span {
    /// The span of `start..end` in `file`; offsets beyond 4 GiB stay at the largest value.
    pub fn new(file: FileId, start: usize, end: usize) -> Self {
        let clip = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Self { file, start: clip(start), end: clip(end) }
    }
}

/// One text that was parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The name in messages: `Corefile`, the value of `-conf` verbatim, `/dev/stdin`, an absolute path for an import.
    pub name: Arc<str>,
    /// The text without a leading byte-order mark; each byte that is not UTF-8 became U+FFFD.
    pub text: Arc<str>,
}

/// Every text of one parse, found by [`FileId`].
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// In the order of reading; the first is the Corefile.
    list: Vec<Source>,
}

/// A line of a text, and where on it a span lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Excerpt<'a> {
    /// The line number, from 1.
    pub line: u32,
    /// The column of the span's first character, in characters from 1.
    pub column: u32,
    /// The characters of the span that are on this line; at least 1.
    pub width: u32,
    /// The line without its line break.
    pub text: &'a str,
}

impl Sources {
    /// Adds a text and gives its number.
    pub fn add(&mut self, name: &str, text: &str) -> FileId {
        let id = FileId(u32::try_from(self.list.len()).unwrap_or(u32::MAX));
        self.list.push(Source { name: Arc::from(name), text: Arc::from(text) });
        id
    }

    /// The text with this number, if there is one.
    pub fn get(&self, file: FileId) -> Option<&Source> {
        self.list.get(usize::try_from(file.0).ok()?)
    }

    /// The name of a text in messages; empty for an unknown number.
    pub fn name(&self, file: FileId) -> Arc<str> {
        self.get(file).map_or_else(|| Arc::from(""), |source| Arc::clone(&source.name))
    }

    /// All texts in the order of reading.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.list.iter()
    }

    /// The text of a span as it was written; `None` when the span is not in these texts.
    pub fn written(&self, span: Span) -> Option<&str> {
        let range = usize::try_from(span.start).ok()?..usize::try_from(span.end).ok()?;
        self.get(span.file)?.text.get(range)
    }

    /// The first line that `span` touches; `None` when the span is not in these texts.
    pub fn excerpt(&self, span: Span) -> Option<Excerpt<'_>> {
        let text: &str = &self.get(span.file)?.text;
        let start = usize::try_from(span.start).ok()?;
        let before = text.get(..start)?;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let rest = text.get(line_start..)?;
        let line = rest.split('\n').next()?.trim_end_matches('\r');
        let covered = self.written(span)?.split('\n').next()?.trim_end_matches('\r');
        let count = |text: &str| u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        let breaks = before.bytes().filter(|byte| *byte == b'\n').count();
        Some(Excerpt {
            line: u32::try_from(breaks).ok()?.saturating_add(1),
            column: count(text.get(line_start..start)?).saturating_add(1),
            width: count(covered).max(1),
            text: line,
        })
    }
}

/// Decodes bytes as the reference reader does: a leading byte-order mark goes, each bad byte becomes U+FFFD.
pub fn decode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    }
}
