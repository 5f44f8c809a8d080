//! Reads `rewrite [continue|stop] FIELD ...`, on one line or in a block. Errors have CoreDNS's words and no place in their
//! first line.

use super::edns::{Data, Deed, NSID, OptionRule, SUBNET, Variable};
use super::handler::Rewrite;
use super::name::{CnameRule, NameRule};
use super::pattern::{KINDS, MAX_PATTERN, Pattern, checked, normalise};
use super::revert::{Part, TextPattern, TextRule};
use super::rule::{Action, Rule};
use crate::pattern;
use corefile::{Diagnostic, Token};
use plugin_api::{Class, Rcode, Setup, Type};
use std::sync::Arc;

/// What a rule may begin with.
const FIELDS: [&str; 7] = ["name", "class", "type", "edns0", "ttl", "cname", "rcode"];

/// Sets the plugin up: one handler for all lines of the block.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    let mut rules = Vec::new();
    while setup.input.next() {
        let mut args = setup.input.remaining_args();
        if args.len() < 2 {
            while setup.input.next_block() {
                args.extend(setup.input.token().cloned());
            }
        }
        let words: Vec<&str> = args.iter().map(Token::as_str).collect();
        rules.push(read_rule(&words).map_err(|text| refused(setup, text, &args))?);
    }
    let echoed: Vec<u16> = rules.iter().filter_map(local_code).collect();
    setup.block.settings.echoed_options.extend(&echoed);
    setup.push(Arc::new(Rewrite { rules, echoed }));
    Ok(())
}

/// The error of a rule; where a word of it is a misspelt one, it points there.
fn refused(setup: &Setup<'_>, text: String, args: &[Token]) -> Diagnostic {
    let error = setup.plain(text);
    // CoreDNS quotes the word that it does not know at the end.
    let is_quoted = |word: &&Token| {
        error.message.ends_with(word.as_str()) || error.message.ends_with(&corefile::args::go_quote(word))
    };
    let Some(word) = args.iter().take(3).find(is_quoted) else { return error };
    let known = KINDS.iter().chain(&FIELDS).copied();
    let span = word.span;
    let error = error.with_suggestion(corefile::suggest(&word.to_lowercase(), known));
    error.pointing_at(span, setup.input.sources())
}

/// The code that a rule for local options names.
fn local_code(rule: &Rule) -> Option<u16> {
    match &rule.action {
        Action::Option(OptionRule { code, data: Data::Fixed(_) | Data::Variable(_), .. }) => Some(*code),
        _ => None,
    }
}

/// A rule from its words.
fn read_rule(words: &[&str]) -> Result<Rule, String> {
    let Some(first) = words.first() else { return Err("no rule type specified for rewrite".to_owned()) };
    let mode = first.to_lowercase();
    let has_mode = mode == "continue" || mode == "stop";
    let words = words.get(usize::from(has_mode)..).unwrap_or_default();
    let Some((field, args)) = words.split_first() else {
        return Err(format!("{mode} rule must begin with a rule type"));
    };
    let field = field.to_lowercase();
    let action = match field.as_str() {
        "answer" => return Err("response rewrites must begin with a name rule".to_owned()),
        "name" => Action::Name(Box::new(name_rule(args)?)),
        "class" | "type" => read_pair(&field, args)?,
        "edns0" => Action::Option(option_rule(args)?),
        "ttl" => ttl_rule(args)?,
        "cname" => Action::Cname(Arc::new(cname_rule(args)?)),
        "rcode" => rcode_rule(args)?,
        _ => return Err(format!("invalid rule type {}", corefile::args::go_quote(first))),
    };
    Ok(Rule { is_last: mode != "continue", action })
}

/// A rule for a class or a type.
fn read_pair(field: &str, args: &[&str]) -> Result<Action, String> {
    let [from, to] = args else { return Err(format!("{field} rules must have exactly two arguments")) };
    let (from, to) = (from.to_uppercase(), to.to_uppercase());
    let invalid = |word: &str| format!("invalid {field} {}", corefile::args::go_quote(word));
    if field == "class" {
        let read = |word: &str| Class::from_mnemonic(word).ok_or_else(|| invalid(word));
        return Ok(Action::Class(read(&from)?, read(&to)?));
    }
    let read = |word: &str| Type::from_mnemonic(word).ok_or_else(|| invalid(word));
    Ok(Action::Type(read(&from)?, read(&to)?))
}

