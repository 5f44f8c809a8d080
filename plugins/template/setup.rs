//! Reads `template CLASS TYPE [ZONES...] { ... }`.

use super::gotemplate::Template;
use super::handler::{Handler, Rule, Variable};
use super::metrics::TemplateMetrics;
use crate::pattern::{Pattern, compile};
use crate::view::expression::{Program, QueryEnvironment, Scope, is_reserved};
use corefile::args::{go_quote, go_uint};
use corefile::{Diagnostic, Token};
use plugin_api::setup::normalise;
use plugin_api::{Class, Fallthrough, Rcode, Section, Setup, Type};
use std::sync::{Arc, OnceLock};

/// Longest regular expression in octets, as CoreDNS.
const MAX_PATTERN: usize = 10_000;

/// Appends one handler for all templates of the block.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    let mut rules = Vec::new();
    while setup.input.next() {
        rules.push(rule(setup)?);
    }
    let metrics = TemplateMetrics::new(&setup.process.metrics);
    let handler = Arc::new(Handler { rules, metrics, view: OnceLock::new() });
    setup.push(Arc::clone(&handler) as Arc<dyn plugin_api::Handler>);
    setup.on_link(move |linked| {
        handler.view.get_or_init(|| linked.view.into());
        Ok(())
    });
    Ok(())
}

/// Reads one directive.
fn rule(setup: &mut Setup<'_>) -> Result<Rule, Diagnostic> {
    if !setup.input.next_arg() {
        return Err(setup.input.arg_err());
    }
    let class = Class::from_mnemonic(setup.input.val());
    let class = class.ok_or_else(|| setup.input.err(format!("invalid query class {}", setup.input.val())))?;
    if !setup.input.next_arg() {
        return Err(setup.input.arg_err());
    }
    let qtype = Type::from_mnemonic(setup.input.val());
    let qtype = qtype.ok_or_else(|| setup.input.err(format!("invalid RR class {}", setup.input.val())))?;
    let args = setup.input.remaining_args();
    let mut rule = Rule {
        class,
        qtype,
        zones: setup.zones(&args),
        patterns: Vec::new(),
        templates: Vec::new(),
        rcode: Rcode::NOERROR,
        error: None,
        fallthrough: Fallthrough::never(),
        variables: Vec::new(),
        conditions: Vec::new(),
    };
    let mut scope = QueryEnvironment::scope(true);
    while setup.input.next_block() {
        property(setup, &mut rule, &mut scope)?;
    }
    if rule.patterns.is_empty() {
        rule.patterns.push(compile(".*").map_err(|error| setup.input.err(error))?);
    }
    Ok(rule)
}

/// Reads one property. Not by a table: an unknown one is an error of arguments in CoreDNS.
fn property(setup: &mut Setup<'_>, rule: &mut Rule, scope: &mut Scope) -> Result<(), Diagnostic> {
    let name = setup.input.val().to_owned();
    match name.as_str() {
        "match" => {
            for word in some_args(setup)? {
                rule.patterns.push(pattern(setup, &word)?);
            }
        }
        "answer" => templates(setup, rule, ("answer", Section::Answer))?,
        "authority" => templates(setup, rule, ("authority", Section::Authority))?,
        "additional" => templates(setup, rule, ("additional", Section::Additional))?,
        "var" => variable(setup, rule, scope)?,
        "expr" => {
            let args = some_args(setup)?;
            let program = Program::compile(&joined(&args), scope);
            let program = program.map_err(|error| setup.input.err(format!("could not compile expression: {error}")))?;
            rule.conditions.push(program);
        }
        "rcode" => {
            if !setup.input.next_arg() {
                return Err(setup.input.arg_err());
            }
            let rcode = Rcode::from_mnemonic(setup.input.val());
            rule.rcode = rcode.ok_or_else(|| setup.input.err(format!("unknown rcode {}", setup.input.val())))?;
        }
        "ederror" => rule.error = Some(error(setup)?),
        "fallthrough" => {
            let args = setup.input.remaining_args();
            let zones = normalise(&args);
            let is_none = zones.is_empty() && !args.is_empty();
            rule.fallthrough = if is_none { Fallthrough::never() } else { Fallthrough::to(zones) };
        }
        // Without effect since CoreDNS 1.5.
        "upstream" => drop(setup.input.remaining_args()),
        _ => return Err(setup.input.arg_err().with_help(format!("unknown property '{name}'"))),
    }
    Ok(())
}

