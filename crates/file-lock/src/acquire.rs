//! Getting hold of the file: the locked inode is the one at the path, or nothing is held (LOCK-1).

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use crate::inode::{self, FileId};
use crate::patience::Patience;
use crate::record::Slots;
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
    let io = |source| AcquireError::Io { action: "lock", path: path.to_owned(), source };
    for _ in 0..MAX_TRIES {
        let Some((file, id)) = open(path, network)? else { continue };
        let mut outcome = attempt(&file, id, path).map_err(io)?;
        if outcome != Attempt::Held || !patience.is_out() {
            // LOCK-7: before the lock is used, or waited for. Who is refused anyway need not know.
            refuse_network(&file, path, network)?;
        }
        if outcome == Attempt::Held {
            outcome = wait(&file, id, path, patience).map_err(io)?;
        }
        match outcome {
            Attempt::Locked => return Ok((file, id)),
            Attempt::Held => {
                // LOCK-4: whatever the file holds, even if it cannot be read at all, the refusal stands.
                let holder = Slots::read(&file).ok().and_then(|slots| slots.holder());
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
fn wait(file: &File, id: FileId, path: &Path, patience: &Patience<'_>) -> io::Result<Attempt> {
    if patience.is_out() {
        return Ok(Attempt::Held);
    }
    let mut watch = Watch::of(path);
    // Once more before the first pause: what happened before the watch was set shows in no event.
    loop {
        let outcome = attempt(file, id, path)?;
        if outcome != Attempt::Held {
            return Ok(outcome);
        }
        // Who holds a file that moved keeps nobody out of the one at the path.
        if !is_at(path, id)? {
            return Ok(Attempt::Moved);
        }
        if patience.is_out() {
            return Ok(Attempt::Held);
        }
        watch.pause(patience.left());
    }
}

/// How an attempt to lock an open file ended.
#[derive(Debug, PartialEq, Eq)]
enum Attempt {
    /// It is locked, and it was at the path after it had been.
    Locked,
    /// Somebody else has it locked.
    Held,
    /// It is not at the path any more.
    Moved,
}

fn attempt(file: &File, id: FileId, path: &Path) -> io::Result<Attempt> {
    if !sys::try_lock(file)? {
        return Ok(Attempt::Held);
    }
    // LOCK-1: asked after locking. Somebody may have deleted or replaced the file since it was opened; a lock on what was
    // there before keeps nobody out.
    Ok(if is_at(path, id)? { Attempt::Locked } else { Attempt::Moved })
}

/// Whether `path` names the file `id`. A link to it does not (LOCK-7).
pub(crate) fn is_at(path: &Path, id: FileId) -> io::Result<bool> {
    Ok(FileId::at(path)? == Some(id))
}

/// The file at `path`, made where there is none; `None` when the path changed in between.
///
/// std opens every file with `O_CLOEXEC`, so a program that the holder starts does not keep the lock alive (LOCK-3).
pub(crate) fn open(path: &Path, network: NetworkFs) -> Result<Option<(File, FileId)>, AcquireError> {
    let io = |action| move |source| AcquireError::Io { action, path: path.to_owned(), source };
    let mut options = OpenOptions::new();
    // LOCK-7: no link is followed, and whatever else stands there is not waited for until it is known for what it is.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    // Never `truncate`: the record of the holder is in there (LOCK-2, LOCK-4).
    options.read(true).write(true).mode(0o600).custom_flags(flags.bits().cast_signed());
    let file = match options.open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            // LOCK-7: asked of the directory, so that nothing is made where it is of no use.
            let directory = File::open(path.parent().unwrap_or(path)).map_err(io("open the directory of"))?;
            refuse_network(&directory, path, network)?;
            // `create_new` makes a file or fails; it never opens what a link leads to.
            match options.create_new(true).open(path) {
                Ok(file) => file,
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
                Err(e) => return Err(io("make")(e)),
            }
        }
        Err(e) => {
            // A link, a directory and a socket cannot be opened like this: say so, rather than what the system says.
            let entry = inode::entry(path).map_err(io("look at"))?;
            entry.as_ref().map_or(Ok(()), |found| refuse_unfit(found, path))?;
            return Err(io("open")(e));
        }
    };
    let metadata = file.metadata().map_err(io("look at"))?;
    refuse_unfit(&metadata, path)?;
    Ok(Some((file, FileId::from(&metadata))))
}

/// LOCK-7: where another machine may reach the file and not see the lock.
fn refuse_network(file: &File, path: &Path, network: NetworkFs) -> Result<(), AcquireError> {
    if network == NetworkFs::Allow {
        return Ok(());
    }
    match filesystem::network(file) {
        Ok(None) => Ok(()),
        Ok(Some(found)) => Err(AcquireError::NetworkFs { path: path.to_owned(), found }),
        Err(source) => Err(AcquireError::Io { action: "look at the file system of", path: path.to_owned(), source }),
    }
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