/// A rule for a name.
fn name_rule(args: &[&str]) -> Result<NameRule, String> {
    let (kind, from, to, rest) = match args {
        [] | [_] => return Err("too few arguments for a name rule".to_owned()),
        [from, to] => ("exact".to_owned(), *from, *to, [].as_slice()),
        [kind, from, to, rest @ ..] => (kind.to_lowercase(), *from, *to, rest),
    };
    let (mut is_auto, mut answers) = if rest.is_empty() { (false, Vec::new()) } else { answer_rules(&kind, rest)? };
    if !KINDS.contains(&kind.as_str()) {
        let known = "exact, prefix, suffix, substring, and regex";
        return Err(format!("name rule supports only {known} name matching, received: {kind}"));
    }
    let normal = normalise(to);
    let pattern = if kind == "regex" { Pattern::Regex(checked(from, to)?) } else { Pattern::plain(&kind, from) };
    match &pattern {
        Pattern::Exact(_) => {
            checked(&normal, &normalise(from))?;
            is_auto = true;
        }
        // The suffixes themselves say how to get back (CoreDNS: newSuffixNameRule).
        Pattern::Suffix(suffix) if is_auto => {
            let back = TextRule { part: Part::Both, from: TextPattern::Suffix(normal.clone()), to: suffix.clone() };
            answers.insert(0, Arc::new(back));
            is_auto = false;
        }
        _ => {}
    }
    Ok(NameRule { pattern, to: normal, is_auto, answers })
}

/// Rules for the reply that belong to a name rule; and whether `auto` is among them.
fn answer_rules(kind: &str, args: &[&str]) -> Result<(bool, Vec<Arc<TextRule>>), String> {
    if args.len() < 2 {
        return Err(format!("invalid arguments for {kind} rule"));
    }
    let (mut is_auto, mut rules, mut rest, mut is_first) = (false, Vec::new(), args, true);
    while let Some((first, behind)) = rest.split_first() {
        if *first == "answer" {
            rest = behind;
        } else if is_first {
            let text = "exceeded the number of arguments for a non-answer rule argument for";
            return Err(format!("{text} {kind} rule"));
        }
        is_first = false;
        let Some((word, behind)) = rest.split_first() else {
            return Err(format!("type missing for answer rule for {kind} rule"));
        };
        rest = behind;
        let part = match *word {
            "auto" => {
                is_auto = true;
                continue;
            }
            "name" => Part::Owner,
            "value" => Part::Value,
            _ => {
                let word = corefile::args::go_quote(word);
                return Err(format!("invalid type {word} for answer rule for {kind} rule"));
            }
        };
        let [from, to, behind @ ..] = rest else {
            return Err(format!("{word} answer rule for {kind} rule: 2 arguments required"));
        };
        rest = behind;
        let regex = checked(from, to).map_err(|text| format!("{word} answer rule for {kind} rule: {text}"))?;
        rules.push(Arc::new(TextRule { part, from: TextPattern::Regex(regex), to: normalise(to) }));
    }
    if is_auto && rules.iter().any(|rule| rule.part == Part::Owner) {
        return Err("auto name answer rule cannot be combined with explicit name anwer rules".to_owned());
    }
    Ok((is_auto, rules))
}

/// A rule for TTLs.
fn ttl_rule(args: &[&str]) -> Result<Action, String> {
    if args.len() < 2 {
        return Err(format!("too few ({}) arguments for a ttl rule", args.len()));
    }
    let text = if args.len() <= 3 { args.last().copied().unwrap_or_default() } else { "" };
    let bounds = ttl_bounds(text).ok_or_else(|| format!("invalid TTL '{text}' for a ttl rule"))?;
    Ok(Action::Ttl(name_pattern("ttl", args.get(..args.len() - 1).unwrap_or_default())?, bounds))
}

/// The bounds of a TTL: `SECONDS`, `LEAST-MOST`, `LEAST-`, `-MOST`.
fn ttl_bounds(text: &str) -> Option<(u32, u32)> {
    let number = |text: &str| if text.starts_with('+') { None } else { text.parse::<u32>().ok() };
    let Some((least, most)) = text.split_once('-') else { return number(text).map(|ttl| (ttl, ttl)) };
    if least.is_empty() && most.is_empty() {
        return None;
    }
    let least = if least.is_empty() { 0 } else { number(least)? };
    let most = if most.is_empty() { 0x7fff_ffff } else { number(most)? };
    (least <= most).then_some((least, most))
}

