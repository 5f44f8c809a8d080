//! One word of a Corefile. Does not know how it was quoted: that is not part of its meaning.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::span::{FileId, Span};

/// A word: its text and where it stood. Reads as its text (`Deref<Target = str>`), compares with `&str`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The text after unquoting and substitution of environment variables.
    pub text: Arc<str>,
    /// The line on which it begins, from 1.
    pub line: u32,
    /// The text that it was written in.
    pub file: FileId,
    /// The bytes it takes there, quotation marks included.
    pub span: Span,
}

impl Token {
    /// The token's text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The line breaks inside the text (quoted text, or a value from the environment).
    pub(crate) fn line_breaks(&self) -> u32 {
        u32::try_from(self.text.bytes().filter(|byte| *byte == b'\n').count()).unwrap_or(u32::MAX)
    }

    /// The line on which the text ends, as the grammar counts it.
    pub(crate) fn last_line(&self) -> u32 {
        self.line.saturating_add(self.line_breaks())
    }

    /// Whether this token begins a line when it follows `previous`.
    pub(crate) fn is_on_new_line_after(&self, previous: &Self) -> bool {
        previous.file != self.file || previous.last_line() < self.line
    }

    /// Whether this token is on the line on which `previous` ends.
    pub(crate) fn is_on_line_of(&self, previous: &Self) -> bool {
        previous.file == self.file && previous.last_line() == self.line
    }
}

impl Deref for Token {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq<str> for Token {
    fn eq(&self, other: &str) -> bool {
        *self.text == *other
    }
}

impl PartialEq<&str> for Token {
    fn eq(&self, other: &&str) -> bool {
        *self.text == **other
    }
}
