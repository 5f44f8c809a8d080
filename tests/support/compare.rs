//! Whether two answers are the same, with what may differ left out.

use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::answer::Answer;

/// Where an answer may differ from the recorded one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Loose {
    /// Not compared at all.
    pub skip: bool,
    /// For the reader.
    pub why: Option<String>,
    /// Depends on the machine's addresses; compared only in a namespace of our own.
    pub host: bool,
    /// TTLs are not compared.
    pub ttl: bool,
    /// TTLs may differ by this many seconds.
    pub ttl_within: Option<u32>,
    /// Only the number of records in each section counts.
    pub count: bool,
    /// Records have to come in the recorded order.
    pub order: bool,
    /// The length of the message has to be equal.
    pub size: bool,
    /// Whatever one of these expressions matches becomes `*` on both sides.
    pub mask: Vec<String>,
}

/// How two answers differ: the keys that are not equal, with both values.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// What was recorded.
    pub want: Map<String, Value>,
    /// What came.
    pub got: Map<String, Value>,
}

/// Compares an answer with the recorded one; none if they are the same.
#[must_use]
pub fn difference(want: &Answer, got: &Answer, loose: &Loose) -> Option<Difference> {
    let mut got = got.clone();
    if let Some(within) = loose.ttl_within {
        align_ttls(want, &mut got, within);
    }
    let (want, got) = (comparable(want.clone(), loose), comparable(got, loose));
    if want == got {
        return None;
    }
    let (Ok(Value::Object(mut want)), Ok(Value::Object(mut got))) =
        (serde_json::to_value(want), serde_json::to_value(got))
    else {
        return Some(Difference { want: Map::new(), got: Map::new() });
    };
    let equal: Vec<_> =
        want.iter().filter(|(key, value)| got.get(*key) == Some(*value)).map(|(key, _)| key.clone()).collect();
    for key in equal {
        want.remove(&key);
        got.remove(&key);
    }
    Some(Difference { want, got })
}

/// Brings an answer into the form in which answers are compared.
fn comparable(mut answer: Answer, loose: &Loose) -> Answer {
    if let Some(lines) = &mut answer.body {
        mask(lines, &loose.mask);
        if answer.status.is_none() {
            // A log: queries that come one after the other may be logged the other way round.
            lines.sort();
        }
    }
    if !answer.replies.is_empty() {
        answer.replies = answer.replies.into_iter().map(|reply| comparable(reply, loose)).collect();
        return answer;
    }
    if !loose.size {
        answer.size = None;
    }
    if answer.has_flag("tc") {
        // Which records survive truncation is not fixed.
        answer.sections_mut().into_iter().for_each(Vec::clear);
    }
    let is_transfer = answer.question.as_ref().is_some_and(|question| question.contains("XFR"));
    for section in answer.sections_mut() {
        tidy(section, loose, is_transfer);
    }
    answer
}

/// Brings a section into the form in which sections are compared.
fn tidy(section: &mut Vec<String>, loose: &Loose, is_transfer: bool) {
    mask(section, &loose.mask);
    if loose.ttl {
        section.iter_mut().for_each(|line| *line = split_ttl(line).0);
    }
    if !loose.order {
        let (mut chain, mut rest): (Vec<_>, Vec<_>) =
            section.drain(..).partition(|line| !is_transfer && line.contains(" CNAME "));
        rest.sort();
        chain.append(&mut rest);
        *section = chain;
    }
    if loose.count {
        *section = vec![format!("{} records", section.len())];
    }
}

/// Replaces every match in every line by `*`.
fn mask(lines: &mut [String], expressions: &[String]) {
    for expression in expressions.iter().filter_map(|text| Regex::new(text).ok()) {
        for line in lines.iter_mut() {
            *line = expression.replace_all(line, "*").into_owned();
        }
    }
}

/// Splits a record into its text without the TTL, and the TTL.
fn split_ttl(line: &str) -> (String, Option<u32>) {
    let mut words = line.splitn(3, ' ');
    let (owner, ttl, rest) = (words.next(), words.next(), words.next());
    let text = format!("{} {}", owner.unwrap_or_default(), rest.unwrap_or_default());
    (text, ttl.and_then(|ttl| ttl.parse().ok()))
}

/// Gives records the recorded TTL where theirs differs by no more than `within` seconds.
fn align_ttls(want: &Answer, got: &mut Answer, within: u32) {
    let sections = [&want.answer, &want.authority, &want.additional];
    for (want, got) in sections.into_iter().zip(got.sections_mut()) {
        let mut left: Vec<_> = want.iter().map(|line| (line, split_ttl(line))).collect();
        for line in got {
            let (text, ttl) = split_ttl(line);
            let hit = left.iter().position(|(_, (other, recorded))| {
                *other == text && ttl.zip(*recorded).is_some_and(|(ttl, recorded)| ttl.abs_diff(recorded) <= within)
            });
            if let Some(hit) = hit {
                *line = left.remove(hit).0.clone();
            }
        }
    }
}

#[cfg(test)]
mod tests;
