//! The guard: a lock that is held, its fence number, and whether it is still ours.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::inode::FileId;
use crate::patience::Patience;
use crate::record::{self, Content, Medium, Slots};
use crate::{AcquireError, AcquireOptions, Claim, Holder, RaiseError, acquire, sys};

/// A lock that this process holds.
///
/// Dropping it releases the lock and leaves the file where it is (LOCK-2). If the process ends without dropping it, the
/// kernel does the same (LOCK-3).
#[must_use = "the lock is released when this is dropped"]
#[derive(Debug)]
pub struct Lock {
    file: File,
    id: FileId,
    path: PathBuf,
    holder: Holder,
    lost: AtomicBool,
}

impl Lock {
    /// Takes the lock of `path` or says at once who has it. Never waits for the holder.
    ///
    /// The file is made if there is none, readable and writable by its owner only; its directory must exist. A relative
    /// path is resolved now, so that a later change of the working directory means nothing.
    ///
    /// # Errors
    /// [`AcquireError::Held`] when another process, or another [`Lock`] of this one, holds it. Every other error also
    /// means that nothing is held. At most the record of this attempt was written.
    ///
    /// # Durability
    /// The record with the new fence number is on disk when this returns, and so is the name of a file that was made
    /// (LOCK-5). That costs one sync of the file, and the first time one of the directory.
    pub fn acquire(path: impl AsRef<Path>, claim: &Claim) -> Result<Self, AcquireError> {
        Self::acquire_with(path, claim, &AcquireOptions::default())
    }

    /// The same, waiting for the holder as long as `options` say. Blocks the thread.
    ///
    /// The record says when the lock was taken: `claim.since` and the time waited.
    ///
    /// # Errors
    /// As [`acquire`](Lock::acquire); [`AcquireError::Held`] once the time is over.
    pub fn acquire_with(path: impl AsRef<Path>, claim: &Claim, options: &AcquireOptions) -> Result<Self, AcquireError> {
        Self::acquire_while(path.as_ref(), claim, options, &|| true)
    }

    /// The same for async callers, of any runtime: the waiting and the syncs are done by a thread of its own.
    ///
    /// # Errors
    /// As [`acquire_with`](Lock::acquire_with).
    ///
    /// # Cancel safety
    /// Nothing is held once the future was dropped, except for the moment until its thread notices: at most 50 ms. A fence
    /// number may have been used up.
    #[cfg(feature = "async")]
    pub async fn acquire_async(
        path: impl AsRef<Path>,
        claim: Claim,
        options: AcquireOptions,
    ) -> Result<Self, AcquireError> {
        let path = path.as_ref().to_owned();
        let failed = {
            let path = path.clone();
            move |source| AcquireError::Io { action: "start a thread that waits for", path, source }
        };
        let (answer, answered) = tokio::sync::oneshot::channel();
        let thread = std::thread::Builder::new().name("backstop-lock".to_owned());
        let spawned = thread.spawn(move || {
            let outcome = Self::acquire_while(&path, &claim, &options, &|| !answer.is_closed());
            // Nobody there any more: what comes back is dropped here, and the lock with it.
            drop(answer.send(outcome));
        });
        match spawned {
            Ok(_detached) => {
                let ended = || std::io::Error::other("the thread ended without an answer");
                answered.await.unwrap_or_else(|_| Err(failed(ended())))
            }
            Err(source) => Err(failed(source)),
        }
    }

    fn acquire_while(
        given: &Path,
        claim: &Claim,
        options: &AcquireOptions,
        wanted: &dyn Fn() -> bool,
    ) -> Result<Self, AcquireError> {
        let path = if given.is_absolute() { Ok(given.to_owned()) } else { std::path::absolute(given) };
        let path = path.map_err(|source| AcquireError::Io { action: "resolve", path: given.to_owned(), source })?;
        let patience = Patience::new(options.wait, wanted);
        let (file, id) = acquire::lock_file_at(&path, options.network_fs, &patience)?;
        let holder = record_acquisition(&file, &path, &claim.after(patience.spent()), || sync_directory_of(&path))?;
        Ok(Self::held(file, id, path, holder))
    }

