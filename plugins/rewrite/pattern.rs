//! Which names a rule is for, compared as text in presentation form, lower case. Knows no query.

use super::draft::Draft;
use crate::pattern::{self, Pattern as RegularExpression};
use plugin_api::Name;

/// Most octets of a regular expression (CoreDNS: maxRegexpLen).
pub(super) const MAX_PATTERN: usize = 10_000;

/// The words for the ways to compare, in CoreDNS's order.
pub(super) const KINDS: [&str; 5] = ["exact", "prefix", "suffix", "substring", "regex"];

/// Which names a rule is for.
pub(super) enum Pattern {
    /// This name; none where the text is no name, and then no query has it.
    Exact(Option<Box<Name>>),
    /// Names that begin with this text.
    Prefix(String),
    /// Names that end in this text.
    Suffix(String),
    /// Names that have this text in them.
    Substring(String),
    /// Names that match.
    Regex(RegularExpression),
}

impl Pattern {
    /// A pattern of a kind other than `regex`; the text is brought into the form of names.
    pub(super) fn plain(kind: &str, text: &str) -> Self {
        let text = normalise(text);
        match kind {
            "prefix" => Self::Prefix(text),
            "suffix" => Self::Suffix(text),
            "substring" => Self::Substring(text),
            _ => Self::Exact(Name::from_text(&text).ok().map(Box::new)),
        }
    }

    /// Whether the name that is asked for now is one of them.
    pub(super) fn matches(&self, draft: &mut Draft<'_>) -> bool {
        match self {
            Self::Exact(name) => name.as_deref().is_some_and(|name| draft.request().question().lower() == name),
            Self::Prefix(text) => draft.name_text().starts_with(text.as_str()),
            Self::Suffix(text) => draft.name_text().ends_with(text.as_str()),
            Self::Substring(text) => draft.name_text().contains(text.as_str()),
            Self::Regex(regex) => regex.is_match(draft.name_text()),
        }
    }

    /// The name that is asked for now with what matches replaced by `to`; none if nothing matches.
    pub(super) fn replace(&self, draft: &mut Draft<'_>, to: &str) -> Option<String> {
        match self {
            Self::Exact(_) => self.matches(draft).then(|| to.to_owned()),
            _ => self.replace_text(draft.name_text(), to),
        }
    }

    /// A text with what matches replaced by `to`; none if nothing matches. For patterns that are not exact.
    pub(super) fn replace_text(&self, text: &str, to: &str) -> Option<String> {
        match self {
            Self::Exact(_) => None,
            Self::Prefix(prefix) => text.strip_prefix(prefix.as_str()).map(|rest| format!("{to}{rest}")),
            Self::Suffix(suffix) => text.strip_suffix(suffix.as_str()).map(|rest| format!("{rest}{to}")),
            Self::Substring(part) => text.contains(part.as_str()).then(|| text.replace(part.as_str(), to)),
            Self::Regex(regex) => substitute(regex, text, to),
        }
    }
}

/// Puts the groups of a match into `{0}`, `{1}`, ... of `to`, one group after the other as CoreDNS does; none without a match.
pub(super) fn substitute(regex: &RegularExpression, text: &str, to: &str) -> Option<String> {
    let groups = regex.captures(text)?;
    let mut out = to.to_owned();
    for (index, group) in groups.iter().enumerate() {
        let place = format!("{{{index}}}");
        if out.contains(&place) {
            out = out.replace(&place, group.unwrap_or(""));
        }
    }
    Some(out)
}

/// A text in the form of names: lower case and with a final dot (CoreDNS: plugin.Name.Normalize).
pub(super) fn normalise(text: &str) -> String {
    let mut text = text.to_lowercase();
    let before = text.strip_suffix('.');
    let is_closed = before.is_some_and(|rest| rest.bytes().rev().take_while(|octet| *octet == b'\\').count() % 2 == 0);
    if !is_closed {
        text.push('.');
    }
    text
}

/// Compiles the pattern of a name rule whose replacement is `to`, in the words of CoreDNS's errors.
pub(super) fn checked(from: &str, to: &str) -> Result<RegularExpression, String> {
    if from.len() > MAX_PATTERN {
        return Err(format!("regex pattern too long: {} > {MAX_PATTERN}", from.len()));
    }
    let regex = pattern::compile(from).map_err(|_| format!("invalid regex matching pattern: {from}"))?;
    let used = (0..=100).filter(|index| to.contains(&format!("{{{index}}}"))).count();
    if used > regex.group_count() - 1 {
        let words = "uses more subexpressions than its corresponding matching regex pattern";
        return Err(format!("the rewrite regex pattern ({to}) {words} ({from})"));
    }
    Ok(regex)
}