/// A rule for rcodes.
fn rcode_rule(args: &[&str]) -> Result<Action, String> {
    if args.len() < 3 {
        return Err(format!("too few ({}) arguments for a rcode rule", args.len()));
    }
    let (names, (from, to)) = match args {
        [one, from, to] => (vec![*one], (*from, *to)),
        [kind, name, from, to] => (vec![*kind, *name], (*from, *to)),
        _ => (Vec::new(), ("", "")),
    };
    let from = rcode(from).ok_or_else(|| format!("invalid matching RCODE '{from}' for a rcode rule"))?;
    let to = rcode(to).ok_or_else(|| format!("invalid replacement RCODE '{to}' for a rcode rule"))?;
    Ok(Action::Rcode(name_pattern("rcode", &names)?, (from, to)))
}

/// An rcode by number up to 23 or by mnemonic, miekg/dns's two other spellings among them.
fn rcode(text: &str) -> Option<Rcode> {
    if let Some(number) = text.parse().ok().filter(|number| *number <= 23 && !text.starts_with('+')) {
        return Some(Rcode(number));
    }
    match text.to_uppercase().as_str() {
        "NOTIMPL" => Some(Rcode::NOTIMP),
        "BADVERS" => Some(Rcode::BADVERS),
        word => Rcode::from_mnemonic(word),
    }
}

/// The names that a rule for TTLs or rcodes is for: `[KIND] NAME`.
fn name_pattern(field: &str, args: &[&str]) -> Result<Pattern, String> {
    let [kind, name] = args else { return Ok(Pattern::plain("exact", args.first().copied().unwrap_or_default())) };
    let kind = kind.to_lowercase();
    if !KINDS.contains(&kind.as_str()) {
        return Err(format!("{field} rule supports only exact, prefix, suffix, substring, and regex name matching"));
    }
    if kind != "regex" {
        return Ok(Pattern::plain(&kind, name));
    }
    if name.len() > MAX_PATTERN {
        return Err(format!("regex pattern too long in a {field} rule: {} > {MAX_PATTERN}", name.len()));
    }
    let regex = pattern::compile(name).map_err(|_| format!("invalid regex pattern in a {field} rule: {name}"))?;
    Ok(Pattern::Regex(regex))
}

/// A rule for CNAMEs. Unlike elsewhere only exact names are brought into the form of names (CoreDNS: newCNAMERule).
fn cname_rule(args: &[&str]) -> Result<CnameRule, String> {
    let (kind, from, to) = match args {
        [from, to] => ("exact".to_owned(), from.to_lowercase(), to.to_lowercase()),
        [kind, from, to] => (kind.to_lowercase(), from.to_lowercase(), to.to_lowercase()),
        _ => return Err(format!("too few ({}) arguments for a cname rule", args.len())),
    };
    let pattern = match kind.as_str() {
        "exact" => return Ok(CnameRule { pattern: Pattern::plain("exact", &from), to: normalise(&to) }),
        "prefix" => Pattern::Prefix(from),
        "suffix" => Pattern::Suffix(from),
        "substring" => Pattern::Substring(from),
        "regex" if from.len() > MAX_PATTERN => {
            return Err(format!("regex pattern too long in a cname rule: {} > {MAX_PATTERN}", from.len()));
        }
        "regex" => {
            let invalid = |text| format!("invalid cname rewrite regex pattern: {text}");
            Pattern::Regex(pattern::compile(&from).map_err(invalid)?)
        }
        _ => return Err(format!("unknown cname rewrite type: {kind}")),
    };
    Ok(CnameRule { pattern, to })
}

