//! Lines on standard output in CoreDNS's format.

use std::backtrace::Backtrace;

/// The stack of the panic that this thread caught last.
pub fn take_backtrace() -> Option<Backtrace> {
    None
}

/// Waits until all lines are written.
pub fn flush() {}
