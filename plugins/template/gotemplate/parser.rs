//! Parts of a template to instructions. Open actions and brackets stand on stacks of their own: nothing recurses, and
//! nesting costs memory only.

use super::lexer::{Part, SyntaxError, Token, parts};
use super::pipeline::{Known, Pipeline};
use super::program::{Instruction, Range};

/// Reads a template.
pub(super) fn parse(source: &str) -> Result<Vec<Instruction>, SyntaxError> {
    let mut parser = Parser { code: Vec::new(), known: Known::default(), open: Vec::new(), loops: Vec::new(), line: 1 };
    for part in parts(source)? {
        match part {
            Part::Text(text) => parser.code.push(Instruction::Text(text)),
            Part::Action(tokens, line) => {
                parser.line = line;
                parser.action(&tokens)?;
            }
        }
    }
    if parser.open.is_empty() { Ok(parser.code) } else { Err(parser.err("unexpected EOF".to_owned())) }
}

/// An `if`, `with` or `range` without its `end`.
struct Open {
    word: &'static str,
    /// The jump to the next branch.
    next: usize,
    /// Jumps to the end.
    ends: Vec<usize>,
    /// Whether `else` without a condition has been there.
    is_last: bool,
    /// Variables before.
    known: usize,
}

/// A `range` whose body is open.
struct Body {
    breaks: Vec<usize>,
    continues: Vec<usize>,
}

/// The instructions until here.
struct Parser {
    code: Vec<Instruction>,
    known: Known,
    open: Vec<Open>,
    loops: Vec<Body>,
    line: usize,
}

impl Parser {
    /// An error on the current line.
    fn err(&self, text: String) -> SyntaxError {
        SyntaxError { line: self.line, text }
    }

    /// Lets jumps lead to the next instruction.
    fn patch(&mut self, jumps: impl IntoIterator<Item = usize>) {
        let here = self.code.len();
        for jump in jumps {
            match self.code.get_mut(jump) {
                Some(
                    Instruction::If(target)
                    | Instruction::With(target)
                    | Instruction::Jump(target)
                    | Instruction::Next(target)
                    | Instruction::Break(target)
                    | Instruction::Continue(target),
                ) => *target = here,
                Some(Instruction::Range(range)) => range.none = here,
                _ => {}
            }
        }
    }

    /// Appends an instruction; gives its index.
    fn emit(&mut self, instruction: Instruction) -> usize {
        self.code.push(instruction);
        self.code.len() - 1
    }

    /// One action.
    fn action(&mut self, tokens: &[Token]) -> Result<(), SyntaxError> {
        let start = tokens.iter().position(|token| *token != Token::Space).unwrap_or(tokens.len());
        let tokens = tokens.get(start..).unwrap_or_default();
        let word = if let Some(Token::Word(word)) = tokens.first() { word.as_str() } else { "" };
        let rest = tokens.get(1..).unwrap_or_default();
        match word {
            "if" => self.begin("if", rest),
            "with" => self.begin("with", rest),
            "range" => self.begin("range", rest),
            "else" => self.otherwise(rest),
            "end" => self.end(),
            "break" | "continue" => self.leave_loop(word),
            "define" | "template" | "block" => Err(self.err(format!("named templates ({word}) are not supported"))),
            _ => {
                let pipeline = self.pipeline(tokens, "command")?;
                if pipeline.names.is_empty() {
                    self.emit(Instruction::Print);
                } else {
                    self.set(pipeline);
                    self.emit(Instruction::Drop);
                }
                Ok(())
            }
        }
    }

    /// The instructions of a pipeline that fills all of `tokens`.
    fn pipeline(&mut self, tokens: &[Token], context: &'static str) -> Result<Pipeline, SyntaxError> {
        let read = super::pipeline::read(tokens, context, &mut self.known, &mut self.code);
        read.map_err(|text| self.err(text))
    }

