//! Regular expressions: read and run in bounded time, memory and stack.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plugins::exercise::{Language, exercise};

fuzz_target!(|input: &str| exercise(Language::Pattern, input));
