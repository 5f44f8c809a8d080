//! Expressions that are not complete, and what they wait for.

use super::{Operand, Type};

/// An expression that waits for a part of it.
pub(super) struct Waiting {
    pub(super) what: Wait,
    /// Strength of the expression around.
    pub(super) least: u16,
    pub(super) at: usize,
}

/// What part is awaited.
pub(super) enum Wait {
    /// The operand of a sign before a value.
    Unary(&'static str),
    /// The right side of a sign; `jump` leads behind it.
    Binary { sign: &'static str, left: Operand, jump: Option<usize>, not: Option<usize> },
    /// The right side of a comparison.
    Comparison(Link),
    /// What stands in round brackets.
    Round,
    /// The next of several expressions with semicolons between.
    Sequence { start: usize, at: Option<usize>, count: usize },
    /// The next value of a list.
    List { start: usize, count: usize },
    /// A key of a map in round brackets.
    MapKey { start: usize, count: usize },
    /// A value of a map.
    MapValue { start: usize, count: usize },
    /// The next argument.
    Argument(Call),
    /// The predicate of a call.
    Predicate { call: Call, has_braces: bool },
    /// A key, or the lower bound of a part.
    Index { value: Operand, is_optional: bool },
    /// The upper bound of a part.
    Bound { value: Operand, has_from: bool },
    /// The value of a variable.
    Let { name: String, start: usize },
    /// What a variable is known in.
    Scope { start: usize },
    /// The condition of `if`.
    If { start: usize },
    /// Its first branch.
    Then { start: usize, jump: usize },
    /// Its last branch.
    Else { start: usize, one: Type, jump: usize, has_brace: bool },
    /// The value behind `?`.
    One { condition: Operand, jump: usize },
    /// The value behind `:`.
    Other { condition: Operand, one: Type, jump: usize },
}

/// A comparison of a chain.
pub(super) struct Link {
    pub(super) sign: &'static str,
    pub(super) left: Operand,
    /// The chain from its beginning.
    pub(super) first: Operand,
    /// Jumps that lead behind the chain.
    pub(super) jumps: Vec<usize>,
    /// Comparisons before.
    pub(super) links: usize,
}

/// A call whose arguments are being read.
pub(super) struct Call {
    pub(super) name: String,
    pub(super) start: usize,
    pub(super) arguments: Vec<(Type, usize)>,
    /// Arguments that stood before `|`.
    pub(super) piped: usize,
    pub(super) body: Option<Body>,
}

/// The predicate of a call.
pub(super) struct Body {
    /// Its first instruction.
    pub(super) first: usize,
    /// The jump to what stands behind it.
    pub(super) skip: usize,
    /// Its last instruction.
    pub(super) next: usize,
}
