//! Tokens to a tree, by precedence.

use super::ExpressionError;
use super::lexer::{Kind, Token, tokens};
use super::value::Value;

/// Deepest nesting, so that neither reading nor running one exhausts the stack.
const MAX_DEPTH: usize = 100;

/// A part of an expression, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// What it is.
    pub(super) what: What,
    /// The place for messages, in characters.
    pub(super) at: usize,
}

/// Kinds of parts.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// A value as it stands.
    Constant(Value),
    /// A list.
    List(Vec<Node>),
    /// Names and values.
    Map(Vec<(Node, Node)>),
    /// A variable.
    Name(String),
    /// `#`, `#index`, `#acc`: what a predicate is asked about.
    Pointer(String),
    /// A sign before a value.
    Unary(&'static str, Box<Node>),
    /// A sign between values.
    Binary(&'static str, Box<Node>, Box<Node>),
    /// `condition ? one : other`.
    Conditional(Box<Node>, Box<Node>, Box<Node>),
    /// `value[key]` and `value.key`; the flag is for `?.`, which gives nil for a member of nil.
    Member(Box<Node>, Box<Node>, bool),
    /// `value[from:to]`.
    Slice(Box<Node>, Option<Box<Node>>, Option<Box<Node>>),
    /// A function and its arguments.
    Call(String, Vec<Node>),
    /// An argument that is run for each value of a list.
    Predicate(Box<Node>),
    /// `let name = value; rest`.
    Let(String, Box<Node>, Box<Node>),
}

/// Signs between values: precedence, and whether they group to the right.
const BINARY: [(&str, u16, bool); 24] = [
    ("|", 0, false),
    ("or", 10, false),
    ("||", 10, false),
    ("and", 15, false),
    ("&&", 15, false),
    ("==", 20, false),
    ("!=", 20, false),
    ("<", 20, false),
    (">", 20, false),
    (">=", 20, false),
    ("<=", 20, false),
    ("in", 20, false),
    ("matches", 20, false),
    ("contains", 20, false),
    ("startsWith", 20, false),
    ("endsWith", 20, false),
    ("..", 25, false),
    ("+", 30, false),
    ("-", 30, false),
    ("*", 60, false),
    ("/", 60, false),
    ("%", 60, false),
    ("**", 100, true),
    ("^", 100, true),
];
/// Precedence of `??`.
const COALESCE: u16 = 500;
/// Signs before a value, with their precedence.
const UNARY: [(&str, u16); 4] = [("not", 50), ("!", 50), ("-", 90), ("+", 90)];
/// Functions whose last argument is a predicate, by their number of arguments before it.
pub(super) const PREDICATES: [&str; 17] = [
    "all",
    "any",
    "one",
    "none",
    "filter",
    "map",
    "count",
    "sum",
    "find",
    "findIndex",
    "findLast",
    "findLastIndex",
    "groupBy",
    "sortBy",
    "reduce",
    "uniqBy",
    "flatMap",
];

/// Reads an expression.
pub(super) fn parse(text: &str) -> Result<Node, ExpressionError> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
    let node = parser.sequence()?;
    match parser.peek().kind {
        Kind::End => Ok(node),
        _ => Err(parser.unexpected()),
    }
}

