//! Tokens of an action to the instructions of a pipeline.

use super::data::Data;
use super::functions;
use super::lexer::Token;
use super::program::{Call, Instruction};
use std::collections::HashMap;

/// Deepest nesting of round brackets (Go: maxStackDepth).
const MAX_DEPTH: usize = 10_000;

/// Variables that a pipeline gives its value to.
#[derive(Debug, Default)]
pub(super) struct Pipeline {
    /// Their names.
    pub(super) names: Vec<String>,
    /// Whether they are new.
    pub(super) declares: bool,
}

/// Variables that are known, in the order of their declarations.
#[derive(Default)]
pub(super) struct Known {
    names: Vec<String>,
    counts: HashMap<String, usize>,
}

impl Known {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.names.len()
    }

    /// Forgets those that were declared since there were `count`.
    pub(super) fn forget(&mut self, count: usize) {
        for name in self.names.drain(count.min(self.names.len())..) {
            if let Some(count) = self.counts.get_mut(&name) {
                *count -= 1;
            }
        }
    }

    /// Adds one.
    fn declare(&mut self, name: &str) {
        self.names.push(name.to_owned());
        *self.counts.entry(name.to_owned()).or_default() += 1;
    }

    /// Whether there is one of that name; the root always is.
    fn contains(&self, name: &str) -> bool {
        name.is_empty() || self.counts.get(name).is_some_and(|count| *count > 0)
    }
}

/// Reads a pipeline that fills all of `tokens`, and appends its instructions.
pub(super) fn read(
    tokens: &[Token],
    context: &'static str,
    known: &mut Known,
    code: &mut Vec<Instruction>,
) -> Result<Pipeline, String> {
    let mut reader = Reader { tokens, at: 0, known, code, open: Vec::new(), level: Level::default() };
    let pipeline = reader.declaration(context)?;
    reader.run(context)?;
    Ok(pipeline)
}

/// What the first operand of a command is.
#[derive(Debug, Default)]
enum Head {
    /// There is none yet.
    #[default]
    None,
    /// A value as it stands.
    Constant,
    /// A value that has been pushed.
    Pushed,
    /// A function; jumps lead behind its call.
    Function { name: String, jumps: Vec<usize>, fields: Vec<String> },
    /// Fields of a value that has been pushed.
    Fields(Vec<String>),
}

/// A pipeline whose end has not been reached.
#[derive(Debug, Default)]
struct Level {
    /// Commands before the current one.
    stage: usize,
    head: Head,
    /// Arguments of the current command.
    arguments: usize,
    /// Variables that take the value.
    pipeline: Pipeline,
}

/// A cursor over the tokens of an action.
struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    known: &'a mut Known,
    code: &'a mut Vec<Instruction>,
    /// Pipelines around the current one, which stands in brackets.
    open: Vec<Level>,
    level: Level,
}

