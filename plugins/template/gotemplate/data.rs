//! What templates work with.

use std::collections::BTreeMap;
use std::fmt;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Data {
    /// What a map has not.
    Missing,
    /// Nil.
    Nil,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// Text.
    Text(String),
    /// Several values.
    List(Vec<Self>),
    /// Values by name; `index` gives empty text for what it has not if all its values are text.
    Map(BTreeMap<String, Self>),
    /// Fields; another one is an error.
    Struct(BTreeMap<&'static str, Self>),
    /// The data that the template is filled with.
    Root,
}

/// The data that a template is filled with, asked for field by field.
pub(crate) trait Root {
    /// A field.
    fn field(&self, name: &str) -> Option<Data>;
    /// A method with one argument of text.
    fn method(&self, name: &str, argument: &str) -> Option<String>;
}

impl Data {
    /// Whether it counts as true: not empty, not zero, not nil.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Missing | Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Text(value) => !value.is_empty(),
            Self::List(values) => !values.is_empty(),
            Self::Map(values) => !values.is_empty(),
            Self::Struct(_) | Self::Root => true,
        }
    }

    /// The name of the type in messages.
    pub(super) const fn type_name(&self) -> &'static str {
        match self {
            Self::Missing | Self::Nil => "nil",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::List(_) => "[]string",
            Self::Map(_) => "map[string]string",
            Self::Struct(_) | Self::Root => "struct",
        }
    }
}

/// The value as Go prints it with `%v`.
impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = |open: &str, parts: Vec<String>, close: &str| write!(f, "{open}{}{close}", parts.join(" "));
        match self {
            Self::Missing => f.write_str("<no value>"),
            Self::Nil => f.write_str("<nil>"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => f.write_str(&plugin_api::go::float(*value)),
            Self::Text(value) => f.write_str(value),
            Self::List(values) => list("[", values.iter().map(ToString::to_string).collect(), "]"),
            Self::Map(values) => {
                list("map[", values.iter().map(|(key, value)| format!("{key}:{value}")).collect(), "]")
            }
            Self::Struct(fields) => list("{", fields.values().map(ToString::to_string).collect(), "}"),
            Self::Root => f.write_str("{}"),
        }
    }
}
