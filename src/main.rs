//! The program `ferrodns`; everything is in the library of the same name.

use std::process::ExitCode;

/// Runs the program.
fn main() -> ExitCode {
    ferrodns::run::main(std::env::args()).into()
}
