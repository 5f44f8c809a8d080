//! The Corefile language with any bytes, imports and variables included.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../../corefile/exercise.rs"]
mod exercise;

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(2, |byte| *byte == 0x1e);
    let text = parts.next().unwrap_or_default();
    exercise::exercise(text, parts.next().unwrap_or_default());
});
