//! What rules do to a reply. Knows records and rcodes; knows no rule's arguments.
//!
//! For every record of authority, answer and additional, in this order, the rules work in reverse: the last change to the
//! query is undone first. A rule for CNAMEs has to ask the server; [`Undoing::advance`] stops there.

use super::name::CnameRule;
use super::pattern::substitute;
use plugin_api::{Message, Name, OwnedRecord, Rcode, Section, Type};
use std::sync::Arc;

/// What one rule does to a reply.
#[derive(Clone)]
pub(super) enum Revert {
    /// Maps a name back, in owners and in rdata.
    Remap(Box<Remap>),
    /// Rewrites names by their text.
    Text(Arc<TextRule>),
    /// Keeps TTLs, in seconds, between two bounds.
    Ttl((u32, u32)),
    /// Replaces the first rcode by the second.
    Rcode(Rcode, Rcode),
    /// Leads CNAMEs elsewhere.
    Cname(Arc<CnameRule>),
}

/// A name and what it was before; names below it are mapped as well. Letters count (CoreDNS: remapStringRewriter).
#[derive(Clone)]
pub(super) struct Remap {
    /// The name in the reply.
    pub(super) from: Name,
    /// What it becomes.
    pub(super) to: Name,
}

impl Remap {
    /// The mapped name, if it is one to be mapped and the result is a name.
    fn map(&self, name: &Name) -> Option<Name> {
        let offset = name.offset_of(&self.from)?;
        let (before, same) = name.as_wire().split_at_checked(offset)?;
        if same != self.from.as_wire() {
            return None;
        }
        Name::from_parts(&[before, self.to.as_wire()]).ok()
    }
}

/// Which names a text rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Owners.
    Owner,
    /// Names in rdata.
    Value,
    /// Both.
    Both,
}

/// Rewrites names by their text.
pub(super) struct TextRule {
    /// Which names.
    pub(super) part: Part,
    /// What is replaced.
    pub(super) from: TextPattern,
    /// By what; `{N}` are groups of a regular expression.
    pub(super) to: String,
}

/// What a text rule replaces.
pub(super) enum TextPattern {
    /// The end of the name.
    Suffix(String),
    /// All of it, where this matches.
    Regex(crate::pattern::Pattern),
}

impl TextRule {
    /// The rewritten name, if it is to be rewritten and the result is a name.
    fn map(&self, name: &Name) -> Option<Name> {
        let text = name.to_string();
        let text = match &self.from {
            TextPattern::Suffix(suffix) => format!("{}{}", text.strip_suffix(suffix.as_str())?, self.to),
            TextPattern::Regex(regex) => substitute(regex, &text, &self.to)?,
        };
        Name::from_text(&text).ok()
    }
}

/// What undoes the change of an option before the query's options are echoed.
pub(super) enum OptionUndo {
    /// The first option with this code goes.
    Remove(u16),
    /// The first option with this code gets its octets back.
    Restore(u16, Vec<u8>),
}

impl OptionUndo {
    /// Undoes the change.
    pub(super) fn apply(&self, options: &mut Vec<(u16, Vec<u8>)>) {
        let (Self::Remove(code) | Self::Restore(code, _)) = self;
        let Some(index) = options.iter().position(|(found, _)| found == code) else { return };
        match (self, options.get_mut(index)) {
            (Self::Restore(_, old), Some((_, data))) => data.clone_from(old),
            _ => drop(options.remove(index)),
        }
    }
}

/// A reply that is being worked on.
pub(super) struct Undoing<'a> {
    rules: &'a [Revert],
    /// The records as the reply had them; the rules go over these.
    records: Vec<OwnedRecord>,
    /// The order in which they do: authority, answer, additional.
    order: Vec<usize>,
    /// The answer section once a CNAME was led elsewhere: records of the reply by number, and new ones.
    answer: Option<Vec<Answer>>,
    rcode: Rcode,
    is_truncated: Option<bool>,
    /// Steps done: a record by a rule each.
    at: usize,
}

/// A record of the new answer section.
enum Answer {
    /// That of the reply with this number.
    Old(usize),
    /// One that the server found.
    New(Box<OwnedRecord>),
}

/// A CNAME that is to lead elsewhere.
pub(super) struct Turn {
    from: Name,
    /// The new target, to be looked up.
    pub(super) to: Name,
}

impl<'a> Undoing<'a> {
    /// Begins to work on a reply.
    pub(super) fn new(rules: &'a [Revert], message: &Message) -> Self {
        let records: Vec<OwnedRecord> = message.records().map(OwnedRecord::from).collect();
        let sections = [Section::Authority, Section::Answer, Section::Additional];
        let of =
            |section| records.iter().enumerate().filter(move |(_, r)| r.section == section).map(|(index, _)| index);
        let order = sections.into_iter().flat_map(of).collect();
        Self { rules, records, order, answer: None, rcode: message.rcode(), is_truncated: None, at: 0 }
    }

