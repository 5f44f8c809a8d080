//! Goes on with an expression when the part that it waits for is complete.

use super::{COMPARISONS, Call, Instruction, Link, Operand, Parser, Step, Stepped, Wait, check};
use super::{ExpressionError, Kind, Type, Value, pattern};

impl Parser<'_> {
    /// Goes on with what waits for a part.
    pub(super) fn resume(&mut self, what: Wait, part: Operand, least: u16, at: usize) -> Stepped {
        match what {
            Wait::Unary(sign) => {
                self.node()?;
                let kind = self.checked(check::unary(sign, part.kind, at), Type::Any);
                self.emit(Instruction::Unary(sign));
                Ok(Step::Postfix(self.operand(kind, at, part.start), least))
            }
            Wait::Binary { sign, left, jump, not } => {
                let whole = self.binary(Sides { sign, left, right: part, at }, jump)?;
                if let Some(at) = not {
                    self.node()?;
                    self.checked(check::unary("not", whole.kind, at), Type::Bool);
                    self.emit(Instruction::Unary("not"));
                }
                Ok(Step::Signs(whole, least, sign))
            }
            Wait::Comparison(link) => self.compared(link, part, least, at),
            Wait::Round => {
                self.expect_bracket(")")?;
                Ok(Step::Postfix(part, least))
            }
            Wait::Sequence { start, at: first, count } => self.next_of(part, start, first, count),
            Wait::List { start, count } => self.list(start, count + 1, least, at),
            Wait::MapKey { start, count } => {
                self.expect_bracket(")")?;
                self.map_value(start, count, least, at)
            }
            Wait::MapValue { start, count } => {
                self.node()?;
                self.map(start, count + 1, least, at)
            }
            Wait::Argument(mut call) => {
                call.arguments.push((part.kind, part.at));
                self.argument(call, least, at)
            }
            Wait::Predicate { call, has_braces } => {
                self.predicates -= 1;
                if has_braces {
                    self.expect_bracket("}")?;
                }
                self.predicate(call, &part, least, at)
            }
            Wait::Index { value, is_optional } => {
                if !self.peek().is_operator(":") {
                    self.checked(check::member(value.kind, "[int] is undefined", part.at), ());
                }
                self.key(value, is_optional, least, at)
            }
            Wait::Bound { value, has_from } => {
                self.part(value, Instruction::Slice { has_from, has_to: true }, least, at)
            }
            _ => self.resume_branch(what, part, least, at),
        }
    }

    /// Goes on with `let`, `if` and `?`.
    fn resume_branch(&mut self, what: Wait, part: Operand, least: u16, at: usize) -> Stepped {
        match what {
            Wait::Let { name, start } => {
                self.expect(";")?;
                if self.locals.iter().any(|(known, _)| *known == name) {
                    let error = ExpressionError::at(at, &format!("cannot redeclare variable {name}"));
                    self.checked(Err(error), ());
                }
                self.emit(Instruction::Let);
                self.locals.push((name, part.kind));
                self.wait(Wait::Scope { start }, least, at);
                Ok(self.sequence())
            }
            Wait::Scope { start } => {
                self.node()?;
                self.emit(Instruction::EndLet);
                self.locals.pop();
                Ok(Step::Done(self.operand(part.kind, at, start)))
            }
            Wait::If { start } => {
                self.checked(check::condition(part.kind, part.at), ());
                self.expect_bracket("{")?;
                let jump = self.emit(Instruction::Branch(0));
                self.wait(Wait::Then { start, jump }, least, at);
                Ok(self.sequence())
            }
            Wait::Then { start, jump } => {
                self.expect_bracket("}")?;
                self.expect("else")?;
                let end = self.emit(Instruction::Jump(0));
                self.patch(jump);
                let has_brace = !self.peek().is_operator("if");
                self.wait(Wait::Else { start, one: part.kind, jump: end, has_brace }, least, at);
                if !has_brace {
                    return Ok(Step::Begin(0));
                }
                self.expect_bracket("{")?;
                Ok(self.sequence())
            }
            Wait::Else { start, one, jump, has_brace } => {
                if has_brace {
                    self.expect_bracket("}")?;
                }
                self.patch(jump);
                Ok(Step::Done(self.operand(either(one, part.kind), at, start)))
            }
            Wait::One { condition, jump } => {
                self.expect(":")?;
                let end = self.emit(Instruction::Jump(0));
                self.patch(jump);
                self.wait(Wait::Other { condition, one: part.kind, jump: end }, least, at);
                Ok(Step::Begin(0))
            }
            Wait::Other { condition, one, jump } => {
                self.node()?;
                self.patch(jump);
                let whole = self.operand(either(one, part.kind), condition.at, condition.start);
                Ok(Step::Question(whole))
            }
            _ => Err(self.unexpected()),
        }
    }

    /// Two values with a sign between them.
    fn binary(&mut self, sides: Sides, jump: Option<usize>) -> Result<Operand, ExpressionError> {
        let Sides { sign, left, right, at } = sides;
        self.node()?;
        let kind = self.checked(check::binary(sign, left.kind, right.kind, at), Type::Any);
        if let Some(jump) = jump {
            self.patch(jump);
        } else if sign == "matches" && right.start + 1 == self.code.len() {
            self.matches(at);
        } else {
            self.emit(Instruction::Binary(sign));
        }
        Ok(self.operand(kind, at, left.start))
    }

    /// `matches` with one instruction for the pattern: text is compiled now.
    fn matches(&mut self, at: usize) {
        if let Some(Instruction::Constant(Value::Text(source))) = self.code.last() {
            match pattern::compile(source) {
                Ok(compiled) => {
                    self.code.pop();
                    self.emit(Instruction::Matches(Box::new(compiled)));
                    return;
                }
                Err(error) => self.checked(Err(ExpressionError::at(at, &error)), ()),
            }
        }
        self.emit(Instruction::Binary("matches"));
    }

    /// A comparison that is complete; another one may follow with its right side.
    fn compared(&mut self, link: Link, right: Operand, least: u16, at: usize) -> Stepped {
        let Link { sign, left, first, mut jumps, links } = link;
        self.node()?;
        if links > 0 {
            self.node()?;
        }
        self.checked(check::binary(sign, left.kind, right.kind, at), Type::Bool);
        let token = self.peek();
        let next_at = token.at;
        if let Some(next) = COMPARISONS.iter().find(|sign| token.is_operator(sign)) {
            self.at += 1;
            let jump = self.emit(Instruction::Compare(sign, 0));
            jumps.push(jump);
            self.wait(
                Wait::Comparison(Link { sign: next, left: right, first, jumps, links: links + 1 }),
                least,
                next_at,
            );
            return Ok(Step::Begin(21));
        }
        self.emit(Instruction::Binary(sign));
        jumps.into_iter().for_each(|jump| self.patch(jump));
        Ok(Step::Signs(first, least, sign))
    }

    /// One of several expressions is complete: the next begins behind a semicolon.
    fn next_of(&mut self, part: Operand, start: usize, first: Option<usize>, count: usize) -> Stepped {
        let first = first.unwrap_or(part.at);
        if self.accept(";") && self.peek().kind != Kind::End {
            self.emit(Instruction::Drop);
            self.wait(Wait::Sequence { start, at: Some(first), count: count + 1 }, 0, 0);
            return Ok(Step::Begin(0));
        }
        if count == 0 {
            return Ok(Step::Done(part));
        }
        self.node()?;
        Ok(Step::Done(self.operand(part.kind, first, start)))
    }

    /// A predicate is complete.
    fn predicate(&mut self, mut call: Call, body: &Operand, least: u16, at: usize) -> Stepped {
        self.node()?;
        let next = self.emit(Instruction::Next(0));
        if let Some(body) = &mut call.body {
            body.next = next;
            let skip = body.skip;
            self.patch(skip);
        }
        call.arguments.push((body.kind, body.at));
        self.argument(call, least, at)
    }

    /// A key is complete; it may be a lower bound.
    fn key(&mut self, mut value: Operand, is_optional: bool, least: u16, at: usize) -> Stepped {
        if self.accept(":") {
            return self.bound(value, true, least, at);
        }
        self.node()?;
        if is_optional {
            self.node()?;
        }
        self.expect_bracket("]")?;
        self.emit(Instruction::Member);
        self.close(&mut value);
        Ok(Step::Postfix(self.operand(Type::Any, at, value.start), least))
    }
}

/// A sign at a place, and what stands on its sides.
struct Sides {
    sign: &'static str,
    left: Operand,
    right: Operand,
    at: usize,
}

/// The type of a value that has one of two types.
fn either(one: Type, other: Type) -> Type {
    if one == other { one } else { Type::Any }
}