/// A rule for options.
fn option_rule(args: &[&str]) -> Result<OptionRule, String> {
    let [kind, deed, ..] = args else { return Err("too few arguments for an EDNS0 rule".to_owned()) };
    let (kind, deed) = (kind.to_lowercase(), deed.to_lowercase());
    let deed = match deed.as_str() {
        "append" => Deed::Append,
        "replace" => Deed::Replace,
        "set" => Deed::Set,
        "unset" => return unset_rule(&kind, args),
        _ => return Err(format!("invalid action: {}", corefile::args::go_quote(&deed))),
    };
    let is_reverted = args.last() == Some(&"revert");
    let args = args.get(..args.len() - usize::from(is_reverted)).unwrap_or_default();
    let (code, data) = match (kind.as_str(), args) {
        ("local", [_, _, code, data]) => local(code, data)?,
        ("nsid", [_, _]) => (NSID, Data::Nsid),
        ("subnet", [_, _, bits4, bits6]) => (SUBNET, Data::Subnet(bits(bits4, 32, "IPv4")?, bits(bits6, 128, "IPv6")?)),
        ("local", _) => return Err("EDNS0 local rules require three or four args".to_owned()),
        ("nsid", _) => return Err("EDNS0 NSID rules can accept no more than one arg".to_owned()),
        ("subnet", _) => return Err("EDNS0 subnet rules require three or four args".to_owned()),
        _ => return Err(format!("invalid rule type {}", corefile::args::go_quote(&kind))),
    };
    Ok(OptionRule { deed, code, data, is_reverted })
}

/// A rule that takes an option out.
fn unset_rule(kind: &str, args: &[&str]) -> Result<OptionRule, String> {
    let (code, data) = match (kind, args) {
        ("local", [_, _, code]) => local(code, "")?,
        ("nsid", [_, _]) => (NSID, Data::Nsid),
        ("subnet", [_, _]) => (SUBNET, Data::Subnet(0, 0)),
        ("local", _) => return Err("local unset action requires exactly two arguments".to_owned()),
        ("nsid" | "subnet", _) => return Err(format!("{kind} unset action requires exactly one argument")),
        _ => return Err(format!("invalid rule type {}", corefile::args::go_quote(kind))),
    };
    Ok(OptionRule { deed: Deed::Unset, code, data, is_reverted: false })
}

/// Code and data of a local option.
fn local(code: &str, data: &str) -> Result<(u16, Data), String> {
    let number = corefile::args::go_uint_any_base(code, 16)?;
    let code = u16::try_from(number).map_err(|error| error.to_string())?;
    if data.starts_with('{') && data.ends_with('}') {
        return Ok((code, Data::Variable(variable(data)?)));
    }
    let octets = match data.strip_prefix("0x") {
        Some(digits) => hexadecimal(digits)?,
        None => data.as_bytes().to_vec(),
    };
    Ok((code, Data::Fixed(octets)))
}

/// A variable in braces.
fn variable(text: &str) -> Result<Variable, String> {
    let label = text.get(1..text.len().max(2) - 1).unwrap_or_default();
    Ok(match label {
        "qname" => Variable::QueryName,
        "qtype" => Variable::QueryType,
        "client_ip" => Variable::ClientIp,
        "client_port" => Variable::ClientPort,
        "protocol" => Variable::Protocol,
        "server_ip" => Variable::ServerIp,
        "server_port" => Variable::ServerPort,
        _ => match label.find('/') {
            Some(place) if place > 0 && place + 1 < label.len() => Variable::Metadata(label.to_owned()),
            _ => return Err(format!("unsupported variable name {}", corefile::args::go_quote(text))),
        },
    })
}

/// Octets from hexadecimal digits, refused in the words of Go's `encoding/hex`.
fn hexadecimal(digits: &str) -> Result<Vec<u8>, String> {
    let value = |octet: u8| char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    if let Some(letter) = digits.chars().find(|letter| !letter.is_ascii_hexdigit()) {
        return Err(format!("encoding/hex: invalid byte: U+{:04X} '{letter}'", u32::from(letter)));
    }
    let pairs = digits.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => value(*high).zip(value(*low)).map(|(high, low)| high << 4 | low),
        _ => None,
    });
    pairs.collect::<Option<_>>().ok_or_else(|| "encoding/hex: odd length hex string".to_owned())
}

/// The bits of a network, at most `most`.
fn bits(text: &str, most: u64, family: &str) -> Result<u8, String> {
    let number = corefile::args::go_uint_any_base(text, 16)?;
    let bits = u8::try_from(number).ok().filter(|_| number <= most);
    bits.ok_or_else(|| format!("invalid {family} bit mask length {number}"))
}
