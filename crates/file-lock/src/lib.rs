//! One live process per lock file.
//!
//! Two copies of a bot on one account trade twice. [`Lock::acquire`] lets one in and tells every other who is inside, and
//! gives the one a number that says which run it is. The lock is the kernel's (`flock(2)`); the file beneath it is never
//! deleted, by anybody who uses this crate.
//!
//! # What holds
//!
//! * **LOCK-1** At most one live process holds the lock of a path. After the file has been locked, it is checked to be
//!   the one at the path; if not, the attempt starts over. Any error means that nothing is held.
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
//! caller makes or finds another file at the path and locks that. No program can prevent this. What then holds, in every
//! order of steps of three processes and whoever touches the file (`src/model.rs` visits them all):
//!
//! * While nobody else touches the path, at most one process has the lock.
//! * At any instant at most one process has a lock for which `still_held` would say true: the path names one file at a
//!   time, and one file has one lock. The old holder learns it at its next question.
//! * Of two that act at once, one was told `true`, *and then* the path was changed, *and then* it acted.
//!
//! The last is the window: from the answer of `still_held` to the act it was asked for. It is real, and nothing in a file
//! system closes it. It is as long as the caller lets it be: ask last, right before the act, and once for each act. A
//! process that is stopped inside it acts when it is continued, however much later. Where that must not do harm, the act
//! carries the fence number, and whoever receives it refuses a smaller one than it has seen; where nobody refuses, the
//! number in what the act left behind shows afterwards who acted.
//!
//! Two answers `true` do not say that the lock was held all the time between them: a file that was moved away, and put
//! back after others had acted on another one, is the locked file again. Only a question asked meanwhile notices.
//!
//! In the new file counting begins anew. A caller whose own records know a greater number says so with
//! [`Lock::raise_fence_above`] before it uses the number for anything.
//!
//! # Waiting
//!
//! [`Lock::acquire`] never waits. [`Lock::acquire_with`] waits up to a limit, and `Lock::acquire_async` (feature `async`)
//! does so without blocking a runtime's worker, on any runtime. A waiter is told by the kernel that the holder closed the
//! file, and tries again every 50 ms in any case; if the file is replaced meanwhile, it waits for the new one. Each wait
//! has a thread that does nothing until it is over. After SIGKILL the kernel first frees the memory of the process and
//! then closes its files, so the lock of a large process comes later, some 60 ms for each GiB.
//!
//! # Cost
//!
//! `acquire` syncs its record, since a fence number that a power cut takes back could be handed out twice: one device
//! flush, once per start. Refusals and releases sync nothing: a refusal is five system calls. `still_held` is one `stat`.
//!
//! # Limits
//!
//! * **Unix.** Network file systems are recognized on Linux only.
//! * **Programs that are started** get no copy of the lock: its descriptor is closed on `exec`.
//! * **`fork` without `exec`** makes a second holder: both processes have the one lock, it is free when both are gone, and
//!   if either drops its guard, both have lost it while `still_held` goes on saying true to the other. Fork first, to
//!   become a daemon say, and take the lock in the process that stays.
//! * **Containers** on one machine keep each other out if they see the same file: a volume that is mounted into both, not
//!   a path in the image, of which each has its own. The process number in the record is the container's, and the host is
//!   the name that the container goes by, so give them names.
//! * **Network file systems** emulate `flock` or keep it to one machine, and a server that restarts may forget it without
//!   `still_held` noticing. [`NetworkFs::Allow`] is for those who know theirs. Folders that a virtual machine shares with
//!   its host count as such.
//! * **A copy of the machine**, a snapshot that is started beside the original, has its own lock.
//!
//! # Features
//!
//! * `async`: `Lock::acquire_async`.
//!
//! # When to take something else
//!
//! * For short critical sections between processes, the standard library's `File::lock`: no record, no sync.
//! * For parts of one file, record locks (`fcntl(2)`): this lock is of a whole file.
//! * For one leader among several machines, a lease with a fence number in a database that all of them reach.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod acquire;
mod error;
mod filesystem;
mod holder;
mod host;
mod inode;
mod lock;
#[cfg(test)]
mod model;
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