/// A cursor over the tokens.
struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser {
    /// The current token; the last one is the end.
    fn peek(&self) -> &Token {
        static END: Token = Token { kind: Kind::End, text: String::new(), at: 0 };
        self.tokens.get(self.at.min(self.tokens.len().saturating_sub(1))).unwrap_or(&END)
    }

    /// Takes the current token.
    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    /// Takes the current token if it is this operator.
    fn accept(&mut self, operator: &str) -> bool {
        let found = self.peek().is_operator(operator);
        self.at += usize::from(found);
        found
    }

    /// Takes the current token if it is this bracket.
    fn accept_bracket(&mut self, bracket: &str) -> bool {
        let found = self.peek().is_bracket(bracket);
        self.at += usize::from(found);
        found
    }

    /// Takes this bracket, or fails.
    fn expect_bracket(&mut self, bracket: &str) -> Result<(), ExpressionError> {
        if self.accept_bracket(bracket) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// Takes this operator, or fails.
    fn expect(&mut self, operator: &str) -> Result<(), ExpressionError> {
        if self.accept(operator) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// The error of a token that has no place here.
    fn unexpected(&self) -> ExpressionError {
        let token = self.peek();
        ExpressionError::at(token.at, &format!("unexpected token {}", token.shown()))
    }

    /// `let` declarations and an expression.
    fn sequence(&mut self) -> Result<Node, ExpressionError> {
        let at = self.peek().at;
        if self.accept("let") {
            let name = self.take();
            if name.kind != Kind::Identifier {
                self.at -= 1;
                return Err(self.unexpected());
            }
            self.expect("=")?;
            let value = self.expression(0)?;
            self.expect(";")?;
            let rest = self.nested(Self::sequence)?;
            return Ok(Node { what: What::Let(name.text, Box::new(value), Box::new(rest)), at });
        }
        self.expression(0)
    }

    /// Runs `parse` one level deeper.
    fn nested(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<Node, ExpressionError>,
    ) -> Result<Node, ExpressionError> {
        if self.depth >= MAX_DEPTH {
            return Err(ExpressionError::at(self.peek().at, "expression is nested too deeply"));
        }
        self.depth += 1;
        let node = parse(self);
        self.depth -= 1;
        node
    }

    /// An expression whose signs bind at least as strongly as `least`.
    fn expression(&mut self, least: u16) -> Result<Node, ExpressionError> {
        self.nested(|parser| parser.binary(least))
    }

    /// Values with signs between them.
    fn binary(&mut self, least: u16) -> Result<Node, ExpressionError> {
        let start = self.peek().at;
        if least == 0 && self.accept("if") {
            return self.branches(start);
        }
        let mut left = self.primary()?;
        while self.peek().kind == Kind::Operator {
            let at = self.peek().at;
            let is_negated = self.peek().is_operator("not");
            if is_negated {
                self.at += 1;
            }
            if self.peek().is_operator("??") && COALESCE >= least && !is_negated {
                self.at += 1;
                let right = self.expression(COALESCE + 1)?;
                left = Node { what: What::Binary("??", Box::new(left), Box::new(right)), at };
                continue;
            }
            let word = self.peek();
            let known = BINARY.iter().find(|(sign, ..)| word.is_operator(sign)).copied();
            let Some((sign, precedence, is_right)) = known.filter(|(_, precedence, _)| *precedence >= least) else {
                self.at -= usize::from(is_negated);
                break;
            };
            if is_negated && !matches!(sign, "in" | "matches" | "contains" | "startsWith" | "endsWith") {
                return Err(self.unexpected());
            }
            let at = if is_negated { self.peek().at } else { at };
            self.at += 1;
            if sign == "|" {
                left = self.piped(left)?;
                continue;
            }
            let right = self.expression(if is_right { precedence } else { precedence + 1 })?;
            left = Node { what: What::Binary(sign, Box::new(left), Box::new(right)), at };
            if is_negated {
                left = Node { what: What::Unary("not", Box::new(left)), at };
            }
        }
        if least == 0 { self.conditional(left) } else { Ok(left) }
    }

    /// A condition with its two values, if `?` follows.
    fn conditional(&mut self, mut node: Node) -> Result<Node, ExpressionError> {
        while self.peek().is_operator("?") {
            let at = self.take().at;
            if self.accept(":") {
                let other = self.expression(0)?;
                node = Node { what: What::Conditional(Box::new(node.clone()), Box::new(node), Box::new(other)), at };
                continue;
            }
            let one = self.expression(0)?;
            self.expect(":")?;
            let other = self.expression(0)?;
            node = Node { what: What::Conditional(Box::new(node), Box::new(one), Box::new(other)), at };
        }
        Ok(node)
    }

    /// `if condition { one } else { other }`.
    fn branches(&mut self, at: usize) -> Result<Node, ExpressionError> {
        let condition = self.expression(0)?;
        self.expect_bracket("{")?;
        let one = self.sequence()?;
        self.expect_bracket("}")?;
        self.expect("else")?;
        let start = self.peek().at;
        let other = if self.accept("if") {
            self.nested(|parser| parser.branches(start))?
        } else {
            self.expect_bracket("{")?;
            let other = self.sequence()?;
            self.expect_bracket("}")?;
            other
        };
        Ok(Node { what: What::Conditional(Box::new(condition), Box::new(one), Box::new(other)), at })
    }

    /// A function that the value before `|` is the first argument of.
    fn piped(&mut self, first: Node) -> Result<Node, ExpressionError> {
        let name = self.take();
        if name.kind != Kind::Identifier {
            self.at -= 1;
            return Err(self.unexpected());
        }
        let call = self.call(name, vec![first])?;
        self.postfix(call)
    }

    /// A value, with signs before it and members behind.
    fn primary(&mut self) -> Result<Node, ExpressionError> {
        let token = self.peek().clone();
        if let Some((sign, precedence)) = UNARY.iter().find(|(sign, _)| token.is_operator(sign)) {
            self.at += 1;
            let operand = self.expression(*precedence)?;
            let node = Node { what: What::Unary(sign, Box::new(operand)), at: token.at };
            return self.postfix(node);
        }
        if self.accept_bracket("(") {
            let node = self.nested(Self::sequence)?;
            self.expect_bracket(")")?;
            return self.postfix(node);
        }
        if self.accept(".") {
            // `.name` in a predicate is a member of what it is asked about.
            let pointer = Node { what: What::Pointer(String::new()), at: token.at };
            self.at -= 1;
            return self.postfix(pointer);
        }
        let node = self.simple()?;
        self.postfix(node)
    }

    /// A literal, a name, a call, a list or a map.
    fn simple(&mut self) -> Result<Node, ExpressionError> {
        let token = self.take();
        let at = token.at;
        let what = match &token.kind {
            Kind::Int(number) => What::Constant(Value::Int(*number)),
            Kind::Float(number) => What::Constant(Value::Float(*number)),
            Kind::Text => What::Constant(Value::Text(token.text)),
            Kind::Identifier => return self.identifier(token),
            Kind::Bracket if token.text == "[" => What::List(self.list("]")?),
            Kind::Bracket if token.text == "{" => What::Map(self.map()?),
            _ => {
                self.at -= 1;
                return Err(self.unexpected());
            }
        };
        Ok(Node { what, at })
    }

    /// A name, alone or as a function.
    fn identifier(&mut self, token: Token) -> Result<Node, ExpressionError> {
        if let Some(pointer) = token.text.strip_prefix('#') {
            return Ok(Node { what: What::Pointer(pointer.to_owned()), at: token.at });
        }
        if self.peek().is_bracket("(") {
            return self.call(token, Vec::new());
        }
        let what = match token.text.as_str() {
            "true" => What::Constant(Value::Bool(true)),
            "false" => What::Constant(Value::Bool(false)),
            "nil" => What::Constant(Value::Nil),
            _ => What::Name(token.text),
        };
        Ok(Node { what, at: token.at })
    }

    /// The arguments of a function, behind those that are there already.
    fn call(&mut self, name: Token, mut arguments: Vec<Node>) -> Result<Node, ExpressionError> {
        self.expect_bracket("(")?;
        let has_predicate = PREDICATES.contains(&name.text.as_str());
        while !self.accept_bracket(")") {
            if !arguments.is_empty()
                && !self.tokens.get(self.at.wrapping_sub(1)).is_some_and(|last| last.is_bracket("("))
            {
                self.expect(",")?;
                if self.accept_bracket(")") {
                    break;
                }
            }
            let argument = if has_predicate && arguments.len() == 1 { self.predicate()? } else { self.expression(0)? };
            arguments.push(argument);
        }
        Ok(Node { what: What::Call(name.text, arguments), at: name.at })
    }

    /// What is run for each value of a list; braces are allowed around it.
    fn predicate(&mut self) -> Result<Node, ExpressionError> {
        let at = self.peek().at;
        let body = if self.accept_bracket("{") {
            let body = self.nested(Self::sequence)?;
            self.expect_bracket("}")?;
            body
        } else {
            self.expression(0)?
        };
        Ok(Node { what: What::Predicate(Box::new(body)), at })
    }

    /// Values up to a closing bracket.
    fn list(&mut self, close: &str) -> Result<Vec<Node>, ExpressionError> {
        let mut values = Vec::new();
        while !self.accept_bracket(close) {
            if !values.is_empty() {
                self.expect(",")?;
                if self.accept_bracket(close) {
                    break;
                }
            }
            values.push(self.expression(0)?);
        }
        Ok(values)
    }

    /// Names and values up to `}`.
    fn map(&mut self) -> Result<Vec<(Node, Node)>, ExpressionError> {
        let mut pairs = Vec::new();
        while !self.accept_bracket("}") {
            if !pairs.is_empty() {
                self.expect(",")?;
                if self.accept_bracket("}") {
                    break;
                }
            }
            let token = self.peek().clone();
            let key = match token.kind {
                Kind::Identifier | Kind::Text | Kind::Int(_) | Kind::Float(_) => {
                    self.at += 1;
                    Node { what: What::Constant(Value::Text(token.text)), at: token.at }
                }
                _ => {
                    self.expect_bracket("(")?;
                    let key = self.expression(0)?;
                    self.expect_bracket(")")?;
                    key
                }
            };
            self.expect(":")?;
            pairs.push((key, self.expression(0)?));
        }
        Ok(pairs)
    }

    /// Members and slices behind a value.
    fn postfix(&mut self, mut node: Node) -> Result<Node, ExpressionError> {
        loop {
            let at = self.peek().at;
            let is_optional = self.peek().is_operator("?.");
            if is_optional || self.peek().is_operator(".") {
                self.at += 1;
                if is_optional && self.accept_bracket("[") {
                    let key = self.expression(0)?;
                    self.expect_bracket("]")?;
                    node = Node { what: What::Member(Box::new(node), Box::new(key), true), at };
                    continue;
                }
                let name = self.take();
                if name.kind != Kind::Identifier {
                    self.at -= 1;
                    return Err(self.unexpected());
                }
                let key = Node { what: What::Constant(Value::Text(name.text)), at: name.at };
                node = Node { what: What::Member(Box::new(node), Box::new(key), is_optional), at };
            } else if self.accept_bracket("[") {
                node = self.index(node, at)?;
            } else {
                return Ok(node);
            }
        }
    }

    /// `[key]` or `[from:to]`.
    fn index(&mut self, node: Node, at: usize) -> Result<Node, ExpressionError> {
        let from = if self.peek().is_operator(":") { None } else { Some(Box::new(self.expression(0)?)) };
        if !self.accept(":") {
            self.expect_bracket("]")?;
            let Some(key) = from else { return Err(self.unexpected()) };
            return Ok(Node { what: What::Member(Box::new(node), key, false), at });
        }
        let to = if self.peek().is_bracket("]") { None } else { Some(Box::new(self.expression(0)?)) };
        self.expect_bracket("]")?;
        Ok(Node { what: What::Slice(Box::new(node), from, to), at })
    }
}
