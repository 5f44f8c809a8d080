//! Templates in the language of Go's `text/template`, as far as one template can use it. Knows no DNS.
//!
//! Left out are named templates (`define`, `template`, `block`) and `call`; a template that uses them is refused when it is
//! read.

mod data;
mod execute;
mod functions;
mod lexer;
mod number;
mod parser;
mod pipeline;
mod printf;
mod program;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod verdicts;

pub(crate) use data::{Data, Root};

/// A template that has been read.
#[derive(Debug)]
pub(crate) struct Template {
    name: &'static str,
    /// The text it was read from.
    pub(crate) source: String,
    code: Vec<program::Instruction>,
}

impl Template {
    /// Reads a template; `name` stands in messages.
    ///
    /// # Errors
    /// In the words of `text/template`.
    pub(crate) fn parse(name: &'static str, source: &str) -> Result<Self, String> {
        let code = parser::parse(source).map_err(|error| format!("template: {name}:{}: {}", error.line, error.text))?;
        Ok(Self { name, source: source.to_owned(), code })
    }

    /// Fills it with the data of `root`.
    ///
    /// # Errors
    /// When a field does not exist, a function refuses its arguments, or the text becomes too long.
    pub(crate) fn execute(&self, root: &dyn Root) -> Result<String, String> {
        execute::run(&self.code, root)
            .map_err(|error| format!("template: {}: executing {:?}: {error}", self.name, self.name))
    }
}
