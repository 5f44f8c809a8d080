//! Types of values as far as they are known before an expression runs: signs between values that do not go together, and
//! calls with wrong arguments.

use super::ExpressionError;
use super::builtins;
use super::value::Value;
use std::collections::BTreeMap;

/// The type of a value, as far as it is known beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    /// Not known.
    Any,
    /// Nothing.
    Nil,
    /// A truth value.
    Bool,
    /// A whole number.
    Int,
    /// A number with a fraction.
    Float,
    /// Text.
    Text,
    /// Several values.
    List,
    /// Values by name.
    Map,
}

impl Type {
    /// The name in messages.
    const fn name(self) -> &'static str {
        match self {
            Self::Any => "unknown",
            Self::Nil => "nil",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Float => "float64",
            Self::Text => "string",
            Self::List => "[]interface {}",
            Self::Map => "map[string]interface {}",
        }
    }

    /// Whether it may be a number.
    const fn may_be_number(self) -> bool {
        matches!(self, Self::Any | Self::Int | Self::Float)
    }

    /// Whether it may be this type.
    fn may_be(self, other: Self) -> bool {
        self == Self::Any || self == other
    }
}

/// A function of the environment: its parameters and its result.
pub(crate) type Function = (&'static [Type], Type);

/// The names that an expression may use.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    /// Functions of the environment.
    pub(crate) functions: BTreeMap<&'static str, Function>,
    /// Variables.
    pub(crate) variables: BTreeMap<String, Type>,
}

/// The type of a value with a sign before it.
pub(super) fn unary(sign: &str, operand: Type, at: usize) -> Result<Type, ExpressionError> {
    let (is_allowed, result) = match sign {
        "!" | "not" => (operand.may_be(Type::Bool), Type::Bool),
        _ => (operand.may_be_number(), operand),
    };
    if is_allowed {
        return Ok(result);
    }
    Err(ExpressionError::at(at, &format!("invalid operation: {sign} (mismatched type {})", operand.name())))
}

/// Checks that a value may have members.
pub(super) fn member(found: Type, fault: &str, at: usize) -> Result<(), ExpressionError> {
    if matches!(found, Type::Any | Type::Nil | Type::List | Type::Map) {
        return Ok(());
    }
    Err(ExpressionError::at(at, &format!("type {}{fault}", found.name())))
}

/// Checks a condition that stands at a place.
pub(super) fn condition(found: Type, at: usize) -> Result<(), ExpressionError> {
    if found.may_be(Type::Bool) {
        return Ok(());
    }
    Err(ExpressionError::at(at, &format!("non-bool expression (type {}) used as condition", found.name())))
}

/// The type of what a function gives; the arguments are types and their places.
pub(super) fn call(scope: &Scope, name: &str, arguments: &[(Type, usize)], at: usize) -> Result<Type, ExpressionError> {
    let few = || ExpressionError::at(at, &format!("not enough arguments to call {name}"));
    let many = || ExpressionError::at(at, &format!("too many arguments to call {name}"));
    if let Some((parameters, result)) = scope.functions.get(name) {
        if arguments.len() < parameters.len() {
            return Err(few());
        }
        if arguments.len() > parameters.len() {
            return Err(many());
        }
        for ((found, at), wanted) in arguments.iter().zip(*parameters) {
            if *wanted != Type::Any && !found.may_be(*wanted) {
                let (found, wanted) = (found.name(), wanted.name());
                let text = format!("cannot use {found} as argument (type {wanted}) to call {name} ");
                return Err(ExpressionError::at(*at, &text));
            }
        }
        return Ok(*result);
    }
    let Some(arity) = builtins::arity(name) else {
        return Err(ExpressionError::at(at, &format!("unknown name {name}")));
    };
    if arguments.len() < *arity.start() {
        return Err(few());
    }
    if arguments.len() > *arity.end() {
        return Err(many());
    }
    Ok(builtins::result(name))
}

/// The type of a value.
pub(super) const fn of(value: &Value) -> Type {
    match value {
        Value::Nil => Type::Nil,
        Value::Bool(_) => Type::Bool,
        Value::Int(_) => Type::Int,
        Value::Float(_) => Type::Float,
        Value::Text(_) => Type::Text,
        Value::List(_) => Type::List,
        Value::Map(_) => Type::Map,
    }
}

/// The type of two values with a sign between them.
pub(super) fn binary(sign: &str, left: Type, right: Type, at: usize) -> Result<Type, ExpressionError> {
    let are_numbers = left.may_be_number() && right.may_be_number();
    let are = |wanted: Type| left.may_be(wanted) && right.may_be(wanted);
    let is_unknown = left == Type::Any || right == Type::Any;
    let number = if is_unknown {
        Type::Any
    } else if left == Type::Float || right == Type::Float {
        Type::Float
    } else {
        Type::Int
    };
    let (is_allowed, result) = match sign {
        "==" | "!=" => {
            let is_nil = left == Type::Nil || right == Type::Nil;
            (is_unknown || left == right || are_numbers || is_nil, Type::Bool)
        }
        "<" | ">" | "<=" | ">=" => (are_numbers || are(Type::Text), Type::Bool),
        "and" | "&&" | "or" | "||" => (are(Type::Bool), Type::Bool),
        "+" if !is_unknown && left == Type::Text => (right == Type::Text, Type::Text),
        "+" => (are_numbers || (is_unknown && are(Type::Text)), number),
        "-" | "*" => (are_numbers, number),
        "/" => (are_numbers, Type::Float),
        "**" | "^" => (are_numbers, Type::Float),
        "%" => (are(Type::Int), Type::Int),
        ".." => (are(Type::Int), Type::List),
        "matches" | "contains" | "startsWith" | "endsWith" => (are(Type::Text), Type::Bool),
        "in" => (matches!(right, Type::Any | Type::List | Type::Map), Type::Bool),
        _ => (true, if left == right { left } else { Type::Any }),
    };
    if is_allowed {
        return Ok(result);
    }
    let (left, right) = (left.name(), right.name());
    Err(ExpressionError::at(at, &format!("invalid operation: {sign} (mismatched types {left} and {right})")))
}
