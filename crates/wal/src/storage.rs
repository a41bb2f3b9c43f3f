//! The disk as a parameter (law 7): what the log asks of a directory and of the files in it.

use std::fmt;
use std::io;
use std::path::Path;

use backstop_file_lock::{AcquireError, Claim, RaiseError};

/// One flat directory of files.
///
/// The log relies on what POSIX promises and on nothing else: what was written is on disk once
/// [`StorageFile::sync_data`] of that file returned, a name once [`sync_directory`](Storage::sync_directory) did. Before
/// that any part of it may be there or not, in any order.
pub trait Storage: Send + Sync + fmt::Debug {
    /// Where this is, for messages.
    fn place(&self) -> &Path;

    /// Keeps every other writer out until the tenure is dropped (WAL-5). The lock file stays in the directory.
    ///
    /// # Errors
    /// [`AcquireError::Held`] with the holder, if there is one.
    fn lock(&self, name: &str, claim: &Claim) -> Result<Box<dyn Tenure>, AcquireError>;

    /// A number that no other log has: random on a real disk, fixed in a simulation.
    fn entropy(&self) -> u64;

    /// Whether a thread of the log's own may make the next segment while records are appended. A simulation says no, so
    /// that the same calls lead to the same operations in the same order: then it is made in between.
    fn may_be_used_beside(&self) -> bool {
        true
    }

    /// The names of everything in the directory, in any order. A name that is not UTF-8 is given with replacement
    /// characters: it is foreign in any case.
    ///
    /// # Errors
    /// What the system said.
    fn names(&self) -> io::Result<Vec<String>>;

    /// Makes a new, empty file, open for reading and writing.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] if the name is taken; then that file is as it was.
    fn create(&self, name: &str) -> io::Result<Box<dyn StorageFile>>;

    /// Opens a file that exists.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if there is none.
    fn open(&self, name: &str, access: Access) -> io::Result<Box<dyn StorageFile>>;

    /// Gives a file another name, in place of the file that has it, if there is one: whatever happens, that name means
    /// the one or the other.
    ///
    /// # Errors
    /// What the system said; which of the two names holds is then unknown.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Takes a name out of the directory.
    ///
    /// # Errors
    /// What the system said.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes every name made, changed or removed so far durable.
    ///
    /// # Errors
    /// What the system said; nothing is then known of any of them.
    fn sync_directory(&self) -> io::Result<()>;
}

/// An open file.
pub trait StorageFile: Send + Sync + fmt::Debug {
    /// Its length in bytes.
    ///
    /// # Errors
    /// What the system said.
    fn length(&self) -> io::Result<u64>;

    /// Reads at `offset`; may read less than asked, and reads nothing only at the end.
    ///
    /// # Errors
    /// What the system said; [`io::ErrorKind::Interrupted`] is tried again by the caller.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes at `offset`; may write less than given.
    ///
    /// # Errors
    /// What the system said; [`io::ErrorKind::Interrupted`] is tried again by the caller.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Makes the file at least `length` bytes long, with room on the disk behind them.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] or [`io::ErrorKind::QuotaExceeded`] when there is no room.
    fn allocate(&self, length: u64) -> io::Result<()>;

    /// Makes everything written so far durable, with the length that is needed to read it.
    ///
    /// # Errors
    /// What the system said. The system may then have dropped what was written although it still shows it to readers, and
    /// a second call may succeed without having done anything: it must not be asked again (WAL-4).
    fn sync_data(&self) -> io::Result<()>;
}

/// A lock that is held.
pub trait Tenure: Send + Sync + fmt::Debug {
    /// Whether it is held still; once it is not, it never is again.
    fn still_held(&self) -> bool;

    /// The same, but the answer may be a little older, if asking each time would cost more than a write. How much older is
    /// for how long [`raise_fence_above`](Tenure::raise_fence_above) must hold up a successor.
    fn held_lately(&self) -> bool {
        self.still_held()
    }

    /// The number of this acquisition, greater than that of each one before it.
    fn fence(&self) -> u64;

    /// Makes the number greater than `floor`, durably, where it is not already: the log knows of a writer with that number,
    /// so the lock file was made anew. That writer may be alive: when this returns, its
    /// [`held_lately`](Tenure::held_lately) says no.
    ///
    /// # Errors
    /// What the lock says. Then the tenure must be dropped.
    fn raise_fence_above(&mut self, floor: u64) -> Result<(), RaiseError>;
}

/// What an open file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition: the log needs no third")]
pub enum Access {
    /// Reading only.
    Read,
    /// Reading, and writing in place.
    ReadWrite,
}

/// How often one read or write may be interrupted by signals before that counts as a failure.
const INTERRUPTIONS: u32 = 100;

/// Reads until `buffer` is full or the file ends; returns how much was read.
pub(crate) fn read_full(file: &dyn StorageFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let (mut done, mut interrupted) = (0, 0);
    while let Some(rest) = buffer.get_mut(done..)
        && !rest.is_empty()
    {
        match file.read_at(rest, offset + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted && interrupted < INTERRUPTIONS => interrupted += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Writes all of `bytes`.
pub(crate) fn write_full(file: &dyn StorageFile, bytes: &[u8], offset: u64) -> io::Result<()> {
    let (mut done, mut interrupted) = (0, 0);
    while let Some(rest) = bytes.get(done..)
        && !rest.is_empty()
    {
        match file.write_at(rest, offset + done as u64) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted && interrupted < INTERRUPTIONS => interrupted += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes zeros over `from..to`, in small writes: large ones leave large folios in the page cache, and each small
/// overwrite later walks all buffers of its folio (measured: 2.3 µs a write instead of 0.5).
pub(crate) fn zero_fill(file: &dyn StorageFile, from: u64, to: u64) -> io::Result<()> {
    const STEP: [u8; 4096] = [0; 4096];
    let mut at = from;
    while at < to {
        // The first step ends on a multiple of the page size, so that later ones do not straddle two pages.
        let step = (4096 - at % 4096).min(to - at);
        let zeros = STEP.get(..usize::try_from(step).unwrap_or(STEP.len())).unwrap_or(&STEP);
        write_full(file, zeros, at)?;
        at += step;
    }
    Ok(())
}
