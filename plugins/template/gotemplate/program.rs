//! What a template is compiled to: instructions for a stack of values, one list without nesting, so that neither reading,
//! filling nor dropping one recurses.

use super::data::Data;

/// One instruction. Targets of jumps are indexes of instructions.
#[derive(Debug)]
pub(super) enum Instruction {
    /// Appends text to the output.
    Text(String),
    /// Appends the topmost value to the output, and drops it.
    Print,
    /// Drops the topmost value.
    Drop,
    /// Pushes a value.
    Constant(Data),
    /// Pushes the dot.
    Dot,
    /// Pushes a variable; the empty name is the root.
    Variable(String),
    /// Replaces the topmost value by its field, and that by its field, and so on.
    Fields(Vec<String>),
    /// Gives variables the topmost value, which stays.
    Set {
        /// Their names.
        names: Vec<String>,
        /// Whether they are new.
        declares: bool,
    },
    /// Replaces arguments by what a function gives.
    Call(Call),
    /// Replaces the root and arguments by what its method gives.
    Method(Call),
    /// Ends the filling with an error.
    Fail(String),
    /// Ends `and` and `or` at an argument that decides.
    Decide {
        /// The function.
        is_and: bool,
        /// Values below the argument that belong to the call.
        below: usize,
        /// Where the call ends.
        target: usize,
    },
    /// Begins a scope of variables.
    Enter,
    /// Ends the innermost scope.
    Leave,
    /// Drops the topmost value; jumps if it is not true.
    If(usize),
    /// Takes the topmost value as dot; jumps without it if it is not true.
    With(usize),
    /// Gives the dot back that was before `With`.
    EndWith,
    /// Jumps.
    Jump(usize),
    /// Takes the topmost value and begins with its first element.
    Range(Box<Range>),
    /// Goes on with the next element, or jumps.
    Next(usize),
    /// Ends the innermost `range` and jumps behind it.
    Break(usize),
    /// Jumps to the `Next` of the innermost `range`.
    Continue(usize),
}

/// A call of a function or method.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// Its name.
    pub(super) name: String,
    /// Its arguments.
    pub(super) count: usize,
    /// Whether the first of them on the stack is the last of them: the value of the command before.
    pub(super) is_piped: bool,
}

/// A `range`.
#[derive(Debug)]
pub(super) struct Range {
    /// Variables for index and element, or for the element alone.
    pub(super) names: Vec<String>,
    /// Whether they are new.
    pub(super) declares: bool,
    /// Where to go if there is no element.
    pub(super) none: usize,
}
