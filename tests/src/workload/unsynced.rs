//! A directory that never syncs: the negative control of every test that takes the power away.

use std::io;
use std::path::Path;

use backstop_wal::{Access, AcquireError, Claim, DirStorage, Storage, StorageFile, Tenure};

/// Like the directory in it, but nothing is made durable, and nobody is told.
#[derive(Debug)]
pub(super) struct Unsynced(pub(super) DirStorage);

impl Storage for Unsynced {
    fn place(&self) -> &Path {
        self.0.place()
    }

    fn lock(&self, name: &str, claim: &Claim) -> Result<Box<dyn Tenure>, AcquireError> {
        self.0.lock(name, claim)
    }

    fn entropy(&self) -> u64 {
        self.0.entropy()
    }

    fn names(&self) -> io::Result<Vec<String>> {
        self.0.names()
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(UnsyncedFile(self.0.create(name)?)))
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(UnsyncedFile(self.0.open(name, access)?)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct UnsyncedFile(Box<dyn StorageFile>);

impl StorageFile for UnsyncedFile {
    fn length(&self) -> io::Result<u64> {
        self.0.length()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.0.write_at(bytes, offset)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.0.allocate(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
}
