//! What a parsed Corefile is. Plain data; the rules that make it are in `parser.rs`.

use std::path::PathBuf;
use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::dispenser::Dispenser;
use crate::span::Sources;
use crate::token::Token;

/// A parsed Corefile with everything it imports.
#[derive(Debug, Clone)]
pub struct Corefile {
    /// The server blocks as written; those without keys are left out, as CoreDNS does.
    pub blocks: Vec<ServerBlock>,
    /// The texts that were read, for messages.
    pub sources: Arc<Sources>,
    /// What is accepted but deserves a word, in the order met.
    pub warnings: Vec<Diagnostic>,
    /// What the result depends on besides the Corefile itself, in the order met, each once.
    pub imports: Vec<Import>,
}

/// Something outside the Corefile that `import` looked at: what a reload must watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Import {
    /// A file that was read, by absolute path.
    File(PathBuf),
    /// A pattern whose matches were read; the absolute pattern. Matches are listed as files too.
    Glob(String),
}

/// One server block: keys and directives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerBlock {
    /// The keys as written, variables replaced and commas stripped; at least one. See [`crate::keys`].
    pub keys: Vec<Token>,
    /// The directives, each name once, in the order of their first appearance.
    pub directives: Vec<Directive>,
}

/// All occurrences of one directive in a server block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// The name at its first occurrence, variables replaced.
    pub name: Token,
    /// Every occurrence one after the other: its name as written, its arguments, and its block with the braces.
    pub tokens: Vec<Token>,
}

impl ServerBlock {
    /// The directive with this name, if the block has it.
    pub fn directive(&self, name: &str) -> Option<&Directive> {
        self.directives.iter().find(|directive| directive.name == name)
    }
}

impl Directive {
    /// A cursor before the first token.
    pub fn dispenser(&self, sources: &Arc<Sources>) -> Dispenser {
        Dispenser::new(self.tokens.clone(), Arc::clone(sources))
    }
}
