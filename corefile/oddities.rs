//! What CoreDNS's language takes and hardly anybody means: worth a warning. Looks at parsed blocks and their texts.

use crate::ast::ServerBlock;
use crate::diagnostic::Diagnostic;
use crate::parser::location;
use crate::span::Sources;
use crate::token::Token;

/// Warnings about one Corefile's oddities at most.
const MAX: usize = 50;

/// The warnings, keys first in each block.
pub(crate) fn oddities(blocks: &[ServerBlock], sources: &Sources) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    for block in blocks {
        warnings.extend(block.keys.iter().filter_map(|key| stray_brace(key, sources)));
        let directives = block.directives.iter().flat_map(|directive| &directive.tokens);
        warnings.extend(block.keys.iter().chain(directives).filter_map(|token| glued_comment(token, sources)));
    }
    warnings.truncate(MAX);
    warnings
}

/// A `}` too many, which is taken for a zone.
fn stray_brace(key: &Token, sources: &Sources) -> Option<Diagnostic> {
    let warning = || Diagnostic::parsing(location(key, sources), "this '}' closes nothing and is served as a zone");
    (*key == "}").then(|| warning().into_warning())
}

/// A `#` within a word: the rest of the word is a comment, the rest of the line is not.
fn glued_comment(token: &Token, sources: &Sources) -> Option<Diagnostic> {
    let text = &sources.get(token.span.file)?.text;
    let written = text.get(usize::try_from(token.span.start).ok()?..)?;
    let behind = text.get(usize::try_from(token.span.end).ok()?..)?;
    if written.starts_with('"') || !behind.trim_start_matches('\r').starts_with('#') {
        return None;
    }
    let message = format!("a '#' within a word hides the rest of this word only; what counts is '{token}'");
    let warning = Diagnostic::parsing(location(token, sources), message).into_warning();
    Some(warning.with_help("put a blank before '#', or quotation marks around the word"))
}
