//! Why a lock was not taken, raised or read.

use std::io;
use std::path::PathBuf;

use crate::Holder;

/// Why a lock was not taken. Nothing is held, and nothing was deleted, replaced or cut short.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcquireError {
    /// Somebody else holds it: the refusal (LOCK-4).
    #[error("another instance holds {}: {}; stop it first, do not delete the file", path.display(), name(holder.as_ref()))]
    Held {
        /// The lock file.
        path: PathBuf,
        /// Who that is, where the record can be read. Between the moment somebody takes the lock and the moment their
        /// record is written, this is still the holder before.
        holder: Option<Holder>,
    },
    /// The path names something that cannot be a lock file (LOCK-7).
    #[error("{} is {found}; give the path of a regular file, or of one to be made", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it names.
        found: &'static str,
    },
    /// Every user of the machine may write the file, so any of them could forge the record in it (LOCK-7). Nothing was
    /// changed.
    #[error(
        "{} can be written by every user (its owner is user {owner}); if it is yours, take that right away (chmod o-w), \
         otherwise give another path",
        path.display()
    )]
    WritableByAll {
        /// The path.
        path: PathBuf,
        /// The number of the user whose file it is.
        owner: u32,
    },
    /// The file is where other machines may reach it, and where a lock of this one may not keep them out (LOCK-7).
    /// Nothing was made or changed.
    #[error(
        "{} is on a network file system ({found}), where another machine may not see the lock; give a path on a local disk, \
         or allow network file systems on purpose",
        path.display()
    )]
    NetworkFs {
        /// The path.
        path: PathBuf,
        /// Which kind of file system it is.
        found: &'static str,
    },
    /// The path named another file each time the one before it had been locked (LOCK-1).
    #[error("{} was replaced {tries} times while it was being locked; find out what deletes or renames it", path.display())]
    Unsteady {
        /// The lock file.
        path: PathBuf,
        /// How often it was tried.
        tries: u32,
    },
    /// The file holds something and no readable record, so no fence number can be known to be new (LOCK-5). Nothing was
    /// changed.
    #[error(
        "{} holds {length} bytes and no readable lock record; nothing was changed; if it is some other file, give another \
         path; if it is the lock file, make sure that no instance runs, then empty it without deleting it",
        path.display()
    )]
    Unreadable {
        /// The lock file.
        path: PathBuf,
        /// Its length in bytes.
        length: u64,
    },
    /// There is no greater fence number (LOCK-5). Nothing was changed.
    #[error("{} holds the last fence number there is; use a new lock file", path.display())]
    FenceSpent {
        /// The lock file.
        path: PathBuf,
    },
    /// The system refused. Safe to try again once the cause is gone.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why a fence number was not raised. The lock keeps the number it had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RaiseError {
    /// The lock is lost: the file at the path is not the locked one any more (LOCK-6). Nothing was written.
    #[error("{} was deleted, renamed or replaced while it was locked; stop, and start anew", path.display())]
    Lost {
        /// The lock file.
        path: PathBuf,
    },
    /// There is no fence number above the floor. Nothing was written.
    #[error("no fence number is above {floor}; check where that number comes from")]
    FenceSpent {
        /// What was to be exceeded.
        floor: u64,
    },
    /// The record could not be made durable; a greater number may be in the file already. Release the lock and start
    /// anew.
    #[error("cannot write a greater fence number to {}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why nothing can be said of a lock.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadStateError {
    /// The path names something that cannot be a lock file (LOCK-7).
    #[error("{} is {found}, not a lock file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it names.
        found: &'static str,
    },
    /// The system refused.
    #[error("cannot read {}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn name(holder: Option<&Holder>) -> String {
    holder.map_or_else(|| "its record cannot be read".to_owned(), ToString::to_string)
}
