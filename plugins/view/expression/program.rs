//! What an expression is compiled to: instructions for a stack of values.

use super::value::Value;
use crate::pattern::Pattern;

/// One instruction. Targets of jumps are indexes of instructions.
#[derive(Debug)]
pub(super) enum Instruction {
    /// Pushes a value.
    Constant(Value),
    /// Pushes a list of the topmost values.
    List(usize),
    /// Pushes a map of the topmost pairs.
    Map(usize),
    /// Pushes the local variable with this index.
    Local(usize),
    /// Pushes a variable of the environment.
    Variable(String),
    /// Pushes `#`, `#index` or `#acc` of the innermost loop.
    Pointer(String),
    /// Replaces the topmost value by what a sign makes of it.
    Unary(&'static str),
    /// Replaces the two topmost values by what a sign makes of them.
    Binary(&'static str),
    /// Compares the two topmost values of a chain: goes on with the second, or jumps with `false`.
    Compare(&'static str, usize),
    /// Whether the topmost text matches.
    Matches(Box<Pattern>),
    /// Jumps if the topmost value is true; else drops it.
    Or(usize),
    /// Jumps if the topmost value is false; else drops it.
    And(usize),
    /// Jumps if the topmost value is something; else drops it.
    Coalesce(usize),
    /// Jumps if the topmost value is nil.
    JumpIfNil(usize),
    /// Drops the topmost value; jumps if it is false.
    Branch(usize),
    /// Jumps.
    Jump(usize),
    /// Drops the topmost value.
    Drop,
    /// Replaces a value and a key by the member.
    Member,
    /// Replaces a value and its bounds by the part.
    Slice {
        /// Whether there is a lower bound.
        has_from: bool,
        /// Whether there is an upper bound.
        has_to: bool,
    },
    /// Replaces arguments by what a function gives.
    Call(String, usize),
    /// Takes the topmost value as the newest local variable.
    Let,
    /// Ends the newest local variable.
    EndLet,
    /// Begins to ask a predicate about each value of a list.
    Loop(Box<Loop>),
    /// Takes what the predicate says of one value; goes on with the next, or jumps with what the function makes of all.
    Next(usize),
}

/// A function with a predicate.
#[derive(Clone, Debug)]
pub(super) struct Loop {
    /// Its name.
    pub(super) name: String,
    /// The first instruction of the predicate.
    pub(super) body: usize,
    /// Whether an argument stands behind the predicate.
    pub(super) has_rest: bool,
}
