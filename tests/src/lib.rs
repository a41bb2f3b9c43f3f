//! What the cross-crate suites share. The suites are modules of one test binary, `tests/main.rs`.

mod http;
mod wire;

pub use wire::Wire;
