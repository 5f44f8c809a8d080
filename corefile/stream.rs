//! The parser's tokens with a place in them where imported tokens are put. Knows no grammar.
//!
//! Kept as two stacks that meet at the current token, so that an import costs what it brings and no more, however
//! many tokens lie around it.

use crate::token::Token;

/// Tokens and a position: before the first, on one, or behind the last.
#[derive(Debug)]
pub(crate) struct Stream {
    /// The tokens before the current one.
    passed: Vec<Token>,
    /// The current token and those after it, last first.
    ahead: Vec<Token>,
    /// Whether the position is before the first token.
    is_before_first: bool,
}

impl Stream {
    /// A stream before the first of `tokens`.
    pub(crate) fn new(mut tokens: Vec<Token>) -> Self {
        tokens.reverse();
        Self { passed: Vec::new(), ahead: tokens, is_before_first: true }
    }

    /// The current token.
    pub(crate) fn token(&self) -> Option<&Token> {
        self.ahead.last().filter(|_| !self.is_before_first)
    }

    /// The current token, to change its text.
    pub(crate) fn token_mut(&mut self) -> Option<&mut Token> {
        self.ahead.last_mut().filter(|_| !self.is_before_first)
    }

    /// The text of the current token; empty if there is none.
    pub(crate) fn val(&self) -> &str {
        self.token().map_or("", Token::as_str)
    }

    /// The token that would be next.
    fn peek(&self) -> Option<&Token> {
        self.ahead.iter().nth_back(usize::from(!self.is_before_first))
    }

    /// How many tokens there are.
    pub(crate) fn len(&self) -> usize {
        self.passed.len() + self.ahead.len()
    }

    /// Goes to the next token; `false` at the end, where it stays on the last.
    pub(crate) fn next(&mut self) -> bool {
        if self.peek().is_none() {
            return false;
        }
        if self.is_before_first {
            self.is_before_first = false;
            return true;
        }
        self.passed.extend(self.ahead.pop());
        true
    }

    /// Goes to the next token if it is on the same line.
    pub(crate) fn next_arg(&mut self) -> bool {
        let is_arg = match (self.token(), self.peek()) {
            (Some(current), Some(next)) => next.is_on_line_of(current),
            _ => false,
        };
        is_arg && self.next()
    }

    /// Goes back by one token, from the first to before it.
    pub(crate) fn back(&mut self) {
        match self.passed.pop() {
            Some(token) => self.ahead.push(token),
            None => self.is_before_first = true,
        }
    }

    /// Whether the current token begins a line; the first one does, none at all does not.
    pub(crate) fn is_new_line(&self) -> bool {
        match (self.passed.last(), self.token()) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(previous), Some(current)) => current.is_on_new_line_after(previous),
        }
    }

    /// Replaces the current token and the one before it; the first of the new ones becomes the current one.
    pub(crate) fn replace_two(&mut self, tokens: &[Token]) {
        self.ahead.pop();
        self.passed.pop();
        self.ahead.extend(tokens.iter().rev().cloned());
    }
}
