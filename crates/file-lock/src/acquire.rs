//! Getting hold of the file: the locked inode is the one at the path, or nothing is held (LOCK-1).

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::inode::{self, FileId};
use crate::patience::Patience;
use crate::record::Content;
use crate::watch::Watch;
use crate::{AcquireError, NetworkFs, filesystem, sys};

/// More replacements than that during one call are no accident, and waiting for them to stop is not our business.
const MAX_TRIES: u32 = 64;

/// Opens, creates where needed, and locks the file at `path`; waits for its holder until `patience` has run out.
pub(crate) fn lock_file_at(
    path: &Path,
    network: NetworkFs,
    patience: &Patience<'_>,
) -> Result<(File, FileId), AcquireError> {
    for _ in 0..MAX_TRIES {
        let Some(file) = open(path, network)? else { continue };
        let io = |source| AcquireError::Io { action: "lock", path: path.to_owned(), source };
        match wait(&file, path, patience).map_err(io)? {
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

/// Attempts until the file is locked or has moved, or `patience` has run out.
///
/// The same descriptor throughout: to open and close the file each time would look like a release to all who wait for it.
fn wait(file: &File, path: &Path, patience: &Patience<'_>) -> io::Result<Attempt> {
    let mut outcome = attempt(file, path)?;
    if outcome == Attempt::Held && !patience.is_out() {
        let mut watch = Watch::of(path);
        // Once more before the first pause: what happened before the watch was set shows in no event.
        while {
            outcome = attempt(file, path)?;
            outcome == Attempt::Held && !patience.is_out()
        } {
            watch.pause(patience.left());
        }
    }
    Ok(outcome)
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
fn open(path: &Path, network: NetworkFs) -> Result<Option<File>, AcquireError> {
    let io = |action| move |source| AcquireError::Io { action, path: path.to_owned(), source };
    let on_network = |found| AcquireError::NetworkFs { path: path.to_owned(), found };
    let mut options = OpenOptions::new();
    // Never `truncate`: the record of the holder is in there (LOCK-2, LOCK-4).
    options.read(true).write(true).mode(0o600);
    let entry = inode::entry(path).map_err(io("look at"))?;
    match &entry {
        Some(found) => refuse_unfit(found, path)?,
        // LOCK-7: asked of the directory first, so that nothing is made where it is of no use.
        None if network == NetworkFs::Refuse => {
            let directory = File::open(path.parent().unwrap_or(path)).map_err(io("open the directory of"))?;
            filesystem::network(&directory)
                .map_err(io("look at the file system of"))?
                .map_or(Ok(()), |found| Err(on_network(found)))?;
        }
        None => {}
    }
    // `create_new` makes a file or fails; it never opens what a link leads to.
    let file = match options.create_new(entry.is_none()).open(path) {
        Ok(file) => file,
        Err(e) if entry.is_none() && e.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
        // Not for a missing directory: that one would be missing the next time too.
        Err(e) if entry.is_some() && e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(io("open")(e)),
    };
    // Once more, of what was opened: the path may have changed in between.
    refuse_unfit(&file.metadata().map_err(io("look at"))?, path)?;
    if network == NetworkFs::Refuse
        && let Some(found) = filesystem::network(&file).map_err(io("look at the file system of"))?
    {
        return Err(on_network(found));
    }
    Ok(Some(file))
}

/// LOCK-7: what cannot be a lock file, or what others could take away or forge.
fn refuse_unfit(metadata: &Metadata, path: &Path) -> Result<(), AcquireError> {
    if let Some(found) = inode::not_a_file(metadata) {
        return Err(AcquireError::NotAFile { path: path.to_owned(), found });
    }
    if inode::writable_by_all(metadata) {
        return Err(AcquireError::WritableByAll { path: path.to_owned(), owner: metadata.uid() });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
