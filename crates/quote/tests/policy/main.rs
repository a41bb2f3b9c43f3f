//! The policy from outside: every limit at its boundary, every bad input, and millions of quotes against a slow model.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "a test")]

mod bad_input;
mod boundaries;
mod generate;
mod legs;
mod model;
mod rig;
mod states;
mod time;
