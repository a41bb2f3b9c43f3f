//! Getting hold of the file: the locked inode is the one at the path, or nothing is held (LOCK-1).

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::inode::{self, FileId};
use crate::record::Content;
use crate::{AcquireError, sys};

/// More replacements than that during one call are no accident, and waiting for them to stop is not our business.
const MAX_TRIES: u32 = 64;

/// Opens, creates where needed, and locks the file at `path`.
pub(crate) fn lock_file_at(path: &Path) -> Result<(File, FileId), AcquireError> {
    let io = |action| move |source| AcquireError::Io { action, path: path.to_owned(), source };
    for _ in 0..MAX_TRIES {
        let Some(file) = open(path)? else { continue };
        match attempt(&file, path).map_err(io("lock"))? {
            Attempt::Locked(id) => return Ok((file, id)),
            Attempt::Held => {
                // LOCK-4: whatever the file holds, even if it cannot be read at all, the refusal stands.
                let holder = Content::read(&file).ok().and_then(Content::newest);
                return Err(AcquireError::Held { path: path.to_owned(), holder });
            }
            Attempt::Moved => {}
        }
    }
    Err(AcquireError::Unsteady { path: path.to_owned(), tries: MAX_TRIES })
}

/// How an attempt to lock an open file ended.
#[derive(Debug, PartialEq, Eq)]
enum Attempt {
    /// It is locked, and it was at the path after it had been.
    Locked(FileId),
    /// Somebody else has it locked, and it is at the path.
    Held,
    /// The path names another file by now, or none.
    Moved,
}

fn attempt(file: &File, path: &Path) -> io::Result<Attempt> {
    let locked = sys::try_lock(file)?;
    let id = FileId::of(file)?;
    // LOCK-1: asked after locking. Somebody may have deleted or replaced the file since it was opened; a lock on what was
    // there before keeps nobody out. Links are not followed, so a link that slipped in is no match either (LOCK-7).
    if FileId::at(path)? != Some(id) {
        return Ok(Attempt::Moved);
    }
    Ok(if locked { Attempt::Locked(id) } else { Attempt::Held })
}

/// The file at `path`, made where there is none; `None` when the path changed in between.
///
/// std opens every file with `O_CLOEXEC`, so a program that the holder starts does not keep the lock alive (LOCK-3).
fn open(path: &Path) -> Result<Option<File>, AcquireError> {
    let io = |action| move |source| AcquireError::Io { action, path: path.to_owned(), source };
    let mut options = OpenOptions::new();
    // Never `truncate`: the record of the holder is in there (LOCK-2, LOCK-4).
    options.read(true).write(true).mode(0o600);
    let entry = inode::entry(path).map_err(io("look at"))?;
    if let Some(found) = entry.as_ref().and_then(inode::not_a_file) {
        return Err(AcquireError::NotAFile { path: path.to_owned(), found });
    }
    // `create_new` makes a file or fails; it never opens what a link leads to.
    match options.create_new(entry.is_none()).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(e) if entry.is_none() && e.kind() == io::ErrorKind::AlreadyExists => Ok(None),
        // Not for a missing directory: that one would be missing the next time too.
        Err(e) if entry.is_some() && e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(io("open")(e)),
    }
}

#[cfg(test)]
mod tests;
