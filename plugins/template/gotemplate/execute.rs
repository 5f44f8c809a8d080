//! Fills a template.

use super::data::{Data, Root};
use super::functions;
use super::parser::{Node, Operand, Pipeline, Term};

/// Most octets that a template may grow to: more than any record's text has.
const MAX_TEXT: usize = 256 * 1024;
/// Most steps of one filling.
const MAX_STEPS: u32 = 100_000;

/// Fills a template.
pub(super) fn run(nodes: &[Node], root: &dyn Root) -> Result<String, String> {
    let mut run = Run { root, out: String::new(), variables: vec![(String::new(), Data::Root)], steps: 0 };
    run.nodes(nodes, &Data::Root)?;
    Ok(run.out)
}

/// One filling.
struct Run<'a> {
    root: &'a dyn Root,
    out: String,
    variables: Vec<(String, Data)>,
    steps: u32,
}

/// How nodes ended.
#[derive(PartialEq)]
enum Flow {
    /// At their end.
    Done,
    /// At `break`.
    Break,
    /// At `continue`.
    Continue,
}

impl Run<'_> {
    /// Fills nodes; variables that they declare end with them.
    fn nodes(&mut self, nodes: &[Node], dot: &Data) -> Result<Flow, String> {
        let known = self.variables.len();
        let mut flow = Flow::Done;
        for node in nodes {
            self.steps += 1;
            if self.steps > MAX_STEPS || self.out.len() > MAX_TEXT {
                return Err("template takes too long".to_owned());
            }
            flow = self.node(node, dot)?;
            if flow != Flow::Done {
                break;
            }
        }
        self.variables.truncate(known);
        Ok(flow)
    }

    /// Fills one node.
    fn node(&mut self, node: &Node, dot: &Data) -> Result<Flow, String> {
        match node {
            Node::Text(text) => self.out.push_str(text),
            Node::Action(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                if pipeline.variables.is_empty() {
                    self.out.push_str(&value.to_string());
                }
            }
            Node::If(condition, body, other) => {
                let known = self.variables.len();
                let branch = if self.pipeline(condition, dot)?.is_true() { body } else { other };
                let flow = self.nodes(branch, dot);
                self.variables.truncate(known);
                return flow;
            }
            Node::With(value, body, other) => {
                let known = self.variables.len();
                let value = self.pipeline(value, dot)?;
                let flow = if value.is_true() { self.nodes(body, &value) } else { self.nodes(other, dot) };
                self.variables.truncate(known);
                return flow;
            }
            Node::Range(values, body, other) => return self.range(values, (body, other), dot),
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Done)
    }

    /// Fills the body for each value.
    fn range(&mut self, pipeline: &Pipeline, (body, other): (&[Node], &[Node]), dot: &Data) -> Result<Flow, String> {
        let known = self.variables.len();
        let value = self.commands(pipeline, dot)?;
        let pairs: Vec<(Data, Data)> = match value {
            Data::List(values) => (0..).map(Data::Int).zip(values).collect(),
            Data::Map(values) => values.into_iter().map(|(key, value)| (Data::Text(key), value)).collect(),
            Data::Int(count) => (0..count.min(i64::from(MAX_STEPS))).map(|at| (Data::Int(at), Data::Int(at))).collect(),
            Data::Nil | Data::Missing => Vec::new(),
            other => return Err(format!("range can't iterate over {other}")),
        };
        if pairs.is_empty() {
            return self.nodes(other, dot);
        }
        for (key, value) in pairs {
            match pipeline.variables.as_slice() {
                [only] => self.set(only, value.clone(), pipeline.declares),
                [index, element] => {
                    self.set(index, key, pipeline.declares);
                    self.set(element, value.clone(), pipeline.declares);
                }
                _ => {}
            }
            let flow = self.nodes(body, &value)?;
            self.variables.truncate(known);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::Done)
    }

    /// Gives a variable its value.
    fn set(&mut self, name: &str, value: Data, declares: bool) {
        let known = self.variables.iter_mut().rev().find(|(known, _)| known == name);
        match known {
            Some((_, old)) if !declares => *old = value,
            _ => self.variables.push((name.to_owned(), value)),
        }
    }

    /// The value of a pipeline; variables take it.
    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Data) -> Result<Data, String> {
        let value = self.commands(pipeline, dot)?;
        for variable in &pipeline.variables {
            self.set(variable, value.clone(), pipeline.declares);
        }
        Ok(value)
    }

    /// The value of the last command.
    fn commands(&mut self, pipeline: &Pipeline, dot: &Data) -> Result<Data, String> {
        let mut value = None;
        for command in &pipeline.commands {
            value = Some(self.command(command, value, dot)?);
        }
        Ok(value.unwrap_or(Data::Missing))
    }

    /// The value of a command; `last` is the value of the one before.
    fn command(&mut self, command: &[Operand], last: Option<Data>, dot: &Data) -> Result<Data, String> {
        let Some((first, rest)) = command.split_first() else { return Err("missing command".to_owned()) };
        if let Term::Function(name) = &first.term {
            let value = self.function(name, rest, last, dot)?;
            return self.fields(value, &first.fields);
        }
        let mut arguments = Vec::new();
        for operand in rest {
            arguments.push(self.operand(operand, dot)?);
        }
        arguments.extend(last);
        if arguments.is_empty() {
            return self.operand(first, dot);
        }
        self.method(first, &arguments, dot)
    }

    /// A function with its arguments; `and` and `or` stop at the first that decides.
    fn function(&mut self, name: &str, rest: &[Operand], last: Option<Data>, dot: &Data) -> Result<Data, String> {
        let mut arguments = Vec::new();
        for operand in rest {
            let value = self.operand(operand, dot)?;
            let decides = (name == "and" && !value.is_true()) || (name == "or" && value.is_true());
            arguments.push(value.clone());
            if decides {
                return Ok(value);
            }
        }
        arguments.extend(last);
        functions::call(name, &arguments).map_err(|error| format!("error calling {name}: {error}"))
    }

    /// A method of the root with one argument.
    fn method(&mut self, operand: &Operand, arguments: &[Data], dot: &Data) -> Result<Data, String> {
        let shown = operand.fields.join(".");
        let owner = Operand {
            term: match &operand.term {
                Term::Dot => Term::Dot,
                Term::Variable(name) => Term::Variable(name.clone()),
                _ => return Err(format!("can't give argument to non-function {shown}")),
            },
            fields: operand.fields.split_last().map(|(_, before)| before.to_vec()).unwrap_or_default(),
        };
        match (self.operand(&owner, dot)?, operand.fields.last(), arguments) {
            (Data::Root, Some(name), [Data::Text(argument)]) => {
                let value = self.root.method(name, argument);
                value.map(Data::Text).ok_or_else(|| format!("{name} has arguments but cannot be invoked as function"))
            }
            _ => Err(format!("{shown} has arguments but cannot be invoked as function")),
        }
    }

    /// The value of an operand.
    fn operand(&mut self, operand: &Operand, dot: &Data) -> Result<Data, String> {
        let value = match &operand.term {
            Term::Constant(value) => value.clone(),
            Term::Dot => dot.clone(),
            Term::Variable(name) => {
                let known = self.variables.iter().rev().find(|(known, _)| known == name);
                known.map_or(Data::Missing, |(_, value)| value.clone())
            }
            Term::Function(name) => self.function(name, &[], None, dot)?,
            Term::Pipeline(pipeline) => self.pipeline(pipeline, dot)?,
        };
        self.fields(value, &operand.fields)
    }

    /// Fields of a value, one of the other.
    fn fields(&self, mut value: Data, fields: &[String]) -> Result<Data, String> {
        for name in fields {
            let refused = |kind: &str| format!("can't evaluate field {name} in type {kind}");
            value = match value {
                Data::Root => self.root.field(name).ok_or_else(|| refused("*template.templateData"))?,
                Data::Map(mut map) => map.remove(name).unwrap_or(Data::Missing),
                Data::Struct(mut map) => map.remove(name.as_str()).ok_or_else(|| refused("struct"))?,
                Data::Missing | Data::Nil => return Err(format!("nil data; no entry for key {name:?}")),
                other => return Err(refused(other.type_name())),
            };
        }
        Ok(value)
    }
}
