//! Runs an expression on a stack of values. Nothing here recurses but the walk through values, whose nesting is bounded.

use super::program::{Instruction, Loop};
use super::value::Value;
use super::{Environment, builtins, environment};
use crate::pattern::{self, Pattern};
use std::cell::RefCell;
use std::cmp::Ordering;

/// Most steps of one run, so that no query takes long: an expression over a list of a thousand values takes some thousands.
const MAX_STEPS: u32 = 1_000_000;
/// Most values that a run makes (expr-lang: DefaultMemoryBudget); 64 octets of text count as one.
const MAX_VALUES: usize = 1_000_000;
/// Most values of a range.
const MAX_RANGE: i64 = 100_000;
/// Deepest nesting of lists and maps: as deep as JSON may be, and dropped in some KiB of stack.
const MAX_NESTING: usize = 150;
/// Patterns made at run time that a thread keeps compiled.
const MAX_PATTERNS: usize = 8;
/// Octets of a program above which a pattern made at run time is not kept.
const MAX_PATTERN_BYTES: usize = 256 << 10;

thread_local! {
    /// Patterns made at run time, the last used one at the end.
    static PATTERNS: RefCell<Vec<Pattern>> = const { RefCell::new(Vec::new()) };
}

/// A value, or why there is none.
type Outcome = Result<Value, String>;

/// Runs instructions.
pub(super) fn run(code: &[Instruction], environment: &dyn Environment) -> Outcome {
    let mut run =
        Run { environment, stack: Vec::new(), locals: Vec::new(), loops: Vec::new(), at: 0, steps: 0, values: 0 };
    while let Some(instruction) = code.get(run.at) {
        run.at += 1;
        run.steps += 1;
        if run.steps > MAX_STEPS {
            return Err("expression takes too long".to_owned());
        }
        run.step(instruction)?;
    }
    Ok(run.pop())
}

/// One run.
struct Run<'a> {
    environment: &'a dyn Environment,
    stack: Vec<Value>,
    locals: Vec<Value>,
    loops: Vec<LoopState>,
    at: usize,
    steps: u32,
    /// Values made until now.
    values: usize,
}

/// A loop that runs.
struct LoopState {
    name: String,
    body: usize,
    values: Vec<Value>,
    index: usize,
    results: Vec<Value>,
    sum: Value,
    descends: bool,
}

