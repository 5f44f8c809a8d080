//! The expression language of views and templates: expr-lang, as far as it is about values. Knows no DNS but in
//! [`environment`].
//!
//! Left out are dates, durations and the functions for bits; an expression that uses them is refused when it is read.

mod builtins;
mod check;
mod environment;
mod eval;
mod lexer;
mod parser;
mod program;
#[cfg(test)]
mod tests;
mod value;
#[cfg(test)]
mod verdicts;

pub(crate) use check::{Scope, Type};
pub(crate) use environment::QueryEnvironment;
pub(crate) use value::Value;

use std::fmt;

/// Why text is no expression, or a run fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExpressionError {
    message: String,
    /// Where, in characters from the start.
    at: usize,
    /// The expression, for the message; empty until known.
    source: String,
}

impl ExpressionError {
    /// An error at a place.
    fn at(at: usize, message: &str) -> Self {
        Self { message: message.to_owned(), at, source: String::new() }
    }
}

/// The message, the place, the expression and a caret, as expr-lang prints them.
impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if self.source.trim().is_empty() {
            return Ok(());
        }
        write!(f, " (1:{})\n | {}\n | {}^", self.at + 1, self.source, ".".repeat(self.at))
    }
}

/// What gives names and functions their values.
pub(crate) trait Environment {
    /// The value of a variable.
    fn variable(&self, name: &str) -> Option<Value>;
    /// Calls a function of the environment.
    fn call(&self, name: &str, arguments: &[Value]) -> Result<Value, String>;
}

/// An expression that has been read and checked: instructions for a stack of values, one list without nesting, so that
/// neither reading, running nor dropping one recurses.
#[derive(Debug)]
pub(crate) struct Program {
    code: Vec<program::Instruction>,
    /// The type of its value, as far as known beforehand.
    pub(crate) result: Type,
}

impl Program {
    /// Reads an expression in which the names of `scope` are known.
    ///
    /// # Errors
    /// In the words and the shape of expr-lang.
    pub(crate) fn compile(text: &str, scope: &Scope) -> Result<Self, ExpressionError> {
        let read = parser::parse(text, scope);
        read.map_err(|error| ExpressionError { source: text.to_owned(), ..error })
    }

    /// Runs it.
    ///
    /// # Errors
    /// When a value has the wrong type, a function refuses its arguments, or too much is asked for.
    pub(crate) fn run(&self, environment: &dyn Environment) -> Result<Value, String> {
        eval::run(&self.code, environment)
    }
}

/// Whether a name means something in the language itself, so that no variable can have it.
pub(crate) fn is_reserved(name: &str) -> bool {
    builtins::arity(name).is_some() || parser::PREDICATES.contains(&name) || !lexer::is_name(name)
}
