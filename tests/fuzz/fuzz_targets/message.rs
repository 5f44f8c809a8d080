//! What a client sends: admitted or refused, and sent back as a reply of any shape.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../../src/server/exercise.rs"]
mod exercise;

fuzz_target!(|input: &[u8]| exercise::exercise(input));
