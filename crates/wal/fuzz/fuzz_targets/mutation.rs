//! Writes a log, damages it, and reads what is left.

#![no_main]

#[path = "../checks/mutation.rs"]
mod mutation;

libfuzzer_sys::fuzz_target!(|data: &[u8]| mutation::check(data));
