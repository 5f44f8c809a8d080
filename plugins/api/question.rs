//! What a query asks for: name, type and class.

use crate::name::Name;
use crate::rr::{Class, Type};

/// The name, type and class that are asked for.
#[derive(Clone, Debug)]
pub struct Question {
    pub(crate) name: Name,
    /// The name in lower case if it has other letters, or what is left of such a name before it. Nearly all names have none.
    lowered: Option<Box<Name>>,
    is_lower: bool,
    pub(crate) qtype: Type,
    pub(crate) class: Class,
}

impl Question {
    /// A question; the lower-case form of its name is made here, once.
    #[must_use]
    pub fn new(name: Name, qtype: Type, class: Class) -> Self {
        let mut question = Self { name, lowered: None, is_lower: true, qtype, class };
        question.make_lower();
        question
    }

    /// Makes the lower-case form of a new name.
    pub(crate) fn make_lower(&mut self) {
        self.is_lower = self.name.is_lower();
        if !self.is_lower {
            self.lowered.get_or_insert_with(|| Box::new(Name::root())).assign_lower(&self.name);
        }
    }

    /// The name in the client's letters.
    #[must_use]
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// The name in lower case.
    #[must_use]
    pub fn lower(&self) -> &Name {
        match &self.lowered {
            Some(lowered) if !self.is_lower => lowered,
            _ => &self.name,
        }
    }

    /// The type.
    #[must_use]
    pub const fn qtype(&self) -> Type {
        self.qtype
    }

    /// The class.
    #[must_use]
    pub const fn class(&self) -> Class {
        self.class
    }
}
