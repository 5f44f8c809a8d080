//! A cursor over the tokens of one directive, for a plugin's set-up. Knows no plugin.
//!
//! It moves exactly as CoreDNS's (`caddyfile/dispenser.go`), because which word and line an error names depends on
//! where the cursor stands.

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Location};
use crate::span::{FileId, Sources};
use crate::token::Token;

/// The cursor. It begins before the first token.
#[derive(Debug, Clone)]
pub struct Dispenser {
    /// What it runs over.
    tokens: Vec<Token>,
    /// How many tokens it has entered: 0 before the first, `n` on the `n`th. May be one past the last when empty.
    entered: usize,
    /// Whether [`Dispenser::next_block`] is inside a block; blocks within are the caller's business.
    is_in_block: bool,
    /// For names in messages.
    sources: Arc<Sources>,
}

impl Dispenser {
    /// A cursor before the first of `tokens`.
    pub fn new(tokens: Vec<Token>, sources: Arc<Sources>) -> Self {
        Self { tokens, entered: 0, is_in_block: false, sources }
    }

    /// Goes to the next token; `false` at the end, where it stays on the last.
    #[expect(clippy::should_implement_trait, reason = "CoreDNS's name; it moves a cursor and yields no item")]
    pub fn next(&mut self) -> bool {
        if self.entered < self.tokens.len() {
            self.entered += 1;
            return true;
        }
        false
    }

    /// Goes to the next token if it is on the same line; before the first token, to the first.
    pub fn next_arg(&mut self) -> bool {
        self.next_if(Token::is_on_line_of)
    }

    /// Goes to the next token if it is on another line; before the first token, to the first.
    pub fn next_line(&mut self) -> bool {
        self.next_if(Token::is_on_new_line_after)
    }

    /// Goes on if the next token stands in this relation to the current one, or if there is no current one.
    fn next_if(&mut self, relation: fn(&Token, &Token) -> bool) -> bool {
        if self.entered == 0 {
            self.entered = 1;
            return true;
        }
        let (Some(current), Some(next)) = (self.token(), self.tokens.get(self.entered)) else { return false };
        if !relation(next, current) {
            return false;
        }
        self.entered += 1;
        true
    }

    /// The condition of a loop over a block: enters `{` on the same line, then every token up to `}`.
    ///
    /// `false` when no block follows, when it is empty, at its `}`, and at the end of the tokens.
    pub fn next_block(&mut self) -> bool {
        if self.is_in_block {
            if !self.next() {
                return false;
            }
            self.is_in_block = self.val() != "}";
            return self.is_in_block;
        }
        if !self.next_arg() {
            return false;
        }
        if self.val() != "{" {
            self.back();
            return false;
        }
        if !self.next() {
            return false;
        }
        self.is_in_block = self.val() != "}";
        self.is_in_block
    }

    /// Goes back by one token.
    fn back(&mut self) {
        self.entered = self.entered.saturating_sub(1);
    }

    /// The current token; `None` before the first.
    pub fn token(&self) -> Option<&Token> {
        self.tokens.get(self.entered.checked_sub(1)?)
    }

    /// The text of the current token; empty before the first.
    pub fn val(&self) -> &str {
        self.token().map_or("", Token::as_str)
    }

    /// The line of the current token; 0 before the first.
    pub fn line(&self) -> u32 {
        self.token().map_or(0, |token| token.line)
    }

    /// The number of the file of the current token; the Corefile before the first.
    pub fn file_id(&self) -> FileId {
        self.token().map_or(FileId::MAIN, |token| token.file)
    }

    /// The name of the file of the current token in messages.
    pub fn file(&self) -> Arc<str> {
        self.sources.name(self.file_id())
    }

    /// The texts that the tokens come from.
    pub fn sources(&self) -> &Arc<Sources> {
        &self.sources
    }

    /// Takes the other tokens of the line, up to a `{`, and stands on the last of them.
    pub fn remaining_args(&mut self) -> Vec<Token> {
        let mut args = Vec::new();
        while self.next_arg() {
            let Some(token) = self.token().filter(|token| *token != "{") else {
                self.back();
                break;
            };
            args.push(token.clone());
        }
        args
    }

    /// Where the cursor stands, for a diagnostic.
    pub fn location(&self) -> Location {
        Location { file: self.file(), line: self.line(), span: self.token().map(|token| token.span) }
    }

    /// `Error during parsing` here.
    pub fn err(&self, message: impl Into<String>) -> Diagnostic {
        Diagnostic::parsing(self.location(), message)
    }

    /// An argument is missing, or there is one too many.
    pub fn arg_err(&self) -> Diagnostic {
        match self.val() {
            "{" => self.err("Unexpected token '{', expecting argument"),
            word => self.err(format!("Wrong argument count or unexpected line ending after '{word}'")),
        }
    }

    /// `Syntax error` here: something else was expected.
    pub fn syntax_err(&self, expected: &str) -> Diagnostic {
        Diagnostic::syntax(self.location(), self.val(), expected)
    }

    /// The tokens ended too early.
    pub fn eof_err(&self) -> Diagnostic {
        self.err("Unexpected EOF")
    }
}
