//! A write-ahead log that loses nothing and says so.
//!
//! A program that acts on the world writes down what it is about to do, does it, writes down what became of it, and after
//! a crash asks what was in the air. [`Log`] is the log of bytes; [`Journal`] is the typed layer on it: operations with a
//! life cycle, facts, checkpoints.
//!
//! # What holds
//!
//! * **WAL-1** What was acknowledged as [durable](Append::DURABLE) is read back after any crash of the process or the
//!   machine. What was acknowledged as [buffered](Append::BUFFERED) survives the process.
//! * **WAL-2** What is read back is a prefix of what was appended, in order and unaltered; a batch is there whole or not
//!   at all.
//! * **WAL-3** A torn tail is cut and reported ([`Opened::torn`]). Damage before it is an error that names segment and
//!   offset ([`ReadError::Damaged`]), and nothing is changed; [`salvage`] copies what is intact elsewhere.
//!   Where the copy lacks records it says so, and is opened only by who has [accepted](Options::accept_lost) that.
//! * **WAL-4** After a write or sync that failed nothing is acknowledged, and nothing is asked of the disk, until the log
//!   is opened again. Opening does not believe what the system then shows: it writes everything that is not known to be
//!   durable once more, elsewhere.
//! * **WAL-5** One writer, kept by a lock file; a [`Reader`] takes no lock and never shows half a record. A writer looks
//!   whether it still has the lock after each sync, before anybody is told; before a write at most every 10 ms, since that
//!   takes longer than the write. If its lock file is deleted, records that it acknowledged as *buffered* since may be lost.
//!   Its successor sees from the numbers in the log that this has happened, and waits for so long before it writes.
//! * **WAL-6** Opening reads from the newest checkpoint on. What is older can be removed, and no crash on the way loses an
//!   operation that is not at rest.
//! * **WAL-7** An operation makes only the moves of [`State`]; recovery visits each one that is not at rest once, in order.
//! * **WAL-8** On a full disk a record is refused before anything is written, while room is left for records that
//!   [close what is open](Append::from_reserve), also after the process was killed and started anew.
//!
//! # Threads
//!
//! A blocking append writes and syncs in its caller's thread, for all who came meanwhile. Async appends are written by one
//! thread of the log's, started by the first of them. The next segment is made by a thread that lives just for that, as
//! soon as the one before it was taken; only if it is too slow, or there was no room on the disk then, an append makes one
//! itself. Dropping a [`Log`] waits for none of them; [`Log::close`] does.
//!
//! # What the medium is assumed to do
//!
//! A sync that succeeds has made durable what was written before it. A write that is interrupted may leave anything in the
//! bytes that it was to write, and nothing else (*powersafe overwrite*); a rename leaves the name with the one file or the
//! other. A file system that copies on write may run out of space in a segment that was made ahead: that is a failed write.
//!
//! # Layout, version 1
//!
//! A log is a directory of segments `00000000000000000001.wal`, `…2.wal`, and so on, a file `lock`, and at times a segment
//! in the making, `….wal.tmp`. Numbers are little-endian. A segment is made whole (zeros written, synced, named, its name
//! synced) before it is needed. Nothing is written in a place that was written before, but for one thing: a mark at the very
//! end may be replaced by another one, which says nothing less of what is before it.
//!
//! ```text
//! segment   0  magic "BSTPWAL\n"        8 bytes
//!           8  version                   4
//!          12  log id                    8    the same in all segments
//!          20  number of the segment     8
//!          28  length of the file        8
//!          36  CRC-32C of bytes 0..36    4    zeros up to 64, then frames, then zeros
//!
//! frame     0  CRC-32C                   4    of the log id and of everything behind this field
//!           4  length of the payload     3
//!           7  kind, and 0x80: proof     1
//!           8  sequence number           8    of its first record, or of the next one
//!          16  payload
//! ```
//!
//! *Proof* says: when this frame was written, everything before it was durable. The first frame that is written after a
//! sync has it. So what is unreadable before a proof is damage, and what is unreadable behind the last proof is a torn tail.
//!
//! | kind | payload |
//! |---|---|
//! | 1 record | the record |
//! | 2 batch | for each record its length (4 bytes) and itself |
//! | 3 mark | number of a segment (8): up to this one their names are durable; number of the writer's lock (8) |
//! | 4 seal | none: the segment is full, synced, and the next one exists |
//! | 5 restart | segment (8) and offset (8) from which on nothing before this frame counts; number of the writer's lock (8); as of a mark (8); then copies of the frames that did count, without proofs |
//! | 6 checkpoint | the state; always the first frame of a segment, or the first copy in a restart that is |
//! | 7 lost | how many records are missing here (8), zero if nobody knows: only in the copy of a damaged log. They keep their numbers; where nobody knows how many, one is left out |
//!
//! An opening writes a restart frame, with what stood behind the last proof, beyond the reach of what is torn there, and a
//! mark behind it, which proves it. If not even how the segment begins is proven, or there is no room, the restart becomes
//! the first frame of a new segment, in place of the one of that number, if there is one; on a full disk in the file of the
//! spare one. Where the log ends with a mark that proves all before it, the opening's mark takes the place of that one
//! and there is no restart frame: however often a log is opened, it does not grow.
//!
//! # Features
//!
//! * `sim`: the simulated disk (`sim::SimStorage`), for tests of what stands on the log.
//!
//! # When to take something else
//!
//! Queries, several writers, or records above a few megabytes: take a database.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod chain;
mod commit;
#[cfg(test)]
#[cfg(not(loom))]
mod crash;
mod dir;
mod engine;
mod error;
mod format;
#[cfg(test)]
#[cfg(not(loom))]
mod fuzz;
#[cfg(test)]
#[cfg(not(loom))]
mod hook;
mod journal;
mod log;
mod open;
mod operation;
mod reader;
mod salvage;
mod scan;
mod segment;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
mod storage;
mod sync;
mod sys;
mod window;

pub use commit::Append;
pub use dir::DirStorage;
pub use error::{AppendError, OpenError, ReadError, RemoveError};
pub use journal::{
    Contents, Failed, InProgress, Journal, JournalError, Keep, OperationId, Past, Pending, Recovered, Recovery, Schema,
    Tail, Unsettled, Verdict, WriteError,
};
pub use log::{Entry, Log};
pub use open::{Opened, Options, Torn};
pub use operation::State;
pub use reader::{DumpError, Reader, Verified, dump, verify};
pub use salvage::{Gap, SalvageError, Salvaged, salvage};
pub use storage::{Access, Storage, StorageFile, Tenure};

/// What a writer says of itself, a moment on the wall clock, and why the lock was not taken. Re-exported so that users need
/// not name the crate beneath.
pub use backstop_file_lock::{AcquireError, Claim, RaiseError, Timestamp};

// For the checks that the fuzzers share with the tests.
#[cfg(test)]
#[cfg(not(loom))]
extern crate self as backstop_wal;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
