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

/// The pages that are of no crate in particular. Their examples must compile all the same.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../README.md")]
    struct Readme;
    #[doc = include_str!("../../docs/adapting.md")]
    struct Adapting;
    #[doc = include_str!("../../docs/operating.md")]
    struct Operating;
}