impl Reader<'_> {
    /// The next token, white space included.
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    /// Skips white space.
    fn skip(&mut self) {
        while self.peek() == Some(&Token::Space) {
            self.at += 1;
        }
    }

    /// Takes a sign if it is the next token but white space.
    fn accept(&mut self, sign: &'static str) -> bool {
        self.skip();
        let found = self.peek() == Some(&Token::Sign(sign));
        self.at += usize::from(found);
        found
    }

    /// `$a :=`, `$a =` or `$a, $b :=`; nothing where none stands.
    fn declaration(&mut self, context: &str) -> Result<Pipeline, String> {
        let start = self.at;
        let mut names = Vec::new();
        loop {
            self.skip();
            let Some(Token::Variable(name)) = self.peek() else { break };
            names.push(name.clone());
            self.at += 1;
            let declares = self.accept(":=");
            if declares || self.accept("=") {
                // As in Go, a name that only gets a value is looked for when the template is filled.
                names.iter().for_each(|name| self.known.declare(name));
                return Ok(Pipeline { names, declares });
            }
            if !self.accept(",") {
                break;
            }
            if context != "range" || names.len() > 1 {
                return Err(format!("too many declarations in {context}"));
            }
        }
        self.at = start;
        Ok(Pipeline::default())
    }

    /// Reads all commands.
    fn run(&mut self, context: &str) -> Result<(), String> {
        loop {
            self.skip();
            match self.peek() {
                None if self.open.is_empty() => return self.end_command(context),
                None => return Err("unclosed left paren".to_owned()),
                Some(Token::Sign("|")) => {
                    self.at += 1;
                    if self.level.stage > 0 && matches!(self.level.head, Head::None) {
                        return Err(format!("unexpected \"|\" in {context}"));
                    }
                    self.end_command(context)?;
                    self.level.stage += 1;
                }
                Some(Token::Sign(")")) => {
                    self.at += 1;
                    self.close()?;
                }
                Some(Token::Sign("(")) => {
                    self.at += 1;
                    self.open()?;
                }
                Some(_) => self.operand()?,
            }
        }
    }

    /// Begins a pipeline in brackets.
    fn open(&mut self) -> Result<(), String> {
        if self.open.len() >= MAX_DEPTH {
            return Err("max expression depth exceeded".to_owned());
        }
        self.end_head();
        let pipeline = self.declaration("parenthesized pipeline")?;
        self.open.push(std::mem::replace(&mut self.level, Level { pipeline, ..Level::default() }));
        Ok(())
    }

    /// Ends a pipeline in brackets: it is an operand of the command around.
    fn close(&mut self) -> Result<(), String> {
        if self.open.is_empty() {
            return Err("unexpected right paren".to_owned());
        }
        self.end_command("parenthesized pipeline")?;
        let Some(around) = self.open.pop() else { return Ok(()) };
        let Level { pipeline: Pipeline { names, declares }, .. } = std::mem::replace(&mut self.level, around);
        if !names.is_empty() {
            self.code.push(Instruction::Set { names, declares });
        }
        let fields = self.fields();
        self.pushed(fields)
    }

    /// Fields that follow at once.
    fn fields(&mut self) -> Vec<String> {
        let mut fields = Vec::new();
        while let Some(Token::Field(name)) = self.peek() {
            fields.push(name.clone());
            self.at += 1;
        }
        fields
    }

    /// An operand has been pushed; fields of it follow.
    fn pushed(&mut self, fields: Vec<String>) -> Result<(), String> {
        if !matches!(self.peek(), None | Some(Token::Space | Token::Sign("|" | ")"))) {
            return Err("unexpected token in operand".to_owned());
        }
        if matches!(self.level.head, Head::None) {
            self.level.head = if fields.is_empty() { Head::Pushed } else { Head::Fields(fields) };
            return Ok(());
        }
        if !fields.is_empty() {
            self.code.push(Instruction::Fields(fields));
        }
        self.argument();
        Ok(())
    }

    /// An argument is complete: `and` and `or` look at it.
    fn argument(&mut self) {
        let below = self.level.arguments + usize::from(self.level.stage > 0);
        self.level.arguments += 1;
        if let Head::Function { name, jumps, .. } = &mut self.level.head
            && matches!(name.as_str(), "and" | "or")
        {
            jumps.push(self.code.len());
            self.code.push(Instruction::Decide { is_and: name == "and", below, target: 0 });
        }
    }

    /// An argument follows: what is left of the first operand is the owner of a method.
    fn end_head(&mut self) {
        if let Head::Fields(fields) = &mut self.level.head
            && self.level.arguments == 0
            && let Some((_, owner)) = fields.split_last()
            && !owner.is_empty()
        {
            self.code.push(Instruction::Fields(owner.to_vec()));
        }
    }

    /// A term and its fields.
    fn operand(&mut self) -> Result<(), String> {
        if !matches!(self.level.head, Head::None) {
            self.end_head();
        }
        let token = self.peek().cloned();
        self.at += 1;
        let is_first = matches!(self.level.head, Head::None);
        let mut own = Vec::new();
        let instruction = match token {
            Some(Token::Text(text)) => return self.constant(Data::Text(text), is_first),
            Some(Token::Int(number)) => return self.constant(Data::Int(number), is_first),
            Some(Token::Float(number)) => return self.constant(Data::Float(number), is_first),
            Some(Token::Word(word)) => match word.as_str() {
                "true" => return self.constant(Data::Bool(true), is_first),
                "false" => return self.constant(Data::Bool(false), is_first),
                "nil" => return self.constant(Data::Nil, is_first),
                _ if !functions::exists(&word) => return Err(format!("function {word:?} not defined")),
                _ if is_first => return self.function(word),
                _ => Instruction::Call(Call { name: word, count: 0, is_piped: false }),
            },
            Some(Token::Dot) => {
                if is_first && self.level.stage > 0 {
                    return Err(format!("non executable command in pipeline stage {}", self.level.stage + 1));
                }
                if matches!(self.peek(), Some(Token::Field(_))) {
                    return Err("unexpected . after term \".\"".to_owned());
                }
                Instruction::Dot
            }
            Some(Token::Field(name)) => {
                own.push(name);
                Instruction::Dot
            }
            Some(Token::Variable(name)) if self.known.contains(&name) => Instruction::Variable(name),
            Some(Token::Variable(name)) => return Err(format!("undefined variable \"${name}\"")),
            Some(Token::Sign(sign)) => return Err(format!("unexpected {sign:?} in operand")),
            Some(Token::Space) | None => return Err("unexpected end of action".to_owned()),
        };
        self.code.push(instruction);
        own.extend(self.fields());
        self.pushed(own)
    }

    /// A value as it stands.
    fn constant(&mut self, value: Data, is_first: bool) -> Result<(), String> {
        if is_first && self.level.stage > 0 {
            return Err(format!("non executable command in pipeline stage {}", self.level.stage + 1));
        }
        self.code.push(Instruction::Constant(value));
        let fields = self.fields();
        if !fields.is_empty() {
            return Err("unexpected . after term".to_owned());
        }
        self.pushed(fields)?;
        if is_first {
            self.level.head = Head::Constant;
        }
        Ok(())
    }

    /// A function at the beginning of a command.
    fn function(&mut self, name: String) -> Result<(), String> {
        let fields = self.fields();
        if !matches!(self.peek(), None | Some(Token::Space | Token::Sign("|" | ")"))) {
            return Err("unexpected token in operand".to_owned());
        }
        self.level.head = Head::Function { name, jumps: Vec::new(), fields };
        Ok(())
    }

    /// The end of a command.
    fn end_command(&mut self, context: &str) -> Result<(), String> {
        let is_piped = self.level.stage > 0;
        let given = std::mem::take(&mut self.level.arguments);
        let count = given + usize::from(is_piped);
        match std::mem::take(&mut self.level.head) {
            // As in Go, nothing may stand behind the last `|`.
            Head::None if is_piped => {}
            Head::None => return Err(format!("missing value for {context}")),
            Head::Function { name, jumps, fields } => {
                self.code.push(Instruction::Call(Call { name, count, is_piped }));
                let here = self.code.len();
                for jump in jumps {
                    if let Some(Instruction::Decide { target, .. }) = self.code.get_mut(jump) {
                        *target = here;
                    }
                }
                if !fields.is_empty() {
                    self.code.push(Instruction::Fields(fields));
                }
            }
            Head::Fields(fields) if count == 0 => self.code.push(Instruction::Fields(fields)),
            Head::Fields(fields) => {
                if given == 0
                    && let Some((_, owner)) = fields.split_last()
                    && !owner.is_empty()
                {
                    self.code.push(Instruction::Fields(owner.to_vec()));
                }
                let name = fields.last().cloned().unwrap_or_default();
                self.code.push(Instruction::Method(Call { name, count, is_piped }));
            }
            Head::Constant if count == 0 && matches!(self.code.last(), Some(Instruction::Constant(Data::Nil))) => {
                self.code.push(Instruction::Fail("nil is not a command".to_owned()));
            }
            Head::Constant | Head::Pushed if count == 0 => {}
            Head::Constant | Head::Pushed => {
                self.code.push(Instruction::Fail("can't give argument to non-function".to_owned()));
            }
        }
        Ok(())
    }
}
