//! What can go wrong, to what, and what to do about it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use backstop_file_lock::{AcquireError, RaiseError};

/// Why a log cannot be read. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// There is no log in the directory.
    #[error("{} holds no log; check the path", path.display())]
    NoLog {
        /// The directory.
        path: PathBuf,
    },
    /// Something that had been made durable cannot be read any more (WAL-3).
    #[error(
        "{} is damaged at byte {offset}; the {intact} records before it are intact; restore the file from a copy, or salvage \
         what is intact into another directory; do not delete or cut it",
        path.display()
    )]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where in the segment, in bytes.
        offset: u64,
        /// How many records before it were read and are intact.
        intact: u64,
    },
    /// A segment is gone that had been there.
    #[error(
        "{} is missing, and the log goes on behind it or ends too early without it; the {intact} records before it are \
         intact; put the file back, or salvage what is intact into another directory",
        path.display()
    )]
    Missing {
        /// The segment.
        path: PathBuf,
        /// How many records before it were read and are intact.
        intact: u64,
    },
    /// Records are missing that opening needs: this is the copy of a damaged log, made by [`salvage`](crate::salvage).
    #[error(
        "{} is a salvaged log that lacks {} from record {seq} on; find out elsewhere what they did, and open it with \
         Options::accept_lost when that is settled",
        path.display(),
        count.map_or_else(|| "nobody knows how many records".to_owned(), |count| format!("{count} records"))
    )]
    Lost {
        /// The directory.
        path: PathBuf,
        /// The number of the first one that is missing.
        seq: u64,
        /// How many are, if that is known.
        count: Option<u64>,
    },
    /// The writer removed what was to be read next, because a checkpoint stands for it.
    #[error("{} was removed after a checkpoint while this reader was behind; begin anew from the checkpoint", path.display())]
    Overtaken {
        /// The segment that was being read.
        path: PathBuf,
    },
    /// A file that is no part of the log.
    #[error("{} is no part of this log, which is as it was; move it elsewhere", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A later version of Backstop wrote this.
    #[error("{} has format version {version}, this program reads {supported}; the log is as it was; use the version that wrote it", path.display())]
    Newer {
        /// The segment.
        path: PathBuf,
        /// Its version.
        version: u32,
        /// The version that can be read.
        supported: u32,
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

/// Why a log was not opened for writing. No record was changed or dropped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process holds it, or its lock cannot be taken (WAL-5).
    #[error(transparent)]
    Locked(#[from] AcquireError),
    /// The lock file was made anew, and its number could not be brought above the one that the log knows (LOCK-5).
    #[error(transparent)]
    Fence(#[from] RaiseError),
    /// What is there cannot be read, or is no log.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The directory or its file system may not be written to.
    #[error("{} cannot be written to; what is in it can still be read, by a reader; or mount and chmod it for writing", path.display())]
    ReadOnly {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no room on the disk to go on (WAL-8).
    #[error("the disk is full at {}; what is in the log is as it was; free {needed} bytes and open again", path.display())]
    Full {
        /// The directory.
        path: PathBuf,
        /// How much is needed, in bytes.
        needed: u64,
        /// What the system said.
        source: io::Error,
    },
    /// The options cannot be met.
    #[error("a segment of {asked} bytes is outside {least} to {most}")]
    SegmentLength {
        /// The length that was asked for, in bytes.
        asked: u64,
        /// The least there may be.
        least: u64,
        /// The most there may be.
        most: u64,
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

/// Why a record was not acknowledged.
///
/// After [`Failed`](AppendError::Failed) it may or may not be found when the log is opened again; after every other error it
/// certainly will not be.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// It is longer than a segment can hold.
    #[error(
        "{length} bytes are more than the {limit} that fit a segment; make the segments longer or the record shorter"
    )]
    TooLarge {
        /// Its length, in bytes.
        length: usize,
        /// The longest there may be.
        limit: usize,
    },
    /// The disk is full, and there is no room that is not kept for closing what is open (WAL-8). Nothing was written.
    #[error(
        "no room for {length} bytes beside the reserve, and no further segment can be made; free space or remove history"
    )]
    Full {
        /// Its length, in bytes.
        length: usize,
        /// Why there is no further segment, if making one was tried.
        source: Option<Arc<io::Error>>,
    },
    /// The segment that the record needs cannot be made, and not because the disk is full. Nothing was written.
    #[error("cannot {action} the directory of the log; nothing was written; append again once the cause is gone")]
    NoSegment {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The thread that writes for tasks could not be started. Nothing was written.
    #[error("cannot start the thread that writes for tasks; append from a thread, or open the log again")]
    NoHelper {
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The write or the sync failed while this record was on its way: it may be found when the log is opened again, or
    /// not. Nothing is acknowledged until then (WAL-4).
    #[error("the write failed and the record may or may not be there; open the log again and look")]
    Failed {
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// An earlier write or sync failed, or the lock was lost (WAL-4). Nothing was written.
    #[error("the log takes no more records since an earlier failure; open it again")]
    Poisoned {
        /// The first failure.
        source: Arc<io::Error>,
    },
}

/// Why old segments were not removed, or not all. The log goes on working.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoveError {
    /// The log takes no more changes since an earlier failure.
    #[error(transparent)]
    Poisoned(#[from] AppendError),
    /// The directory cannot be read, or holds something else too.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The system refused. Safe to try again once the cause is gone.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// In which directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
