//! The directive `proxy`, which CoreDNS replaced by `forward` in 1.5: read as `forward`, with a warning.
//!
//! What has no meaning any more (`fail_timeout`, `spray`, the path of a health check) is left out; what cannot be honoured is an
//! error that says what to write.

use corefile::{Corefile, Diagnostic, Directive, Location, Sources, Token};
use std::sync::Arc;

/// The old word.
pub(crate) const OLD: &str = "proxy";
/// Today's.
const NEW: &str = "forward";

/// Turns every `proxy` into a `forward`, behind those that the block has.
///
/// # Errors
/// At a property that `forward` cannot honour.
pub(crate) fn modernise(corefile: &mut Corefile) -> Result<(), Diagnostic> {
    let Corefile { blocks, sources, warnings, .. } = corefile;
    for block in blocks {
        let Some(at) = block.directives.iter().position(|directive| directive.name == OLD) else { continue };
        let old = block.directives.remove(at);
        let tokens = translate(&old.tokens, sources, warnings)?;
        match block.directives.iter_mut().find(|directive| directive.name == NEW) {
            Some(forward) => forward.tokens.extend(tokens),
            None => block.directives.insert(at, Directive { name: renamed(&old.name, NEW), tokens }),
        }
    }
    Ok(())
}

/// A token with another text in the same place.
fn renamed(token: &Token, text: &str) -> Token {
    Token { text: text.into(), ..token.clone() }
}

/// A message about a token.
fn at(token: &Token, sources: &Arc<Sources>, message: &str) -> Diagnostic {
    let location = Location { file: sources.name(token.file), line: token.line, span: Some(token.span) };
    Diagnostic::parsing(location, message)
}

/// All occurrences, line by line.
fn translate(
    tokens: &[Token],
    sources: &Arc<Sources>,
    warnings: &mut Vec<Diagnostic>,
) -> Result<Vec<Token>, Diagnostic> {
    let mut new = Vec::new();
    let mut is_in_block = false;
    for line in tokens.chunk_by(|one, next| one.line == next.line && one.file == next.file) {
        let Some(first) = line.first() else { continue };
        if !is_in_block && *first == OLD {
            let message = "'proxy' is not a directive any more, it is read as 'forward'";
            let warning = at(first, sources, message).with_help("write 'forward' instead");
            warnings.push(warning.into_warning());
            new.push(renamed(first, NEW));
            new.extend(line.iter().skip(1).cloned());
        } else {
            new.extend(property(line, sources, warnings)?);
        }
        is_in_block = line.iter().fold(is_in_block, |inside, token| (inside || *token == "{") && *token != "}");
    }
    Ok(new)
}

/// One line of a block.
fn property(line: &[Token], sources: &Arc<Sources>, warnings: &mut Vec<Diagnostic>) -> Result<Vec<Token>, Diagnostic> {
    let Some((name, args)) = line.split_first() else { return Ok(Vec::new()) };
    // A closing brace on the same line stays.
    let brace = args.iter().rev().take_while(|token| **token == "}").cloned();
    let first = args.first().map_or("", Token::as_str);
    let mut kept: Vec<Token> = match (name.as_str(), first) {
        ("policy", "first") => vec![name.clone(), renamed(name, "sequential")],
        ("policy", "random" | "round_robin") | ("except", _) => return Ok(line.to_vec()),
        ("max_fails", count) if count.parse::<u32>().is_ok() => return Ok(line.to_vec()),
        ("policy" | "max_fails" | "fail_timeout" | "health_check" | "spray" | "upstream", _) => Vec::new(),
        ("protocol", "dns") if args.iter().any(|token| *token == "force_tcp") => vec![renamed(name, "force_tcp")],
        ("protocol", "dns" | "") => Vec::new(),
        ("protocol", _) => {
            let error = at(name, sources, &format!("'protocol {first}' of 'proxy' does not exist any more"));
            return Err(error.with_help("write 'forward . tls://ADDRESS' or 'forward . https://ADDRESS'"));
        }
        _ => return Ok(line.to_vec()),
    };
    if kept.is_empty() {
        let message = format!("'{name}' of 'proxy' has no effect any more");
        warnings.push(at(name, sources, &message).with_help("leave it out").into_warning());
    }
    kept.extend(brace);
    Ok(kept)
}
