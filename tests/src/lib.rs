//! What the cross-crate suites share. The suites are modules of one test binary, `tests/main.rs`.

mod effort;
mod http;
mod strace;
pub mod torture;
mod wire;
pub mod workload;

pub use effort::{effort, is_deep, seed, skipped};
pub use strace::{Call, has_strace, under_strace};
pub use wire::Wire;

/// The front page of the project is nobody's in particular, and its example must compile all the same.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct ReadmeDoctests;
