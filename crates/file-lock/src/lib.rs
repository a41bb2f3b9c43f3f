//! One live process per lock file.
//!
//! Two copies of a bot on one account trade twice. [`Lock::acquire`] lets one in and tells every other who is inside, and
//! gives the one a number that says which run it is. The lock is the kernel's (`flock(2)`); the file beneath it is never
//! deleted, by anybody who uses this crate.
//!
//! # What holds
//!
//! * **LOCK-1** At most one live process holds the lock of a path. After the file has been locked, it is checked to be
//!   the one at the path; if not, the attempt starts over.
//! * **LOCK-2** The file is never deleted, replaced, renamed or truncated: not on release, not on refusal, not on errors.
//! * **LOCK-3** A holder that dies by any means frees the lock at once. There is nothing to clean up, and nothing is
//!   concluded from a process number or an age.
//! * **LOCK-4** The refused caller learns who holds it: [`AcquireError::Held`]. Whatever the file holds, it is a refusal.
//! * **LOCK-5** Each acquisition gets a [`fence`](Lock::fence) number greater than all before it in that file, on disk
//!   before the caller sees it. One slot of the record may be torn by a crash or go bad.
//! * **LOCK-6** [`Lock::still_held`] turns false when the file is not at its path any more, and stays false.
//! * **LOCK-7** A symbolic link, a directory or anything else that is no regular file is refused, and so is a file that
//!   every user may write, and one on a network file system or in FUSE (the last unless [`NetworkFs::Allow`]).
//!
//! # When somebody deletes the file
//!
//! A lock is on a file, not on a name. If somebody else deletes, renames or replaces the file while it is held, the next
//! caller makes or finds another file at the path and locks that. No program can prevent this. What LOCK-1 says then:
//! *at any instant at most one process has a lock for which `still_held` would say true*, because the path names one file
//! at a time and one file has one lock. The old holder learns it at its next question; so it asks before each act that
//! only the holder may do. Between the answer and the act there is a moment in which the file can go. Nothing in a file
//! system closes it; the fence number in what the act leaves behind shows afterwards who acted.
//!
//! In the new file counting begins anew. A caller whose own records know a greater number says so with
//! [`Lock::raise_fence_above`] before it uses the number for anything.
//!
//! # Waiting
//!
//! [`Lock::acquire`] never waits. [`Lock::acquire_with`] waits up to a limit, and `Lock::acquire_async` (feature `async`)
//! does so without blocking a runtime's worker, on any runtime. A waiter is told by the kernel that the holder closed the
//! file, and tries again every 50 ms in any case; if the file is replaced meanwhile, it waits for the new one.
//!
//! # Cost
//!
//! `acquire` syncs its record, since a fence number that a power cut takes back could be handed out twice: one device
//! flush, once per start. Refusals and releases sync nothing. `still_held` is one `stat`.
//!
//! # Limits
//!
//! Unix. The lock belongs to the open file, so a process that is forked without `exec` shares it. Network file systems
//! are recognized on Linux only; on most of them `flock` is emulated, and two machines may both get in.
//!
//! # Features
//!
//! * `async`: `Lock::acquire_async`.
//!
//! # When to take something else
//!
//! For short critical sections between processes take the standard library's `File::lock`: no record, no sync. For one
//! leader among several machines take a lease of a database.

mod acquire;
mod error;
mod filesystem;
mod holder;
mod host;
mod inode;
mod lock;
mod options;
mod patience;
mod proc_locks;
mod record;
mod status;
mod sys;
mod watch;

pub use error::{AcquireError, RaiseError, ReadStateError};
pub use holder::{Claim, Holder};
pub use lock::Lock;
pub use options::{AcquireOptions, NetworkFs};
pub use status::{LockState, Presence};

/// A moment on the wall clock, in UTC. Re-exported so that users need not name the time library.
pub use jiff::Timestamp;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
