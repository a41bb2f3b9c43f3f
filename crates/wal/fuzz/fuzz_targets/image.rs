//! Reads, salvages and opens directories of arbitrary bytes.

#![no_main]

#[path = "../checks/image.rs"]
mod image;
#[path = "../checks/counting.rs"]
mod counting;

libfuzzer_sys::fuzz_target!(|data: &[u8]| image::check(data));
