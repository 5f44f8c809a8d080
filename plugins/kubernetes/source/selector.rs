//! Label selectors: the words of `labels` and `namespace_labels`, as the API server takes them and as we match them.
//!
//! Knows no object: it matches anything that can look up a label.

mod check;
mod parse;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

/// Requirements on labels, all of which must hold; none selects everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selector(Vec<Requirement>);

/// One requirement on one label.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    /// The label's key.
    key: Box<str>,
    /// What is wanted of it.
    want: Want,
}

/// What a requirement wants of its label.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Want {
    /// The label has this value.
    Equals(Box<str>),
    /// The label has one of these values.
    In(BTreeSet<Box<str>>),
    /// The label is absent or has none of these values.
    NotIn(BTreeSet<Box<str>>),
    /// The label is there.
    Exists,
    /// The label is absent.
    Absent,
}

impl Selector {
    /// Parses `text`; the error is the text that CoreDNS puts behind `unable to parse label selector value: '...': `.
    ///
    /// As there, `!=`, `>` and `<` are refused, and of two equalities on one key the last counts.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let parsed =
            parse::requirements(text).map_err(|why| format!("couldn't parse the selector string \"{text}\": {why}"))?;
        let mut selector = Self::default();
        for (key, want) in parsed {
            match want {
                parse::Parsed::Want(want) => selector.add(key, want),
                parse::Parsed::NotEquals => return Err(r#""!=" is not a valid label selector operator"#.to_owned()),
                parse::Parsed::Greater => return Err(r#""gt" isn't supported in label selectors"#.to_owned()),
                parse::Parsed::Less => return Err(r#""lt" isn't supported in label selectors"#.to_owned()),
            }
        }
        selector.0.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(selector)
    }

    /// Returns this selector with one more requirement: the label `key` exists.
    pub(crate) fn and_exists(mut self, key: &str) -> Self {
        self.add(key.into(), Want::Exists);
        self.0.sort_by(|a, b| a.key.cmp(&b.key));
        self
    }

    /// Says whether everything is selected.
    pub(crate) fn is_everything(&self) -> bool {
        self.0.is_empty()
    }

    /// Says whether an object is selected whose labels `label` looks up by key.
    pub(crate) fn matches<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.0.iter().all(|requirement| {
            let value = label(&requirement.key);
            match &requirement.want {
                Want::Equals(wanted) => value == Some(wanted),
                Want::In(wanted) => value.is_some_and(|value| wanted.contains(value)),
                Want::NotIn(unwanted) => !value.is_some_and(|value| unwanted.contains(value)),
                Want::Exists => value.is_some(),
                Want::Absent => value.is_none(),
            }
        })
    }

    /// Adds a requirement; an equality replaces an earlier one on the same key.
    fn add(&mut self, key: Box<str>, want: Want) {
        if matches!(want, Want::Equals(_)) {
            self.0.retain(|other| other.key != key || !matches!(other.want, Want::Equals(_)));
        }
        self.0.push(Requirement { key, want });
    }
}

impl fmt::Display for Selector {
    /// Writes the form that the API server takes in `labelSelector`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Requirement { key, want }) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            match want {
                Want::Equals(value) => write!(f, "{comma}{key}={value}")?,
                Want::In(values) => write!(f, "{comma}{key} in ({})", join(values))?,
                Want::NotIn(values) => write!(f, "{comma}{key} notin ({})", join(values))?,
                Want::Exists => write!(f, "{comma}{key}")?,
                Want::Absent => write!(f, "{comma}!{key}")?,
            }
        }
        Ok(())
    }
}

/// Joins values with commas.
fn join(values: &BTreeSet<Box<str>>) -> String {
    values.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(",")
}
