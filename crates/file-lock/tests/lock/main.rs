//! The crate from outside: in one process where that decides it, in several where only that does.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do; clippy knows only the functions marked as tests"
)]

mod content;
mod fence;
mod incident;
mod path;
mod process;
mod refusal;
mod syscalls;
mod torture;
mod waiting;

use std::path::Path;

use backstop_file_lock::{AcquireError, Claim, Lock, Timestamp};

fn claim() -> Claim {
    Claim { label: "test".to_owned(), since: Timestamp::UNIX_EPOCH }
}

fn acquire(path: &Path) -> Result<Lock, AcquireError> {
    Lock::acquire(path, &claim())
}

/// Takes and releases the lock; the fence number it had.
#[track_caller]
fn next_fence(path: &Path) -> u64 {
    acquire(path).unwrap().fence()
}
