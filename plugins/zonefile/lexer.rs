//! Cuts a zone file into entries of words: quotation marks, escapes, comments, parentheses. Knows no type and no name.

/// One word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// The text, escapes as written, without quotation marks.
    pub(super) text: String,
    /// It stood in quotation marks.
    pub(super) is_quoted: bool,
    /// The line on which it ends, from 1.
    pub(super) line: u32,
    /// The column of the character that ended it; of a line break that of the last character before.
    pub(super) column: u32,
}

/// One line, or several in parentheses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// It begins with a blank: the owner is that of the entry before.
    pub(super) is_indented: bool,
    /// Its words.
    pub(super) words: Vec<Word>,
    /// Where it ends: line and column.
    pub(super) end: (u32, u32),
    /// The text ends within its last word, without a line break.
    pub(super) is_cut: bool,
}

/// Parentheses that do not match.
pub(super) struct Unbalanced {
    /// What is wrong.
    pub(super) text: &'static str,
    /// Where: line and column.
    pub(super) at: (u32, u32),
}

/// Walks over a text.
pub(super) struct Lexer {
    text: String,
    at: usize,
    line: u32,
    column: u32,
}

/// What an entry is being made of.
#[derive(Default)]
struct Draft {
    entry: Entry,
    word: String,
    depth: u32,
    is_escaped: bool,
    is_quoted: bool,
    is_comment: bool,
}

impl Lexer {
    /// A walk over a text from its beginning.
    pub(super) const fn new(text: String) -> Self {
        Self { text, at: 0, line: 1, column: 0 }
    }

    /// The next entry that has words; none at the end.
    pub(super) fn next_entry(&mut self) -> Option<Result<Entry, Unbalanced>> {
        loop {
            let entry = match self.entry()? {
                Ok(entry) => entry,
                Err(error) => return Some(Err(error)),
            };
            if !entry.words.is_empty() {
                return Some(Ok(entry));
            }
        }
    }

    /// The next entry, which may be empty.
    fn entry(&mut self) -> Option<Result<Entry, Unbalanced>> {
        let mut draft = Draft::default();
        let mut is_first = true;
        let rest = self.text.get(self.at..)?;
        if rest.is_empty() {
            return None;
        }
        for letter in rest.chars() {
            self.at += letter.len_utf8();
            if letter != '\n' {
                self.column += u32::try_from(letter.len_utf8()).unwrap_or(1);
            }
            let here = (self.line, self.column);
            let is_end = match draft.take(letter, here, is_first) {
                Ok(is_end) => is_end,
                Err(text) => return Some(Err(Unbalanced { text, at: here })),
            };
            if letter == '\n' {
                self.line += 1;
                self.column = 0;
            }
            if is_end {
                return Some(Ok(draft.entry));
            }
            is_first = false;
        }
        let here = (self.line, self.column);
        if draft.depth != 0 {
            return Some(Err(Unbalanced { text: "unbalanced brace", at: here }));
        }
        draft.entry.is_cut = !draft.word.is_empty();
        draft.close(here);
        draft.entry.end = here;
        Some(Ok(draft.entry))
    }
}

impl Draft {
    /// Takes a character; true if it ends the entry.
    fn take(&mut self, letter: char, here: (u32, u32), is_first: bool) -> Result<bool, &'static str> {
        let is_plain = !self.is_quoted && !self.is_escaped;
        let was_escaped = std::mem::take(&mut self.is_escaped);
        match letter {
            '\n' if self.is_quoted => self.word.push(letter),
            '\n' => {
                self.is_comment = false;
                self.close(here);
                self.entry.end = here;
                return Ok(self.depth == 0);
            }
            _ if self.is_comment => {}
            '\r' if !self.is_quoted => {}
            ' ' | '\t' if is_plain => {
                self.close(here);
                self.entry.is_indented |= is_first;
            }
            ';' if is_plain => {
                self.close(here);
                self.is_comment = true;
            }
            '(' if is_plain => self.depth += 1,
            ')' if is_plain => self.depth = self.depth.checked_sub(1).ok_or("extra closing brace")?,
            '"' if !was_escaped => {
                if self.is_quoted {
                    self.push(here);
                } else {
                    self.close(here);
                }
                self.is_quoted = !self.is_quoted;
            }
            _ => {
                self.is_escaped = letter == '\\' && !was_escaped;
                self.word.push(letter);
            }
        }
        Ok(false)
    }

    /// Ends the word, if there is one.
    fn close(&mut self, here: (u32, u32)) {
        if !self.word.is_empty() {
            self.push(here);
        }
    }

    /// Ends the word, empty or not.
    fn push(&mut self, (line, column): (u32, u32)) {
        let text = std::mem::take(&mut self.word);
        self.entry.words.push(Word { text, is_quoted: self.is_quoted, line, column });
    }
}
