//! A YAML or JSON document whose fields have types, read as client-go reads one: absent, `null` and empty are the same, unknown fields
//! are nothing, the last of two equal keys counts, YAML 1.1 decides what is a number or a truth value. Knows no kubeconfig.

use base64::Engine;
use base64::alphabet;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use serde_json::Value;

/// The deepest nesting that is read.
const MAX_DEPTH: usize = 64;
/// As Go decodes it: the bits behind the last octet do not matter.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// Why a document cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct ReadError {
    /// What client-go says.
    pub(in super::super) text: String,
    /// What to do about it.
    pub(in super::super) cure: String,
}

/// Reads the first document of a text; an empty one is `null`.
pub(in super::super) fn read(text: &str) -> Result<Value, ReadError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let is_nothing = |line: &str| matches!(line.trim(), "" | "---") || line.trim_start().starts_with('#');
    let text = first_document(text);
    if text.lines().all(is_nothing) {
        return Ok(Value::Null);
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: MAX_DEPTH },
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
        with_snippet: false,
    };
    let read = |from: serde_saphyr::Deserializer<'_, '_>| Value::deserialize(from);
    serde_saphyr::with_deserializer_from_str_with_options(text, options, read).map_err(|error| {
        let text = error.to_string();
        let line = error.location().map_or(1, |place| place.line());
        let cure = format!("line {line} is no YAML or JSON; compare it with what `kubectl config view --raw` prints");
        ReadError { text: format!("yaml: line {line}: {text}"), cure }
    })
}

/// Cuts off what follows the first document.
fn first_document(text: &str) -> &str {
    let is_mark = |line: &str, mark: &str| {
        line.strip_prefix(mark).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
    };
    let (mut at, mut has_begun) = (0, false);
    for line in text.split_inclusive('\n') {
        if has_begun && (is_mark(line, "---") || is_mark(line, "...")) {
            return text.get(..at).unwrap_or(text);
        }
        let content = line.trim_start();
        has_begun |= is_mark(line, "---") || !(content.is_empty() || content.starts_with(['#', '%']));
        at += line.len();
    }
    text
}

/// A value in a document, with its place.
#[derive(Debug, Clone)]
pub(in super::super) struct Node<'a> {
    /// The value; `Null` where there is none.
    value: &'a Value,
    /// The Go type that the field belongs to, as client-go's messages name it.
    owner: &'static str,
    /// The names of the fields down to this one.
    path: String,
}

impl<'a> Node<'a> {
    /// Returns the document as a whole.
    pub(in super::super) fn root(value: &'a Value, owner: &'static str) -> Self {
        Self { value, owner, path: String::new() }
    }

    /// Returns whether there is nothing.
    pub(in super::super) fn is_null(&self) -> bool {
        self.value.is_null()
    }

    /// Returns the value as it stands.
    pub(in super::super) fn raw(&self) -> &'a Value {
        self.value
    }

    /// Returns the path of the field for people.
    pub(in super::super) fn path(&self) -> &str {
        &self.path
    }

    /// Returns a field of a structure; `owner` is the structure's Go type.
    pub(in super::super) fn field(&self, owner: &'static str, name: &str) -> Self {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Self { value: self.value.get(name).unwrap_or(&Value::Null), owner, path }
    }

    /// Checks that the value is a structure, of a Go type for the message.
    pub(in super::super) fn structure(self, go_type: &str) -> Result<Self, ReadError> {
        if self.value.is_object() || self.value.is_null() { Ok(self) } else { Err(self.wrong(go_type)) }
    }

    /// Returns the entries of a list of structures.
    pub(in super::super) fn structures(&self, go_type: &str) -> Result<Vec<Self>, ReadError> {
        let entries = match self.value {
            Value::Null => return Ok(Vec::new()),
            Value::Array(entries) => entries,
            _ => return Err(self.wrong(&format!("[]{go_type}"))),
        };
        let node = |value| Self { value, owner: self.owner, path: self.path.clone() }.structure(go_type);
        entries.iter().map(node).collect()
    }

    /// Returns a text.
    pub(in super::super) fn text(&self) -> Result<String, ReadError> {
        match self.value {
            Value::Null => Ok(String::new()),
            Value::String(text) => Ok(text.clone()),
            _ => Err(self.wrong("string")),
        }
    }

    /// Returns a truth value.
    pub(in super::super) fn flag(&self) -> Result<bool, ReadError> {
        match self.value {
            Value::Null => Ok(false),
            Value::Bool(flag) => Ok(*flag),
            _ => Err(self.wrong("bool")),
        }
    }

    /// Returns a list of texts.
    pub(in super::super) fn texts(&self) -> Result<Vec<String>, ReadError> {
        match self.value {
            Value::Null => Ok(Vec::new()),
            Value::Array(entries) => {
                let node = |value| Self { value, owner: self.owner, path: self.path.clone() }.text();
                entries.iter().map(node).collect()
            }
            _ => Err(self.wrong("[]string")),
        }
    }

    /// Returns the entries of a map.
    pub(in super::super) fn entries(&self, go_type: &str) -> Result<Vec<(String, Self)>, ReadError> {
        match self.value {
            Value::Null => Ok(Vec::new()),
            Value::Object(entries) => {
                let node = |(name, value): (&String, &'a Value)| {
                    (name.clone(), Self { value, owner: self.owner, path: self.path.clone() })
                };
                Ok(entries.iter().map(node).collect())
            }
            _ => Err(self.wrong(go_type)),
        }
    }

    /// Returns octets that are written in base64; line breaks within do not matter.
    pub(in super::super) fn octets(&self) -> Result<Vec<u8>, ReadError> {
        let Value::String(text) = self.value else {
            return if self.is_null() { Ok(Vec::new()) } else { Err(self.wrong("[]uint8")) };
        };
        let text: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
        BASE64.decode(&text).map_err(|error| {
            let at = match error {
                base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => at,
                _ => text.len(),
            };
            let cure = format!(
                "{} must be base64 without spaces; break it into lines in a block that begins with `|`, or make it with `base64 -w0`",
                self.path
            );
            ReadError { text: format!("illegal base64 data at input byte {at}"), cure }
        })
    }

    /// Says that the value is of another type.
    fn wrong(&self, go_type: &str) -> ReadError {
        let kind = match self.value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let cure = match self.value {
            Value::Bool(_) | Value::Number(_) if go_type == "string" => {
                format!("put the value of {} into quotation marks: YAML takes it for a {kind}", self.path)
            }
            _ => format!("{} must be of the type {go_type}", self.path),
        };
        let field = format!("{}.{}", self.owner, self.path);
        ReadError {
            text: format!("json: cannot unmarshal {kind} into Go struct field {field} of type {go_type}"),
            cure,
        }
    }
}
