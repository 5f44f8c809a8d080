//! Parts of a template to a tree.

use super::data::Data;
use super::functions;
use super::lexer::{Part, SyntaxError, Token, parts};

/// Deepest nesting of actions and of brackets, so that neither reading nor filling exhausts the stack.
const MAX_DEPTH: usize = 50;

/// A part of the tree.
#[derive(Debug)]
pub(super) enum Node {
    /// Text as it is.
    Text(String),
    /// A pipeline whose value is printed, unless it declares a variable.
    Action(Pipeline),
    /// `if`.
    If(Pipeline, Vec<Self>, Vec<Self>),
    /// `with`.
    With(Pipeline, Vec<Self>, Vec<Self>),
    /// `range`.
    Range(Pipeline, Vec<Self>, Vec<Self>),
    /// `break`.
    Break,
    /// `continue`.
    Continue,
}

/// Commands, each with the value of the one before as last argument.
#[derive(Debug, Default)]
pub(super) struct Pipeline {
    /// Variables that take the value.
    pub(super) variables: Vec<String>,
    /// Whether the variables are new.
    pub(super) declares: bool,
    /// The commands.
    pub(super) commands: Vec<Vec<Operand>>,
}

/// A part of a command.
#[derive(Debug)]
pub(super) struct Operand {
    /// What it begins with.
    pub(super) term: Term,
    /// Fields of that, one of the other.
    pub(super) fields: Vec<String>,
}

/// What an operand begins with.
#[derive(Debug)]
pub(super) enum Term {
    /// A value as it stands.
    Constant(Data),
    /// The dot.
    Dot,
    /// A variable; the empty name is the root.
    Variable(String),
    /// A function.
    Function(String),
    /// A pipeline in brackets.
    Pipeline(Pipeline),
}

/// Reads a template.
pub(super) fn parse(source: &str) -> Result<Vec<Node>, SyntaxError> {
    let mut parser =
        Parser { parts: parts(source)?.into_iter(), variables: vec![String::new()], line: 1, loops: 0, depth: 0 };
    let (nodes, end) = parser.nodes()?;
    match end {
        End::Source => Ok(nodes),
        End::Closed => Err(parser.err("unexpected {{end}}".to_owned())),
        End::Else(_) => Err(parser.err("unexpected {{else}}".to_owned())),
    }
}

/// What ended a list of nodes.
enum End {
    /// The source did.
    Source,
    /// `{{end}}`.
    Closed,
    /// `{{else}}`, with what stands behind the word.
    Else(Vec<Token>),
}

/// A cursor over the parts.
struct Parser {
    parts: std::vec::IntoIter<Part>,
    /// Variables that are known here.
    variables: Vec<String>,
    line: usize,
    loops: usize,
    depth: usize,
}

impl Parser {
    /// An error on the current line.
    fn err(&self, text: String) -> SyntaxError {
        SyntaxError { line: self.line, text }
    }

    /// Nodes up to an end.
    fn nodes(&mut self) -> Result<(Vec<Node>, End), SyntaxError> {
        if self.depth >= MAX_DEPTH {
            return Err(self.err("template is nested too deeply".to_owned()));
        }
        self.depth += 1;
        let mut nodes = Vec::new();
        let end = loop {
            match self.parts.next() {
                None => break End::Source,
                Some(Part::Text(text)) => nodes.push(Node::Text(text)),
                Some(Part::Action(tokens, line)) => {
                    self.line = line;
                    let start = tokens.iter().position(|token| *token != Token::Space).unwrap_or(tokens.len());
                    let tokens = tokens.get(start..).unwrap_or_default();
                    match tokens.first() {
                        Some(Token::Word(word)) if word == "end" => break End::Closed,
                        Some(Token::Word(word)) if word == "else" => {
                            break End::Else(tokens.get(1..).unwrap_or_default().to_vec());
                        }
                        _ => nodes.push(self.action(tokens)?),
                    }
                }
            }
        };
        self.depth -= 1;
        Ok((nodes, end))
    }

    /// An action that is no end.
    fn action(&mut self, tokens: &[Token]) -> Result<Node, SyntaxError> {
        let word = if let Some(Token::Word(word)) = tokens.first() { word.as_str() } else { "" };
        let rest = tokens.get(1..).unwrap_or_default();
        match word {
            "if" | "with" | "range" => self.control(word, rest),
            "break" | "continue" if self.loops == 0 => Err(self.err(format!("{{{{{word}}}}} outside {{{{range}}}}"))),
            "break" => Ok(Node::Break),
            "continue" => Ok(Node::Continue),
            "define" | "template" | "block" => Err(self.err(format!("named templates ({word}) are not supported"))),
            _ => {
                let pipeline = self.pipeline(tokens, "command")?;
                self.variables.extend(pipeline.variables.iter().filter(|_| pipeline.declares).cloned());
                Ok(Node::Action(pipeline))
            }
        }
    }

    /// `if`, `with` or `range` with its branches.
    fn control(&mut self, word: &str, tokens: &[Token]) -> Result<Node, SyntaxError> {
        let pipeline = self.pipeline(tokens, word)?;
        let known = self.variables.len();
        if pipeline.declares {
            self.variables.extend(pipeline.variables.iter().cloned());
        }
        let is_loop = word == "range";
        self.loops += usize::from(is_loop);
        let (body, end) = self.nodes()?;
        self.loops -= usize::from(is_loop);
        let other = match end {
            End::Source => return Err(self.err("unexpected EOF".to_owned())),
            End::Closed => Vec::new(),
            End::Else(tokens) => self.otherwise(word, &tokens)?,
        };
        self.variables.truncate(known);
        Ok(match word {
            "if" => Node::If(pipeline, body, other),
            "with" => Node::With(pipeline, body, other),
            _ => Node::Range(pipeline, body, other),
        })
    }

