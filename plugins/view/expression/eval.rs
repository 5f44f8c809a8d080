//! Runs an expression.

use super::parser::{Node, PREDICATES, What};
use super::value::Value;
use super::{Environment, ExpressionError, builtins};
use crate::pattern::compile;
use std::cmp::Ordering;

/// Most steps of one run, so that no query takes long: an expression over a list of a thousand values takes some thousands.
const MAX_STEPS: u32 = 1_000_000;
/// Most values of a range.
const MAX_RANGE: i64 = 100_000;

/// One run.
pub(super) struct Run<'a> {
    environment: &'a dyn Environment,
    locals: Vec<(String, Value)>,
    /// What predicates are asked about, the innermost last.
    pointers: Vec<Pointer>,
    steps: u32,
}

/// What a predicate is asked about.
struct Pointer {
    value: Value,
    index: i64,
    sum: Value,
}

/// A value, or why there is none.
type Outcome = Result<Value, ExpressionError>;

impl<'a> Run<'a> {
    /// A run with these names.
    pub(super) fn new(environment: &'a dyn Environment) -> Self {
        Self { environment, locals: Vec::new(), pointers: Vec::new(), steps: 0 }
    }

    /// The value of a part.
    pub(super) fn value(&mut self, node: &Node) -> Outcome {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return Err(ExpressionError::at(node.at, "expression takes too long"));
        }
        match &node.what {
            What::Constant(value) => Ok(value.clone()),
            What::List(values) => Ok(Value::List(self.values(values)?)),
            What::Map(pairs) => {
                let mut map = std::collections::BTreeMap::new();
                for (key, value) in pairs {
                    map.insert(self.value(key)?.to_string(), self.value(value)?);
                }
                Ok(Value::Map(map))
            }
            What::Name(name) => {
                let local = self.locals.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.clone());
                Ok(local.or_else(|| self.environment.variable(name)).unwrap_or(Value::Nil))
            }
            What::Pointer(name) => self.pointer(name, node.at),
            What::Unary(sign, operand) => {
                let operand = self.value(operand)?;
                unary(sign, &operand).map_err(|text| ExpressionError::at(node.at, &text))
            }
            What::Binary(sign, left, right) => self.binary(sign, left, right, node.at),
            What::Conditional(condition, one, other) => {
                let branch = if self.truth(condition)? { one } else { other };
                self.value(branch)
            }
            What::Member(value, key, is_optional) => {
                let value = self.value(value)?;
                if *is_optional && value == Value::Nil {
                    return Ok(Value::Nil);
                }
                let key = self.value(key)?;
                builtins::member(&value, &key).map_err(|text| ExpressionError::at(node.at, &text))
            }
            What::Slice(value, from, to) => {
                let value = self.value(value)?;
                let from = from.as_ref().map(|bound| self.whole(bound)).transpose()?;
                let to = to.as_ref().map(|bound| self.whole(bound)).transpose()?;
                builtins::slice(&value, from, to).map_err(|text| ExpressionError::at(node.at, &text))
            }
            What::Call(name, arguments) => self.call(name, arguments, node.at),
            What::Predicate(body) => self.value(body),
            What::Let(name, value, rest) => {
                let value = self.value(value)?;
                self.locals.push((name.clone(), value));
                let result = self.value(rest);
                self.locals.pop();
                result
            }
        }
    }

    /// The values of several parts.
    fn values(&mut self, nodes: &[Node]) -> Result<Vec<Value>, ExpressionError> {
        nodes.iter().map(|node| self.value(node)).collect()
    }

    /// A truth value.
    fn truth(&mut self, node: &Node) -> Result<bool, ExpressionError> {
        match self.value(node)? {
            Value::Bool(value) => Ok(value),
            other => Err(wrong(node.at, "bool", &other)),
        }
    }

    /// A whole number.
    fn whole(&mut self, node: &Node) -> Result<i64, ExpressionError> {
        match self.value(node)? {
            Value::Int(value) => Ok(value),
            other => Err(wrong(node.at, "int", &other)),
        }
    }

    /// Text.
    fn text(&mut self, node: &Node) -> Result<String, ExpressionError> {
        match self.value(node)? {
            Value::Text(value) => Ok(value),
            other => Err(wrong(node.at, "string", &other)),
        }
    }

    /// What the innermost predicate is asked about.
    fn pointer(&self, name: &str, at: usize) -> Outcome {
        let pointer = self.pointers.last();
        let found = match name {
            "" => pointer.map(|pointer| pointer.value.clone()),
            "index" => pointer.map(|pointer| Value::Int(pointer.index)),
            "acc" => pointer.map(|pointer| pointer.sum.clone()),
            _ => None,
        };
        found.ok_or_else(|| ExpressionError::at(at, &format!("unknown pointer #{name}")))
    }

    /// Two values with a sign between them; the second may not be needed.
    fn binary(&mut self, sign: &str, left: &Node, right: &Node, at: usize) -> Outcome {
        match sign {
            "and" | "&&" => return Ok(Value::Bool(self.truth(left)? && self.truth(right)?)),
            "or" | "||" => return Ok(Value::Bool(self.truth(left)? || self.truth(right)?)),
            "??" => {
                let value = self.value(left).unwrap_or(Value::Nil);
                return if value == Value::Nil { self.value(right) } else { Ok(value) };
            }
            "matches" => {
                let (text, pattern) = (self.text(left)?, self.text(right)?);
                let pattern = compile(&pattern).map_err(|error| ExpressionError::at(at, &error))?;
                return Ok(Value::Bool(pattern.is_match(&text)));
            }
            "contains" => return Ok(Value::Bool(self.text(left)?.contains(&self.text(right)?))),
            "startsWith" => return Ok(Value::Bool(self.text(left)?.starts_with(&self.text(right)?))),
            "endsWith" => return Ok(Value::Bool(self.text(left)?.ends_with(&self.text(right)?))),
            ".." => {
                let (from, to) = (self.whole(left)?, self.whole(right)?);
                if to.saturating_sub(from) >= MAX_RANGE {
                    return Err(ExpressionError::at(at, "memory budget exceeded"));
                }
                return Ok(Value::List((from..=to).map(Value::Int).collect()));
            }
            _ => {}
        }
        let (left, right) = (self.value(left)?, self.value(right)?);
        binary(sign, &left, &right).map_err(|text| ExpressionError::at(at, &text))
    }

    /// A function of the environment or of the language.
    fn call(&mut self, name: &str, arguments: &[Node], at: usize) -> Outcome {
        if let ([list, Node { what: What::Predicate(body), .. }, rest @ ..], true) =
            (arguments, PREDICATES.contains(&name))
        {
            return self.over(name, list, body, rest.first());
        }
        let arguments = self.values(arguments)?;
        let result = if builtins::arity(name).is_some()
            && !super::environment::FUNCTIONS.iter().any(|(known, ..)| *known == name)
        {
            builtins::call(name, &arguments)
        } else {
            self.environment.call(name, &arguments)
        };
        result.map_err(|text| ExpressionError::at(at, &text))
    }

    /// A function that asks a predicate about each value of a list.
    fn over(&mut self, name: &str, list: &Node, body: &Node, rest: Option<&Node>) -> Outcome {
        let values = match self.value(list)? {
            Value::List(values) => values,
            Value::Map(map) => map.into_values().collect(),
            other => return Err(wrong(list.at, "array", &other)),
        };
        if name == "reduce" {
            return self.reduce(values, body, rest);
        }
        let mut results = Vec::with_capacity(values.len());
        for (index, value) in values.iter().enumerate() {
            let index = i64::try_from(index).unwrap_or(i64::MAX);
            self.pointers.push(Pointer { value: value.clone(), index, sum: Value::Nil });
            let result = self.value(body);
            self.pointers.pop();
            results.push(result?);
        }
        let descends = match rest {
            Some(node) => self.text(node)? == "desc",
            None => false,
        };
        builtins::gather(name, values, results, descends).map_err(|text| ExpressionError::at(body.at, &text))
    }

    /// One value from all: the first, or `start`, then what the predicate makes of it and the next.
    fn reduce(&mut self, values: Vec<Value>, body: &Node, start: Option<&Node>) -> Outcome {
        let mut values = values.into_iter();
        let mut index = 0;
        let mut sum = match start {
            Some(node) => self.value(node)?,
            None => {
                index = 1;
                values
                    .next()
                    .ok_or_else(|| ExpressionError::at(body.at, "reduce of empty array with no initial value"))?
            }
        };
        for value in values {
            self.pointers.push(Pointer { value, index, sum });
            let result = self.value(body);
            self.pointers.pop();
            sum = result?;
            index += 1;
        }
        Ok(sum)
    }
}

