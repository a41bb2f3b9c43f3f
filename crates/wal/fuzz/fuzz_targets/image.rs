//! Reads, salvages and opens directories of arbitrary bytes.

#![no_main]

#[path = "../../src/fuzz/image.rs"]
mod image;
#[path = "../../src/fuzz/counting.rs"]
mod counting;

libfuzzer_sys::fuzz_target!(|data: &[u8]| image::check(data));
