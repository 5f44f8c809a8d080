//! Snippets: `(name) { ... }` at the top level keeps its tokens for `import name`. Part of the parser.
//!
//! A snippet is defined before it is used, once, and takes no arguments.

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::environment::substitute;
use crate::parser::{Parsed, Parser};
use crate::token::Token;

/// The name of the snippet that these keys define, if they do: one key in round brackets.
pub(crate) fn snippet_name(keys: &[Token]) -> Option<String> {
    let [key] = keys else { return None };
    Some(key.strip_prefix('(')?.strip_suffix(')')?.to_owned())
}

impl Parser<'_> {
    /// Keeps the tokens of a snippet's body under its name.
    pub(crate) fn snippet(&mut self, name: String) -> Parsed<()> {
        if self.snippets.contains_key(&name) {
            return Err(self.err(format!("redeclaration of previously declared snippet {name}")));
        }
        let body = self.snippet_body()?;
        if self.imports_itself(&name, &body) {
            return Err(self.snippet_limit());
        }
        self.snippets.insert(name, Arc::from(body));
        Ok(())
    }

    /// The tokens between the braces of a snippet.
    fn snippet_body(&mut self) -> Parsed<Vec<Token>> {
        if self.stream.val() != "{" {
            return Err(Diagnostic::syntax(self.location(), self.stream.val(), "{"));
        }
        let mut body = Vec::new();
        let mut depth = 1_usize;
        while self.stream.next() {
            match self.stream.val() {
                "}" => depth -= 1,
                "{" => depth += 1,
                _ => (),
            }
            if depth == 0 {
                return Ok(body);
            }
            body.extend(self.stream.token().cloned());
        }
        Err(self.missing_brace())
    }

    /// Whether a snippet's body has a line that imports the snippet itself.
    fn imports_itself(&self, name: &str, body: &[Token]) -> bool {
        let begins_line = |at: usize, token: &Token| match at.checked_sub(1).and_then(|before| body.get(before)) {
            Some(before) => before.file != token.file || before.line != token.line,
            None => true,
        };
        let pairs = body.iter().zip(body.iter().skip(1)).enumerate();
        pairs.into_iter().any(|(at, (word, argument))| {
            *word == "import" && begins_line(at, word) && *substitute(argument, self.options.env) == *name
        })
    }
}
