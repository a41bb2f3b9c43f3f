//! The kernel's lock: every call to `fs2`, so that `std`'s own file locking could replace it in one edit.
//!
//! The lock is `flock(2)`. It belongs to the open file description: it goes when the last descriptor of it is closed, so
//! with the process, however that ends (LOCK-3). A second `open` of the same file is another description, also in the
//! same process.

use std::fs::File;
use std::io;

/// Takes the exclusive lock if nobody has it. `Ok(false)` only when the kernel says that somebody does; every other
/// failure is an error and means *not taken*.
pub(crate) fn try_lock(file: &File) -> io::Result<bool> {
    match fs2::FileExt::try_lock_exclusive(file) {
        Ok(()) => Ok(true),
        Err(e) if e.raw_os_error() == fs2::lock_contended_error().raw_os_error() => Ok(false),
        Err(e) => Err(e),
    }
}

/// Gives the lock up, also where a process that is being spawned at this moment still shares the description.
pub(crate) fn unlock(file: &File) -> io::Result<()> {
    fs2::FileExt::unlock(file)
}