    /// Applies the rules up to the next CNAME that is to lead elsewhere; none at the end.
    pub(super) fn advance(&mut self) -> Option<Turn> {
        if self.records.is_empty() {
            self.rules.iter().rev().for_each(|rule| self.rcode = new_rcode(rule, self.rcode));
            return None;
        }
        let rules = self.rules;
        while let Some(index) = self.order.get(self.at / rules.len().max(1)).copied() {
            let rule = rules.iter().rev().nth(self.at % rules.len().max(1))?;
            self.at += 1;
            let Some(record) = self.records.get_mut(index) else { continue };
            if let Revert::Cname(rule) = rule {
                let target = (record.rtype == Type::CNAME).then(|| Name::from_wire(&record.rdata).ok()).flatten();
                if let Some(from) = target
                    && let Some(to) = rule.target(&from)
                {
                    return Some(Turn { from, to });
                }
            }
            change(rule, record);
            self.rcode = new_rcode(rule, self.rcode);
        }
        None
    }

    /// Puts what the server found for a new target behind the CNAMEs that lead there.
    pub(super) fn turn(&mut self, turn: &Turn, found: &Message) {
        let old = self.answer.take().unwrap_or_else(|| self.old_answer());
        let mut answer = Vec::new();
        for mut entry in old {
            let record = match &mut entry {
                Answer::Old(index) => self.records.get_mut(*index),
                Answer::New(record) => Some(&mut **record),
            };
            let Some(record) = record.filter(|record| record.rtype == Type::CNAME) else { continue };
            let is_turn = record.rdata == turn.from.as_wire();
            if is_turn {
                record.rdata = turn.to.as_wire().to_vec();
            }
            answer.push(entry);
            if is_turn {
                break;
            }
        }
        answer.extend(found.section(Section::Answer).map(|record| Answer::New(Box::new(record.into()))));
        self.answer = Some(answer);
        self.is_truncated = Some(found.has_flag(plugin_api::flag::TC));
    }

    /// The answer section as the reply had it.
    fn old_answer(&self) -> Vec<Answer> {
        let answer = self.records.iter().enumerate().filter(|(_, record)| record.section == Section::Answer);
        answer.map(|(index, _)| Answer::Old(index)).collect()
    }

    /// Writes everything back.
    pub(super) fn finish(self, message: &mut Message) {
        if self.rcode != message.rcode() {
            message.set_rcode(self.rcode);
        }
        if let Some(is_truncated) = self.is_truncated {
            message.set_flag(plugin_api::flag::TC, is_truncated);
        }
        let Self { mut records, answer, .. } = self;
        if let Some(answer) = answer {
            let rest = records.iter().filter(|record| record.section != Section::Answer).cloned();
            let new = answer.into_iter().filter_map(|entry| match entry {
                Answer::Old(index) => records.get(index).cloned(),
                Answer::New(record) => Some(*record),
            });
            records = new.chain(rest).collect();
        }
        message.edit(|all| *all = records);
    }
}

/// The rcode behind a rule.
fn new_rcode(rule: &Revert, rcode: Rcode) -> Rcode {
    match rule {
        Revert::Rcode(from, to) if rcode == *from => *to,
        _ => rcode,
    }
}

/// Applies a rule to a record.
fn change(rule: &Revert, record: &mut OwnedRecord) {
    match rule {
        Revert::Ttl((least, most)) => record.ttl = if record.ttl < *least { *least } else { record.ttl.min(*most) },
        Revert::Remap(remap) => change_names(record, Part::Both, |name| remap.map(name)),
        Revert::Text(text) => change_names(record, text.part, |name| text.map(name)),
        Revert::Rcode(..) | Revert::Cname(_) => {}
    }
}

/// Replaces the names of a record that `map` has something for.
fn change_names(record: &mut OwnedRecord, part: Part, map: impl Fn(&Name) -> Option<Name>) {
    if part != Part::Value
        && let Some(owner) = map(&record.owner)
    {
        record.owner = owner;
    }
    if part == Part::Owner {
        return;
    }
    let Some((start, name)) = value(record.rtype, &record.rdata) else { return };
    if let Some(new) = map(&name) {
        record.rdata.splice(start..start + name.as_wire().len(), new.as_wire().iter().copied());
    }
}

/// The name in rdata that rules change, and where it begins; of a SOA the primary server.
fn value(rtype: Type, rdata: &[u8]) -> Option<(usize, Name)> {
    let start = match rtype {
        Type::CNAME | Type::NS | Type::DNAME | Type::PTR | Type::SOA => 0,
        Type::MX => 2,
        Type::SRV => 6,
        Type::NAPTR => (0..3).try_fold(4, |at, _| rdata.get(at).map(|length| at + 1 + usize::from(*length)))?,
        _ => return None,
    };
    Name::read(rdata, start).ok().map(|(name, _)| (start, name))
}