impl Run<'_> {
    /// Takes the topmost value.
    fn pop(&mut self) -> Value {
        self.stack.pop().unwrap_or(Value::Nil)
    }

    /// Takes the topmost values in their order.
    fn take(&mut self, count: usize) -> Vec<Value> {
        self.stack.split_off(self.stack.len().saturating_sub(count))
    }

    /// Pushes a value that was made or copied, within the budget.
    fn push(&mut self, value: Value) -> Result<(), String> {
        if matches!(value, Value::Text(_) | Value::List(_) | Value::Map(_)) {
            self.values = self.values.saturating_add(weight(&value, 0)?);
        }
        if self.values > MAX_VALUES {
            return Err("memory budget exceeded".to_owned());
        }
        self.stack.push(value);
        Ok(())
    }

    /// The truth of the topmost value.
    fn truth(&self) -> Result<bool, String> {
        match self.stack.last() {
            Some(Value::Bool(value)) => Ok(*value),
            other => Err(wrong("bool", other.unwrap_or(&Value::Nil))),
        }
    }

    /// Jumps with the topmost value if it decides; else drops it.
    fn decide(&mut self, decides: bool, target: usize) {
        if decides {
            self.at = target;
        } else {
            self.stack.pop();
        }
    }

    /// Runs one instruction.
    fn step(&mut self, instruction: &Instruction) -> Result<(), String> {
        match instruction {
            Instruction::Constant(value) => return self.push(value.clone()),
            Instruction::List(count) => {
                let values = self.take(*count);
                return self.push(Value::List(values));
            }
            Instruction::Map(count) => {
                let mut values = self.take(2 * *count).into_iter();
                let mut map = std::collections::BTreeMap::new();
                while let (Some(key), Some(value)) = (values.next(), values.next()) {
                    map.insert(key.to_string(), value);
                }
                return self.push(Value::Map(map));
            }
            Instruction::Local(index) => {
                let value = self.locals.get(*index).cloned().unwrap_or(Value::Nil);
                return self.push(value);
            }
            Instruction::Variable(name) => {
                let value = self.environment.variable(name).unwrap_or(Value::Nil);
                return self.push(value);
            }
            Instruction::Pointer(name) => {
                let value = self.pointer(name)?;
                return self.push(value);
            }
            Instruction::Unary(sign) => {
                let operand = self.pop();
                return self.push(unary(sign, &operand)?);
            }
            Instruction::Binary(sign) => {
                let (right, left) = (self.pop(), self.pop());
                return self.push(binary(sign, &left, &right)?);
            }
            Instruction::Compare(sign, target) => {
                let (right, left) = (self.pop(), self.pop());
                let holds = binary(sign, &left, &right)? == Value::Bool(true);
                self.stack.push(if holds { right } else { Value::Bool(false) });
                self.at = if holds { self.at } else { *target };
            }
            Instruction::Matches(pattern) => match self.pop() {
                Value::Text(text) => self.stack.push(Value::Bool(pattern.is_match(&text))),
                other => return Err(wrong("string", &other)),
            },
            Instruction::Let => {
                let value = self.pop();
                self.locals.push(value);
            }
            Instruction::EndLet => drop(self.locals.pop()),
            Instruction::Loop(frame) => return self.begin(frame),
            Instruction::Next(end) => return self.next(*end),
            Instruction::Member | Instruction::Slice { .. } | Instruction::Call(..) => {
                return self.compute(instruction);
            }
            _ => return self.jump(instruction),
        }
        Ok(())
    }

    /// Runs an instruction that may jump.
    fn jump(&mut self, instruction: &Instruction) -> Result<(), String> {
        match instruction {
            Instruction::Or(target) => {
                let decides = self.truth()?;
                self.decide(decides, *target);
            }
            Instruction::And(target) => {
                let decides = !self.truth()?;
                self.decide(decides, *target);
            }
            Instruction::Coalesce(target) => {
                let decides = !matches!(self.stack.last(), Some(Value::Nil) | None);
                self.decide(decides, *target);
            }
            Instruction::JumpIfNil(target) if matches!(self.stack.last(), Some(Value::Nil)) => self.at = *target,
            Instruction::Branch(target) => {
                let holds = self.truth()?;
                self.stack.pop();
                self.at = if holds { self.at } else { *target };
            }
            Instruction::Jump(target) => self.at = *target,
            Instruction::Drop => drop(self.stack.pop()),
            _ => {}
        }
        Ok(())
    }

    /// Members, parts and calls.
    fn compute(&mut self, instruction: &Instruction) -> Result<(), String> {
        let value = match instruction {
            Instruction::Slice { has_from, has_to } => {
                let mut bound = |has: bool| if has { whole(&self.pop()).map(Some) } else { Ok(None) };
                let to = bound(*has_to)?;
                let from = bound(*has_from)?;
                builtins::slice(&self.pop(), from, to)?
            }
            Instruction::Call(name, count) => {
                let arguments = self.take(*count);
                let is_environments = environment::FUNCTIONS.iter().any(|(known, ..)| known == name);
                if builtins::arity(name).is_some() && !is_environments {
                    builtins::call(name, &arguments)?
                } else {
                    self.environment.call(name, &arguments)?
                }
            }
            _ => {
                let (key, value) = (self.pop(), self.pop());
                builtins::member(&value, &key)?
            }
        };
        self.push(value)
    }

    /// What the innermost predicate is asked about.
    fn pointer(&self, name: &str) -> Outcome {
        let frame = self.loops.last();
        let found = match name {
            "" => frame.and_then(|frame| frame.values.get(frame.index).cloned()),
            "index" => frame.map(|frame| Value::Int(i64::try_from(frame.index).unwrap_or(i64::MAX))),
            "acc" => frame.map(|frame| frame.sum.clone()),
            _ => None,
        };
        found.ok_or_else(|| format!("unknown pointer #{name}"))
    }

    /// Begins a loop; one over nothing ends at once.
    fn begin(&mut self, frame: &Loop) -> Result<(), String> {
        let rest = if frame.has_rest { Some(self.pop()) } else { None };
        let values = match self.pop() {
            Value::List(values) => values,
            Value::Map(map) => map.into_values().collect(),
            other => return Err(wrong("array", &other)),
        };
        let (mut sum, mut index, mut descends) = (Value::Nil, 0, false);
        match (frame.name.as_str(), rest) {
            ("reduce", Some(start)) => sum = start,
            ("reduce", None) => {
                sum = values.first().cloned().ok_or("reduce of empty array with no initial value")?;
                index = 1;
            }
            (_, Some(Value::Text(order))) => descends = order == "desc",
            (_, Some(other)) => return Err(wrong("string", &other)),
            (_, None) => {}
        }
        let state =
            LoopState { name: frame.name.clone(), body: frame.body, values, index, results: Vec::new(), sum, descends };
        if state.index >= state.values.len() {
            return self.finish(state);
        }
        self.at = state.body;
        self.loops.push(state);
        Ok(())
    }

    /// Takes what the predicate says; goes on, or jumps to `end` with the result.
    fn next(&mut self, end: usize) -> Result<(), String> {
        let said = self.pop();
        let Some(mut state) = self.loops.pop() else { return Err("no loop runs".to_owned()) };
        // As expr-lang does, a search ends at the first value that decides.
        let decides = match state.name.as_str() {
            "all" => said == Value::Bool(false),
            "any" | "none" | "find" | "findIndex" => said == Value::Bool(true),
            _ => false,
        };
        if state.name == "reduce" {
            state.sum = said;
        } else {
            state.results.push(said);
        }
        state.index += 1;
        if state.index < state.values.len() && !decides {
            self.at = state.body;
            self.loops.push(state);
            return Ok(());
        }
        self.at = end;
        self.finish(state)
    }

    /// Pushes the result of a loop.
    fn finish(&mut self, state: LoopState) -> Result<(), String> {
        let LoopState { name, values, results, sum, descends, .. } = state;
        let value = if name == "reduce" { sum } else { builtins::gather(&name, values, results, descends)? };
        self.push(value)
    }
}

