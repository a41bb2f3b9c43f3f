//! A directory that only the thread of its one writer uses.

use std::io;
use std::path::Path;

use backstop_wal::{Access, AcquireError, Claim, DirStorage, Storage, StorageFile, Tenure};

/// Like the directory in it, but no segment is made aside: strace counts the calls of each thread for itself, and the n-th
/// call of the process is to be the n-th of its thread.
#[derive(Debug)]
pub(super) struct Alone(pub(super) DirStorage);

impl Storage for Alone {
    fn place(&self) -> &Path {
        self.0.place()
    }

    fn lock(&self, name: &str, claim: &Claim) -> Result<Box<dyn Tenure>, AcquireError> {
        self.0.lock(name, claim)
    }

    fn entropy(&self) -> u64 {
        self.0.entropy()
    }

    fn may_be_used_beside(&self) -> bool {
        false
    }

    fn names(&self) -> io::Result<Vec<String>> {
        self.0.names()
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn StorageFile>> {
        self.0.create(name)
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Box<dyn StorageFile>> {
        self.0.open(name, access)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.0.sync_directory()
    }
}
