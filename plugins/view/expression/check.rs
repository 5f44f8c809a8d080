//! Looks at an expression before it runs: names that nobody knows, and signs between values that do not go together.

use super::ExpressionError;
use super::builtins;
use super::parser::{Node, PREDICATES, What};
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

/// Checks a tree; gives the type of its value.
pub(super) fn check(node: &Node, scope: &Scope) -> Result<Type, ExpressionError> {
    Checker { scope, locals: Vec::new(), predicates: 0 }.check(node)
}

/// What is known where the check stands.
struct Checker<'a> {
    scope: &'a Scope,
    locals: Vec<(String, Type)>,
    predicates: usize,
}

impl Checker<'_> {
    /// The type of a part.
    fn check(&mut self, node: &Node) -> Result<Type, ExpressionError> {
        match &node.what {
            What::Constant(value) => Ok(of(value)),
            What::List(values) => self.all(values).map(|()| Type::List),
            What::Map(pairs) => {
                for (key, value) in pairs {
                    self.check(key)?;
                    self.check(value)?;
                }
                Ok(Type::Map)
            }
            What::Name(name) => self.name(name, node.at),
            What::Pointer(_) if self.predicates == 0 => {
                Err(ExpressionError::at(node.at, "cannot use pointer accessor outside predicate"))
            }
            What::Pointer(_) => Ok(Type::Any),
            What::Unary(sign, operand) => self.unary(sign, operand, node.at),
            What::Binary(sign, left, right) => {
                let types = (self.check(left)?, self.check(right)?);
                binary(sign, types, node.at)
            }
            What::Conditional(condition, one, other) => {
                let found = self.check(condition)?;
                if !found.may_be(Type::Bool) {
                    let text = format!("non-bool expression (type {}) used as condition", found.name());
                    return Err(ExpressionError::at(condition.at, &text));
                }
                let (one, other) = (self.check(one)?, self.check(other)?);
                Ok(if one == other { one } else { Type::Any })
            }
            What::Member(value, key, _) => {
                self.check(value)?;
                self.check(key)?;
                Ok(Type::Any)
            }
            What::Slice(value, from, to) => {
                for bound in [from, to].into_iter().flatten() {
                    self.check(bound)?;
                }
                self.check(value)
            }
            What::Call(name, arguments) => self.call(name, arguments, node.at),
            What::Predicate(body) => {
                self.predicates += 1;
                let result = self.check(body);
                self.predicates -= 1;
                result
            }
            What::Let(name, value, rest) => {
                let value = self.check(value)?;
                self.locals.push((name.clone(), value));
                let result = self.check(rest);
                self.locals.pop();
                result
            }
        }
    }

    /// Checks several parts.
    fn all(&mut self, nodes: &[Node]) -> Result<(), ExpressionError> {
        nodes.iter().try_for_each(|node| self.check(node).map(drop))
    }

    /// The type of a variable.
    fn name(&self, name: &str, at: usize) -> Result<Type, ExpressionError> {
        let local = self.locals.iter().rev().find(|(known, _)| known == name).map(|(_, known)| *known);
        let known = local.or_else(|| self.scope.variables.get(name).copied());
        known.ok_or_else(|| ExpressionError::at(at, &format!("unknown name {name}")))
    }

    /// The type of a value with a sign before it.
    fn unary(&mut self, sign: &str, operand: &Node, at: usize) -> Result<Type, ExpressionError> {
        let found = self.check(operand)?;
        let (is_allowed, result) = match sign {
            "!" | "not" => (found.may_be(Type::Bool), Type::Bool),
            _ => (found.may_be_number(), found),
        };
        if is_allowed {
            return Ok(result);
        }
        Err(ExpressionError::at(at, &format!("invalid operation: {sign} (mismatched type {})", found.name())))
    }

    /// The type of what a function gives.
    fn call(&mut self, name: &str, arguments: &[Node], at: usize) -> Result<Type, ExpressionError> {
        let mut found = Vec::new();
        for argument in arguments {
            found.push((self.check(argument)?, argument.at));
        }
        let few = || ExpressionError::at(at, &format!("not enough arguments to call {name}"));
        let many = || ExpressionError::at(at, &format!("too many arguments to call {name}"));
        if let Some((parameters, result)) = self.scope.functions.get(name) {
            if found.len() < parameters.len() {
                return Err(few());
            }
            if found.len() > parameters.len() {
                return Err(many());
            }
            for ((found, at), wanted) in found.iter().zip(*parameters) {
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
        if found.len() < *arity.start() {
            return Err(few());
        }
        if found.len() > *arity.end() {
            return Err(many());
        }
        debug_assert!(!PREDICATES.contains(&name) || *arity.end() >= 1, "a predicate stands behind a list");
        Ok(builtins::result(name))
    }
}

/// The type of a value.
const fn of(value: &Value) -> Type {
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
fn binary(sign: &str, (left, right): (Type, Type), at: usize) -> Result<Type, ExpressionError> {
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
        "in" => (matches!(right, Type::Any | Type::List | Type::Map | Type::Nil), Type::Bool),
        _ => (true, if left == right { left } else { Type::Any }),
    };
    if is_allowed {
        return Ok(result);
    }
    let (left, right) = (left.name(), right.name());
    Err(ExpressionError::at(at, &format!("invalid operation: {sign} (mismatched types {left} and {right})")))
}
