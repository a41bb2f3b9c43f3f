//! Writes a log, damages it, and reads what is left.

#![no_main]

#[path = "../../src/fuzz/mutation.rs"]
mod mutation;

libfuzzer_sys::fuzz_target!(|data: &[u8]| mutation::check(data));
