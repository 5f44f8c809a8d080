//! Values: literals, names, lists, maps and calls.

use super::{
    Body, Call, ExpressionError, Instruction, Kind, Loop, Operand, PREDICATES, Parser, Step, Stepped, Token, Type,
    Value, Wait, builtins, check,
};

impl Parser<'_> {
    /// A literal, a name, a call, a list or a map.
    pub(super) fn simple(&mut self, least: u16) -> Stepped {
        let (at, start) = (self.peek().at, self.code.len());
        let token = self.take();
        let constant = match token.kind {
            Kind::Int(number) => Value::Int(number),
            Kind::Float(number) => Value::Float(number),
            Kind::Text => {
                let operand = self.value(Instruction::Constant(Value::Text(token.text)), Type::Text, at)?;
                return Ok(Step::Postfix(operand, least));
            }
            Kind::Identifier => match token.text.as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                "nil" => Value::Nil,
                _ => return self.identifier(token, least),
            },
            Kind::Bracket if token.text == "[" => return self.list(start, 0, least, at),
            Kind::Bracket if token.text == "{" => return self.map(start, 0, least, at),
            _ => {
                self.at -= 1;
                return Err(self.unexpected());
            }
        };
        let kind = check::of(&constant);
        Ok(Step::Signs(self.value(Instruction::Constant(constant), kind, at)?, least, ""))
    }

    /// A name, alone or as a function.
    fn identifier(&mut self, token: Token, least: u16) -> Stepped {
        if let Some(pointer) = token.text.strip_prefix('#') {
            return self.pointer(pointer.to_owned(), token.at, least);
        }
        if self.peek().is_bracket("(") {
            return self.call(token, None, least);
        }
        let local = self.locals.iter().rposition(|(known, _)| *known == token.text);
        let (instruction, kind) = match local {
            Some(index) => (Instruction::Local(index), self.locals.get(index).map(|(_, kind)| *kind)),
            None => {
                let kind = self.scope.variables.get(&token.text).copied();
                (Instruction::Variable(token.text.clone()), kind)
            }
        };
        let unknown = ExpressionError::at(token.at, &format!("unknown name {}", token.text));
        let kind = self.checked(kind.ok_or(unknown), Type::Any);
        Ok(Step::Postfix(self.value(instruction, kind, token.at)?, least))
    }

    /// The next value of a list, or its end.
    pub(super) fn list(&mut self, start: usize, count: usize, least: u16, at: usize) -> Stepped {
        let is_end = self.accept_bracket("]") || {
            if count > 0 {
                self.expect(",")?;
            }
            count > 0 && self.accept_bracket("]")
        };
        if !is_end {
            self.wait(Wait::List { start, count }, least, at);
            return Ok(Step::Begin(0));
        }
        self.node()?;
        self.emit(Instruction::List(count));
        Ok(Step::Postfix(self.operand(Type::List, at, start), least))
    }

    /// The next pair of a map, or its end.
    pub(super) fn map(&mut self, start: usize, count: usize, least: u16, at: usize) -> Stepped {
        let is_end = self.accept_bracket("}") || {
            if count > 0 {
                self.expect(",")?;
            }
            count > 0 && self.accept_bracket("}")
        };
        if is_end {
            self.node()?;
            self.emit(Instruction::Map(count));
            return Ok(Step::Postfix(self.operand(Type::Map, at, start), least));
        }
        if matches!(self.peek().kind, Kind::Identifier | Kind::Text | Kind::Int(_) | Kind::Float(_)) {
            self.node()?;
            let key = self.take();
            self.emit(Instruction::Constant(Value::Text(key.text)));
            return self.map_value(start, count, least, at);
        }
        self.expect_bracket("(")?;
        self.wait(Wait::MapKey { start, count }, least, at);
        Ok(Step::Begin(0))
    }

    /// The value of a pair.
    pub(super) fn map_value(&mut self, start: usize, count: usize, least: u16, at: usize) -> Stepped {
        self.expect(":")?;
        self.wait(Wait::MapValue { start, count }, least, at);
        Ok(Step::Begin(0))
    }

    /// A function whose name has been taken; `first` stood before `|`.
    pub(super) fn call(&mut self, name: Token, first: Option<Operand>, least: u16) -> Stepped {
        let start = first.as_ref().map_or(self.code.len(), |first| first.start);
        let arguments: Vec<_> = first.map(|first| (first.kind, first.at)).into_iter().collect();
        if builtins::arity(&name.text).is_none() || self.scope.functions.contains_key(name.text.as_str()) {
            // The name of a function of the environment is a part of its own.
            self.node()?;
            if !self.scope.functions.contains_key(name.text.as_str()) {
                let error = ExpressionError::at(name.at, &format!("unknown name {}", name.text));
                self.checked(Err(error), ());
            }
        }
        self.expect_bracket("(")?;
        let piped = arguments.len();
        self.argument(Call { name: name.text, start, arguments, piped, body: None }, least, name.at)
    }

    /// The next argument of a call, or its end.
    pub(super) fn argument(&mut self, mut call: Call, least: u16, at: usize) -> Stepped {
        let is_end = self.accept_bracket(")") || {
            let follows = call.arguments.len() > call.piped;
            if follows {
                self.expect(",")?;
            }
            follows && self.accept_bracket(")")
        };
        if is_end {
            return self.called(call, least, at);
        }
        if call.arguments.len() != 1 || !PREDICATES.contains(&call.name.as_str()) {
            self.wait(Wait::Argument(call), least, at);
            return Ok(Step::Begin(0));
        }
        let skip = self.emit(Instruction::Jump(0));
        call.body = Some(Body { first: self.code.len(), skip, next: 0 });
        self.predicates += 1;
        let has_braces = self.accept_bracket("{");
        self.wait(Wait::Predicate { call, has_braces }, least, at);
        Ok(if has_braces { self.sequence() } else { Step::Begin(0) })
    }

    /// The end of a call.
    fn called(&mut self, call: Call, least: u16, at: usize) -> Stepped {
        self.node()?;
        let checked = check::call(self.scope, &call.name, &call.arguments, at);
        let kind = self.checked(checked, Type::Any);
        let Call { name, start, arguments, piped, body } = call;
        match body {
            Some(body) => {
                let has_rest = arguments.len() > 2;
                self.emit(Instruction::Loop(Box::new(Loop { name, body: body.first, has_rest })));
                self.patch(body.next);
            }
            None => {
                self.emit(Instruction::Call(name, arguments.len()));
            }
        }
        let operand = self.operand(kind, at, start);
        // As in expr-lang, no member of what `|` calls may follow.
        Ok(if piped > 0 { Step::Signs(operand, least, "|") } else { Step::Postfix(operand, least) })
    }
}
