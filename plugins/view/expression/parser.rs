//! Tokens to instructions, by precedence. Expressions that are not complete wait on a stack of their own: nothing recurses,
//! and nesting costs memory only.

mod resume;
mod values;
mod waiting;

use super::check::{self, Scope, Type};
use super::lexer::{Kind, Token, tokens};
use super::program::{Instruction, Loop};
use super::value::Value;
use super::{ExpressionError, Program, builtins};
use crate::pattern;
use waiting::{Body, Call, Link, Wait, Waiting};

/// Most parts of an expression, counted as expr-lang counts its nodes (its DefaultMaxNodes).
const MAX_NODES: usize = 10_000;

/// Signs between values: precedence, and whether they group to the right.
const BINARY: [(&str, u16, bool); 25] = [
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
    ("??", 500, false),
];
/// Signs before a value, with their precedence.
const UNARY: [(&str, u16); 4] = [("not", 50), ("!", 50), ("-", 90), ("+", 90)];
/// Signs that may be chained: `1 < a <= 5`.
const COMPARISONS: [&str; 4] = ["<", ">", ">=", "<="];
/// Functions whose second argument is a predicate.
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

/// Reads and checks an expression.
pub(super) fn parse(text: &str, scope: &Scope) -> Result<Program, ExpressionError> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        at: 0,
        scope,
        code: Vec::new(),
        nodes: 0,
        waiting: Vec::new(),
        locals: Vec::new(),
        predicates: 0,
        type_error: None,
    };
    let operand = parser.run()?;
    if parser.peek().kind != Kind::End {
        return Err(parser.unexpected());
    }
    match parser.type_error {
        Some(type_error) => Err(type_error),
        None => Ok(Program { code: parser.code, result: operand.kind }),
    }
}

/// A value whose instructions stand at the end of the code.
#[derive(Debug)]
struct Operand {
    /// Its type.
    kind: Type,
    /// Its place for messages, in characters.
    at: usize,
    /// Its first instruction.
    start: usize,
    /// Jumps of `?.` that lead behind the members that follow.
    jumps: Vec<usize>,
}

/// What is read next.
enum Step {
    /// An expression whose signs bind at least as strongly as this.
    Begin(u16),
    /// Members and parts of a value, within an expression of that strength.
    Postfix(Operand, u16),
    /// Signs behind a value, after the sign before it.
    Signs(Operand, u16, &'static str),
    /// `?` behind a whole expression.
    Question(Operand),
    /// The expression is complete.
    Done(Operand),
}

/// A cursor over the tokens, and the instructions until here.
struct Parser<'a> {
    tokens: Vec<Token>,
    at: usize,
    scope: &'a Scope,
    code: Vec<Instruction>,
    nodes: usize,
    waiting: Vec<Waiting>,
    /// Local variables; the newest last.
    locals: Vec<(String, Type)>,
    /// Predicates around.
    predicates: usize,
    /// The first fault of types or names: told if the syntax is right.
    type_error: Option<ExpressionError>,
}

/// What a step leads to.
type Stepped = Result<Step, ExpressionError>;