    /// Gives the variables of a pipeline their value.
    fn set(&mut self, pipeline: Pipeline) {
        let Pipeline { names, declares } = pipeline;
        if !names.is_empty() {
            self.emit(Instruction::Set { names, declares });
        }
    }

    /// `if`, `with` or `range`.
    fn begin(&mut self, word: &'static str, tokens: &[Token]) -> Result<(), SyntaxError> {
        self.emit(Instruction::Enter);
        let known = self.known.count();
        let next = self.branch(word, tokens)?;
        self.open.push(Open { word, next, ends: Vec::new(), is_last: false, known });
        Ok(())
    }

    /// The condition of a branch; gives the jump to the next one.
    fn branch(&mut self, word: &'static str, tokens: &[Token]) -> Result<usize, SyntaxError> {
        let pipeline = self.pipeline(tokens, word)?;
        if word == "range" {
            let Pipeline { names, declares } = pipeline;
            let next = self.emit(Instruction::Range(Box::new(Range { names, declares, none: 0 })));
            self.loops.push(Body { breaks: Vec::new(), continues: Vec::new() });
            return Ok(next);
        }
        self.set(pipeline);
        Ok(self.emit(if word == "if" { Instruction::If(0) } else { Instruction::With(0) }))
    }

    /// The end of a branch that has a condition; gives the jumps to the end of all.
    fn end_branch(&mut self, word: &str) -> Vec<usize> {
        if word != "range" {
            if word == "with" {
                self.emit(Instruction::EndWith);
            }
            return vec![self.emit(Instruction::Jump(0))];
        }
        let Some(Body { mut breaks, continues, .. }) = self.loops.pop() else { return Vec::new() };
        self.patch(continues);
        breaks.push(self.emit(Instruction::Next(0)));
        breaks
    }

    /// `else`, alone or with another condition.
    fn otherwise(&mut self, tokens: &[Token]) -> Result<(), SyntaxError> {
        let Some(mut open) = self.open.pop() else { return Err(self.err("unexpected {{else}}".to_owned())) };
        if open.is_last {
            return Err(self.err("expected end; found {{else}}".to_owned()));
        }
        let ends = self.end_branch(open.word);
        open.ends.extend(ends);
        self.patch([open.next]);
        let start = tokens.iter().position(|token| *token != Token::Space);
        match start.and_then(|start| tokens.get(start)) {
            None => open.is_last = true,
            Some(Token::Word(next)) if next == open.word && open.word != "range" => {
                let rest = tokens.get(start.unwrap_or(0) + 1..).unwrap_or_default();
                open.next = self.branch(open.word, rest)?;
            }
            Some(Token::Word(next)) => return Err(self.err(format!("unexpected <{next}> in input"))),
            Some(_) => return Err(self.err("unexpected token in {{else}}".to_owned())),
        }
        self.open.push(open);
        Ok(())
    }

    /// `end`.
    fn end(&mut self) -> Result<(), SyntaxError> {
        let Some(open) = self.open.pop() else { return Err(self.err("unexpected {{end}}".to_owned())) };
        if !open.is_last {
            let ends = self.end_branch(open.word);
            self.patch(ends.into_iter().chain([open.next]));
        }
        self.patch(open.ends);
        self.emit(Instruction::Leave);
        self.known.forget(open.known);
        Ok(())
    }

    /// `break` and `continue`.
    fn leave_loop(&mut self, word: &str) -> Result<(), SyntaxError> {
        if self.loops.is_empty() {
            return Err(self.err(format!("{{{{{word}}}}} outside {{{{range}}}}")));
        }
        let is_break = word == "break";
        let jump = self.emit(if is_break { Instruction::Break(0) } else { Instruction::Continue(0) });
        if let Some(body) = self.loops.last_mut() {
            if is_break { body.breaks.push(jump) } else { body.continues.push(jump) }
        }
        Ok(())
    }
}