/// The error of a value of the wrong type.
fn wrong(at: usize, wanted: &str, found: &Value) -> ExpressionError {
    ExpressionError::at(at, &format!("interface conversion: interface {{}} is {}, not {wanted}", found.type_name()))
}

/// A value with a sign before it.
fn unary(sign: &str, operand: &Value) -> Result<Value, String> {
    match (sign, operand) {
        ("!" | "not", Value::Bool(value)) => Ok(Value::Bool(!value)),
        ("-", Value::Int(value)) => Ok(Value::Int(value.wrapping_neg())),
        ("-", Value::Float(value)) => Ok(Value::Float(-value)),
        ("+", Value::Int(_) | Value::Float(_)) => Ok(operand.clone()),
        _ => Err(format!("invalid operation: {sign} {}", operand.type_name())),
    }
}

/// Two values with a sign between them.
fn binary(sign: &str, left: &Value, right: &Value) -> Result<Value, String> {
    let refused = || format!("invalid operation: {} {sign} {}", left.type_name(), right.type_name());
    let ordered = |holds: fn(Ordering) -> bool| left.order(right).map(|order| Value::Bool(holds(order)));
    let result = match (sign, left, right) {
        ("==", ..) => Some(Value::Bool(left == right)),
        ("!=", ..) => Some(Value::Bool(left != right)),
        ("<", ..) => ordered(Ordering::is_lt),
        ("<=", ..) => ordered(Ordering::is_le),
        (">", ..) => ordered(Ordering::is_gt),
        (">=", ..) => ordered(Ordering::is_ge),
        ("in", _, Value::List(values)) => Some(Value::Bool(values.contains(left))),
        ("in", Value::Text(key), Value::Map(map)) => Some(Value::Bool(map.contains_key(key))),
        ("in", _, Value::Nil) => Some(Value::Bool(false)),
        ("+", Value::Text(left), Value::Text(right)) => Some(Value::Text(format!("{left}{right}"))),
        ("+", Value::Int(left), Value::Int(right)) => Some(Value::Int(left.wrapping_add(*right))),
        ("-", Value::Int(left), Value::Int(right)) => Some(Value::Int(left.wrapping_sub(*right))),
        ("*", Value::Int(left), Value::Int(right)) => Some(Value::Int(left.wrapping_mul(*right))),
        ("%", Value::Int(_), Value::Int(0)) => return Err("integer divide by zero".to_owned()),
        ("%", Value::Int(left), Value::Int(right)) => Some(Value::Int(left.wrapping_rem(*right))),
        _ => left.as_float().zip(right.as_float()).and_then(|(left, right)| match sign {
            "+" => Some(Value::Float(left + right)),
            "-" => Some(Value::Float(left - right)),
            "*" => Some(Value::Float(left * right)),
            "/" => Some(Value::Float(left / right)),
            "**" | "^" => Some(Value::Float(left.powf(right))),
            _ => None,
        }),
    };
    result.ok_or_else(refused)
}