impl Parser<'_> {
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

    /// Takes a name, or fails.
    fn expect_name(&mut self) -> Result<Token, ExpressionError> {
        if self.peek().kind == Kind::Identifier { Ok(self.take()) } else { Err(self.unexpected()) }
    }

    /// The error of a token that has no place here.
    fn unexpected(&self) -> ExpressionError {
        let token = self.peek();
        ExpressionError::at(token.at, &format!("unexpected token {}", token.shown()))
    }

    /// Counts a part.
    fn node(&mut self) -> Result<(), ExpressionError> {
        self.nodes += 1;
        if self.nodes <= MAX_NODES {
            return Ok(());
        }
        Err(ExpressionError::at(self.peek().at, "compilation failed: expression exceeds maximum allowed nodes"))
    }

    /// Keeps the first fault of types and names.
    fn checked<T>(&mut self, checked: Result<T, ExpressionError>, otherwise: T) -> T {
        checked.unwrap_or_else(|error| {
            self.type_error.get_or_insert(error);
            otherwise
        })
    }

    /// Appends an instruction; gives its index.
    fn emit(&mut self, instruction: Instruction) -> usize {
        self.code.push(instruction);
        self.code.len() - 1
    }

    /// Lets a jump lead to the next instruction.
    fn patch(&mut self, jump: usize) {
        let here = self.code.len();
        if let Some(
            Instruction::Or(target)
            | Instruction::And(target)
            | Instruction::Coalesce(target)
            | Instruction::JumpIfNil(target)
            | Instruction::Branch(target)
            | Instruction::Jump(target)
            | Instruction::Compare(_, target)
            | Instruction::Next(target),
        ) = self.code.get_mut(jump)
        {
            *target = here;
        }
    }

    /// A value that begins at an instruction.
    fn operand(&self, kind: Type, at: usize, start: usize) -> Operand {
        Operand { kind, at, start, jumps: Vec::new() }
    }

    /// Appends an instruction that is a value by itself.
    fn value(&mut self, instruction: Instruction, kind: Type, at: usize) -> Result<Operand, ExpressionError> {
        self.node()?;
        let start = self.emit(instruction);
        Ok(self.operand(kind, at, start))
    }

    /// Lets an expression wait for a part.
    fn wait(&mut self, what: Wait, least: u16, at: usize) {
        self.waiting.push(Waiting { what, least, at });
    }

    /// Lets expressions with semicolons between them begin.
    fn sequence(&mut self) -> Step {
        let start = self.code.len();
        self.wait(Wait::Sequence { start, at: None, count: 0 }, 0, 0);
        Step::Begin(0)
    }

    /// Reads all.
    fn run(&mut self) -> Result<Operand, ExpressionError> {
        let mut step = self.sequence();
        loop {
            step = match step {
                Step::Begin(least) => self.begin(least)?,
                Step::Postfix(operand, least) => self.postfix(operand, least)?,
                Step::Signs(operand, least, before) => self.signs(operand, least, before)?,
                Step::Question(operand) => self.question(operand),
                Step::Done(operand) => match self.waiting.pop() {
                    None => return Ok(operand),
                    Some(Waiting { what, least, at }) => self.resume(what, operand, least, at)?,
                },
            }
        }
    }

    /// The beginning of an expression.
    fn begin(&mut self, least: u16) -> Stepped {
        let (at, start) = (self.peek().at, self.code.len());
        if least == 0 && self.accept("let") {
            let name = self.expect_name()?;
            self.expect("=")?;
            self.wait(Wait::Let { name: name.text, start }, least, name.at);
            return Ok(Step::Begin(0));
        }
        if least == 0 && self.accept("if") {
            self.wait(Wait::If { start }, least, at);
            return Ok(Step::Begin(0));
        }
        let token = self.peek();
        if let Some((sign, precedence)) = UNARY.iter().find(|(sign, _)| token.is_operator(sign)) {
            self.at += 1;
            self.wait(Wait::Unary(sign), least, at);
            return Ok(Step::Begin(*precedence));
        }
        if self.accept_bracket("(") {
            self.wait(Wait::Round, least, at);
            return Ok(self.sequence());
        }
        if self.peek().is_operator(".") {
            // `.name` in a predicate is a member of what it is asked about.
            return self.pointer(String::new(), at, least);
        }
        if self.accept("::") {
            let name = self.expect_name()?;
            return self.call(name, None, least);
        }
        self.simple(least)
    }

    /// `#` and its like.
    fn pointer(&mut self, name: String, at: usize, least: u16) -> Stepped {
        if self.predicates == 0 {
            let error = ExpressionError::at(at, "cannot use pointer accessor outside predicate");
            self.checked(Err(error), ());
        }
        Ok(Step::Postfix(self.value(Instruction::Pointer(name), Type::Any, at)?, least))
    }

    /// Members and parts behind a value.
    fn postfix(&mut self, mut operand: Operand, least: u16) -> Stepped {
        let at = self.peek().at;
        let is_optional = self.peek().is_operator("?.");
        if is_optional || self.peek().is_operator(".") {
            self.at += 1;
            if is_optional {
                let jump = self.emit(Instruction::JumpIfNil(0));
                operand.jumps.push(jump);
                if self.accept_bracket("[") {
                    return self.index(operand, is_optional, least, at);
                }
            }
            let name = self.expect_name()?;
            self.node()?;
            self.node()?;
            self.checked(check::member(operand.kind, &format!(" has no field {}", name.text), name.at), ());
            self.emit(Instruction::Constant(Value::Text(name.text)));
            self.emit(Instruction::Member);
            if !operand.jumps.is_empty() {
                self.node()?;
            }
            operand.kind = Type::Any;
            return Ok(Step::Postfix(operand, least));
        }
        if self.accept_bracket("[") {
            self.close(&mut operand);
            return self.index(operand, false, least, at);
        }
        self.close(&mut operand);
        Ok(Step::Signs(operand, least, ""))
    }

    /// Lets the jumps of `?.` lead here.
    fn close(&mut self, operand: &mut Operand) {
        std::mem::take(&mut operand.jumps).into_iter().for_each(|jump| self.patch(jump));
    }

    /// A key or bounds, behind `[`.
    fn index(&mut self, value: Operand, is_optional: bool, least: u16, at: usize) -> Stepped {
        if self.accept(":") {
            return self.bound(value, false, least, at);
        }
        self.wait(Wait::Index { value, is_optional }, least, at);
        Ok(Step::Begin(0))
    }

    /// The upper bound of a part, or its end.
    fn bound(&mut self, value: Operand, has_from: bool, least: u16, at: usize) -> Stepped {
        if self.peek().is_bracket("]") {
            return self.part(value, Instruction::Slice { has_from, has_to: false }, least, at);
        }
        self.wait(Wait::Bound { value, has_from }, least, at);
        Ok(Step::Begin(0))
    }

    /// The end of a part.
    fn part(&mut self, mut value: Operand, part: Instruction, least: u16, at: usize) -> Stepped {
        self.node()?;
        self.expect_bracket("]")?;
        self.emit(part);
        self.close(&mut value);
        let kind = value.kind;
        Ok(Step::Postfix(self.operand(kind, at, value.start), least))
    }

    /// A sign behind a value, or the end of the expression.
    fn signs(&mut self, operand: Operand, least: u16, before: &'static str) -> Stepped {
        let at = self.peek().at;
        let not = self.peek().is_operator("not").then_some(at);
        if not.is_some() {
            self.at += 1;
            if !["contains", "matches", "startsWith", "endsWith", "in"].iter().any(|sign| self.peek().is_operator(sign))
            {
                return Err(self.unexpected());
            }
        }
        let token = self.peek();
        let at = token.at;
        let known = BINARY.iter().find(|(sign, ..)| token.is_operator(sign)).copied();
        let Some((sign, precedence, is_right)) = known.filter(|(_, precedence, _)| *precedence >= least) else {
            self.at -= usize::from(not.is_some());
            return Ok(if least == 0 { Step::Question(operand) } else { Step::Done(operand) });
        };
        self.at += 1;
        if sign == "|" {
            let name = self.expect_name()?;
            return self.call(name, Some(operand), least);
        }
        if before == "??" && sign != "??" {
            let text =
                format!("Operator ({sign}) and coalesce expressions (??) cannot be mixed. Wrap either by parentheses.");
            return Err(ExpressionError::at(at, &text));
        }
        if COMPARISONS.contains(&sign) {
            let first = self.operand(Type::Bool, at, operand.start);
            self.wait(Wait::Comparison(Link { sign, left: operand, first, jumps: Vec::new(), links: 0 }), least, at);
            return Ok(Step::Begin(precedence + 1));
        }
        let jump = match sign {
            "and" | "&&" => Some(self.emit(Instruction::And(0))),
            "or" | "||" => Some(self.emit(Instruction::Or(0))),
            "??" => Some(self.emit(Instruction::Coalesce(0))),
            _ => None,
        };
        self.wait(Wait::Binary { sign, left: operand, jump, not }, least, at);
        Ok(Step::Begin(if is_right { precedence } else { precedence + 1 }))
    }

    /// `?` with two values, if it follows.
    fn question(&mut self, condition: Operand) -> Step {
        if !self.accept("?") {
            return Step::Done(condition);
        }
        let (kind, at) = (condition.kind, condition.at);
        self.checked(check::condition(kind, at), ());
        if self.accept(":") {
            let jump = self.emit(Instruction::Or(0));
            self.wait(Wait::Other { condition, one: kind, jump }, 0, at);
        } else {
            let jump = self.emit(Instruction::Branch(0));
            self.wait(Wait::One { condition, jump }, 0, at);
        }
        Step::Begin(0)
    }
}
