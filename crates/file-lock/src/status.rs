//! What can be said of a lock without taking it.

use std::fs::File;
use std::path::Path;

use crate::inode::{self, FileId};
use crate::proc_locks::{self, Flock, flocks};
use crate::record::Slots;
use crate::{Holder, ReadStateError, host};

/// A lock as seen from outside, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockState {
    /// Whether somebody holds it.
    pub presence: Presence,
    /// Who holds it, or held it last: the newest record that can be read.
    pub holder: Option<Holder>,
}

/// Whether somebody holds a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Somebody does.
    Held,
    /// Nobody does.
    Free,
    /// The system does not list its locks, or the holder may run where the list does not reach: on another machine, or
    /// in another container.
    CannotTell,
}

impl LockState {
    /// Looks at the lock of `path`; `None` when there is no such file. Takes no lock, writes nothing, keeps nobody out.
    ///
    /// For display. A program that wants to act takes the lock: the answer may be old when it arrives.
    ///
    /// # Errors
    /// [`ReadStateError`] when the path names no regular file or the file cannot be read.
    pub fn read(path: impl AsRef<Path>) -> Result<Option<Self>, ReadStateError> {
        let path = path.as_ref();
        let io = |source| ReadStateError::Io { path: path.to_owned(), source };
        let Some(metadata) = inode::entry(path).map_err(io)? else { return Ok(None) };
        if let Some(found) = inode::not_a_file(&metadata) {
            return Err(ReadStateError::NotAFile { path: path.to_owned(), found });
        }
        let file = File::open(path).map_err(io)?;
        let holder = Slots::read(&file).map_err(io)?.holder();
        let id = FileId::of(&file).map_err(io)?;
        let presence = match proc_locks::list() {
            Some(list) => presence(flocks(&list), id, holder.as_ref(), host::name().as_deref()),
            None => Presence::CannotTell,
        };
        Ok(Some(Self { presence, holder }))
    }
}

fn presence(list: impl Iterator<Item = Flock>, id: FileId, holder: Option<&Holder>, host: Option<&str>) -> Presence {
    let same_inode: Vec<_> = list.filter(|flock| flock.inode == id.inode).collect();
    let known_pid = holder.map(|holder| holder.pid);
    // A stacked file system shows one device to `stat` and another in the list; then the pid has to agree instead.
    let is_ours =
        |flock: &Flock| flock.device == id.device_numbers() || flock.pid.is_some_and(|pid| Some(pid) == known_pid);
    if same_inode.iter().any(is_ours) {
        return Presence::Held;
    }
    // Not in the list means free only where the list reaches: on the machine (or in the container) of the last holder.
    let list_reaches = host.is_some() && holder.is_some_and(|holder| holder.host.as_deref() == host);
    if same_inode.is_empty() && list_reaches { Presence::Free } else { Presence::CannotTell }
}

#[cfg(test)]
mod tests;
