//! What the cross-crate suites share. The suites are modules of one test binary, `tests/main.rs`.

mod http;
mod wire;

pub use wire::Wire;

/// The front page of the project is nobody's in particular, and its example must compile all the same.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct ReadmeDoctests;
