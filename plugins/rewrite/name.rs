//! Rules that change names: that of the question, and the targets of CNAMEs.

use super::draft::Draft;
use super::pattern::Pattern;
use super::revert::{Remap, Revert, TextRule};
use plugin_api::{Error, Name};
use std::sync::Arc;

/// A rule that asks for another name.
pub(super) struct NameRule {
    /// Which names it is for.
    pub(super) pattern: Pattern,
    /// What is put in place of what matches.
    pub(super) to: String,
    /// Names of the reply are mapped back to the name that was asked for, also those below it.
    pub(super) is_auto: bool,
    /// What is done to the names of the reply besides.
    pub(super) answers: Vec<Arc<TextRule>>,
}

impl NameRule {
    /// Asks for the other name; true if the rule matched.
    pub(super) fn apply(&self, draft: &mut Draft<'_>) -> Result<bool, Error> {
        let Some(text) = self.pattern.replace(draft, &self.to) else { return Ok(false) };
        let to = draft.request().question().lower().clone();
        draft.set_name(&text)?;
        if self.is_auto {
            let from = draft.request().qname().clone();
            draft.reverts.push(Revert::Remap(Box::new(Remap { from, to })));
        }
        draft.reverts.extend(self.answers.iter().map(|rule| Revert::Text(Arc::clone(rule))));
        Ok(true)
    }
}

/// A rule that leads CNAMEs elsewhere.
pub(super) struct CnameRule {
    /// Which targets it is for.
    pub(super) pattern: Pattern,
    /// What is put in place of what matches.
    pub(super) to: String,
}

impl CnameRule {
    /// The new target of a CNAME, if it gets one.
    pub(super) fn target(&self, target: &Name) -> Option<Name> {
        let text = match &self.pattern {
            Pattern::Exact(name) => {
                let is_same = name.as_ref().is_some_and(|name| name.as_wire() == target.as_wire());
                return if is_same { Name::from_text(&self.to).ok() } else { None };
            }
            pattern => pattern.replace_text(&target.to_string(), &self.to)?,
        };
        Name::from_text(&text).ok()
    }
}
