//! Entry by entry through a zone file and the files it includes.

use super::lexer::{Entry, Lexer, Unbalanced, Word};
use super::{ParseError, Record, fields, generate, header, rdata};
use plugin_api::Name;
use std::path::{Path, PathBuf};

/// Deepest nesting of `$INCLUDE` (miekg/dns: maxIncludeDepth).
const MAX_DEPTH: usize = 7;
/// Most octets of one file: about five million records.
const MAX_FILE: u64 = 256 * 1024 * 1024;
/// TTL of generated records that write none, whatever `$TTL` says (golden suite plugins/file, gen1).
const GENERATED_TTL: u32 = 3600;

/// The text of a file; what is not UTF-8 becomes replacement characters. The error is the system's, in Go's words.
pub(crate) fn read_file(path: &Path) -> Result<String, String> {
    let show = path.display();
    let opened =
        std::fs::metadata(path).map_err(|error| format!("open {show}: {}", corefile::os_error_text(&error)))?;
    if opened.len() > MAX_FILE {
        return Err(format!("read {show}: file too large"));
    }
    let verb = if opened.is_dir() { "read" } else { "open" };
    let octets = std::fs::read(path).map_err(|error| format!("{verb} {show}: {}", corefile::os_error_text(&error)))?;
    Ok(String::from_utf8(octets).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// The TTL of entries that write none.
#[derive(Clone, Copy)]
struct DefaultTtl {
    seconds: u32,
    /// `$TTL` said so; TTLs of entries do not change it any more.
    is_directive: bool,
}

/// One text that is being read.
struct Frame {
    lexer: Lexer,
    file: PathBuf,
    origin: Name,
    ttl: Option<DefaultTtl>,
    owner: Name,
    is_generated: bool,
}

/// Reads the records of a zone file.
pub(crate) struct Reader {
    /// The file, and the files it includes, innermost last.
    frames: Vec<Frame>,
    /// `$INCLUDE` and `$GENERATE` are errors.
    is_closed: bool,
    is_over: bool,
}

impl Reader {
    /// Begins to read a text. `file` is named in errors, and `$INCLUDE` is relative to its folder.
    pub(crate) fn new(text: String, origin: Name, file: &Path) -> Self {
        let (lexer, owner) = (Lexer::new(text), Name::root());
        let frame = Frame { lexer, file: file.into(), origin, ttl: None, owner, is_generated: false };
        Self { frames: vec![frame], is_closed: false, is_over: false }
    }

    /// The first record of a text, with origin `.` and TTL 3600 unless it says so; none if there is none. The text may come
    /// from a query, so it names no file and generates nothing.
    pub(crate) fn record(text: &str) -> Result<Option<Record>, ParseError> {
        let mut reader = Self::new(format!("{text}\n"), Name::root(), Path::new(""));
        reader.is_closed = true;
        for frame in &mut reader.frames {
            frame.ttl = Some(DefaultTtl { seconds: 3600, is_directive: false });
        }
        reader.next().transpose()
    }

    /// The next record.
    fn next_record(&mut self) -> Result<Option<Record>, ParseError> {
        while let Some(frame) = self.frames.last_mut() {
            let Some(entry) = frame.lexer.next_entry() else {
                self.frames.pop();
                continue;
            };
            let entry = entry.map_err(|error| frame.unbalanced(&error))?;
            let directive = entry.words.first().filter(|word| !entry.is_indented && !word.is_quoted);
            let directive = directive.map(|word| word.text.to_uppercase()).unwrap_or_default();
            match directive.as_str() {
                "$GENERATE" if self.is_closed => {
                    return Err(frame.error_at(&entry, 0, "$GENERATE directive not allowed"));
                }
                "$TTL" => frame.set_ttl(&entry)?,
                "$ORIGIN" => frame.set_origin(&entry)?,
                "$INCLUDE" => {
                    let included = self.include(&entry)?;
                    self.frames.push(included);
                }
                "$GENERATE" => {
                    let generated = frame.generate(&entry)?;
                    self.frames.push(generated);
                }
                _ => return frame.record(&entry).map(Some),
            }
        }
        Ok(None)
    }

    /// The file that `$INCLUDE FILE [ORIGIN]` names.
    fn include(&self, entry: &Entry) -> Result<Frame, ParseError> {
        let depth = self.frames.iter().filter(|frame| !frame.is_generated).count();
        let Some(frame) = self.frames.last() else { return Err(Frame::nowhere()) };
        let Some(word) = entry.words.get(1) else {
            return Err(frame.at_end(entry, "expecting $INCLUDE value, not this..."));
        };
        let origin = match entry.words.get(2) {
            Some(name) => {
                fields::name(&name.text, &frame.origin).ok_or_else(|| frame.error(name, "bad origin name"))?
            }
            None => frame.origin.clone(),
        };
        if self.is_closed {
            return Err(frame.error(word, "$INCLUDE directive not allowed"));
        }
        if depth > MAX_DEPTH {
            return Err(frame.error(word, "too deeply nested $INCLUDE"));
        }
        let path = match frame.file.parent() {
            Some(folder) if Path::new(&word.text).is_relative() => folder.join(&word.text),
            _ => PathBuf::from(&word.text),
        };
        let text = read_file(&path).map_err(|error| {
            let resolved = path.display().to_string();
            let resolved = if resolved == word.text { String::new() } else { format!(" as `{resolved}'") };
            frame.error(word, format!("failed to open `{}'{resolved}: {error}", word.text))
        })?;
        let (ttl, owner) = (frame.ttl, Name::root());
        Ok(Frame { lexer: Lexer::new(text), file: path, origin, ttl, owner, is_generated: false })
    }
}

impl Iterator for Reader {
    type Item = Result<Record, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let record = self.next_record().transpose();
        self.is_over = !matches!(record, Some(Ok(_)));
        record
    }
}

impl Frame {
    /// An error of a reader that has nothing to read.
    fn nowhere() -> ParseError {
        ParseError { file: String::new(), text: "no file".into(), token: String::new(), line: 0, column: 0 }
    }

    /// An error at a word.
    fn error(&self, word: &Word, text: impl Into<String>) -> ParseError {
        let file = self.file.display().to_string();
        ParseError { file, text: text.into(), token: word.text.clone(), line: word.line, column: word.column }
    }

    /// An error at the end of an entry.
    fn at_end(&self, entry: &Entry, text: impl Into<String>) -> ParseError {
        let (line, column) = entry.end;
        ParseError { file: self.file.display().to_string(), text: text.into(), token: "\n".into(), line, column }
    }

    /// An error at the word with this number, or at the end of the entry.
    fn error_at(&self, entry: &Entry, index: usize, text: impl Into<String>) -> ParseError {
        match entry.words.get(index) {
            Some(word) => self.error(word, text),
            None => self.at_end(entry, text),
        }
    }

    /// The error of parentheses that do not match.
    fn unbalanced(&self, error: &Unbalanced) -> ParseError {
        let (line, column) = error.at;
        let (file, text) = (self.file.display().to_string(), error.text.to_owned());
        ParseError { file, token: text.clone(), text, line, column }
    }

    /// The one argument of a directive.
    fn argument<'a>(&self, entry: &'a Entry, expecting: &str) -> Result<&'a Word, ParseError> {
        if let Some(garbage) = entry.words.get(2) {
            return Err(self.error(garbage, "garbage after rdata"));
        }
        entry.words.get(1).ok_or_else(|| self.at_end(entry, expecting))
    }

    /// `$TTL SECONDS`.
    fn set_ttl(&mut self, entry: &Entry) -> Result<(), ParseError> {
        let expecting = "expecting $TTL value, not this...";
        let word = self.argument(entry, expecting)?;
        let seconds = fields::ttl(&word.text).ok_or_else(|| self.error(word, expecting))?;
        self.ttl = Some(DefaultTtl { seconds, is_directive: true });
        Ok(())
    }

    /// `$ORIGIN NAME`.
    fn set_origin(&mut self, entry: &Entry) -> Result<(), ParseError> {
        let word = self.argument(entry, "expecting $ORIGIN value, not this...")?;
        self.origin = fields::name(&word.text, &self.origin).ok_or_else(|| self.error(word, "bad origin name"))?;
        Ok(())
    }

    /// `$GENERATE RANGE TEMPLATE...`.
    fn generate(&self, entry: &Entry) -> Result<Self, ParseError> {
        let Some(word) = entry.words.get(1) else {
            return Err(self.at_end(entry, "expecting $GENERATE value, not this..."));
        };
        if self.is_generated {
            return Err(self.error(word, "nested $GENERATE directive not allowed"));
        }
        let range = generate::range(&word.text).map_err(|text| self.error(word, text))?;
        let words = entry.words.iter().skip(2).map(|word| match word.is_quoted {
            true => format!("\"{}\"", word.text),
            false => word.text.clone(),
        });
        let template = words.collect::<Vec<_>>().join(" ");
        let text = generate::lines(&template, range).map_err(|text| self.error(word, text))?;
        Ok(Self {
            lexer: Lexer::new(text),
            file: self.file.clone(),
            origin: self.origin.clone(),
            ttl: Some(DefaultTtl { seconds: GENERATED_TTL, is_directive: false }),
            owner: Name::root(),
            is_generated: true,
        })
    }

    /// An entry that is a record.
    fn record(&mut self, entry: &Entry) -> Result<Record, ParseError> {
        let mut skipped = 0;
        if let Some(word) = entry.words.first().filter(|_| !entry.is_indented) {
            self.owner = fields::name(&word.text, &self.origin).ok_or_else(|| self.error(word, "bad owner name"))?;
            skipped = 1;
        }
        let words = entry.words.get(skipped..).unwrap_or_default();
        // A word that the end of the file cuts off is no owner yet (miekg/dns: zlexer.Next).
        if let (true, [word]) = (entry.is_cut, entry.words.as_slice()) {
            return Err(self.error(word, "not a TTL"));
        }
        let header = header::read(words).map_err(|(text, index)| self.error_at(entry, skipped + index, text))?;
        let at = skipped + header.words;
        let ttl = match (header.ttl, self.ttl) {
            (Some(seconds), default) => {
                if !default.is_some_and(|default| default.is_directive) {
                    self.ttl = Some(DefaultTtl { seconds, is_directive: false });
                }
                seconds
            }
            (None, Some(default)) => default.seconds,
            // miekg/dns misses a TTL only where the type follows the owner.
            (None, None) if entry.is_indented || header.has_class => 0,
            (None, None) => return Err(self.error_at(entry, at - 1, "missing TTL with no previous value")),
        };
        let values = entry.words.get(at..).unwrap_or_default();
        if values.is_empty() {
            return Err(self.at_end(entry, "unexpected newline"));
        }
        let rdata = rdata::read(header.rtype, values, &self.origin)
            .map_err(|(text, index)| self.error_at(entry, at + index, text))?;
        Ok(Record { owner: self.owner.clone(), rtype: header.rtype, class: header.class, ttl, rdata })
    }
}
