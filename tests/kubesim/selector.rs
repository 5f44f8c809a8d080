//! Label and field selectors: text to requirements, requirements against one object.
//! Knows no request.

use crate::object::Object;

/// What one requirement asks of a value that may be absent.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ask {
    /// Present and among these.
    In(Vec<String>),
    /// Absent, or none of these.
    NotIn(Vec<String>),
    /// Present.
    Exists,
    /// Absent.
    Absent,
}

impl Ask {
    /// Whether `value` is as asked.
    fn accepts(&self, value: Option<&str>) -> bool {
        let is_among = |list: &[String]| value.is_some_and(|value| list.iter().any(|v| v == value));
        match self {
            Self::In(list) => is_among(list),
            Self::NotIn(list) => !is_among(list),
            Self::Exists => value.is_some(),
            Self::Absent => value.is_none(),
        }
    }
}

/// Both selectors of a request; all requirements must hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selector {
    /// Requirements on labels.
    labels: Vec<(String, Ask)>,
    /// Requirements on fields.
    fields: Vec<(Field, Ask)>,
}

/// The fields that can be selected by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    /// `metadata.name`
    Name,
    /// `metadata.namespace`
    Namespace,
    /// `status.phase`
    Phase,
}

impl Selector {
    /// Reads both selectors. The error is a sentence for a 400.
    pub(crate) fn parse(labels: &str, fields: &str) -> Result<Self, String> {
        let labels = terms(labels).map(label_term).collect::<Result<_, _>>()?;
        let fields = terms(fields).map(field_term).collect::<Result<_, _>>()?;
        Ok(Self { labels, fields })
    }

    /// Whether nothing is asked.
    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether `object` fulfils every requirement.
    pub(crate) fn matches(&self, object: &Object) -> bool {
        let label = |key: &str| object.labels.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
        let field = |field: Field| match field {
            Field::Name => object.name(),
            Field::Namespace => object.namespace(),
            Field::Phase => object.phase.as_str(),
        };
        self.labels.iter().all(|(key, ask)| ask.accepts(label(key)))
            && self.fields.iter().all(|(name, ask)| ask.accepts(Some(field(*name))))
    }
}

/// The comma-separated terms of a selector; commas inside parentheses do not separate.
fn terms(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_u32;
    text.split(move |c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
    .map(str::trim)
    .filter(|term| !term.is_empty())
}

/// Reads one label requirement: `k`, `!k`, `k=v`, `k==v`, `k!=v`, `k in (a,b)`, `k notin (a,b)`.
fn label_term(term: &str) -> Result<(String, Ask), String> {
    if let Some((key, rest)) = term.split_once(char::is_whitespace)
        && let Some((word, list)) = rest.trim().split_once('(')
    {
        let values = list.strip_suffix(')').ok_or_else(|| format!("unable to parse requirement: {term}: missing )"))?;
        let values = values.split(',').map(|v| v.trim().to_owned()).collect();
        return match word.trim() {
            "in" => Ok((key.to_owned(), Ask::In(values))),
            "notin" => Ok((key.to_owned(), Ask::NotIn(values))),
            other => Err(format!("unable to parse requirement: found '{other}', expected: in, notin")),
        };
    }
    let (key, ask) = equality(term).unwrap_or_else(|| match term.strip_prefix('!') {
        Some(key) => (key, Ask::Absent),
        None => (term, Ask::Exists),
    });
    let is_key = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if key.is_empty() || !key.chars().all(is_key) {
        return Err(format!("unable to parse requirement: invalid label key in {term:?}"));
    }
    Ok((key.to_owned(), ask))
}

/// Reads one field requirement: equality only.
fn field_term(term: &str) -> Result<(Field, Ask), String> {
    let (key, ask) = equality(term).ok_or_else(|| format!("invalid selector: '{term}'; can't understand '{term}'"))?;
    let field = match key {
        "metadata.name" => Field::Name,
        "metadata.namespace" => Field::Namespace,
        "status.phase" => Field::Phase,
        other => return Err(format!("field label not supported: {other}")),
    };
    Ok((field, ask))
}

/// Splits at `!=`, `==` or `=`.
fn equality(term: &str) -> Option<(&str, Ask)> {
    let one = |value: &str| vec![value.trim().to_owned()];
    if let Some((key, value)) = term.split_once("!=") {
        return Some((key.trim(), Ask::NotIn(one(value))));
    }
    let (key, value) = term.split_once("==").or_else(|| term.split_once('='))?;
    Some((key.trim(), Ask::In(one(value))))
}
