//! Waiting and sharing, as a user of the crate does it.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[cfg(unix)]
mod processes;
mod waits;
