//! A plugin's properties as a table, and typed values from their arguments.
//!
//! The table owns, once for all plugins: unknown property (with "did you mean"), number of arguments, a place for every
//! error. `Args` hands out values; each error stands at its own token and has CoreDNS's words.

use crate::go;
use crate::zone::Zone;
use corefile::{Diagnostic, Dispenser, Token, suggest};
use std::ops::RangeInclusive;
use std::time::Duration;

/// One property of a directive.
pub struct Property<C: 'static> {
    /// Its name.
    pub name: &'static str,
    /// How many arguments it takes.
    pub args: RangeInclusive<usize>,
    /// Puts its values into the configuration.
    pub apply: fn(&mut C, &mut Args<'_>) -> Result<(), Diagnostic>,
}

impl<C> Property<C> {
    /// A line of a table.
    pub const fn new(
        name: &'static str,
        args: RangeInclusive<usize>,
        apply: fn(&mut C, &mut Args<'_>) -> Result<(), Diagnostic>,
    ) -> Self {
        Self { name, args, apply }
    }
}

/// Any number of arguments.
pub const ANY: RangeInclusive<usize> = 0..=usize::MAX;

/// The arguments of one property, or of the directive itself.
pub struct Args<'a> {
    /// The cursor, on the last argument.
    pub input: &'a mut Dispenser,
    /// The property's or directive's own name.
    pub name: Token,
    /// The arguments.
    pub values: Vec<Token>,
}

/// Reads the block of a directive whose arguments have been taken, property by property.
///
/// # Errors
/// At an unknown property, a wrong number of arguments, or what a property's own function refuses.
pub fn read_block<C>(input: &mut Dispenser, config: &mut C, table: &[Property<C>]) -> Result<(), Diagnostic> {
    while input.next_block() {
        let Some(property) = table.iter().find(|property| property.name == input.val()) else {
            return Err(unknown(input, table.iter().map(|property| property.name)));
        };
        let Some(name) = input.token().cloned() else { return Err(input.eof_err()) };
        let values = input.remaining_args();
        if !property.args.contains(&values.len()) {
            return Err(input.arg_err());
        }
        (property.apply)(config, &mut Args { input, name, values })?;
    }
    Ok(())
}

/// The error of a property that the plugin does not have.
#[must_use]
pub fn unknown(input: &Dispenser, names: impl Iterator<Item = &'static str>) -> Diagnostic {
    let word = input.val();
    input.err(format!("unknown property '{word}'")).with_suggestion(suggest(word, names))
}

impl Args<'_> {
    /// The argument at `index`, from 0; empty if there is none.
    #[must_use]
    pub fn get(&self, index: usize) -> &str {
        self.values.get(index).map_or("", Token::as_str)
    }

    /// An error of this plugin with file and line, pointing at the argument at `index`.
    #[must_use]
    pub fn err_at(&self, index: usize, message: impl Into<String>) -> Diagnostic {
        let error = self.input.err(message);
        match self.values.get(index) {
            Some(token) => error.pointing_at(token.span, self.input.sources()),
            None => error,
        }
    }

    /// An error that knows no place in CoreDNS's first line, still shown at the argument at `index`.
    #[must_use]
    pub fn plain_at(&self, index: usize, message: impl Into<String>) -> Diagnostic {
        let mut error = self.err_at(index, message);
        error.kind = corefile::Kind::Plain;
        error
    }

    /// The error of a wrong number of arguments.
    #[must_use]
    pub fn count_err(&self) -> Diagnostic {
        self.input.arg_err()
    }

    /// A Go duration (`300ms`, `1m30s`).
    ///
    /// # Errors
    /// In the words of Go's `time.ParseDuration`, without a place, as CoreDNS passes them on.
    pub fn duration(&self, index: usize) -> Result<Duration, Diagnostic> {
        go::duration(self.get(index)).map_err(|text| self.plain_at(index, text))
    }

    /// A whole number.
    ///
    /// # Errors
    /// In the words of Go's `strconv.Atoi`, without a place.
    pub fn int(&self, index: usize) -> Result<i64, Diagnostic> {
        go::int(self.get(index)).map_err(|text| self.plain_at(index, text))
    }

    /// All arguments as zones; CIDR networks become reverse zones, what is no zone is left out.
    #[must_use]
    pub fn zones(&self) -> Vec<Zone> {
        crate::setup::normalise(&self.values)
    }
}
