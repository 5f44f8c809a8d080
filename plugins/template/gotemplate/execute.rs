//! Fills a template, on a stack of values.

use super::data::{Data, Root};
use super::functions;
use super::program::{Call, Instruction, Range};

/// Most octets that a template may grow to: more than any record's text has.
const MAX_TEXT: usize = 256 * 1024;
/// Most octets of all values that one filling makes.
const MAX_VALUES: usize = 16 << 20;
/// Most steps of one filling beyond one for each instruction.
const MAX_STEPS: usize = 300_000;
/// Most elements of a `range` over a number: more take too many steps anyway.
const MAX_COUNT: i64 = 300_000;

/// Fills a template.
pub(super) fn run(code: &[Instruction], root: &dyn Root) -> Result<String, String> {
    let mut run = Run {
        root,
        out: String::new(),
        variables: Vec::new(),
        scopes: Vec::new(),
        dots: vec![Data::Root],
        stack: Vec::new(),
        loops: Vec::new(),
        at: 0,
        values: 0,
    };
    let mut steps = 0;
    while let Some(instruction) = code.get(run.at) {
        run.at += 1;
        steps += 1;
        if steps > MAX_STEPS + code.len() || run.out.len() > MAX_TEXT || run.values > MAX_VALUES {
            return Err("template takes too long".to_owned());
        }
        run.step(instruction)?;
    }
    Ok(run.out)
}

/// One filling.
struct Run<'a> {
    root: &'a dyn Root,
    out: String,
    variables: Vec<(String, Data)>,
    /// Numbers of variables outside of open scopes.
    scopes: Vec<usize>,
    dots: Vec<Data>,
    stack: Vec<Data>,
    loops: Vec<Loop>,
    at: usize,
    /// Octets of values made until now.
    values: usize,
}

/// A `range` that runs.
struct Loop {
    rest: std::vec::IntoIter<(Data, Data)>,
    names: Vec<String>,
    declares: bool,
    body: usize,
    /// Numbers of variables, scopes and dots outside of it.
    outside: [usize; 3],
}