/// The arguments, at least one.
fn some_args(setup: &mut Setup<'_>) -> Result<Vec<Token>, Diagnostic> {
    let args = setup.input.remaining_args();
    if args.is_empty() { Err(setup.input.arg_err()) } else { Ok(args) }
}

/// Words as one text.
fn joined(words: &[Token]) -> String {
    words.iter().map(Token::as_str).collect::<Vec<_>>().join(" ")
}

/// An error at a word.
fn at(setup: &Setup<'_>, word: &Token, text: String) -> Diagnostic {
    setup.input.err(text).pointing_at(word.span, setup.input.sources())
}

/// Reads a regular expression.
fn pattern(setup: &Setup<'_>, word: &Token) -> Result<Pattern, Diagnostic> {
    if word.len() > MAX_PATTERN {
        return Err(at(setup, word, format!("regex pattern too long: {} > {MAX_PATTERN}", word.len())));
    }
    compile(word).map_err(|error| at(setup, word, format!("could not parse regex: {word}, {error}")))
}

/// Reads templates of records for a section.
fn templates(
    setup: &mut Setup<'_>,
    rule: &mut Rule,
    (name, section): (&'static str, Section),
) -> Result<(), Diagnostic> {
    for word in some_args(setup)? {
        let template = Template::parse(name, &word)
            .map_err(|error| at(setup, &word, format!("could not compile template: {}, {error}", setup.input.val())))?;
        rule.templates.push((section, name, template));
    }
    Ok(())
}

/// Reads `var NAME EXPRESSION`.
fn variable(setup: &mut Setup<'_>, rule: &mut Rule, scope: &mut Scope) -> Result<(), Diagnostic> {
    let args = setup.input.remaining_args();
    let (name, expression) = match args.split_first() {
        Some((name, expression)) if !expression.is_empty() => (name, expression),
        _ => return Err(setup.input.arg_err()),
    };
    let is_letter = |letter: char| letter.is_ascii_alphabetic() || letter == '_';
    let is_name =
        name.starts_with(is_letter) && name.chars().all(|letter| is_letter(letter) || letter.is_ascii_digit());
    if !is_name {
        return Err(at(setup, name, format!("invalid variable name {}", go_quote(name))));
    }
    let is_known = scope.functions.contains_key(name.as_str()) || scope.variables.contains_key(name.as_str());
    if is_known || is_reserved(name) {
        return Err(at(setup, name, format!("variable name {} is reserved", go_quote(name))));
    }
    let program = Program::compile(&joined(expression), scope)
        .map_err(|error| setup.input.err(format!("could not compile expression: {name}, {error}")))?;
    scope.variables.insert(name.to_string(), program.result);
    rule.variables.push(Variable { name: name.to_string(), program });
    Ok(())
}

/// Reads `ederror CODE [TEXT]`.
fn error(setup: &mut Setup<'_>) -> Result<(u16, String), Diagnostic> {
    let args = setup.input.remaining_args();
    let (code, text) = match args.as_slice() {
        [code] => (code, ""),
        [code, text] => (code, text.as_str()),
        _ => return Err(setup.input.arg_err()),
    };
    let number = go_uint(code, 16).map_err(|error| {
        at(setup, code, format!("error parsing extended DNS error code {}, {error}", setup.input.val()))
    })?;
    Ok((u16::try_from(number).unwrap_or(u16::MAX), text.to_owned()))
}