/// How much a value counts; its nesting is bounded.
fn weight(value: &Value, depth: usize) -> Result<usize, String> {
    if depth > MAX_NESTING {
        return Err("value is nested too deeply".to_owned());
    }
    let mut sum = 1_usize;
    match value {
        Value::Text(text) => sum += text.len() / 64,
        Value::List(values) => {
            for value in values {
                sum = sum.saturating_add(weight(value, depth + 1)?);
            }
        }
        Value::Map(map) => {
            for value in map.values() {
                sum = sum.saturating_add(weight(value, depth + 1)?);
            }
        }
        _ => {}
    }
    Ok(sum)
}

/// The error of a value of the wrong type.
fn wrong(wanted: &str, found: &Value) -> String {
    format!("interface conversion: interface {{}} is {}, not {wanted}", found.type_name())
}

/// A whole number.
fn whole(value: &Value) -> Result<i64, String> {
    if let Value::Int(value) = value { Ok(*value) } else { Err(wrong("int", value)) }
}

/// Text.
fn text(value: &Value) -> Result<&str, String> {
    if let Value::Text(value) = value { Ok(value) } else { Err(wrong("string", value)) }
}

/// Whether a text matches a pattern made at run time; the last few stay compiled.
fn matches(text: &str, source: &str) -> Result<bool, String> {
    PATTERNS.with_borrow_mut(|patterns| {
        let known = patterns.iter().position(|pattern| pattern.as_str() == source);
        let pattern = match known {
            Some(index) => patterns.remove(index),
            None => pattern::compile(source)?,
        };
        let is_match = pattern.is_match(text);
        if pattern.memory_usage() <= MAX_PATTERN_BYTES {
            if patterns.len() >= MAX_PATTERNS {
                patterns.remove(0);
            }
            patterns.push(pattern);
        }
        Ok(is_match)
    })
}

/// A value with a sign before it.
fn unary(sign: &str, operand: &Value) -> Outcome {
    match (sign, operand) {
        ("!" | "not", Value::Bool(value)) => Ok(Value::Bool(!value)),
        ("-", Value::Int(value)) => Ok(Value::Int(value.wrapping_neg())),
        ("-", Value::Float(value)) => Ok(Value::Float(-value)),
        ("+", Value::Int(_) | Value::Float(_)) => Ok(operand.clone()),
        _ => Err(format!("invalid operation: {sign} {}", operand.type_name())),
    }
}

/// Two values with a sign between them.
fn binary(sign: &str, left: &Value, right: &Value) -> Outcome {
    match sign {
        "matches" => return matches(text(left)?, text(right)?).map(Value::Bool),
        "contains" => return Ok(Value::Bool(text(left)?.contains(text(right)?))),
        "startsWith" => return Ok(Value::Bool(text(left)?.starts_with(text(right)?))),
        "endsWith" => return Ok(Value::Bool(text(left)?.ends_with(text(right)?))),
        ".." => {
            let (from, to) = (whole(left)?, whole(right)?);
            if to.saturating_sub(from) >= MAX_RANGE {
                return Err("memory budget exceeded".to_owned());
            }
            return Ok(Value::List((from..=to).map(Value::Int).collect()));
        }
        _ => {}
    }
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