impl Run<'_> {
    /// Takes the topmost value.
    fn pop(&mut self) -> Data {
        self.stack.pop().unwrap_or(Data::Missing)
    }

    /// Pushes a value.
    fn push(&mut self, value: Data) {
        self.values += size(&value);
        self.stack.push(value);
    }

    /// Runs one instruction.
    fn step(&mut self, instruction: &Instruction) -> Result<(), String> {
        match instruction {
            Instruction::Text(text) => self.out.push_str(text),
            Instruction::Print => {
                let value = self.pop();
                self.out.push_str(&value.to_string());
            }
            Instruction::Drop => drop(self.stack.pop()),
            Instruction::Constant(value) => self.push(value.clone()),
            Instruction::Dot => {
                let dot = self.dots.last().cloned().unwrap_or(Data::Root);
                self.push(dot);
            }
            Instruction::Variable(name) if name.is_empty() => self.push(Data::Root),
            Instruction::Variable(name) => {
                let known = self.variables.iter().rev().find(|(known, _)| known == name);
                let value =
                    known.map(|(_, value)| value.clone()).ok_or_else(|| format!("undefined variable: ${name}"))?;
                self.push(value);
            }
            Instruction::Fields(names) => {
                let value = self.pop();
                let field = self.fields(value, names)?;
                self.push(field);
            }
            Instruction::Set { names, declares } => {
                let value = self.stack.last().cloned().unwrap_or(Data::Missing);
                for name in names {
                    self.set(name, value.clone(), *declares)?;
                }
            }
            Instruction::Call(call) => {
                let arguments = self.arguments(call);
                let name = &call.name;
                let value =
                    functions::call(name, &arguments).map_err(|error| format!("error calling {name}: {error}"))?;
                self.push(value);
            }
            Instruction::Method(call) => self.method(call)?,
            Instruction::Fail(text) => return Err(text.clone()),
            _ => return self.control(instruction),
        }
        Ok(())
    }

    /// Runs an instruction that may jump.
    fn control(&mut self, instruction: &Instruction) -> Result<(), String> {
        match instruction {
            Instruction::Decide { is_and, below, target }
                if self.stack.last().is_some_and(|value| value.is_true() != *is_and) =>
            {
                let value = self.pop();
                self.stack.truncate(self.stack.len().saturating_sub(*below));
                self.stack.push(value);
                self.at = *target;
            }
            Instruction::Enter => self.scopes.push(self.variables.len()),
            Instruction::Leave => {
                let known = self.scopes.pop().unwrap_or(0);
                self.variables.truncate(known);
            }
            Instruction::If(target) => self.at = if self.pop().is_true() { self.at } else { *target },
            Instruction::With(target) => match self.pop() {
                value if value.is_true() => self.dots.push(value),
                _ => self.at = *target,
            },
            Instruction::EndWith => drop(self.dots.pop()),
            Instruction::Jump(target) => self.at = *target,
            Instruction::Range(range) => self.range(range)?,
            Instruction::Next(end) => self.next(*end)?,
            Instruction::Break(end) => {
                if let Some(frame) = self.loops.pop() {
                    self.unwind(frame.outside);
                }
                self.at = *end;
            }
            Instruction::Continue(next) => self.at = *next,
            _ => {}
        }
        Ok(())
    }

    /// Goes back to the scopes outside of a loop.
    fn unwind(&mut self, [variables, scopes, dots]: [usize; 3]) {
        self.variables.truncate(variables);
        self.scopes.truncate(scopes);
        self.dots.truncate(dots);
    }

    /// Begins a `range`.
    fn range(&mut self, range: &Range) -> Result<(), String> {
        let pairs: Vec<(Data, Data)> = match self.pop() {
            Data::Int(count) if range.names.len() > 1 => {
                return Err(format!("can't use {count} to iterate over more than one variable"));
            }
            Data::List(values) => (0..).map(Data::Int).zip(values).collect(),
            Data::Map(values) => values.into_iter().map(|(key, value)| (Data::Text(key), value)).collect(),
            Data::Int(count) => (0..count.min(MAX_COUNT)).map(|at| (Data::Int(at), Data::Int(at))).collect(),
            Data::Nil | Data::Missing => Vec::new(),
            other => return Err(format!("range can't iterate over {other}")),
        };
        if pairs.is_empty() {
            self.at = range.none;
            return Ok(());
        }
        let outside = [self.variables.len(), self.scopes.len(), self.dots.len()];
        let (names, declares) = (range.names.clone(), range.declares);
        self.loops.push(Loop { rest: pairs.into_iter(), names, declares, body: self.at, outside });
        self.next(0)
    }

    /// Goes on with the next element; jumps to `end` if there is none.
    fn next(&mut self, end: usize) -> Result<(), String> {
        let Some(mut frame) = self.loops.pop() else { return Err("no range runs".to_owned()) };
        self.unwind(frame.outside);
        let Some((key, value)) = frame.rest.next() else {
            self.at = end;
            return Ok(());
        };
        match frame.names.as_slice() {
            [only] => self.set(only, value.clone(), frame.declares)?,
            [index, element] => {
                self.set(index, key, frame.declares)?;
                self.set(element, value.clone(), frame.declares)?;
            }
            _ => {}
        }
        self.dots.push(value);
        self.at = frame.body;
        self.loops.push(frame);
        Ok(())
    }

    /// Gives a variable its value.
    fn set(&mut self, name: &str, value: Data, declares: bool) -> Result<(), String> {
        self.values += size(&value);
        if declares {
            self.variables.push((name.to_owned(), value));
            return Ok(());
        }
        let known = self.variables.iter_mut().rev().find(|(known, _)| known == name);
        let (_, old) = known.ok_or_else(|| format!("undefined variable: ${name}"))?;
        *old = value;
        Ok(())
    }

    /// Takes the arguments of a call in their order.
    fn arguments(&mut self, call: &Call) -> Vec<Data> {
        let mut arguments = self.stack.split_off(self.stack.len().saturating_sub(call.count));
        if call.is_piped && !arguments.is_empty() {
            arguments.rotate_left(1);
        }
        arguments
    }

    /// Calls a method of the root. Its owner stands on the stack above a piped argument, below all others.
    fn method(&mut self, call: &Call) -> Result<(), String> {
        let given = call.count - usize::from(call.is_piped && call.count > 0);
        let mut arguments = self.stack.split_off(self.stack.len().saturating_sub(given));
        let owner = self.pop();
        if call.is_piped {
            arguments.push(self.pop());
        }
        let name = &call.name;
        let value = match (owner, arguments.as_slice()) {
            (Data::Root, [Data::Text(argument)]) => self.root.method(name, argument),
            _ => None,
        };
        let value = value.ok_or_else(|| format!("{name} has arguments but cannot be invoked as function"))?;
        self.push(Data::Text(value));
        Ok(())
    }

    /// Fields of a value, one of the other.
    fn fields(&self, mut value: Data, fields: &[String]) -> Result<Data, String> {
        for name in fields {
            let refused = |kind: &str| format!("can't evaluate field {name} in type {kind}");
            value = match value {
                Data::Root => self.root.field(name).ok_or_else(|| refused("*template.templateData"))?,
                Data::Map(mut map) => map.remove(name).unwrap_or(Data::Missing),
                Data::Struct(mut map) => map.remove(name.as_str()).ok_or_else(|| refused("struct"))?,
                Data::Missing => Data::Missing,
                Data::Nil => return Err(format!("nil data; no entry for key {name:?}")),
                other => return Err(refused(other.type_name())),
            };
        }
        Ok(value)
    }
}

/// About how many octets a value has; values hold each other a few levels deep.
fn size(value: &Data) -> usize {
    match value {
        Data::Text(text) => 32 + text.len(),
        Data::List(values) => 32 + values.iter().map(size).sum::<usize>(),
        Data::Map(values) => 32 + values.values().map(size).sum::<usize>(),
        _ => 32,
    }
}
