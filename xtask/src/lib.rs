//! How the project's files and its Markdown are read, for whoever checks what they say: `cargo xtask`, and tests of the
//! programs whose command lines are shown.

pub mod calls;
pub mod files;
pub mod markdown;
pub mod shell;