    /// The guard of `file`, which is locked.
    pub(crate) fn held(file: File, id: FileId, path: PathBuf, holder: Holder) -> Self {
        Self { file, id, path, holder, lost: AtomicBool::new(false) }
    }

    /// The number of this acquisition: greater than that of each one before it on this file (LOCK-5). Never zero.
    ///
    /// If the file was deleted and made anew, counting began anew: see [`raise_fence_above`](Lock::raise_fence_above).
    pub fn fence(&self) -> u64 {
        self.holder.fence
    }

    /// The lock file, as an absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the path still names the file that is locked (LOCK-6). To be asked before each act that only the holder
    /// may do: `false` means that somebody else may hold the lock by now, or that this cannot be told.
    ///
    /// Once `false`, it stays so, also when the file is put back: somebody else may have acted meanwhile. One `stat`.
    #[must_use = "an instance that lost its lock must not act"]
    pub fn still_held(&self) -> bool {
        // Relaxed: the flag guards no other memory, and each thread asks the file system for itself as well.
        if self.lost.load(Ordering::Relaxed) {
            return false;
        }
        let held = acquire::is_at(&self.path, self.id).unwrap_or(false);
        if !held {
            self.lost.store(true, Ordering::Relaxed);
        }
        held
    }

    /// Makes the fence number greater than `floor`, for a caller whose own records know a greater one than the file does
    /// (it was deleted and made anew). Returns the number that holds from now on; does nothing if it is greater already.
    ///
    /// # Errors
    /// [`RaiseError`]; the lock keeps the number it had.
    ///
    /// # Durability
    /// The new number is on disk when this returns (LOCK-5), in both slots of the file: two syncs.
    pub fn raise_fence_above(&mut self, floor: u64) -> Result<u64, RaiseError> {
        if self.holder.fence > floor {
            return Ok(self.holder.fence);
        }
        if !self.still_held() {
            return Err(RaiseError::Lost { path: self.path.clone() });
        }
        let fence = floor.checked_add(1).ok_or(RaiseError::FenceSpent { floor })?;
        let raised = Holder { fence, ..self.holder.clone() };
        record_leap(&self.file, &raised).map_err(|source| RaiseError::Io { path: self.path.clone(), source })?;
        self.holder = raised;
        Ok(fence)
    }
}

impl Drop for Lock {
    /// Unlocks before the descriptor is closed: a process that another thread is spawning right now has a copy of it
    /// until it calls `exec`, and would keep the lock for that moment.
    fn drop(&mut self) {
        // Nothing to do about a failure: closing releases the lock as well. Never unlinked (LOCK-2): whoever has the old
        // file open would lock it beside whoever makes a new one.
        let _released = sys::unlock(&self.file);
    }
}

fn sync_directory_of(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(path))?.sync_all()
}

/// Writes who holds `file` now, under a fence number greater than all before it.
fn record_acquisition(
    file: &impl Medium,
    path: &Path,
    claim: &Claim,
    sync_name: impl FnOnce() -> io::Result<()>,
) -> Result<Holder, AcquireError> {
    let io = |action| move |source| AcquireError::Io { action, path: path.to_owned(), source };
    let before = Slots::read(file).map_err(io("read"))?.content();
    let fence = match &before {
        Content::Empty => {
            // LOCK-5: before the first record, not after, so that a file with a record is known to have a durable name,
            // also when its maker was killed in between.
            sync_name().map_err(io("sync the directory of"))?;
            1
        }
        Content::Records(records) => {
            records.next_fence().ok_or_else(|| AcquireError::FenceSpent { path: path.to_owned() })?
        }
        // Law 5: an unreadable record stops. Nor is somebody else's file ours to overwrite.
        Content::Foreign => {
            let length = file.length().map_err(io("read"))?;
            return Err(AcquireError::Unreadable { path: path.to_owned(), length });
        }
    };
    let holder = Holder::ours(claim, fence);
    record::write(file, before.records(), &holder).map_err(io("write the record of"))?;
    Ok(holder)
}

/// Writes a record whose number need not be the next one.
fn record_leap(file: &impl Medium, raised: &Holder) -> io::Result<()> {
    let before = Slots::read(file)?.content();
    record::write(file, before.records(), raised)
}

#[cfg(test)]
mod tests;
