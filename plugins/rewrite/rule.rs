//! A rule: what it does to a query, and what it leaves to be done to the reply.

use super::draft::Draft;
use super::edns::OptionRule;
use super::name::{CnameRule, NameRule};
use super::pattern::Pattern;
use super::revert::Revert;
use plugin_api::{Class, Error, Question, Rcode, Type};
use std::sync::Arc;

/// One line of the directive.
pub(super) struct Rule {
    /// Whether the rules behind it are tried once it has matched.
    pub(super) is_last: bool,
    /// What it does.
    pub(super) action: Action,
}

/// What a rule does.
pub(super) enum Action {
    /// Asks for another name.
    Name(Box<NameRule>),
    /// Asks for the second type instead of the first.
    Type(Type, Type),
    /// Asks in the second class instead of the first.
    Class(Class, Class),
    /// Keeps the TTLs of the reply, in seconds, between two bounds.
    Ttl(Pattern, (u32, u32)),
    /// Answers with the second rcode instead of the first.
    Rcode(Pattern, (Rcode, Rcode)),
    /// Leads CNAMEs of the reply elsewhere.
    Cname(Arc<CnameRule>),
    /// Changes the options of the query.
    Option(OptionRule),
}

impl Action {
    /// Works on a query; true if the rule counts as matched.
    ///
    /// # Errors
    /// When the new name is none.
    pub(super) fn apply(&self, draft: &mut Draft<'_>) -> Result<bool, Error> {
        let question = draft.request().question();
        let (qtype, class) = (question.qtype(), question.class());
        Ok(match self {
            Self::Name(rule) => rule.apply(draft)?,
            Self::Type(from, to) if qtype == *from && from.0 > 0 && to.0 > 0 => {
                draft.set_question(Question::new(question.name().clone(), *to, class));
                true
            }
            Self::Class(from, to) if class == *from => {
                draft.set_question(Question::new(question.name().clone(), qtype, *to));
                true
            }
            Self::Type(..) | Self::Class(..) => false,
            Self::Ttl(pattern, bounds) => undo_if(pattern.matches(draft), draft, Revert::Ttl(*bounds)),
            Self::Rcode(pattern, (from, to)) => undo_if(pattern.matches(draft), draft, Revert::Rcode(*from, *to)),
            // A CNAME rule counts as matched for every query (golden suite plugins/rewrite, cname2.test).
            Self::Cname(rule) => undo_if(true, draft, Revert::Cname(Arc::clone(rule))),
            Self::Option(rule) => rule.apply(draft),
        })
    }
}

/// Leaves something to be done to the reply if the rule matched; hands on whether it did.
fn undo_if(is_match: bool, draft: &mut Draft<'_>, revert: Revert) -> bool {
    if is_match {
        draft.reverts.push(revert);
    }
    is_match
}
