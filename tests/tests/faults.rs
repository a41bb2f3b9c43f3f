//! Faults of real processes, kernels and file systems, and what the log makes of them.
//!
//! `BACKSTOP_DEEP=1` asks for the long form, `BACKSTOP_SEED` for other moments. What needs a tool or a right that is not
//! there is skipped, aloud.

mod audit;
mod blocks;
mod checker;
mod filesystem;
mod kills;
mod limits;
mod machine;
mod model;
mod power;
mod shutdown;
mod strace;
mod writer;