    /// What stands behind `else`: another condition, or nodes up to the end.
    fn otherwise(&mut self, word: &str, tokens: &[Token]) -> Result<Vec<Node>, SyntaxError> {
        let mut words = tokens.iter().filter(|token| **token != Token::Space);
        if let Some(Token::Word(next)) = words.next() {
            if next == word && word != "range" {
                let at = tokens.iter().position(|token| *token != Token::Space).unwrap_or(0);
                return Ok(vec![self.control(word, tokens.get(at + 1..).unwrap_or_default())?]);
            }
            return Err(self.err(format!("unexpected <{next}> in input")));
        }
        match self.nodes()? {
            (nodes, End::Closed) => Ok(nodes),
            (_, End::Source) => Err(self.err("unexpected EOF".to_owned())),
            (_, End::Else(_)) => Err(self.err("expected end; found {{else}}".to_owned())),
        }
    }

    /// A pipeline that fills all of `tokens`.
    fn pipeline(&mut self, tokens: &[Token], context: &str) -> Result<Pipeline, SyntaxError> {
        let mut cursor = Cursor { tokens, at: 0, depth: 0 };
        let pipeline = cursor.pipeline(&self.variables, context).map_err(|text| self.err(text))?;
        if cursor.peek().is_some() {
            return Err(self.err("unexpected right paren".to_owned()));
        }
        Ok(pipeline)
    }
}

/// A cursor over the tokens of an action.
struct Cursor<'a> {
    tokens: &'a [Token],
    at: usize,
    depth: usize,
}

impl Cursor<'_> {
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

    /// A pipeline up to a closing bracket or the end.
    fn pipeline(&mut self, known: &[String], context: &str) -> Result<Pipeline, String> {
        if self.depth >= MAX_DEPTH {
            return Err("template is nested too deeply".to_owned());
        }
        let mut pipeline = self.declaration(context)?;
        let mut visible = known.to_vec();
        if !pipeline.declares && pipeline.variables.iter().any(|variable| !visible.contains(variable)) {
            return Err(format!("undefined variable \"${}\"", pipeline.variables.join(", $")));
        }
        visible.extend(pipeline.variables.iter().cloned());
        loop {
            let command = self.command(known)?;
            if command.is_empty() {
                return Err(format!("missing value for {context}"));
            }
            if !pipeline.commands.is_empty() && matches!(command.first(), Some(Operand { term: Term::Constant(_), .. }))
            {
                return Err("non executable command in pipeline stage 2".to_owned());
            }
            pipeline.commands.push(command);
            if !self.accept("|") {
                return Ok(pipeline);
            }
        }
    }

    /// `$a :=`, `$a =` or `$a, $b :=`; nothing where none stands.
    fn declaration(&mut self, context: &str) -> Result<Pipeline, String> {
        let start = self.at;
        let mut variables = Vec::new();
        loop {
            self.skip();
            let Some(Token::Variable(name)) = self.peek() else { break };
            variables.push(name.clone());
            self.at += 1;
            if self.accept(":=") {
                return Ok(Pipeline { variables, declares: true, commands: Vec::new() });
            }
            if self.accept("=") {
                return Ok(Pipeline { variables, declares: false, commands: Vec::new() });
            }
            if !(self.accept(",") && context == "range" && variables.len() < 2) {
                break;
            }
        }
        self.at = start;
        Ok(Pipeline::default())
    }

    /// Operands up to `|`, a closing bracket or the end.
    fn command(&mut self, known: &[String]) -> Result<Vec<Operand>, String> {
        let mut operands = Vec::new();
        loop {
            self.skip();
            match self.peek() {
                None | Some(Token::Sign("|" | ")")) => return Ok(operands),
                Some(_) => operands.push(self.operand(known)?),
            }
            if !matches!(self.peek(), None | Some(Token::Space | Token::Sign("|" | ")"))) {
                return Err("unexpected token in operand".to_owned());
            }
        }
    }

    /// A term and its fields.
    fn operand(&mut self, known: &[String]) -> Result<Operand, String> {
        let token = self.peek().cloned();
        self.at += 1;
        let mut fields = Vec::new();
        let term = match token {
            Some(Token::Text(text)) => Term::Constant(Data::Text(text)),
            Some(Token::Int(number)) => Term::Constant(Data::Int(number)),
            Some(Token::Float(number)) => Term::Constant(Data::Float(number)),
            Some(Token::Dot) => Term::Dot,
            Some(Token::Field(name)) => {
                fields.push(name);
                Term::Dot
            }
            Some(Token::Variable(name)) if known.contains(&name) => Term::Variable(name),
            Some(Token::Variable(name)) => return Err(format!("undefined variable \"${name}\"")),
            Some(Token::Word(word)) => match word.as_str() {
                "true" => Term::Constant(Data::Bool(true)),
                "false" => Term::Constant(Data::Bool(false)),
                "nil" => Term::Constant(Data::Nil),
                _ if functions::exists(&word) => Term::Function(word),
                _ => return Err(format!("function {word:?} not defined")),
            },
            Some(Token::Sign("(")) => {
                self.depth += 1;
                let pipeline = self.pipeline(known, "parenthesized pipeline")?;
                self.depth -= 1;
                if !self.accept(")") {
                    return Err("unclosed left paren".to_owned());
                }
                Term::Pipeline(pipeline)
            }
            Some(Token::Sign(sign)) => return Err(format!("unexpected {sign:?} in operand")),
            Some(Token::Space) | None => return Err("unexpected end of action".to_owned()),
        };
        while let Some(Token::Field(name)) = self.peek() {
            fields.push(name.clone());
            self.at += 1;
        }
        Ok(Operand { term, fields })
    }
}
